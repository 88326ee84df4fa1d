"""Units of work: lists of pieces of files, planned from the input's identity alone.

Small files are packed together, large ones are cut between stretches (of Parquet: row groups). A unit, not a block of
Ray's, is what is written, retried, resumed and verified.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import attrgetter
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.errors import FileError
from w2vray.schema import PLAN_SCHEMA, FileReason
from w2vray.store.corpus import SourceFile
from w2vray.store.deletions import count_deleted, deleted_between, deleted_rows
from w2vray.store.description import Description, Stretch
from w2vray.store.failures import Failure

__all__ = [
    "Piece",
    "Unit",
    "plan_from_table",
    "plan_table",
    "plan_units",
    "processes_without_ray",
    "split_unit",
    "text_bytes",
    "unit_pieces",
]

LARGEST_UNIT = 96 << 20
"""Text of a unit that is aimed at, in bytes."""

LARGEST_UNIT_ROWS = 1 << 21
"""Rows of a unit, unless one stretch has more: texts that repeat take few bytes of a file, and rows take memory."""

SMALLEST_UNIT = 1 << 20
LEAST_TEXT_OF_A_PROCESS, MOST_TEXT_OF_A_PROCESS = 16 << 20, 4 << 30
"""In bytes of text: one process scores the first in less time than another one takes to start, and the second in half a
minute to two minutes. To start Ray and to end it takes some seven seconds, which is little beside a longer run."""

UNITS_AT_LEAST = 32
"""A small store is cut finer, into about this many units, so that several workers have something to do."""

LARGEST_UNIT_FILES, SMALLEST_UNIT_FILES = 256, 16
"""Files of a unit: opening one is work, whatever is in it. A store of few bytes in many files is cut finer."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some stretches of a file, or the first ``rows`` rows of them; ``row_start`` is where they start in the file.

    ``start`` and ``stop`` count as the file's format counts: of Parquet they are row groups.
    """

    root: int
    file: str
    start: int
    stop: int
    row_start: int
    rows: int
    read_bytes: int
    file_size: int
    file_mtime_ns: int | None
    file_etag: str | None = None
    fingerprint: str = ""  # what the format knows the content by: of the file, or of each stretch, parted by spaces
    format: str = "parquet"
    layout: str = ""  # what the format has to know to read it
    first_line: int = 0  # of text: the line that it starts in, from 1
    view: str | None = None  # a FileView: how the table sees the file that it belongs to
    deleted: str | None = None  # rows of the piece that the table has deleted, see deletions.py

    @property
    def source(self) -> SourceFile:
        """The file that the piece is of, with the identity it had when the plan was made."""
        return SourceFile(self.root, self.file, self.file_size, self.file_mtime_ns)

    def changed(self, what: str) -> FileError:
        """Return the error that says how the file differs from the one that was planned."""
        return FileError(f"{self.file} {what}", file=self.file, reason=FileReason.CHANGED)


_FIELDS = tuple(one.name for one in fields(Piece))
_values = attrgetter(*_FIELDS)


@dataclass(frozen=True)
class Unit:
    """Pieces that are read, scored and written together."""

    pieces: tuple[Piece, ...]

    @cached_property  # a hash of many pieces, which each of their rows in the plan carries
    def id(self) -> str:
        """Hash of the unit's own list: its name in the plan and of its parts."""
        listed = [
            [p.root, p.file, p.start, p.stop, p.row_start, p.rows, *([p.view, p.deleted] if p.view else [])]
            for p in self.pieces
        ]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:20]

    @property
    def rows(self) -> int:
        """Rows of the input that the unit covers."""
        return sum(piece.rows for piece in self.pieces)

    @property
    def rows_deleted(self) -> int:
        """Rows of them that a table has deleted: they are in the files, and are not read."""
        return sum(count_deleted(piece.deleted) for piece in self.pieces)

    def as_json(self) -> str:
        """Return the unit as it travels through Ray."""
        return json.dumps([dict(zip(_FIELDS, _values(piece), strict=True)) for piece in self.pieces])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a unit that ``as_json`` gave."""
        return cls(tuple(Piece(**piece) for piece in json.loads(text)))


def text_bytes(units: Iterable[Unit]) -> int:
    """Return how much is read of the text of units, in bytes, before it is compressed."""
    return sum(piece.read_bytes for unit in units for piece in unit.pieces)


def processes_without_ray(units: int, size: int, workers: int) -> int:
    """Return how many processes of one machine do so many units before Ray would help.

    Args:
        units: how many there are.
        size: of their text, in bytes.
        workers: processes at most.

    Returns:
        0 where the units need Ray.
    """
    if units != 1 and size > workers * MOST_TEXT_OF_A_PROCESS:
        return 0
    return max(1, min(units, workers, -(-size // LEAST_TEXT_OF_A_PROCESS)))


def plan_units(files: Sequence[Description], *, limit: int | None = None) -> list[Unit]:
    """Cut the files into units, in order; with ``limit``, only the first rows of the store."""
    pieces = [piece for file in files for piece in _pieces(file)]
    if limit is not None:
        deleted = _deleted_of(files)
        pieces = _first_rows([_marked(piece, deleted.get(piece.source)) for piece in pieces], limit)
    total = sum(piece.read_bytes for piece in pieces)
    target = max(SMALLEST_UNIT, min(LARGEST_UNIT, total // UNITS_AT_LEAST))
    most_files = _most_files(len(files)) if total < target * UNITS_AT_LEAST else LARGEST_UNIT_FILES
    units: list[Unit] = []
    current: list[Piece] = []
    size = rows = 0
    for piece in pieces:
        full = len(current) >= most_files and current[-1].source != piece.source
        if current and (full or size + piece.read_bytes > target * 4 // 3 or rows + piece.rows > LARGEST_UNIT_ROWS):
            units.append(Unit(tuple(current)))
            current, size, rows = [], 0, 0
        _add(current, piece)
        size, rows = size + piece.read_bytes, rows + piece.rows
        if size >= target or rows >= LARGEST_UNIT_ROWS:
            units.append(Unit(tuple(current)))
            current, size, rows = [], 0, 0
    if current:
        units.append(Unit(tuple(current)))
    return _without_deleted(units, files)


def _most_files(files: int) -> int:
    return max(SMALLEST_UNIT_FILES, min(LARGEST_UNIT_FILES, files // UNITS_AT_LEAST))


def _without_deleted(units: Iterable[Unit], files: Iterable[Description]) -> list[Unit]:
    """Say in each piece which of its rows its table has deleted."""
    deleted = _deleted_of(files)
    return [Unit(tuple(_marked(piece, deleted.get(piece.source)) for piece in unit.pieces)) for unit in units]


def _deleted_of(files: Iterable[Description]) -> dict[SourceFile, npt.NDArray[np.int64]]:
    return {described.file: described.deleted_N for described in files if described.deleted_N is not None}


def _marked(piece: Piece, deleted_N: npt.NDArray[np.int64] | None) -> Piece:
    if deleted_N is None:
        return piece
    return replace(piece, deleted=deleted_between(deleted_N, piece.row_start, piece.rows))


def _pieces(described: Description) -> Iterator[Piece]:
    """Yield a piece for each stretch that has rows."""
    row = 0
    for stretch in described.stretches:
        if stretch.rows:
            yield _piece(described, stretch, row)
        row += stretch.rows


def _piece(described: Description, stretch: Stretch, row: int) -> Piece:
    file = described.file
    return Piece(
        root=file.root,
        file=file.name,
        start=stretch.start,
        stop=stretch.stop,
        row_start=row,
        rows=stretch.rows,
        read_bytes=stretch.read_bytes,
        file_size=file.size,
        file_mtime_ns=file.mtime_ns,
        file_etag=described.etag,
        fingerprint=stretch.fingerprint or described.fingerprint,
        format=described.format,
        layout=described.layout,
        first_line=stretch.first_line,
        view=None if described.view is None else described.view.as_text(),
    )


def _first_rows(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    """Take pieces until they have so many rows, those not counted that the pieces say are deleted."""
    kept: list[Piece] = []
    for piece in pieces:
        if limit <= 0:
            break
        there_N = np.setdiff1d(np.arange(piece.rows), deleted_rows(piece.deleted), assume_unique=True)
        rows = piece.rows if len(there_N) <= limit else int(there_N[limit - 1]) + 1
        kept.append(replace(piece, rows=rows, read_bytes=piece.read_bytes * rows // piece.rows))
        limit -= min(limit, len(there_N))
    return kept


def _add(pieces: list[Piece], piece: Piece) -> None:
    """Append a piece, as part of the last one where it goes on where that one ends.

    So they are read as one, in blocks that are as large as they may be.
    """
    last = pieces[-1] if pieces else None
    if last is None or last.source != piece.source or last.row_start + last.rows != piece.row_start:
        pieces.append(piece)
        return
    fingerprint = last.fingerprint
    if fingerprint != piece.fingerprint:  # each stretch has its own
        if last.stop != piece.start:  # what lies between has no rows, and would not be looked at
            pieces.append(piece)
            return
        fingerprint = f"{fingerprint} {piece.fingerprint}"
    pieces[-1] = replace(
        last,
        stop=piece.stop,
        rows=last.rows + piece.rows,
        read_bytes=last.read_bytes + piece.read_bytes,
        fingerprint=fingerprint,
    )


def unit_pieces(units: Iterable[Unit]) -> dict[tuple[int, str], list[Piece]]:
    """Return the pieces of each file, by its root and name."""
    pieces: dict[tuple[int, str], list[Piece]] = {}
    for unit in units:
        for piece in unit.pieces:
            pieces.setdefault((piece.root, piece.file), []).append(piece)
    return pieces


def split_unit(unit: Unit, files: Mapping[SourceFile, Description]) -> list[Unit]:
    """Cut a unit that could not be scored, so that what is bad of it stands alone: by pieces, one piece by stretches.

    Returns:
        The smaller units; none where nothing is smaller, or the only file is not in ``files``.
    """
    if len(unit.pieces) > 1:
        return [Unit((piece,)) for piece in unit.pieces]
    (piece,) = unit.pieces
    described = files.get(piece.source)
    if described is None:
        return []
    parts = [part for part in _pieces(described) if piece.start <= part.start < piece.stop]
    smaller = [Unit((part,)) for part in _first_rows(parts, piece.rows)] if len(parts) > 1 else []
    return _without_deleted(smaller, [described])


def plan_table(units: Sequence[Unit], left_out: Mapping[SourceFile, Failure]) -> pa.Table:
    """Return a plan as Parquet holds it: a row a piece, then a row a file that is in no unit."""
    without = [Piece(file.root, file.name, 0, 0, 0, 0, 0, file.size, file.mtime_ns) for file in left_out]
    pieces = [piece for unit in units for piece in unit.pieces] + without
    ids = [unit.id for unit in units for _ in unit.pieces]
    whole = [None] * len(ids)
    columns = {
        "unit": [*ids, *([None] * len(without))],
        "left_out": [*whole, *(failure.reason.value for failure in left_out.values())],
        "detail": [*whole, *(failure.detail for failure in left_out.values())],
    }
    for name in _FIELDS:
        columns[name] = list(map(attrgetter(name), pieces))
    return pa.table({name: columns[name] for name in PLAN_SCHEMA.names}, schema=PLAN_SCHEMA)


_OF_EARLIER_RUNS = {"layout": "", "first_line": 0}
"""What is null, or a column that is not there, in plans of before these fields."""


def plan_from_table(table: pa.Table) -> tuple[list[Unit], dict[SourceFile, Failure]]:
    """Rebuild the plan that ``plan_table`` gave, in its order."""
    pieces: dict[str, list[Piece]] = {}
    left_out: dict[SourceFile, Failure] = {}
    for batch in table.to_batches(_ROWS_AT_ONCE):
        columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        for name, empty in _OF_EARLIER_RUNS.items():
            columns[name] = [value or empty for value in columns.get(name, [None] * len(batch))]
        own = [columns[name] for name in _FIELDS]
        for unit, reason, detail, *values in zip(
            columns["unit"], columns["left_out"], columns["detail"], *own, strict=True
        ):
            piece = Piece(*values)
            if unit is None:
                left_out[piece.source] = Failure(reason=FileReason(reason), detail=detail, file=piece.file)
            else:
                pieces.setdefault(unit, []).append(piece)
    return [Unit(tuple(of_unit)) for of_unit in pieces.values()], left_out


_ROWS_AT_ONCE = 1 << 14
