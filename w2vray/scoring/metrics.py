"""How good a classifier is, from counts of its answers; pure functions.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "NO_LABEL",
    "NO_ROWS",
    "ClassMetrics",
    "Confusion",
    "LabelCounts",
    "Metrics",
    "MultiLabelMetrics",
    "count_labels",
    "metrics",
    "multi_label_metrics",
]

NO_LABEL = -1
"""Predicted class of a row that got none."""


@dataclass(frozen=True)
class Confusion:
    """How many rows of each class were given which: the pairs that there are, by class, ``NO_LABEL`` first.

    That is the true class of a row whose label the model does not know, and is given to one without a known word.
    """

    true_Y: npt.NDArray[np.int64]
    predicted_Y: npt.NDArray[np.int64]
    rows_Y: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        true_N: npt.NDArray[np.integer[Any]],
        predicted_N: npt.NDArray[np.integer[Any]],
        rows_N: npt.NDArray[np.integer[Any]] | None = None,
    ) -> "Confusion":
        """Count pairs; where ``rows_N`` is given, each counts as so many."""
        pairs_N = (np.asarray(true_N, dtype=np.int64) << 32) + np.asarray(predicted_N, dtype=np.int64) - NO_LABEL
        pairs_Y, place_N, rows_Y = np.unique(pairs_N, return_inverse=True, return_counts=True)
        if rows_N is not None:
            rows_Y = np.zeros(len(pairs_Y), dtype=np.int64)
            np.add.at(rows_Y, place_N, rows_N)
        return cls(pairs_Y >> 32, (pairs_Y & 0xFFFFFFFF) + NO_LABEL, rows_Y)

    def __add__(self, other: "Confusion") -> "Confusion":
        pairs = zip(
            (self.true_Y, self.predicted_Y, self.rows_Y), (other.true_Y, other.predicted_Y, other.rows_Y), strict=True
        )
        return Confusion.of(*map(np.concatenate, pairs))


NO_ROWS = Confusion.of(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class ClassMetrics:
    """One class: how many rows it has, and how well they are found."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Metrics:
    """A classifier on a labelled set. A row that got no label counts as wrong."""

    rows: int
    rows_no_evidence: int
    accuracy: float
    macro_f1: float
    classes: list[ClassMetrics]
    confusion: Confusion

    @property
    def largest_share(self) -> float:
        """Share of the rows that have the commonest label: the accuracy of whoever always answers with it."""
        return max((item.rows for item in self.classes), default=0) / self.rows if self.rows else 0.0

    def pairs(self) -> list[tuple[str | None, str | None, int]]:
        """Return each pair of a true and a given label that there is, with its rows; None for no label."""
        labels = [item.label for item in self.classes]
        counted = self.confusion

        def named(place: int) -> str | None:
            return None if place == NO_LABEL else labels[place]

        pairs = zip(counted.true_Y.tolist(), counted.predicted_Y.tolist(), counted.rows_Y.tolist(), strict=True)
        return [(named(true), named(given), rows) for true, given, rows in pairs]

    def confusions(self, most: int) -> list[tuple[str | None, str | None, int]]:
        """Return the commonest pairs of a true label and another that was given."""
        wrong = [pair for pair in self.pairs() if pair[0] != pair[1]]
        return sorted(wrong, key=lambda pair: -pair[2])[:most]

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON can hold them: of the confusion, each pair of labels that there is."""
        return {
            "rows": self.rows,
            "rows_no_evidence": self.rows_no_evidence,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "largest_class_share": self.largest_share,
            "classes": [vars(item) for item in self.classes],
            "confusion": [{"label": true, "predicted": given, "rows": rows} for true, given, rows in self.pairs()],
        }


def metrics(counted: Confusion, labels: Sequence[str]) -> Metrics:
    """Compute accuracy, macro-F1 (the plain mean of the classes' F1, as scikit-learn's) and a row per class.

    A row whose true label is none of ``labels`` is wrong whatever was predicted, also for the precision of that.
    """

    def of_classes(classes_Y: npt.NDArray[np.int64], counts_Y: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.bincount(classes_Y[counts_Y], counted.rows_Y[counts_Y], len(labels)).astype(np.int64)

    known_Y, answered_Y = counted.true_Y != NO_LABEL, counted.predicted_Y != NO_LABEL
    right_C = of_classes(counted.true_Y, known_Y & (counted.true_Y == counted.predicted_Y)).astype(np.float64)
    true_C = of_classes(counted.true_Y, known_Y)
    predicted_C = of_classes(counted.predicted_Y, answered_Y)
    precision_C = right_C / np.maximum(predicted_C, 1)
    recall_C = right_C / np.maximum(true_C, 1)
    f1_C = 2 * right_C / np.maximum(true_C + predicted_C, 1)
    seen_C = (true_C + predicted_C) > 0
    rows = int(counted.rows_Y.sum())
    return Metrics(
        rows=rows,
        rows_no_evidence=int(counted.rows_Y[~answered_Y].sum()),
        accuracy=float(right_C.sum() / max(rows, 1)),
        macro_f1=float(f1_C[seen_C].mean()) if seen_C.any() else 0.0,
        classes=[
            ClassMetrics(label, int(true_C[c]), float(precision_C[c]), float(recall_C[c]), float(f1_C[c]))
            for c, label in enumerate(labels)
        ],
        confusion=counted,
    )


@dataclass(frozen=True)
class MultiLabelMetrics:
    """A multi-label classifier on a labelled set. ``accuracy`` is the share of rows with exactly the right labels.

    A row that got no answer counts as one that got no label.
    """

    rows: int
    rows_no_evidence: int
    accuracy: float
    micro_f1: float
    macro_f1: float
    classes: list[ClassMetrics]

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON can hold them."""
        return {**vars(self), "classes": [vars(item) for item in self.classes]}


@dataclass(frozen=True)
class LabelCounts:
    """What is counted of a multi-label classifier's answers; counts of several parts of a set can be added."""

    counts_3C: npt.NDArray[np.int64]  # labels that are right, given, true
    rows: int
    rows_right: int  # exactly the true labels
    rows_no_evidence: int
    labels_unknown: int  # true labels that the model does not know: never right

    def __add__(self, other: "LabelCounts") -> "LabelCounts":
        return LabelCounts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def count_labels(
    true_NC: npt.NDArray[np.bool_],
    given_NC: npt.NDArray[np.bool_],
    *,
    unknown_N: npt.NDArray[np.int64],
    rows_no_evidence: int,
) -> LabelCounts:
    """Count answers; ``unknown_N`` says how many more true labels each row has, which the model does not know."""
    right_N = (true_NC == given_NC).all(axis=1) & (unknown_N == 0)
    counts = np.stack([(true_NC & given_NC).sum(axis=0), given_NC.sum(axis=0), true_NC.sum(axis=0)])
    return LabelCounts(counts, len(true_NC), int(right_N.sum()), rows_no_evidence, int(unknown_N.sum()))


def multi_label_metrics(counted: LabelCounts, labels: Sequence[str]) -> MultiLabelMetrics:
    """Compute subset accuracy, micro-F1 over all labels, macro-F1 (the plain mean of the labels' F1) and each label."""
    right_C, given_C, true_C = counted.counts_3C.astype(np.float64)
    f1_C = 2 * right_C / np.maximum(given_C + true_C, 1)
    seen_C = (given_C + true_C) > 0
    total = given_C.sum() + true_C.sum() + counted.labels_unknown
    return MultiLabelMetrics(
        rows=counted.rows,
        rows_no_evidence=counted.rows_no_evidence,
        accuracy=counted.rows_right / max(counted.rows, 1),
        micro_f1=float(2 * right_C.sum() / max(total, 1)),
        macro_f1=float(f1_C[seen_C].mean()) if seen_C.any() else 0.0,
        classes=[
            ClassMetrics(
                label,
                int(true_C[c]),
                float(right_C[c] / max(given_C[c], 1)),
                float(right_C[c] / max(true_C[c], 1)),
                float(f1_C[c]),
            )
            for c, label in enumerate(labels)
        ],
    )
