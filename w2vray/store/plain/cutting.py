"""A file of records cut into stretches while its records are counted: each has rows, a first line and a checksum.

A stretch is some bytes of a plain file, from the start of a record to the end of one; a compressed file is one stretch.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from w2vray.store.description import Stretch
from w2vray.store.plain.records import Ends, Scanner
from w2vray.store.plain.streams import chunks, look
from w2vray.store.units import Piece
from w2vray.text.columns import BLOCK_ROWS

__all__ = ["Cutter", "content_fingerprint", "in_blocks", "unchanged"]

_SMALLEST, _LARGEST = 1 << 16, 16 << 20
_PARTS = 64
"""Stretches of a file that are aimed at, within these bounds in bytes."""

_CR = 0x0D


class Cutter:
    """A scanner that cuts as it goes: the bytes behind ``head`` of a file of ``size`` bytes; None leaves it whole."""

    def __init__(self, scanner: Scanner, *, head: bytes, first_line: int, size: int | None) -> None:
        self._scanner = scanner
        self._least = None if size is None else max(_SMALLEST, min(size // _PARTS, _LARGEST))
        self._at = self._start = len(head)
        self._line = self._first_line = first_line
        self._rows, self._crc = 0, zlib.crc32(head)
        self._stretches: list[Stretch] = []

    def scan(self, chunk: bytes) -> Ends:
        """Go on with the next bytes."""
        found = self._scanner.scan(chunk)
        done = 0  # bytes of the chunk
        first = 0  # record of it
        while self._least is not None and (self._at + len(chunk)) - self._start >= self._least:
            wanted = self._start + self._least - self._at  # where the stretch is long enough
            last = max(first, int(np.searchsorted(found.ends_N, wanted)))
            if last >= len(found.ends_N):
                break
            end = int(found.ends_N[last])
            if end == len(chunk) and chunk[-1] == _CR:
                break  # a line feed may follow
            self._add(chunk[done:end], found, first, last + 1)
            self._close(self._at + end)
            done, first = end, last + 1
        self._add(chunk[done:], found, first, len(found.ends_N))
        self._at += len(chunk)
        return found

    def finish(self) -> Ends:
        """Return the record that the end of the bytes ends."""
        found = self._scanner.finish()
        self._add(b"", found, 0, len(found.ends_N))
        return found

    def stretches(self) -> tuple[Stretch, ...]:
        """Return the stretches, when all bytes have been seen."""
        if self._at > self._start or not self._stretches:
            self._close(self._at)
        return tuple(self._stretches)

    def _add(self, data: bytes, found: Ends, first: int, stop: int) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._rows += int(np.count_nonzero(~found.blank_N[first:stop]))
        self._line += int(found.lines_N[first:stop].sum())

    def _close(self, end: int) -> None:
        self._stretches.append(
            Stretch(
                self._start,
                end,
                self._rows,
                end - self._start,
                first_line=self._first_line,
                fingerprint=_fingerprint(self._start, self._crc),
            )
        )
        self._start, self._first_line, self._rows, self._crc = end, self._line, 0, 0


def _fingerprint(start: int, crc: int) -> str:
    """Name the bytes of a stretch; with its place, so that no two of a file have one name."""
    return f"{start:x}-{crc:08x}"


def content_fingerprint(stretches: Sequence[Stretch]) -> str:
    """Return what a whole file is known by."""
    return hashlib.sha256(" ".join(stretch.fingerprint for stretch in stretches).encode()).hexdigest()


def unchanged(handle: Any, compression: str | None, piece: Piece) -> Iterator[bytes]:
    """Yield the bytes of a piece; at the end of each of its stretches, see whether they are those that were planned.

    Raises:
        FileError: they are others.
    """
    planned = piece.fingerprint.split(" ")
    starts = [int(fingerprint.partition("-")[0], 16) for fingerprint in planned]
    stops = [*starts[1:], piece.stop]
    crc, at = zlib.crc32(b"" if piece.row_start else look(handle).start[: piece.start]), piece.start
    for chunk in chunks(handle, compression, piece.start, piece.stop):
        rest = chunk
        while len(stops) > 1 and at + len(rest) >= stops[0]:
            here = stops.pop(0) - at
            crc, at = zlib.crc32(rest[:here], crc), at + here
            _require_planned(piece, planned.pop(0), starts.pop(0), crc)
            crc, rest = 0, rest[here:]
        crc, at = zlib.crc32(rest, crc), at + len(rest)
        yield chunk
    if at != piece.stop:
        raise piece.changed("holds fewer bytes than when planned")
    _require_planned(piece, planned[-1], starts[-1], crc)


def _require_planned(piece: Piece, planned: str, start: int, crc: int) -> None:
    if planned != _fingerprint(start, crc):
        raise piece.changed("holds other bytes than when planned")


def in_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches into blocks of rows, and hold each back until the next is there.

    So whoever has the last row of a piece knows that its bytes were seen to be those that were planned.
    """
    held: pa.RecordBatch | None = None
    for batch in batches:
        for start in range(0, len(batch), BLOCK_ROWS):
            if held is not None:
                yield held
            held = batch.slice(start, BLOCK_ROWS)
    if held is not None:
        yield held
