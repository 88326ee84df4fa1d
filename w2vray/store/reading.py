"""A unit read back row by row, if its files are still those that were planned."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.errors import FileError
from w2vray.schema import FileReason, without_views
from w2vray.store.filters import Where
from w2vray.store.footers import etag_of, file_error, footer_metadata, read_tail
from w2vray.store.places import open_store
from w2vray.store.units import Piece, Unit
from w2vray.text.columns import BLOCK_ROWS

__all__ = ["FILE_COLUMN", "ROW_COLUMN", "read_unit", "schema_as_read"]

FILE_COLUMN, ROW_COLUMN = "w2vray.source_file", "w2vray.source_row"
"""Where a row is, among the columns that are read: names that no column of a store has."""

LARGEST_READ = 64 << 20
"""Text that is read together, in bytes, unless a row's is longer; by the average of the piece."""


def schema_as_read(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a store's columns as ``read_unit`` gives them."""
    return pa.schema([field.with_type(without_views(field.type)) for field in schema])


def read_unit(
    unit: Unit, roots: Sequence[str], columns: Sequence[str], where: Where | None = None
) -> Iterator[pa.RecordBatch]:
    """Read a unit's rows in order, in batches of one file each; only those for which a condition holds.

    Yields:
        ``FILE_COLUMN``, ``ROW_COLUMN`` and the asked columns, which may be ``key=value`` folders; at most
        ``BLOCK_ROWS`` rows. What is yielded depends on the unit alone.

    Raises:
        FileError: a file is not what it was when the plan was made, or cannot be read.
        ConfigError: the condition cannot be computed of its values.
    """
    columns = list(dict.fromkeys([*columns, *(where.columns if where else ())]))
    for piece in unit.pieces:
        folders = piece.source.partition_values
        row = piece.row_start
        for batch in _read_piece(piece, roots[piece.root], columns):
            arrays = [
                pa.repeat(pa.scalar(piece.file), len(batch)),
                pa.array(np.arange(row, row + len(batch))),
            ]
            for name in columns:
                if name not in batch.schema.names and name not in folders:
                    raise _changed(piece, f"has no column {name!r}; it had one when planned")
                stored = name in batch.schema.names
                column = batch.column(name) if stored else pa.repeat(pa.scalar(folders[name]), len(batch))
                arrays.append(column.cast(without_views(column.type)))
            row += len(batch)
            rows = pa.RecordBatch.from_arrays(arrays, names=[FILE_COLUMN, ROW_COLUMN, *columns])
            yield where.rows(rows) if where else rows
        if row != piece.row_start + piece.rows:
            raise FileError(
                f"{piece.file}: {row - piece.row_start} rows in row groups {piece.row_group_start} to "
                f"{piece.row_group_stop - 1}; its footer promised {piece.rows}",
                file=piece.file,
                reason=FileReason.DAMAGED_DATA,
            )


def _read_piece(piece: Piece, root: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    store, base = open_store(root)
    left = piece.rows
    try:
        with store.open_input_file(f"{base}/{piece.file}") as handle:
            metadata = _planned_metadata(piece, handle)
            with pq.ParquetFile(handle, metadata=metadata, pre_buffer=True, page_checksum_verification=True) as parquet:
                stored = [name for name in columns if name in parquet.schema_arrow.names]
                groups = list(range(piece.row_group_start, piece.row_group_stop))
                for batch in parquet.iter_batches(_rows_at_once(piece), row_groups=groups, columns=stored):
                    yield batch.slice(0, left)
                    left -= len(batch)
                    if left <= 0:
                        return
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise file_error(piece.file, error, FileReason.DAMAGED_DATA) from error


def _rows_at_once(piece: Piece) -> int:
    """Return how many rows to read together: fewer where texts are long, so that memory stays bounded."""
    bytes_a_row = piece.text_bytes // max(piece.rows, 1) + 1
    return max(1, min(BLOCK_ROWS, LARGEST_READ // bytes_a_row))


def _planned_metadata(piece: Piece, handle: Any) -> pq.FileMetaData:
    """Read a file's footer, if the file is still the one that was planned."""
    if handle.size() != piece.file_size:
        raise _changed(piece, f"has {handle.size()} bytes; it had {piece.file_size} when planned")
    if etag_of(handle) != piece.file_etag:
        raise _changed(piece, f"has the etag {etag_of(handle)}; it had {piece.file_etag} when planned")
    try:
        tail = read_tail(handle)
    except FileError as error:
        raise _changed(piece, f"is not what it was when planned: {error}") from error
    if hashlib.sha256(tail).hexdigest() != piece.footer_sha256:
        raise _changed(piece, "has another footer than when planned")
    return footer_metadata(tail)


def _changed(piece: Piece, what: str) -> FileError:
    return FileError(f"{piece.file} {what}", file=piece.file, reason=FileReason.CHANGED)
