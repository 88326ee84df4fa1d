"""Parquet: what the footer of a file says, and rows read by row groups.

A footer is read as bytes first, once: their hash is part of the file's identity, and whoever knows the hash can refuse
a damaged footer before Arrow parses it. A few flipped bits can make Arrow end the process.
"""

import hashlib
from collections.abc import Generator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description, Stretch
from w2vray.store.opening import UNREADABLE, etag_of, first_line
from w2vray.store.units import Piece
from w2vray.text.columns import BLOCK_ROWS

__all__ = ["Parquet", "footer_metadata", "read_tail"]

LARGEST_READ = 64 << 20
"""Text that is read together, in bytes, unless a row's is longer; by the average of the piece."""

_MAGIC = b"PAR1"
_END = 8  # the footer's length, and the magic word
_GUESS = 1 << 16
"""Read at once from the end of a file: most footers fit."""


class Parquet:
    """The format of a Parquet file; its stretches are row groups, counted from 0."""

    name = "parquet"
    damaged = FileReason.DAMAGED_FOOTER
    """Why a file cannot be described where nothing better is known."""

    def describe(self, handle: Any, file: SourceFile, text_columns: Sequence[str]) -> Description:
        """Describe an opened file.

        Raises:
            FileError: it is not a Parquet file, or its footer is damaged.
        """
        tail = read_tail(handle)
        metadata = footer_metadata(tail)
        wanted = [index for index in range(metadata.num_columns) if metadata.schema.column(index).path in text_columns]
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        return Description(
            file=file,
            format=self.name,
            schema=metadata.schema.to_arrow_schema(),
            stretches=tuple(
                Stretch(index, index + 1, group.num_rows, _text_bytes(group, wanted))
                for index, group in enumerate(groups)
            ),
            fingerprint=hashlib.sha256(tail).hexdigest(),
            etag=etag_of(handle),
        )

    def read(self, handle: Any, piece: Piece, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file, with those of ``columns`` that it has.

        Raises:
            FileError: the file is not the one that was planned.
        """
        metadata = _planned_metadata(piece, handle)
        with pq.ParquetFile(handle, metadata=metadata, pre_buffer=True, page_checksum_verification=True) as parquet:
            stored = [name for name in columns if name in parquet.schema_arrow.names]
            groups = list(range(piece.start, piece.stop))
            yield from parquet.iter_batches(_rows_at_once(piece), row_groups=groups, columns=stored)


def _text_bytes(group: pq.RowGroupMetaData, columns: Sequence[int]) -> int:
    return sum(group.column(index).total_uncompressed_size for index in columns)


def _rows_at_once(piece: Piece) -> int:
    """Return how many rows to read together: fewer where texts are long, so that memory stays bounded."""
    bytes_a_row = piece.text_bytes // max(piece.rows, 1) + 1
    return max(1, min(BLOCK_ROWS, LARGEST_READ // bytes_a_row))


def _planned_metadata(piece: Piece, handle: Any) -> pq.FileMetaData:
    """Read a file's footer, if the file is still the one that was planned."""
    try:
        tail = read_tail(handle)
    except FileError as error:
        raise piece.changed(f"is not what it was when planned: {error}") from error
    if hashlib.sha256(tail).hexdigest() != piece.fingerprint:
        raise piece.changed("has another footer than when planned")
    return footer_metadata(tail)


def read_tail(handle: Any) -> bytes:
    """Read a Parquet file's footer, with the eight bytes behind it.

    Raises:
        FileError: the file does not end as a Parquet file.
    """
    size = handle.size()
    if size == 0:
        raise FileError("it has zero bytes", reason=FileReason.ZERO_BYTES)
    tail = bytes(handle.read_at(min(size, _GUESS), max(size - _GUESS, 0)))
    if size < len(_MAGIC) + _END or tail[-4:] != _MAGIC:
        started = bytes(handle.read_at(min(size, 4), 0)) == _MAGIC
        if started:
            raise FileError("it starts as Parquet and does not end as Parquet", reason=FileReason.TRUNCATED)
        what = "it neither starts nor ends as Parquet, which alone is read: convert it first (pyarrow reads CSV, JSON)"
        raise FileError(what, reason=FileReason.NOT_PARQUET)
    length = int.from_bytes(tail[-_END:-4], "little") + _END
    if length > size - len(_MAGIC):
        raise FileError(
            f"its footer would have {length - _END:,} bytes, and the file has {size:,}",
            reason=FileReason.DAMAGED_FOOTER,
        )
    return tail[-length:] if length <= len(tail) else bytes(handle.read_at(length, size - length))


def footer_metadata(tail: bytes) -> pq.FileMetaData:
    """Parse what ``read_tail`` gave.

    Raises:
        FileError: it is damaged.
    """
    try:
        return pq.read_metadata(pa.BufferReader(_MAGIC + tail))
    except UNREADABLE as error:
        raise FileError(first_line(error), reason=FileReason.DAMAGED_FOOTER) from error
