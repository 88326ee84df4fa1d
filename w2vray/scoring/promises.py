"""Thresholds for a wanted precision, by rows that the model did not learn from, and what may be promised of them.

Of N rows that reach a threshold, K are right. Clopper and Pearson's lower bound of their precision is a test: it lies
above P where so few errors would come by chance less often than 1 - confidence, were the precision P. Several
thresholds are looked at, so the tests go in a fixed order, from the strictest threshold down, and end at the first that
fails: then all of them together are wrong no more often than one (fixed-sequence testing; Angelopoulos et al., "Learn
then Test", 2021). The first one keeps several times the rows that a promise needs at the least, so that a single error
among the surest rows does not end it.

Shape letters: CONTRIBUTING.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from w2vray.errors import CorpusError
from w2vray.models.thresholds import Thresholds

__all__ = ["Found", "choose_thresholds", "fewest_rows", "find_threshold", "lowest_threshold"]

STEPS = 200
"""Thresholds that are looked at, at most."""

_START = 4
"""Times the fewest rows that the strictest threshold keeps."""

_DIGITS = 6
_NAMED = 5


def fewest_rows(precision: float, confidence: float) -> int:
    """Return how many rows promise a precision, if every one of them is right."""
    return math.ceil(math.log(1 - confidence) / math.log(precision))


@dataclass(frozen=True)
class Found:
    """A threshold, or None; ``rows_needed`` says about how many rows would suffice, None where no number would."""

    threshold: float | None
    rows_needed: int | None = None


def find_threshold(
    sure_N: npt.NDArray[np.floating[Any]],
    right_N: npt.NDArray[np.bool_],
    precision: float,
    confidence: float,
    *,
    of_rows: int | None = None,
) -> Found:
    """Find the lowest threshold that keeps a promise, as far down as a fixed sequence of tests goes.

    Args:
        sure_N: probabilities of answers.
        right_N: which answers are right.
        precision: what is promised of the answers that reach the threshold.
        confidence: with which it is promised.
        of_rows: how many rows these answers are of, where they are those of one label.
    """
    threshold = lowest_threshold(sure_N, right_N, precision, confidence)
    if threshold is not None:
        return Found(threshold)
    wrong_N = np.cumsum(~right_N[np.argsort(-sure_N, kind="stable")], dtype=np.int64)
    return Found(None, _rows_needed(wrong_N, precision, confidence, of_rows or len(sure_N)))


def lowest_threshold(
    sure_N: npt.NDArray[np.floating[Any]], right_N: npt.NDArray[np.bool_], precision: float, confidence: float
) -> float | None:
    """Return the lowest threshold that keeps a promise, None where none does: see ``find_threshold``."""
    order_N = np.argsort(-sure_N, kind="stable")
    down_N = sure_N[order_N].astype(np.float32)
    wrong_N = np.cumsum(~right_N[order_N], dtype=np.int64)
    least = fewest_rows(precision, confidence)
    first = max(least, min(_START * least, len(down_N) // 2))
    ranks = np.unique(np.linspace(first, len(down_N), STEPS).astype(np.int64)) if first <= len(down_N) else _NONE
    values = np.floor(down_N[ranks - 1].astype(np.float64) * 10**_DIGITS) / 10**_DIGITS
    kept = np.searchsorted(-down_N, -values.astype(np.float32), side="right")  # rows as sure as the last are kept too
    passed = binom.cdf(wrong_N[kept - 1], kept, 1 - precision) <= 1 - confidence
    count = len(passed) if passed.all() else int(passed.argmin())
    return float(values[count - 1]) if count else None


_NONE = np.empty(0, dtype=np.int64)


def _rows_needed(wrong_N: npt.NDArray[np.int64], precision: float, confidence: float, rows: int) -> int | None:
    """Estimate how many rows would have sufficed, if as large a share of them were right as of the surest here."""
    kept = np.unique(np.linspace(min(_START, len(wrong_N)), len(wrong_N), STEPS).astype(np.int64))
    if not len(wrong_N):
        return None
    needed = []
    for count in kept.tolist():
        share_wrong = float(wrong_N[count - 1]) / count
        if share_wrong < 1 - precision and (least := _kept_needed(share_wrong, precision, confidence)):
            needed.append(math.ceil(least * rows / count))
    return min(needed, default=None)


def _kept_needed(share_wrong: float, precision: float, confidence: float) -> int | None:
    """Return how many kept rows would show a precision, if this share of them were wrong; None beyond any hope."""
    kept = np.unique(np.geomspace(fewest_rows(precision, confidence), 1e7, 400).astype(np.int64))
    shown = binom.cdf(np.ceil(kept * share_wrong), kept, 1 - precision) <= 1 - confidence
    return int(kept[shown.argmax()]) if shown.any() else None


def choose_thresholds(
    probabilities_NC: npt.NDArray[np.float32],
    true: npt.NDArray[np.integer[Any]],
    labels: Sequence[str],
    *,
    precision: float,
    confidence: float,
    per_label: bool,
) -> Thresholds:
    """Choose one threshold for all labels, or one for each; with several labels per row it is always one for each.

    Args:
        probabilities_NC: of the rows that have an answer.
        true: labels_N, -1 for one that the model does not know; or ones and zeros labels_NC.
        labels: their names.
        precision: what is promised.
        confidence: with which.
        per_label: whether it is promised of each label by itself.

    Raises:
        CorpusError: the rows do not suffice for any promise; the message says how many would.
    """
    rows, classes = probabilities_NC.shape
    multi_label = true.ndim == 2
    if multi_label:
        asked_C = [(probabilities_NC[:, c], true[:, c] > 0) for c in range(classes)]
    else:
        sure_N, given_N = probabilities_NC.max(axis=1), probabilities_NC.argmax(axis=1)
        chosen = [given_N == c for c in range(classes)] if per_label else [np.ones(rows, dtype=np.bool_)]
        asked_C = [(sure_N[chosen_N], given_N[chosen_N] == true[chosen_N]) for chosen_N in chosen]
    found = [find_threshold(*asked, precision, confidence, of_rows=rows) for asked in asked_C]
    if all(item.threshold is None for item in found):
        raise CorpusError(_refused(found, labels, rows, precision, confidence))
    made = Thresholds(
        values=tuple(item.threshold for item in found), precision=precision, confidence=confidence, kept=0.0, rows=rows
    )
    reached_NC = probabilities_NC >= np.array(made.limits, dtype=np.float32)
    kept_N = reached_NC.any(axis=1) if multi_label else reached_NC[np.arange(rows), probabilities_NC.argmax(axis=1)]
    return replace(made, kept=round(float(kept_N.mean()), 6))


def _more(needed: int, rows: int) -> int:
    """Return how many rows to ask for: where their number is enough, chance among the surest ones was against it."""
    return needed if needed > rows else 2 * rows


def _refused(found: Sequence[Found], labels: Sequence[str], rows: int, precision: float, confidence: float) -> str:
    """Say that nothing can be promised, and what would help."""
    wanted = f"--target-precision {precision} with {confidence} confidence"
    if len(found) == 1:
        (only,) = found
        if only.rows_needed is None:
            return (
                f"{wanted}: nothing can be promised, because no threshold reaches it on these {rows:,} rows, however "
                "many they were; lower --target-precision, or train a better model"
            )
        return (
            f"{wanted}: {rows:,} rows are too few for this promise; about {_more(only.rows_needed, rows):,} would do. "
            "Give more rows, or lower --target-precision or --confidence"
        )
    hopeful = {label: item.rows_needed for label, item in zip(labels, found, strict=True) if item.rows_needed}
    nearest = sorted(hopeful.items(), key=lambda item: item[1])[:_NAMED]
    needed = ", ".join(f"{label!r} about {_more(number, rows):,}" for label, number in nearest)
    return (
        f"{wanted}: {rows:,} rows are too few for this promise, for any label; "
        + (
            f"rows that would: {needed}. Give more rows"
            if needed
            else "no label reaches it, however many rows there are"
        )
        + ", or lower --target-precision or --confidence"
    )
