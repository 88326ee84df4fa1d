"""How far probabilities are from what they say: the expected calibration error, and what of it is mere chance.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BINS", "calibration_error", "error_by_chance"]

BINS = 15


def calibration_error(
    confidence_N: npt.NDArray[np.floating[Any]], right_N: npt.NDArray[np.bool_], bins: int = BINS
) -> float:
    """Return the expected calibration error (Guo et al., 2017), in bins of as many rows each.

    Rows are sorted by the probability of the label that they were given; of each bin, the mean probability is compared
    with the share of rows that are right. The error is the mean of the differences over the rows.

    Args:
        confidence_N: probability of the given label.
        right_N: whether it is the true one.
        bins: how many; with fewer rows, one row each.

    Returns:
        0 to 1; 0 where there are no rows.
    """
    if not len(confidence_N):
        return 0.0
    order_N = np.argsort(confidence_N, kind="stable")
    excess_N = confidence_N[order_N].astype(np.float64) - right_N[order_N]
    parts = np.array_split(excess_N, min(bins, len(excess_N)))
    return float(sum(abs(part.sum()) for part in parts) / len(excess_N))


def error_by_chance(
    confidence_N: npt.NDArray[np.floating[Any]], *, seed: int = 0, draws: int = 200, bins: int = BINS
) -> float:
    """Return the mean error of a perfectly calibrated model with these probabilities on so many rows."""
    random = np.random.default_rng(seed)
    errors = [
        calibration_error(confidence_N, random.random(len(confidence_N)) < confidence_N, bins) for _ in range(draws)
    ]
    return float(np.mean(errors))
