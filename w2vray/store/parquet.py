"""Parquet: what the footer of a file says, and rows read by row groups.

A footer is read as bytes first, once: their hash is part of the file's identity, and whoever knows the hash can refuse
a damaged footer before Arrow parses it. A few flipped bits can make Arrow end the process.
"""

import hashlib
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2vray.errors import FileError
from w2vray.places.uris import first_line
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description, ReadAs, Stretch
from w2vray.store.opening import UNREADABLE
from w2vray.store.parquet_batches import Steps, bounded_batches
from w2vray.store.parquet_sizes import is_of
from w2vray.store.units import Piece
from w2vray.text.columns import BATCH_ROWS, BLOCK_ROWS, SMALL_BLOCK_BYTES

__all__ = ["Parquet", "footer_metadata", "read_tail"]

LARGEST_READ = SMALL_BLOCK_BYTES
"""What is read together, in bytes, unless a row has more; by the average of the piece."""

_MAGIC, _ENCRYPTED_MAGIC = b"PAR1", b"PARE"
_END = 8  # the footer's length, and the magic word
_SIGNATURE = 28  # behind a footer that is signed: columns are encrypted
_BUFFER = 8 << 20
_HELD_BY_NS = 9_223_372_036_854_775  # microseconds from 1970 that nanoseconds of 64 bits reach
_CODECS = {name: name.lower() for name in ("SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4")} | {"LZ4_RAW": "lz4_raw"}
_GUESS = 1 << 16
"""Read at once from the end of a file: most footers fit."""


class Parquet:
    """The format of a Parquet file; its stretches are row groups, counted from 0."""

    name = "parquet"
    endings = frozenset(["parquet", "parq", "pq", "pqt"])
    magic = _MAGIC
    damaged = FileReason.DAMAGED_FOOTER

    def describe(self, handle: Any, file: SourceFile, columns: Sequence[str], _: ReadAs) -> Description:
        """Describe an opened file.

        Raises:
            FileError: it is not a Parquet file, or its footer is damaged.
        """
        tail = read_tail(handle)
        footer = _footer(tail)
        metadata = footer.metadata
        if len(tail) - _END - metadata.serialized_size == _SIGNATURE:
            raise FileError("columns of it are encrypted: decrypt it first", reason=FileReason.ENCRYPTED)
        wanted = [index for index in range(metadata.num_columns) if is_of(metadata.schema.column(index).path, columns)]
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        _require_codecs(groups, wanted)
        if nested := sorted(name for name in _int96_columns(metadata) if name not in columns and is_of(name, columns)):
            raise FileError(
                f"{nested[0]!r} holds INT96 times inside a column, which cannot be read without a loss: write them as "
                "TIMESTAMP, or leave the column out",
                reason=FileReason.UNSUPPORTED,
            )
        return Description(
            file=file,
            format=self.name,
            schema=footer.schema_arrow,
            stretches=tuple(
                Stretch(index, index + 1, group.num_rows, _read_bytes(group, wanted))
                for index, group in enumerate(groups)
            ),
            fingerprint=hashlib.sha256(tail).hexdigest(),
        )

    def read(
        self, handle: Any, piece: Piece, columns: Sequence[str], _: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file, with those of ``columns`` that it has.

        Raises:
            FileError: the file is not the one that was planned.
        """
        metadata = _planned_metadata(piece, handle)
        if piece.stop > metadata.num_row_groups:
            raise piece.changed(f"has {metadata.num_row_groups} row groups; it had {piece.stop} when planned")
        opened = partial(_opened, handle, metadata)
        with opened() as parquet:
            stored = [name for name in columns if name in parquet.schema_arrow.names]
        groups, rows = list(range(piece.start, piece.stop)), _rows_at_once(piece)
        batches = bounded_batches(opened, groups, stored, rows)
        old = [name for name in stored if name in _int96_columns(metadata)]
        if not old:
            yield from batches
            return
        with pq.ParquetFile(handle, metadata=metadata) as in_ns:
            times = Steps(in_ns.iter_batches(rows, row_groups=groups, columns=old))
            for batch in batches:
                exact = pa.Table.from_batches(times.take(len(batch))).combine_chunks()
                _require_whole_microseconds(piece, batch, exact)
                yield batch


def _opened(
    handle: Any,
    metadata: pq.FileMetaData | None,
    *,
    buffer_size: int = _BUFFER,
    read_dictionary: Sequence[str] | None = None,
) -> pq.ParquetFile:
    """Open a file to read batch by batch, never more of a row group than a batch needs.

    INT96, the time of old Spark, Impala and Hive, is read in microseconds: in Arrow's default, nanoseconds, only the
    years 1677 to 2262 fit, and the others wrap around without an error.
    """
    return pq.ParquetFile(
        handle,
        metadata=metadata,
        pre_buffer=False,
        buffer_size=buffer_size,
        read_dictionary=read_dictionary,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",
    )


def _require_codecs(groups: Sequence[pq.RowGroupMetaData], columns: Sequence[int]) -> None:
    names = {group.column(index).compression for group in groups for index in columns}
    for name in sorted(names - {"UNCOMPRESSED"}):
        if name not in _CODECS or not pa.Codec.is_available(_CODECS[name]):
            raise FileError(
                f"it is compressed with {name}, which Arrow cannot read: write it with another compression",
                reason=FileReason.UNSUPPORTED,
            )


def _int96_columns(metadata: pq.FileMetaData) -> set[str]:
    leaves = (metadata.schema.column(index) for index in range(metadata.num_columns))
    return {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}


def _require_whole_microseconds(piece: Piece, batch: pa.RecordBatch, exact: pa.Table) -> None:
    """Refuse times of which microseconds would lose digits; outside of what nanoseconds hold, none can be told."""
    for name in exact.schema.names:
        micros, nanos = batch.column(name).cast(pa.int64()), exact.column(name).chunk(0).cast(pa.int64())
        held = pc.fill_null(pc.and_(pc.greater(micros, -_HELD_BY_NS), pc.less(micros, _HELD_BY_NS)), False)
        if pc.any(pc.not_equal(pc.multiply(micros.filter(held), 1000), nanos.filter(held))).as_py():
            raise FileError(
                f"{piece.file}: column {name!r} holds INT96 times finer than a microsecond; write it as "
                "TIMESTAMP_NANOS, or leave it out",
                file=piece.file,
                reason=FileReason.UNSUPPORTED,
            )


def _read_bytes(group: pq.RowGroupMetaData, columns: Sequence[int]) -> int:
    return sum(group.column(index).total_uncompressed_size for index in columns)


def _rows_at_once(piece: Piece) -> int:
    """Return how many rows to read together: fewer where texts are long, so that memory stays bounded."""
    bytes_a_row = piece.read_bytes // max(piece.rows, 1) + 1
    rows = min(max(LARGEST_READ // bytes_a_row, 1), BATCH_ROWS)
    whole_blocks = rows // BLOCK_ROWS * BLOCK_ROWS
    return min(whole_blocks or rows, max(piece.rows, 1))


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
    if tail[-4:] == _ENCRYPTED_MAGIC:
        raise FileError("it is encrypted: decrypt it first", reason=FileReason.ENCRYPTED)
    if size < len(_MAGIC) + _END or tail[-4:] != _MAGIC:
        started = bytes(handle.read_at(min(size, 4), 0)) == _MAGIC
        if started:
            raise FileError("it starts as Parquet and does not end as Parquet", reason=FileReason.TRUNCATED)
        what = "it neither starts nor ends as Parquet: convert it to Parquet first, or name it .csv or .jsonl"
        raise FileError(what, reason=FileReason.UNKNOWN_FORMAT)
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
    return _footer(tail).metadata


def _footer(tail: bytes) -> pq.ParquetFile:
    """Open what ``read_tail`` gave as a file that has no pages."""
    try:
        return _opened(pa.BufferReader(_MAGIC + tail), None)
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except UNREADABLE as error:
        raise FileError(first_line(error), reason=FileReason.DAMAGED_FOOTER) from error
