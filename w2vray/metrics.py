"""How good a classifier is, from counts of its answers; pure functions.

Legend: C classes. ``confusion_CC1[true, predicted]`` counts rows; the last column counts those that got no label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ClassMetrics",
    "LabelCounts",
    "Metrics",
    "MultiLabelMetrics",
    "confusion",
    "count_labels",
    "metrics",
    "multi_label_metrics",
]

NO_LABEL = -1
"""Predicted class of a row that got none."""


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
    confusion_CC1: npt.NDArray[np.int64]

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON can hold them."""
        return {
            "rows": self.rows,
            "rows_no_evidence": self.rows_no_evidence,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "classes": [vars(item) for item in self.classes],
            "confusion": self.confusion_CC1.tolist(),
        }


def confusion(
    true_N: npt.NDArray[np.integer[Any]], predicted_N: npt.NDArray[np.integer[Any]], classes: int
) -> npt.NDArray[np.int64]:
    """Count rows by true and predicted class; ``NO_LABEL`` is the last column."""
    predicted = np.where(predicted_N == NO_LABEL, classes, predicted_N)
    cells = np.bincount(true_N * (classes + 1) + predicted, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1)


def metrics(confusion_CC1: npt.NDArray[np.int64], labels: Sequence[str], *, rows_unknown_label: int = 0) -> Metrics:
    """Compute accuracy, macro-F1 (the plain mean of the classes' F1, as scikit-learn's) and a row per class.

    Rows whose true label is none of ``labels`` are wrong whatever was predicted.
    """
    right_C = np.diagonal(confusion_CC1).astype(np.float64)
    true_C = confusion_CC1.sum(axis=1)
    predicted_C = confusion_CC1[:, :-1].sum(axis=0)
    precision_C = right_C / np.maximum(predicted_C, 1)
    recall_C = right_C / np.maximum(true_C, 1)
    f1_C = 2 * right_C / np.maximum(true_C + predicted_C, 1)
    seen_C = (true_C + predicted_C) > 0
    rows = int(confusion_CC1.sum()) + rows_unknown_label
    return Metrics(
        rows=rows,
        rows_no_evidence=int(confusion_CC1[:, -1].sum()),
        accuracy=float(right_C.sum() / max(rows, 1)),
        macro_f1=float(f1_C[seen_C].mean()) if seen_C.any() else 0.0,
        classes=[
            ClassMetrics(label, int(true_C[c]), float(precision_C[c]), float(recall_C[c]), float(f1_C[c]))
            for c, label in enumerate(labels)
        ],
        confusion_CC1=confusion_CC1,
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
