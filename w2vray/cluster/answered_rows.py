"""Answers to labelled rows, as a calibration error is measured on: how sure each was, and whether it was right.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors.numpy import load, save

from w2vray.scoring.answers import Scores
from w2vray.scoring.calibration_error import CalibrationError
from w2vray.scoring.metrics import NO_LABEL
from w2vray.store.labels import label_matrix
from w2vray.text.keys import ALL_KEYS

__all__ = ["MOST_NUMBERS", "AnsweredRows", "answered_rows", "as_bytes", "from_bytes"]

MOST_NUMBERS = 1 << 20
"""Probabilities that are kept: of more, those of the texts whose keys are below a limit, which is an even sample."""


class AnsweredRows:
    """The answers of one model: ``sure`` and ``right`` of each row, or of each row and label."""

    def __init__(self, labels: int | None) -> None:
        """Begin without any; ``labels`` is their number where each is a question of its own, else None."""
        self.keys_N = np.empty(0, dtype=np.uint64)
        self.sure = np.empty((0,) if labels is None else (0, labels), dtype=np.float32)
        self.right = np.empty(self.sure.shape, dtype=np.bool_)
        self.up_to = ALL_KEYS

    def add(self, keys_N: npt.NDArray[np.uint64], sure: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> None:
        """Add rows; where there are too many, the limit is halved."""
        self.keys_N = np.concatenate([self.keys_N, keys_N])
        self.sure, self.right = np.concatenate([self.sure, sure]), np.concatenate([self.right, right])
        self._keep(self.up_to)
        while self.sure.size > MOST_NUMBERS:
            self._keep(self.up_to >> 1)

    def add_all(self, keys_N: npt.NDArray[np.uint64], up_to: int, *answers: npt.NDArray[Any]) -> None:
        """Add the rows of another part, whose limit may be lower."""
        self.up_to = min(self.up_to, up_to)
        self.add(keys_N, *answers)

    def _keep(self, up_to: int) -> None:
        self.up_to = up_to
        kept_N = self.keys_N <= np.uint64(up_to)
        self.keys_N, self.sure, self.right = self.keys_N[kept_N], self.sure[kept_N], self.right[kept_N]

    def calibration(self) -> CalibrationError | None:
        """Measure how far the probabilities are from what they say; None where no row got an answer."""
        return CalibrationError.of(self.sure, self.right)


def answered_rows(
    into: AnsweredRows,
    scores: Scores,
    *,
    rows_N: npt.NDArray[np.int64],
    keys_N: npt.NDArray[np.uint64],
    true: pa.Array,
    right_N: npt.NDArray[np.bool_],
) -> None:
    """Add the answers to a batch.

    Args:
        into: takes them.
        scores: the answers to the texts that can be read.
        rows_N: the rows that those are in.
        keys_N: the keys of those texts.
        true: the labels of each row, null where it has none: such a row is left out.
        right_N: which rows are right.
    """
    labelled_N = true.is_valid().to_numpy(zero_copy_only=False)
    taken_N = labelled_N[rows_N] & (scores.label_N != NO_LABEL)
    if scores.multi_label:
        true_NC, _ = label_matrix(true, scores.labels)
        into.add(keys_N[taken_N], scores.probabilities_NC[taken_N], true_NC[rows_N[taken_N]])
    else:
        sure_N = scores.probabilities_NC[taken_N].max(axis=1, initial=0.0)
        into.add(keys_N[taken_N], sure_N, right_N[rows_N[taken_N]])


def as_bytes(of_models: Sequence[AnsweredRows]) -> bytes:
    """Return the answers of several models as bytes, in which they go from a worker to who measures."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for place, rows in enumerate(of_models):
        arrays |= {f"{place} keys": rows.keys_N, f"{place} sure": rows.sure, f"{place} right": rows.right}
        arrays[f"{place} up to"] = np.array([rows.up_to], dtype=np.uint64)
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def from_bytes(into: Sequence[AnsweredRows], data: bytes) -> None:
    """Add to the answers of several models what ``as_bytes`` gave of a unit."""
    arrays = load(data)
    for place, rows in enumerate(into):
        keys_N, up_to, sure, right = (arrays[f"{place} {name}"] for name in ("keys", "up to", "sure", "right"))
        rows.add_all(keys_N, int(up_to[0]), sure, right)
