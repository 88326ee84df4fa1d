"""A share estimated from a sample of rows, with an interval that holds for small samples and for unequal chances.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.scoring.comparing import CONFIDENCE

__all__ = ["Share", "exact_interval", "share_of_sample"]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share, the rows that it was estimated from, and an interval that holds it with 95 % confidence."""

    rows: int
    share: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @property
    def spelled(self) -> str:
        """The share as a person reads it: ``91.2% (86.3% to 94.8%)``."""
        return f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%})"


def exact_interval(right: float, rows: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of a share; numbers of rows need not be whole.

    Example:
        >>> [round(end, 3) for end in exact_interval(9, 10)]
        [0.555, 0.997]
    """
    from scipy.stats import beta  # noqa: PLC0415 - it takes half a second

    if rows <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, right, rows - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, rows - right)) if right < rows else 1.0
    return low, high


def share_of_sample(
    right_N: npt.NDArray[np.bool_], weights_N: npt.NDArray[np.float64], strata_N: npt.NDArray[np.int64]
) -> Share | None:
    """Estimate a share from a stratified sample: None where there are no rows.

    The interval is Clopper and Pearson's, of as many rows as a sample of equal chances would need to be as exact (Korn
    and Graubard, 1998). That number is the smaller one of two: by the variance within the strata, and by the weights
    alone (Kish), which holds where the rows at hand are all right or all wrong.

    Args:
        right_N: which rows count.
        weights_N: how many rows of the whole each one stands for.
        strata_N: which part of the whole each one was drawn from; within a part, all have the same chance.
    """
    rows = len(right_N)
    if not rows:
        return None
    total = weights_N.sum()
    share = min(max(float((weights_N * right_N).sum() / total), 0.0), 1.0)
    effective = min(float(rows), float(total**2 / (weights_N**2).sum()))
    if (variance := _variance(right_N - np.float64(share), weights_N / total, strata_N)) > 0:
        effective = min(effective, share * (1 - share) / variance * rows / (rows - 1))
    low, high = exact_interval(share * effective, effective)
    return Share(rows=rows, share=share, low=min(low, share), high=max(high, share))


def _variance(
    residuals_N: npt.NDArray[np.floating[Any]], weights_N: npt.NDArray[np.float64], strata_N: npt.NDArray[np.int64]
) -> float:
    """Return the variance of a weighted mean; a part with one row tells none of its own."""
    _, places_N, counts = np.unique(strata_N, return_inverse=True, return_counts=True)
    shares_N = residuals_N * weights_N
    means = np.bincount(places_N, shares_N) / counts
    squares = np.bincount(places_N, (shares_N - means[places_N]) ** 2)
    return float((squares * counts / np.maximum(counts - 1, 1)).sum())
