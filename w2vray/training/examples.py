"""Examples to learn from: looked-up texts and their labels, in memory or mapped from example files.

A file is written once, read by memory map, and shared by all workers of a machine, so that a labelled set may be larger
than memory and nothing of it is tokenised twice.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from w2vray.models.batches import RaggedIds
from w2vray.text.lookup import overlaid
from w2vray.text.word_ngrams import NgramCounts
from w2vray.training.example_files import Part

__all__ = ["NO_EXAMPLES", "Examples", "Numbering", "joined"]

_CHUNK_IDS = 1 << 24


@dataclass(frozen=True)
class Numbering:
    """How the ids that examples are kept with become those of a model that tunes words.

    Kept ids are rows of the table, then the special row, then rows made for the part. In the model the replaced rows
    have ids of their own behind the special row, and made rows are those of a batch.
    """

    table_rows: int
    special_rows: int
    replaced_rows: npt.NDArray[np.int64]

    @property
    def made(self) -> int:
        """The first kept id of a made row."""
        return self.table_rows + self.special_rows

    def __call__(self, ids_L: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Number ids as the model does."""
        shifted_L = np.where(ids_L >= self.made, ids_L + len(self.replaced_rows), ids_L)
        return overlaid(shifted_L, self.made, self.replaced_rows)


@dataclass(frozen=True)
class Examples:
    """The examples of a training. Each has one class, or, where ``multi_label``, any number of them."""

    parts: tuple[Part, ...]
    classes: int
    multi_label: bool = False
    numbering: Numbering | None = None
    chosen_N: npt.NDArray[np.int64] | None = None  # numbers of those that there are, where it is not all of the parts

    @classmethod
    def of(
        cls, ids_L: npt.NDArray[np.int32], offsets_N1: npt.NDArray[np.int64], labels_N: npt.NDArray[Any], classes: int
    ) -> "Examples":
        """Make examples of one class each, in memory."""
        one_each_N1 = np.arange(len(labels_N) + 1)
        part = Part(ids_L, offsets_N1, labels_N.astype(np.int32), one_each_N1, np.arange(classes))
        return cls((part,), classes)

    @cached_property
    def part_starts(self) -> npt.NDArray[np.int64]:
        """Number of each part's first example; the last is the number of all."""
        return np.cumsum([0, *map(len, self.parts)])

    def __len__(self) -> int:
        return int(self.part_starts[-1]) if self.chosen_N is None else len(self.chosen_N)

    def chosen(self, rows_N: npt.NDArray[np.int64]) -> "Examples":
        """Return some of the examples, in this order; nothing is copied."""
        return replace(self, chosen_N=rows_N if self.chosen_N is None else self.chosen_N[rows_N])

    def lengths(self, rows_B: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many ids each of these examples has."""
        lengths_B = np.empty(len(rows_B), dtype=np.int64)
        for part, places, own in self._by_part(rows_B):
            lengths_B[places] = part.offsets_N1[own + 1] - part.offsets_N1[own]
        return lengths_B

    def ids(self, rows_B: npt.NDArray[np.int64]) -> RaggedIds:
        """Copy the ids of these examples, numbered, and the made rows that they use."""
        offsets_B1 = np.concatenate(([0], np.cumsum(self.lengths(rows_B))))
        made: list[npt.NDArray[np.float32]] = []
        flat = np.empty(offsets_B1[-1], dtype=np.int32)
        for part, places, own in self._by_part(rows_B):
            starts, lengths = part.offsets_N1[own], part.offsets_N1[own + 1] - part.offsets_N1[own]
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            ids = part.ids_L[np.repeat(starts, lengths) + within]
            if part.made_MD is not None and self.numbering is not None:
                own_L = ids >= self.numbering.made
                used, number_L = np.unique(ids[own_L] - self.numbering.made, return_inverse=True)
                ids[own_L] = self.numbering.made + sum(map(len, made)) + number_L
                made.append(part.made_MD[used])
            flat[np.repeat(offsets_B1[places], lengths) + within] = ids
        if self.numbering is not None:
            flat = self.numbering(flat)
        return RaggedIds(flat, offsets_B1, torch.from_numpy(np.concatenate(made)) if made else None)

    def with_vector(self, rows_B: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Tell which of these examples have a word with a vector: not one that only the special row stands for."""
        ids = self.ids(rows_B)
        numbering = self.numbering
        if numbering is None or not numbering.special_rows:
            return np.diff(ids.offsets_B1) > 0
        before = np.concatenate(([0], np.cumsum(ids.ids_L != numbering.table_rows)))
        return np.diff(before[ids.offsets_B1]) > 0

    def ngrams(self, rows_B: npt.NDArray[np.int64]) -> NgramCounts:
        """Copy the runs of words of these examples, which ascend."""
        found = []
        for part, _, own in self._by_part(rows_B):
            assert part.ngrams is not None, "they were asked for when the file was written"
            found.append(part.ngrams.of(own))
        return NgramCounts.joined(found)

    def table_rows(self, rows: int) -> npt.NDArray[np.int64]:
        """Return the rows of a table of so many that the examples use, ascending."""
        used_V = np.zeros(rows, dtype=np.bool_)
        for part in self.parts:
            for start in range(0, len(part.ids_L), _CHUNK_IDS):
                ids = part.ids_L[start : start + _CHUNK_IDS]
                used_V[ids[ids < rows]] = True
        return np.flatnonzero(used_V)

    def labels(self, rows_B: npt.NDArray[np.int64]) -> Tensor:
        """Return the class of each of these examples, labels_B; where ``multi_label``, ones and zeros, labels_BC."""
        if self.multi_label:
            labels_BC = torch.zeros(len(rows_B), self.classes)
            for part, places, own in self._by_part(rows_B):
                for place, row in zip(places, own, strict=True):
                    start, stop = part.label_offsets_N1[row], part.label_offsets_N1[row + 1]
                    of_model = part.classes[part.labels_Y[start:stop]]
                    labels_BC[place, of_model[of_model >= 0]] = 1.0
            return labels_BC
        labels_B = np.empty(len(rows_B), dtype=np.int64)
        for part, places, own in self._by_part(rows_B):
            labels_B[places] = part.classes[part.labels_Y[part.label_offsets_N1[own]]]
        return torch.from_numpy(labels_B)

    def _by_part(
        self, rows_B: npt.NDArray[np.int64]
    ) -> Iterable[tuple[Part, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Yield each part that is asked of, where in the batch its examples stand, and their numbers in the part."""
        if self.chosen_N is not None:
            rows_B = self.chosen_N[rows_B]
        if len(self.parts) == 1:
            yield self.parts[0], np.arange(len(rows_B)), rows_B
            return
        of_part_B = np.searchsorted(self.part_starts, rows_B, side="right") - 1
        for index in np.unique(of_part_B):
            places = np.flatnonzero(of_part_B == index)
            yield self.parts[index], places, rows_B[places] - self.part_starts[index]


NO_EXAMPLES = Examples((), 0)


def joined(first: Examples, second: Examples) -> Examples:
    """Return the examples of both, the first's first."""
    return replace(first, parts=first.parts + second.parts)
