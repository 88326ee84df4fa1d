"""Which rows of a unit's pieces are in its parts: each once, in input order, none missing, none of elsewhere.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2vray.run.directory import RunDirectory
from w2vray.run.parts import part_name
from w2vray.schema import SOURCE_FILE, SOURCE_ROW
from w2vray.store.deletions import deleted_rows
from w2vray.store.units import Piece, Unit

__all__ = ["row_problems"]

_BATCH_ROWS = 1 << 16


def row_problems(run: RunDirectory, unit: Unit, promised: Mapping[str, int], rows_in: int) -> Iterator[str]:
    """Compare the rows of a unit's parts with the plan.

    Args:
        run: the run's directory.
        unit: the unit; its parts' checksums are seen to be right.
        promised: folder of parts -> rows that the unit's record says are there.
        rows_in: rows that have to be there in all: fewer than the unit's where ``--where`` left some out.
    """
    expected = unit.rows - unit.rows_deleted
    times_N = np.zeros(unit.rows, dtype=np.uint8)
    for folder, rows in promised.items():
        seen, elsewhere, unordered = _mark(run, unit, folder, times_N)
        if seen != rows:
            yield f"unit {unit.id}: {seen:,} rows {folder}, its record says {rows:,}"
        if elsewhere:
            yield f"unit {unit.id}: {elsewhere:,} rows {folder} are not in the plan"
        if unordered:
            yield f"{folder}/{part_name(unit.id)}: its rows are not in input order"
    present = np.count_nonzero(times_N)
    for piece, times in _by_piece(unit, times_N):
        deleted_N = deleted_rows(piece.deleted)
        if back := np.count_nonzero(times[deleted_N]):
            yield f"{piece.file}: {back:,} rows are there that the table had deleted"
        times[deleted_N] = 1  # by all else they are as they should be
        more = np.flatnonzero(times > 1)
        if len(more):
            yield f"{piece.file}: row {piece.row_start + more[0]} is there more than once ({len(more):,} such)"
        missing = np.flatnonzero(times == 0)
        if rows_in == expected and len(missing):
            yield f"{piece.file}: row {piece.row_start + missing[0]} is missing ({len(missing):,} such)"
    if rows_in not in (expected, present):
        yield f"unit {unit.id}: {present:,} rows, expected {rows_in:,}; the others are left out by --where"


def _mark(run: RunDirectory, unit: Unit, folder: str, times_N: npt.NDArray[np.uint8]) -> tuple[int, int, bool]:
    """Count in ``times_N`` how often each row is in a part.

    Returns:
        Rows in the part, rows of them that are not the unit's, and whether any is before its predecessor.
    """
    seen = elsewhere = 0
    last, unordered = -1, False
    with run.store.open_input_file(run.path(folder, part_name(unit.id))) as handle, pq.ParquetFile(handle) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=[SOURCE_FILE, SOURCE_ROW]):
            places = _places(unit, batch)
            seen += len(places)
            places = places[places >= 0]
            elsewhere += len(batch) - len(places)
            unordered |= bool((np.diff(places, prepend=last) <= 0).any())
            last = int(places[-1]) if len(places) else last
            np.add.at(times_N, places, 1)
    return seen, elsewhere, unordered


def _places(unit: Unit, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return which row of the unit each row of a batch is, -1 for none."""
    rows = batch.column(SOURCE_ROW).to_numpy()
    files = batch.column(SOURCE_FILE)
    present = set(pc.unique(files).to_pylist())
    places = np.full(len(batch), -1, dtype=np.int64)
    start = 0
    for piece in unit.pieces:
        if piece.file in present:
            of_file = pc.equal(files, piece.file).to_numpy(zero_copy_only=False)
            mine = of_file & (rows >= piece.row_start) & (rows < piece.row_start + piece.rows)
            places[mine] = rows[mine] - piece.row_start + start
        start += piece.rows
    return places


def _by_piece(unit: Unit, times_N: npt.NDArray[np.uint8]) -> Iterator[tuple[Piece, npt.NDArray[np.uint8]]]:
    start = 0
    for piece in unit.pieces:
        yield piece, times_N[start : start + piece.rows]
        start += piece.rows
