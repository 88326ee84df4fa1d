"""Records of a stream of bytes: where each ends, which line it starts in, and those that are too long to be read.

A scanner says where records end in one chunk after another, and keeps what it has to know from chunk to chunk. What
counts the records of a file and what reads them is the same code, so that the two cannot differ.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["LARGEST_RECORD", "Ends", "LineScanner", "Records", "Scanner", "read_records"]

LARGEST_RECORD = 64 << 20
"""Bytes of a record at most: a longer one is rejected, and is never in memory as a whole."""

Int64s = npt.NDArray[np.int64]


class Ends(NamedTuple):
    """The records that end in a chunk, blank lines among them."""

    ends_N: Int64s  # in the chunk, behind the record's line end
    lines_N: Int64s  # how many lines each one has
    cells_N: Int64s  # how many cells; of JSON Lines 1; negative where quotes are not as CSV has them
    blank_N: npt.NDArray[np.bool_]  # it is a blank line, and no record


class Scanner(Protocol):
    """Finds where records end."""

    def scan(self, chunk: bytes) -> Ends:
        """Go on with the next bytes."""

    def finish(self) -> Ends:
        """Return the record that the end of the bytes ends, if there is one; its end is 0."""


class Records(NamedTuple):
    """Whole records, none of them blank. ``data`` holds their bytes and what is blank between them."""

    data: bytes
    starts_N: Int64s
    ends_N: Int64s
    lines_N: Int64s  # where each starts, counted from 1 in the file
    cells_N: Int64s
    long_N: npt.NDArray[np.bool_]  # longer than LARGEST_RECORD: it has no bytes here

    def __len__(self) -> int:
        return len(self.starts_N)

    def record(self, index: int) -> bytes:
        """Return the bytes of one record, without its line end."""
        return self.data[self.starts_N[index] : self.ends_N[index]].rstrip(b"\r\n")


class LineScanner:
    """Finds lines; those of white space alone are blank."""

    def __init__(self) -> None:
        self._begun = False  # a line has begun in an earlier chunk
        self._blank = True  # and has been white space until here

    def scan(self, chunk: bytes) -> Ends:
        """Go on with the next bytes."""
        data = np.frombuffer(chunk, dtype=np.uint8)
        ends_N = np.flatnonzero(data == 0x0A) + 1
        starts_N = np.concatenate(([0], ends_N[:-1])).astype(np.int64) if len(ends_N) else ends_N
        blank_N = ends_N - starts_N == 1
        for index in np.flatnonzero(~blank_N & (data[starts_N] <= 0x20)):
            blank_N[index] = not chunk[starts_N[index] : ends_N[index]].strip()
        if len(ends_N):
            blank_N[0] &= self._blank
            self._begun, self._blank = False, True
        rest = chunk[ends_N[-1] if len(ends_N) else 0 :]
        self._begun |= bool(rest)
        self._blank &= not rest.strip()
        ones_N = np.ones(len(ends_N), dtype=np.int64)
        return Ends(ends_N.astype(np.int64), ones_N, ones_N, blank_N)

    def finish(self) -> Ends:
        """Return the last line, if it has no line end."""
        ones_N = np.ones(int(self._begun), dtype=np.int64)
        return Ends(ones_N * 0, ones_N, ones_N, np.full(len(ones_N), self._blank))


def read_records(chunks: Iterable[bytes], scanner: Scanner, first_line: int) -> Iterator[Records]:
    """Yield the records of the bytes from a record's start on, as they end; ``first_line`` is the line of the first."""
    carry: list[bytes] = []  # of the record that goes on
    size, line = 0, first_line
    for chunk in chunks:
        found = scanner.scan(chunk)
        if len(found.ends_N):
            last = int(found.ends_N[-1])
            made = _records(carry, size, chunk[:last], found, line)
            line += int(found.lines_N.sum())
            carry, size = [], 0
            chunk = chunk[last:]  # noqa: PLW2901 - what is left of it
            if len(made):
                yield made
        size += len(chunk)
        if size <= LARGEST_RECORD:
            carry.append(chunk)
        else:
            carry = []
    if size:
        made = _records(carry, size, b"", scanner.finish(), line)
        if len(made):
            yield made


def _records(carry: list[bytes], size: int, chunk: bytes, found: Ends, line: int) -> Records:
    """Put the bytes of a begun record (``size`` of them, not kept where they are too many) before a chunk's."""
    kept = sum(map(len, carry))
    data = b"".join([*carry, chunk])
    ends_N = found.ends_N + kept
    starts_N = np.concatenate(([0], ends_N[:-1])).astype(np.int64)[: len(ends_N)]
    lines_N = line + np.concatenate(([0], np.cumsum(found.lines_N)[:-1])).astype(np.int64)[: len(ends_N)]
    lengths_N = ends_N - starts_N
    if len(lengths_N):
        lengths_N[0] += size - kept
    taken = ~found.blank_N
    return Records(
        data,
        starts_N[taken],
        ends_N[taken],
        lines_N[taken],
        found.cells_N[taken],
        lengths_N[taken] > LARGEST_RECORD,
    )
