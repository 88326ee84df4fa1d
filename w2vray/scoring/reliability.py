"""How far probabilities can be trusted: by bins, and as a threshold that buys precision with coverage.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.scoring.calibration_error import BINS
from w2vray.scoring.proportions import exact_interval

__all__ = ["Bin", "Tradeoff", "binned", "precision_curve", "reliability", "thresholds"]

TARGETS = (0.9, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Some rows that are alike: the mean of what they are sorted by, and how many of them are right."""

    least: float
    most: float
    mean: float
    rows: int
    right: int
    low: float  # of the share that is right, with 95 % confidence
    high: float

    @property
    def share(self) -> float:
        """The share of its rows that are right."""
        return self.right / max(self.rows, 1)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def reliability(
    confidence_N: npt.NDArray[np.floating[Any]], right_N: npt.NDArray[np.bool_], bins: int = BINS
) -> list[Bin]:
    """Return bins of as many rows each, by the probability of the label that they were given."""
    return binned(confidence_N, right_N, bins)


def binned(values_N: npt.NDArray[Any], right_N: npt.NDArray[np.bool_], bins: int) -> list[Bin]:
    """Return at most so many bins of about as many rows each, in order of a value; equal values stay together."""
    if not len(values_N):
        return []
    order_N = np.argsort(values_N, kind="stable")
    values_N, right_N = values_N[order_N].astype(np.float64), right_N[order_N]
    cuts = np.linspace(0, len(values_N), min(bins, len(values_N)) + 1).round().astype(int)
    starts = np.unique(np.searchsorted(values_N, values_N[cuts[:-1]])).tolist()
    made = []
    for start, stop in zip(starts, [*starts[1:], len(values_N)], strict=True):
        rows, right = int(stop - start), int(right_N[start:stop].sum())
        low, high = exact_interval(right, rows)
        part = values_N[start:stop]
        made.append(
            Bin(
                least=float(part[0]),
                most=float(part[-1]),
                mean=float(part.mean()),
                rows=rows,
                right=right,
                low=low,
                high=high,
            )
        )
    return made


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """A threshold: which share of rows has at least that score, and which share of those is right."""

    threshold: float
    coverage: float
    precision: float
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def precision_curve(confidence_N: npt.NDArray[np.floating[Any]], right_N: npt.NDArray[np.bool_]) -> list[Tradeoff]:
    """Return what each score that there is gives as a threshold, the highest first."""
    order_N = np.argsort(-confidence_N, kind="stable")
    confidence_N, right_N = confidence_N[order_N], right_N[order_N]
    last = np.flatnonzero(np.diff(confidence_N, append=-1.0))
    right = np.cumsum(right_N)[last]
    return [
        Tradeoff(
            threshold=float(confidence_N[place]),
            coverage=(place + 1) / len(confidence_N),
            precision=float(count / (place + 1)),
            rows=int(place + 1),
        )
        for place, count in zip(last.tolist(), right.tolist(), strict=True)
    ]


def thresholds(curve: Sequence[Tradeoff], targets: Sequence[float] = TARGETS) -> dict[float, Tradeoff | None]:
    """Return, for each precision that is wanted, the threshold that leaves most rows; None where none is enough."""
    return {
        target: max((point for point in curve if point.precision >= target), key=lambda point: point.rows, default=None)
        for target in targets
    }
