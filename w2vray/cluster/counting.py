"""Answers held against true labels, batch by batch: what metrics are computed from, and which rows are right.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.scoring.answers import Scores
from w2vray.scoring.metrics import NO_LABEL, NO_ROWS, Confusion, LabelCounts, count_labels
from w2vray.store.labels import label_matrix

__all__ = ["Counts", "ManyLabels", "OneLabel"]


class OneLabel:
    """Which label was given for which; counts of several parts of a set can be added."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = pa.array(labels, pa.string())
        self.total = NO_ROWS

    @property
    def unknown_rows(self) -> int:
        """Rows of a label that the model does not know."""
        return int(self.total.rows_Y[self.total.true_Y == NO_LABEL].sum())

    def count(self, true: pa.Array, scores: Scores, rows_N: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Count a batch, and return which of its rows are right.

        Args:
            true: the labels of each row, null where it has none: such a row is not counted.
            scores: the answers to the texts that can be read.
            rows_N: the rows that those are in; a row without a text got no label.
        """
        predicted = np.full(len(true), NO_LABEL, dtype=np.int64)
        predicted[rows_N] = scores.label_N
        classes = pc.index_in(true, self.labels).fill_null(NO_LABEL).to_numpy()
        labelled_N = true.is_valid().to_numpy(zero_copy_only=False)
        self.total += Confusion.of(classes[labelled_N], predicted[labelled_N])
        right_N: npt.NDArray[np.bool_] = (classes == predicted) & (classes != NO_LABEL)
        return right_N

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them."""
        return {name: values.tolist() for name, values in vars(self.total).items()}

    def add(self, stored: Mapping[str, Any]) -> None:
        """Add what ``as_dict`` gave of another part."""
        self.total += Confusion(**{name: np.array(values, dtype=np.int64) for name, values in stored.items()})


class ManyLabels:
    """How often each label is right, given and true. ``unknown_rows`` have one that the model does not know."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.total = LabelCounts(np.zeros((3, len(self.labels)), dtype=np.int64), 0, 0, 0, 0)
        self.unknown_rows = 0

    def count(self, true: pa.Array, scores: Scores, rows_N: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Count a batch, and return which of its rows are right: see ``OneLabel.count``."""
        given_NC = np.zeros((len(true), len(self.labels)), dtype=np.bool_)
        given_NC[rows_N] = scores.given_NC()
        answered_N = np.zeros(len(true), dtype=np.bool_)
        answered_N[rows_N] = scores.label_N != NO_LABEL
        labelled_N = true.is_valid().to_numpy(zero_copy_only=False)
        true_NC, unknown_N = label_matrix(true, self.labels)
        self.total += count_labels(
            true_NC[labelled_N],
            given_NC[labelled_N],
            unknown_N=unknown_N[labelled_N],
            rows_no_evidence=int((labelled_N & ~answered_N).sum()),
        )
        self.unknown_rows += int((unknown_N > 0).sum())
        right_N: npt.NDArray[np.bool_] = (true_NC == given_NC).all(axis=1) & (unknown_N == 0)
        return right_N

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them."""
        flat = {**vars(self.total), "counts_3C": self.total.counts_3C.ravel().tolist()}
        return {**flat, "unknown_rows": self.unknown_rows}

    def add(self, stored: Mapping[str, Any]) -> None:
        """Add what ``as_dict`` gave of another part."""
        values = dict(stored)
        self.unknown_rows += values.pop("unknown_rows")
        values["counts_3C"] = np.array(values["counts_3C"], dtype=np.int64).reshape(3, len(self.labels))
        self.total += LabelCounts(**values)


Counts = OneLabel | ManyLabels
