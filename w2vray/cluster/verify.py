"""``verify``: prove from a run's own files that each row of the input is in it exactly once."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.cluster.ledger import MANIFEST, REJECTED, RUN, SCORES, SUCCESS, TOTALS, RunDirectory
from w2vray.cluster.parts import PartFooter, part_name
from w2vray.cluster.stores import absolute
from w2vray.cluster.units import BEYOND_LIMIT, NO_ROWS, Piece, Unit
from w2vray.config import VerifySettings
from w2vray.errors import RunError
from w2vray.schema import SOURCE_FILE, SOURCE_ROW

__all__ = ["VerifySummary", "verify"]


@dataclass(frozen=True, kw_only=True)
class VerifySummary:
    """What the files of a run prove; ``problems`` names each thing that is not as it should be."""

    run: str
    ok: bool
    rows_in: int
    rows_scored: int
    rows_rejected: int
    units: int
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)


def verify(settings: VerifySettings) -> VerifySummary:
    """Check counts, duplicates, gaps and checksums; one unit is in memory at a time.

    Raises:
        RunError: there is no run at all.
    """
    run = RunDirectory(absolute(settings.run))
    if not run.exists(RUN):
        raise RunError(f"{run.name} holds no run: there is no {RUN}")
    identity = run.read_json(RUN).get("fingerprint")
    units, left_out = run.plan()
    problems = [*_plan_problems(units)]
    bad = {file.name: reason for file, reason in left_out.items() if reason not in {NO_ROWS, BEYOND_LIMIT}}
    problems += [f"{name} is in no part: {reason}; mend or remove the file" for name, reason in bad.items()]
    rows_in = rows_scored = rows_rejected = 0
    for unit in units:
        if unit.id not in run:
            files = ", ".join(dict.fromkeys(piece.file for piece in unit.pieces))
            problems.append(f"unit {unit.id} ({files}): {unit.rows:,} rows are in no part; run the same score again")
            continue
        try:
            footer = run.footer(unit.id)
            if footer.record.run != identity:
                problems.append(f"unit {unit.id}: its part was made by another model or with other options")
            problems += _unit_problems(run, unit, footer)
        except (RunError, pa.ArrowException, OSError, KeyError) as error:
            problems.append(f"unit {unit.id}: {str(error).splitlines()[0]}")
            continue
        rows_in += footer.record.rows_in
        rows_scored += footer.record.rows_scored
        rows_rejected += footer.record.rows_rejected
    problems += _orphans(run, units)
    problems += _manifest_problems(run, units, rows_in, rows_scored, rows_rejected)
    return VerifySummary(
        run=run.name,
        ok=not problems,
        rows_in=rows_in,
        rows_scored=rows_scored,
        rows_rejected=rows_rejected,
        units=len(units),
        problems=problems,
    )


def _plan_problems(units: Sequence[Unit]) -> Iterator[str]:
    """Check that the pieces of each file start at its first row, touch, and do not overlap."""
    by_file: dict[tuple[int, str], list[Piece]] = defaultdict(list)
    for unit in units:
        for piece in unit.pieces:
            by_file[piece.root, piece.file].append(piece)
    for (_, name), pieces in by_file.items():
        row = 0
        for piece in sorted(pieces, key=lambda piece: piece.row_start):
            if piece.row_start != row:
                yield f"{name}: the plan goes from row {row} to row {piece.row_start}"
            row = piece.row_start + piece.rows


def _unit_problems(run: RunDirectory, unit: Unit, footer: PartFooter) -> Iterator[str]:
    """Check a finished unit: its record against its rows, its rows against the plan, its bytes against its hashes."""
    record, name = footer.record, part_name(unit.id)
    data = run.read(SCORES, name)
    if hashlib.sha256(data[: record.data_bytes]).hexdigest() != record.data_sha256:
        yield f"{SCORES}/{name}: its bytes are not those that were written (checksum)"
        return
    scores = pq.read_table(pa.BufferReader(data), columns=[SOURCE_FILE, SOURCE_ROW])
    tables = [("scored", scores, record.rows_scored)]
    if record.rows_rejected:
        rejected_data = run.read(REJECTED, name)
        if hashlib.sha256(rejected_data).hexdigest() != record.rejected_sha256:
            yield f"{REJECTED}/{name}: its bytes are not those that were written (checksum)"
            return
        rejected = pq.read_table(pa.BufferReader(rejected_data), columns=[SOURCE_FILE, SOURCE_ROW])
        tables.append(("rejected", rejected, record.rows_rejected))
    elif run.exists(REJECTED, name):
        yield f"{REJECTED}/{name} is there, and the unit's record knows of no rejected row"
    for kind, table, promised in tables:
        if len(table) != promised:
            yield f"unit {unit.id}: {len(table):,} rows {kind}, its record says {promised:,}"
    if record.rows_in != record.rows_scored + record.rows_rejected:
        parts = f"{record.rows_scored:,} scored + {record.rows_rejected:,} rejected"
        yield f"unit {unit.id}: {record.rows_in:,} rows in, {parts}"
    if record.rows_read != unit.rows:
        yield f"unit {unit.id}: {record.rows_read:,} rows read, the plan has {unit.rows:,}"
    yield from _row_problems(unit, [table for _, table, _ in tables], record.rows_read - record.rows_in)


def _row_problems(unit: Unit, tables: Sequence[pa.Table], filtered: int) -> Iterator[str]:
    """Check that each row of each piece is there once, but for ``filtered`` rows of the unit that --where left out."""
    present = 0
    for piece in unit.pieces:
        rows = np.sort(np.concatenate([_rows_of(table, piece) for table in tables]))
        present += len(rows)
        distinct = np.unique(rows)
        if len(distinct) != len(rows):
            twice = rows[:-1][rows[1:] == rows[:-1]]
            yield f"{piece.file}: row {twice[0]} is there more than once ({len(rows) - len(distinct):,} such)"
        if not filtered and len(distinct) != piece.rows:
            gap = np.setdiff1d(np.arange(piece.row_start, piece.row_start + piece.rows), distinct)
            yield f"{piece.file}: row {gap[0]} is missing ({len(gap):,} such)"
    total = sum(len(table) for table in tables)
    if present != total:
        yield f"unit {unit.id}: {total - present:,} rows are of no row of the plan"
    if filtered and total != unit.rows - filtered:
        yield f"unit {unit.id}: {total:,} rows, expected {unit.rows:,} less {filtered:,} left out by --where"


def _rows_of(table: pa.Table, piece: Piece) -> npt.NDArray[np.int64]:
    """Return the rows of a table that are of a piece."""
    files = table[SOURCE_FILE].to_numpy()
    rows = table[SOURCE_ROW].to_numpy()
    mine = (files == piece.file) & (rows >= piece.row_start) & (rows < piece.row_start + piece.rows)
    return np.asarray(rows[mine], dtype=np.int64)


def _orphans(run: RunDirectory, units: Sequence[Unit]) -> Iterator[str]:
    expected = {part_name(unit.id) for unit in units}
    for folder in (SCORES, REJECTED):
        for name in sorted(run.parts(folder) - expected):
            yield f"{folder}/{name} belongs to no unit of the plan"


def _manifest_problems(
    run: RunDirectory, units: Sequence[Unit], rows_in: int, rows_scored: int, rows_rejected: int
) -> Iterator[str]:
    """Check manifest, totals and _SUCCESS against what the parts say."""
    missing = [name for name in (MANIFEST, TOTALS, SUCCESS) if not run.exists(name)]
    if missing:
        yield f"{', '.join(missing)} is not there: the run is not finished; run the same score again"
    if {MANIFEST, TOTALS} & set(missing):
        return
    try:
        manifest = pq.read_table(pa.BufferReader(run.read(MANIFEST)))
        totals = run.read_json(TOTALS)
        listed = {row["unit"]: row["footer_sha256"] for row in manifest.to_pylist()}
    except (RunError, pa.ArrowException, KeyError) as error:
        yield f"{MANIFEST} or {TOTALS} is damaged: {str(error).splitlines()[0]}"
        return
    if set(listed) != {unit.id for unit in units}:
        yield f"{MANIFEST} lists {len(listed):,} units, the plan has {len(units):,}"
    for name, count in (("rows_in", rows_in), ("rows_scored", rows_scored), ("rows_rejected", rows_rejected)):
        if totals.get(name) != count:
            yield f"{TOTALS}: {name} is {totals.get(name)}, the parts have {count:,}"
    for unit in units:
        if unit.id in run and (footer_sha256 := listed.get(unit.id)) is not None:
            try:
                same = run.footer(unit.id).footer_sha256 == footer_sha256
            except RunError:
                continue  # named already
            if not same:
                yield f"{SCORES}/{part_name(unit.id)}: its footer is not the one that {MANIFEST} knows"
