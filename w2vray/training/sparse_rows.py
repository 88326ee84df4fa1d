"""Sparse rows of more numbers than memory should hold: they lie in files then, which are mapped and have no name.

Shape letters: CONTRIBUTING.md.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

__all__ = ["SparseRoom", "stretches"]

_IN_MEMORY = 1 << 24
"""Numbers that are kept in memory; with the rows by columns, and their places, they take a quarter of a GB."""

_AT_ONCE = 1 << 22
"""Numbers that are copied at once."""


@dataclass(frozen=True)
class SparseRoom:
    """Where sparse rows lie: in memory, or, where they are many, in files of a folder; always there without one."""

    folder: Path | None = None

    def joined(self, parts: Iterable[csr_array], columns: int) -> csr_array:
        """Put rows one below another; no more of them than a part are in memory at once."""
        data, indices = _Numbers(self.folder, np.float32), _Numbers(self.folder, np.int32)
        lengths = [np.zeros(1, dtype=np.int64)]
        for part in parts:
            data.append(part.data)
            indices.append(part.indices)
            lengths.append(np.diff(part.indptr))
        indptr = np.cumsum(np.concatenate(lengths))
        if indptr[-1] <= np.iinfo(np.int32).max:  # otherwise scipy copies the indices
            indptr = indptr.astype(np.int32)
        return csr_array((data.whole(), indices.whole(), indptr), shape=(len(indptr) - 1, columns))

    def by_columns(self, rows: csr_array, *, of: int) -> csr_array:
        """Return the transpose of rows; ``of`` counts the numbers of all the rows that they are a part of."""
        columns = csr_array(rows.T.tocsr())
        if self.folder is None or of <= _IN_MEMORY:
            return columns
        mapped = [_mapped(array, self.folder) for array in (columns.data, columns.indices, columns.indptr)]
        return csr_array(tuple(mapped), shape=columns.shape)


def stretches(rows: csr_array, chosen_N: npt.NDArray[np.int64] | None = None) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the numbers of some rows, or of all, as many of them at once as may be copied."""
    lengths_N = np.diff(rows.indptr)
    chosen_N = np.arange(len(lengths_N)) if chosen_N is None else chosen_N
    ends_N = np.cumsum(lengths_N[chosen_N])
    start = 0
    while start < len(chosen_N):
        before = ends_N[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends_N, before + _AT_ONCE, side="right")), start + 1)
        yield chosen_N[start:stop]
        start = stop


class _Numbers:
    """Numbers that grow: in memory as long as they are few, then in a file."""

    def __init__(self, folder: Path | None, kind: type) -> None:
        self._folder, self._kind = folder, kind
        self._parts: list[npt.NDArray[Any]] = []
        self._count = 0
        self._file: Any = None

    def append(self, numbers: npt.NDArray[Any]) -> None:
        """Put numbers behind the others."""
        self._parts.append(numbers.astype(self._kind, copy=False))
        self._count += len(numbers)
        if self._folder is not None and (self._file or self._count > _IN_MEMORY):
            self._file = self._file or tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it is mapped
            for part in self._parts:
                np.ascontiguousarray(part).tofile(self._file)
            self._parts = []

    def whole(self) -> npt.NDArray[Any]:
        """Return all of them."""
        if self._file is None:
            return np.concatenate([np.empty(0, dtype=self._kind), *self._parts])
        with self._file as file:
            file.flush()
            return np.memmap(file, dtype=self._kind, mode="r+", shape=(self._count,))


def _mapped(array: npt.NDArray[Any], folder: Path) -> npt.NDArray[Any]:
    if not len(array):
        return array
    with tempfile.TemporaryFile(dir=folder) as file:  # it goes with the last use of the mapping
        np.ascontiguousarray(array).tofile(file)  # what is written to a mapping ends the process where a disk is full
        file.flush()
        return np.memmap(file, dtype=array.dtype, mode="r+", shape=array.shape)
