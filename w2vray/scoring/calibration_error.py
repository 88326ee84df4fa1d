"""How far probabilities are from what they say: the expected calibration error, and what of it is mere chance.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["BINS", "CalibrationError", "calibration_error", "error_by_chance"]

BINS = 15

DRAWS = 200
_MOST_DRAWN = 1 << 21
"""Numbers that the draws of one simulation have together: of more rows, there are fewer draws."""

Probabilities = npt.NDArray[np.floating[Any]]


def calibration_error(confidence_N: Probabilities, right_N: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the expected calibration error (Guo et al., 2017), in bins of as many rows each.

    Rows are sorted by the probability of the label that they were given; of each bin, the mean probability is compared
    with the share of rows that are right. The error is the mean of the differences over the rows. Rows of one
    probability share what is right of them, so that the order of the rows does not matter.

    Args:
        confidence_N: probability of the given label.
        right_N: whether it is the true one.
        bins: how many; with fewer rows, one row each.

    Returns:
        0 to 1; 0 where there are no rows.
    """
    if not len(confidence_N):
        return 0.0
    made = _Bins.of(confidence_N, bins)
    return made.error(right_N[made.order_N])


def error_by_chance(confidence_N: Probabilities, *, seed: int = 0, draws: int = DRAWS, bins: int = BINS) -> float:
    """Return the mean error of a perfectly calibrated model with these probabilities on so many rows, by simulation."""
    if not len(confidence_N):
        return 0.0
    random, made = np.random.default_rng(seed), _Bins.of(confidence_N, bins)
    draws = min(draws, max(10, _MOST_DRAWN // len(confidence_N)))
    sorted_N = made.sorted_N  # in their order, so that the one in which they came does not matter
    return float(np.mean([made.error(random.random(len(sorted_N)) < sorted_N) for _ in range(draws)]))


@dataclass(frozen=True)
class _Bins:
    """Rows in the order of their probabilities, and where bins begin."""

    order_N: npt.NDArray[np.int64]
    sorted_N: npt.NDArray[np.float64]
    group_N: npt.NDArray[np.int64]  # of the sorted rows: which distinct probability they have
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, confidence_N: Probabilities, bins: int) -> Self:
        """Sort the rows once, for any number of ways that they may be right."""
        order_N = np.argsort(confidence_N, kind="stable")
        sorted_N = confidence_N[order_N].astype(np.float64)
        group_N = np.concatenate(([0], np.cumsum(np.diff(sorted_N) > 0)))
        sizes = [len(part) for part in np.array_split(order_N, min(bins, len(order_N)))]
        return cls(order_N, sorted_N, group_N, np.cumsum([0, *sizes[:-1]]))

    def error(self, right_N: npt.NDArray[np.bool_]) -> float:
        """Return the error where these of the sorted rows are right."""
        rows_of_group, right_of_group = np.bincount(self.group_N), np.bincount(self.group_N, right_N)
        share_N = (right_of_group / rows_of_group)[self.group_N]
        return float(np.abs(np.add.reduceat(self.sorted_N - share_N, self.starts)).sum() / len(self.order_N))


@dataclass(frozen=True, kw_only=True)
class CalibrationError:
    """How far the probabilities of some answers are from what they say; of many labels, the mean of each label's."""

    error: float
    by_chance: float  # of a perfectly calibrated model on so many rows
    rows: int  # that got an answer
    bins: int = BINS

    @classmethod
    def of(cls, confidence: Probabilities, right: npt.NDArray[np.bool_]) -> Self | None:
        """Measure answers: confidence_N and right_N, or of many labels confidence_NC and right_NC.

        Returns:
            None where there are no rows.
        """
        if not len(confidence):
            return None
        of_labels = (confidence[:, None], right[:, None]) if confidence.ndim == 1 else (confidence, right)
        columns = list(zip(*(values.T for values in of_labels), strict=True))
        errors = [calibration_error(*column) for column in columns]
        by_chance = [error_by_chance(column[0], draws=max(10, DRAWS // len(columns))) for column in columns]
        return cls(error=float(np.mean(errors)), by_chance=float(np.mean(by_chance)), rows=len(confidence))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)
