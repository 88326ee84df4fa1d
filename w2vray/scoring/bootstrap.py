"""Intervals of accuracy and macro-F1 by the bootstrap: the rows are drawn again, with replacement, many times.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.scoring.comparing import CONFIDENCE
from w2vray.scoring.metrics import NO_LABEL, Confusion

__all__ = ["Interval", "bootstrap_many_labels", "bootstrap_one_label"]

Interval = tuple[float, float]
DRAWS = 1000
_MOST_CELLS = 1 << 22


def bootstrap_one_label(counted: Confusion, labels: int, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """Return the intervals of ``accuracy`` and ``macro_f1`` of a model that gives one label a row.

    Rows of one pair of labels are the same to both numbers, so pairs are drawn.
    """
    rows = int(counted.rows_Y.sum())
    if not rows:
        return {"accuracy": (0.0, 0.0), "macro_f1": (0.0, 0.0)}
    draws = max(100, min(draws, _MOST_CELLS // max(len(counted.rows_Y), 1)))
    random, found = np.random.default_rng(seed), []
    right_Y = (counted.true_Y == counted.predicted_Y) & (counted.true_Y != NO_LABEL)
    for drawn_Y in random.multinomial(rows, counted.rows_Y / rows, draws):
        right_C, true_C, given_C = (
            np.bincount(places_Y[chosen_Y], drawn_Y[chosen_Y], labels)
            for places_Y, chosen_Y in (
                (counted.true_Y, right_Y),
                (counted.true_Y, counted.true_Y != NO_LABEL),
                (counted.predicted_Y, counted.predicted_Y != NO_LABEL),
            )
        )
        found.append((float(right_C.sum()) / rows, _macro_f1(right_C, given_C, true_C)))
    return _intervals(np.array(found))


def bootstrap_many_labels(
    true_NC: Any, given_NC: Any, right_N: npt.NDArray[np.bool_], *, draws: int = 200, seed: int = 0
) -> dict[str, Interval]:
    """Return the intervals of ``accuracy`` and ``macro_f1`` of a model that gives any number of labels a row.

    Args:
        true_NC: sparse, 1 where a row has a label.
        given_NC: sparse, 1 where it was given.
        right_N: rows that were given exactly their labels.
        draws: how many.
        seed: of what is left to chance.
    """
    rows = len(right_N)
    random, found = np.random.default_rng(seed), []
    both_NC = true_NC.multiply(given_NC)
    for _ in range(draws):
        times_N = np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)
        right_C, given_C, true_C = (times_N @ matrix for matrix in (both_NC, given_NC, true_NC))
        found.append((float(times_N @ right_N) / rows, _macro_f1(right_C, given_C, true_C)))
    return _intervals(np.array(found))


def _macro_f1(right_C: npt.NDArray[Any], given_C: npt.NDArray[Any], true_C: npt.NDArray[Any]) -> float:
    """Return the mean F1 of the labels that are there or were given, as ``metrics`` does."""
    seen_C = (given_C + true_C) > 0
    f1_C = 2 * right_C / np.maximum(given_C + true_C, 1)
    return float(f1_C[seen_C].mean()) if seen_C.any() else 0.0


def _intervals(found: npt.NDArray[np.float64]) -> dict[str, Interval]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail], axis=0)
    return {
        name: (float(least), float(most)) for name, least, most in zip(("accuracy", "macro_f1"), low, high, strict=True)
    }
