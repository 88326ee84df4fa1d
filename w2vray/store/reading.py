"""A unit read back row by row, if its files are still those that were planned."""

import reprlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import FileError
from w2vray.places.uris import open_store
from w2vray.schema import DAMAGE, DAMAGE_COLUMN, FileReason, without_views
from w2vray.store.common_types import stored_type
from w2vray.store.deletions import deleted_rows
from w2vray.store.filters import Where
from w2vray.store.folders import row_that_differs
from w2vray.store.formats import FORMATS
from w2vray.store.opening import UNREADABLE, errors_of, etag_of, file_error
from w2vray.store.table import FileView
from w2vray.store.units import Piece, Unit
from w2vray.text.columns import BLOCK_ROWS

__all__ = ["FILE_COLUMN", "ROW_COLUMN", "joined", "place_of", "read_unit"]

FILE_COLUMN, ROW_COLUMN = "w2vray.source_file", "w2vray.source_row"
"""Where a row is, among the columns that are read: names that no column of a store has."""

NO_COLUMNS = pa.schema([])


def read_unit(
    unit: Unit,
    roots: Sequence[str],
    columns: Sequence[str],
    where: Where | None = None,
    schema: pa.Schema = NO_COLUMNS,
    *,
    most_rows: int = BLOCK_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Read a unit's rows in order, in batches of one file each; only those for which a condition holds.

    Args:
        unit: what is read.
        roots: of the store.
        columns: that are wanted, of the files or of ``key=value`` folders.
        where: the condition.
        schema: types of the columns that are read in one type from all files; null where a file has no such column.
        most_rows: of a batch.

    Yields:
        ``FILE_COLUMN``, ``ROW_COLUMN`` and the wanted columns. What is yielded depends on the arguments alone.

    Raises:
        FileError: a file is not what it was when the plan was made, or cannot be read.
        ConfigError: the condition cannot be computed of its values.
    """
    columns = list(dict.fromkeys([*columns, *(where.columns if where else ())]))
    for piece in unit.pieces:
        row, kept_N = piece.row_start, _kept(piece)
        names = pa.nulls(0, pa.string())
        for batch in _read_piece(piece, roots[piece.root], columns, schema):
            if len(names) < len(batch):
                names = pa.repeat(pa.scalar(piece.file), len(batch))
            arrays = [
                names[: len(batch)],
                pa.array(np.arange(row, row + len(batch))),
                *(_column(piece, row, batch, name, schema) for name in columns),
            ]
            rows = pa.RecordBatch.from_arrays(arrays, names=[FILE_COLUMN, ROW_COLUMN, *columns])
            damaged = DAMAGE_COLUMN in batch.schema.names
            if damaged:
                rows = rows.append_column(pa.field(DAMAGE_COLUMN, DAMAGE), batch.column(DAMAGE_COLUMN))
            if piece.deleted is not None:
                rows = rows.filter(pa.array(kept_N[row - piece.row_start :][: len(batch)]))
            row += len(batch)
            if where is not None:
                rows = _filtered_but_damaged(rows, where) if damaged else where.rows(rows)
            for start in range(0, max(len(rows), 1), most_rows):
                yield rows.slice(start, most_rows)
        if row != piece.row_start + piece.rows:
            raise FileError(
                f"{piece.file}: {row - piece.row_start} rows from {piece.row_start} on; it promised {piece.rows}",
                file=piece.file,
                reason=FileReason.DAMAGED_DATA,
            )


def joined(
    batches: Iterable[pa.RecordBatch], columns: Sequence[str], *, most_bytes: int, most_rows: int
) -> Iterator[pa.RecordBatch]:
    """Put batches of the same file together, as long as some columns have no more bytes, and the whole no more rows."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        own = batch.select(columns).nbytes
        if waiting and (size + own > most_bytes or rows + len(batch) > most_rows or not _continues(waiting[-1], batch)):
            yield _one(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows, size = rows + len(batch), size + own
    if waiting:
        yield _one(waiting)


def _one(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _continues(before: pa.RecordBatch, batch: pa.RecordBatch) -> bool:
    """Tell whether a batch has the columns of the one before, and is of the same file."""
    if before.schema != batch.schema or not len(before) or not len(batch):
        return False
    return bool(before.column(FILE_COLUMN)[0] == batch.column(FILE_COLUMN)[0])


def place_of(batch: pa.RecordBatch, row: int) -> str:
    """Say where a row of a batch is in the store."""
    return f"row {batch.column(ROW_COLUMN)[row]} of {batch.column(FILE_COLUMN)[row]}, counted from 0"


def _kept(piece: Piece) -> npt.NDArray[np.bool_]:
    """Return which rows of a piece its table has not deleted."""
    kept_N = np.ones(piece.rows, dtype=np.bool_)
    kept_N[deleted_rows(piece.deleted)] = False
    return kept_N


def _column(piece: Piece, row: int, batch: pa.RecordBatch, name: str, schema: pa.Schema) -> pa.Array:
    """Return a column of a batch, from the file or from its folders, in the type that all files' values are read in.

    The batch begins with a ``row`` of the file.
    """
    kind = schema.field(name).type if name in schema.names else None
    view = None if piece.view is None else FileView.from_text(piece.view)
    folders = piece.source.partition_values if view is None else {}
    if view is not None and name in view.constants.schema.names:
        column = pa.repeat(view.constants.column(name)[0], len(batch))
    elif name in batch.schema.names:
        column = batch.column(name)
        if name in folders:
            sound = _sound_rows(batch)
            _require_folders_value(piece, row + sound, column.take(pa.array(sound)), name)
    elif name in folders:
        column = pa.repeat(pa.scalar(folders[name], pa.string()), len(batch))
    elif kind is not None:
        column = pa.nulls(len(batch), kind)
    else:
        raise piece.changed(f"has no column {name!r}; it had one when planned")
    try:
        return column.cast(without_views(stored_type(column.type)) if kind is None else kind)
    except pa.ArrowException as error:
        if isinstance(error, MemoryError):
            raise
        detail = f"{piece.file}: column {name!r} is {column.type}, and not every value fits into {kind}: {error}"
        raise FileError(detail, file=piece.file, reason=FileReason.WRONG_TYPE) from error


def _filtered_but_damaged(rows: pa.RecordBatch, where: Where) -> pa.RecordBatch:
    """Return the rows for which a condition holds, and those that cannot be read: nobody knows whether it holds."""
    damaged = rows.column(DAMAGE_COLUMN).is_valid()
    kept = [where.rows(rows.filter(pc.invert(damaged))), rows.filter(damaged)]
    return pa.Table.from_batches(kept).sort_by(ROW_COLUMN).combine_chunks().to_batches()[0]


def _sound_rows(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return the rows of a batch that could be read."""
    if DAMAGE_COLUMN not in batch.schema.names:
        return np.arange(len(batch))
    return np.flatnonzero(batch.column(DAMAGE_COLUMN).is_null().to_numpy(zero_copy_only=False))


def _require_folders_value(piece: Piece, rows_N: npt.NDArray[np.int64], column: pa.Array, name: str) -> None:
    """Refuse a file that says of its rows something else than its folder does."""
    value = piece.source.partition_values[name]
    differs = row_that_differs(column, value)
    if differs is not None:
        found = reprlib.repr(column[differs].as_py())
        raise FileError(
            f"{piece.file}: column {name!r} is {found} in row {rows_N[differs]}, and the name of its folder says "
            f"{value!r}; rename the folder, or leave the column out",
            file=piece.file,
            reason=FileReason.AMBIGUOUS,
        )


def _read_piece(piece: Piece, root: str, columns: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    store, base = open_store(root)
    left = piece.rows
    names = {name: name for name in columns} if piece.view is None else FileView.from_text(piece.view).names
    stored = {names[name]: name for name in columns if name in names}
    try:
        with errors_of(store), store.open_input_file(f"{base}/{piece.file}") as handle:
            _require_planned(piece, handle)
            with closing(FORMATS[piece.format].read(handle, piece, list(stored), schema)) as batches:
                for batch in batches:
                    yield batch.slice(0, left).rename_columns([stored.get(name, name) for name in batch.schema.names])
                    left -= len(batch)
                    if left <= 0:
                        return
    except UNREADABLE as error:
        raise file_error(piece.file, error, FileReason.DAMAGED_DATA) from error


def _require_planned(piece: Piece, handle: Any) -> None:
    """Look whether an opened file is as large as the one that was planned, and has its name in an object store."""
    if handle.size() != piece.file_size:
        raise piece.changed(f"has {handle.size()} bytes; it had {piece.file_size} when planned")
    if etag_of(handle) != piece.file_etag:
        raise piece.changed(f"has the etag {etag_of(handle)}; it had {piece.file_etag} when planned")
