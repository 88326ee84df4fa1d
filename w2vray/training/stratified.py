"""Folds of the examples in which each label is as frequent as in all of them.

What a fold lacks, the others have too much of: a model that has learnt from these is drawn to just the labels that the
fold's rows do not have, and seems to know less than nothing. Of few rows, that is most of what such a model shows.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from w2vray.training.examples import Examples

__all__ = ["FOLDS", "Fold", "WithoutFold", "dealt", "folds_of"]

FOLDS = 5
"""Parts of the examples: the rows of each are scored by a model that has learnt from the other four."""

_AT_ONCE = 1 << 16
"""Examples whose labels are read at once."""


def folds_of(examples: Examples) -> npt.NDArray[np.uint8]:
    """Return the fold of each example, fold_N: the examples of each label, or set of labels, are dealt out in turn.

    The folds' sizes differ by one row at most, and so do the rows of a label, or of a set of labels, in each of them.
    """
    parts = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(examples), _AT_ONCE):
        labels = examples.labels(np.arange(start, min(start + _AT_ONCE, len(examples)))).numpy()
        parts.append(_of_sets(labels) if examples.multi_label else labels)
    return dealt(np.concatenate(parts))


def _of_sets(labels_BC: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return a number for each set of labels: seldom the same for two of them."""
    weights_C = np.random.default_rng(0).integers(1 << 62, size=labels_BC.shape[1])
    return labels_BC.astype(np.int64) @ weights_C


def dealt(groups_N: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Deal out rows to the folds in turn, one group after the other; return fold_N."""
    fold_N = np.empty(len(groups_N), dtype=np.uint8)
    fold_N[np.argsort(groups_N, kind="stable")] = np.arange(len(groups_N)) % FOLDS
    return fold_N


@dataclass(frozen=True, eq=False)
class Fold:
    """The examples of fold ``index``; ``fold_N`` tells the fold of each of a worker's share."""

    index: int
    fold_N: npt.NDArray[np.uint8]

    def member(self, start: int, rows: int) -> Tensor:
        """Return which of ``rows`` examples of the share, from ``start`` on, are of the fold: member_B."""
        return torch.from_numpy(self.fold_N[start : start + rows] == self.index)


class WithoutFold:
    """Chunks of examples and labels without those of a fold; can be gone through any number of times."""

    def __init__(self, chunks: Iterable[tuple[Tensor, Tensor]], fold: Fold) -> None:
        self.chunks, self.fold = chunks, fold

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for examples, labels in self.chunks:
            others = ~self.fold.member(start, len(examples))
            start += len(examples)
            yield examples[others], labels[others]
