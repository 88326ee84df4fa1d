"""``verify``: prove from a run's own files that each row of the input is in it exactly once.

A part is read a piece at a time: what is kept of it is a byte for each row of its unit. Nothing is parsed before its
checksum is seen to be right. With ``--deep`` the store's files are compared with those that were planned.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from w2vray.errors import RunError, W2vrayError
from w2vray.notebooks import as_html
from w2vray.places.uris import absolute
from w2vray.run.directory import RunDirectory
from w2vray.run.parts import COUNTED_SINCE, COUNTS, CommittedPart, part_name
from w2vray.run.refused_files import Refused, refused_files, refused_notes
from w2vray.run.rows import row_problems
from w2vray.run.run_files import MANIFEST, REJECTED, RUN, SCORES, SUCCESS, TOTALS
from w2vray.run.sealed import check_rows
from w2vray.run.unchanged import store_problems
from w2vray.schema import NOTHING_AMISS
from w2vray.settings.checks import VerifySettings
from w2vray.standing import instead
from w2vray.store.failures import Failure
from w2vray.store.listing import Ignored
from w2vray.store.units import Unit, unit_pieces

__all__ = ["VerifySummary", "verify"]

_NAMED = 3
"""The most units that are named as missing, and the most files of one: there may be thousands."""

Progress = Callable[[int, int], None]
"""Called with units checked and units to check."""


@dataclass(frozen=True, kw_only=True)
class VerifySummary:
    """What the files of a run prove; ``problems`` names each thing that is not as it should be.

    Units without a part are one problem, however many they are.
    """

    run: str
    ok: bool
    rows_in: int
    rows_scored: int
    rows_rejected: int
    rows_deleted: int  # in the files of a table that has deleted them
    tables: list[Mapping[str, Any]]  # kind, place and version of each table that was read
    units: int
    problems: list[str]
    gaps: list[str]  # left out, and accepted by --on-bad skip
    new_files: list[str]  # with --deep: in the store, and not in the run
    ignored: Mapping[str, int]  # with --deep: why files are no part of the store -> how many
    notes: list[str]  # with --deep: those files, for a person

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            "everything is in order": self.ok,
            "rows": self.rows_in,
            "scored": self.rows_scored,
            "rejected": self.rows_rejected,
            "units": self.units,
            "problems": self.problems,
            "accepted as gaps": self.gaps,
        }
        return as_html(f"Run {self.run}", facts)


@dataclass
class _Found:
    """What was found so far."""

    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seals: dict[str, str] = field(default_factory=dict)  # unit -> hash that proves its part's record
    refused: dict[str, Refused | None] = field(default_factory=dict)  # unit -> files of which it rejected all
    missing: list[Unit] = field(default_factory=list)  # without a part, and not accepted as a gap
    accepted: Mapping[str | None, Failure] = field(default_factory=dict)  # unit or file -> why


def verify(settings: VerifySettings, *, progress: Progress | None = None) -> VerifySummary:
    """Check counts, duplicates, gaps and checksums; one unit is in memory at a time.

    Raises:
        RunError: there is no run at all.
        CorpusError: with ``--deep``, the store cannot be listed.
    """
    run = RunDirectory(absolute(settings.run))
    if not run.exists(RUN):
        raise RunError(f"{run.name} holds no run: there is no {RUN}{instead(settings.run)}")
    identity = run.read_json(RUN)
    units, left_out = run.plan()
    found = _Found(accepted=_accepted(run))
    found.problems += _plan_problems(units)
    for bad in left_out.values():
        if bad.reason in NOTHING_AMISS:
            continue
        if bad.file in found.accepted:
            found.gaps.append(f"{bad.name}: {bad}")
        else:
            found.problems.append(f"{bad.name} is in no part: {bad.detail}; repair or remove the file")
    finished = run.finished()
    for done, unit in enumerate(units, 1):
        _check_unit(run, unit, found, present=unit.id in finished, fingerprint=identity.get("fingerprint"))
        if progress is not None:
            progress(done, len(units))
    found.problems += _missing_problems(found.missing, len(units))
    found.problems += _orphans(run, units)
    found.problems += _manifest_problems(run, units, found)
    changed, new_files, ignored = (
        store_problems(identity, units, left_out, settings.corpus) if settings.deep else ([], [], Ignored())
    )
    found.problems += changed
    return VerifySummary(
        run=run.name,
        ok=not found.problems,
        **{name: found.counts[name] for name in ("rows_in", "rows_scored", "rows_rejected", "rows_deleted")},
        tables=list(identity.get("tables", [])),
        units=len(units),
        problems=found.problems,
        gaps=found.gaps,
        new_files=new_files,
        ignored=ignored.files,
        notes=[*refused_notes(refused_files(units, found.refused)), *ignored.lines()],
    )


def _accepted(run: RunDirectory) -> dict[str | None, Failure]:
    """Return the gaps that a call with ``--on-bad skip`` accepted, by unit or file."""
    try:
        if not run.read_json(TOTALS).get("gaps_accepted"):
            return {}
    except RunError:
        return {}
    return {item.unit or item.file: item for item in run.failures()}


def _plan_problems(units: Sequence[Unit]) -> Iterator[str]:
    """Check that the pieces of each file start at its first row, touch, and do not overlap."""
    for (_, name), pieces in unit_pieces(units).items():
        row = 0
        for piece in sorted(pieces, key=lambda piece: piece.row_start):
            if piece.row_start != row:
                yield f"{name}: the plan goes from row {row} to row {piece.row_start}"
            row = piece.row_start + piece.rows


def _check_unit(run: RunDirectory, unit: Unit, found: _Found, *, present: bool, fingerprint: object) -> None:
    if not present:
        if unit.id in found.accepted:
            found.gaps.append(f"{_named(unit)}: {found.accepted[unit.id]}")
        else:
            found.missing.append(unit)
        return
    try:
        part = run.committed_part(unit.id)
        found.seals[unit.id] = part.seal.footer_sha256
        found.refused[unit.id] = part.record.refused
        found.counts.update({name: getattr(part.record, name) for name in COUNTS})
        if part.record.run != fingerprint:
            found.problems.append(f"{SCORES}/{part_name(unit.id)} was made by another model or with other options")
        found.problems += _unit_problems(run, unit, part)
    except (W2vrayError, OSError, ValueError) as error:
        found.problems.append(f"unit {unit.id}: {(str(error) or type(error).__name__).splitlines()[0]}")


def _missing_problems(missing: Sequence[Unit], units: int) -> Iterator[str]:
    """Name the first few of the units without a part: of a run that was stopped early, nearly all of them are."""
    if not missing:
        return
    some = _some([_named(unit) for unit in missing])
    rows = f"{sum(unit.rows for unit in missing):,} rows are in no part"
    count = f"{len(missing):,} of {units:,} units are missing"
    what = f"{some}: {rows}" if len(missing) == 1 else f"{count}, and {rows}: {some}"
    yield f"{what}; run the same score again"


def _named(unit: Unit) -> str:
    """Name a unit, and the files that its rows are of."""
    return f"unit {unit.id} ({_some(list(dict.fromkeys(piece.file for piece in unit.pieces)))})"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _unit_problems(run: RunDirectory, unit: Unit, part: CommittedPart) -> Iterator[str]:
    """Check a finished unit: its record against its rows, its rows against the plan, its bytes against its hashes."""
    record, name = part.record, part_name(unit.id)
    try:
        with run.store.open_input_file(run.path(SCORES, name)) as handle:
            check_rows(handle, part.seal)
    except W2vrayError as error:
        yield f"{SCORES}/{name}: {error}; remove it and run the same score again"
        return
    folders = [SCORES]
    if record.rows_rejected:
        if sha256(run.read(REJECTED, name)).hexdigest() != record.rejected_sha256:
            what = f"{REJECTED}/{name}: its bytes are not those that were written (checksum)"
            yield f"{what}; remove it and {SCORES}/{name}, and run the same score again"
            return
        folders.append(REJECTED)
    elif run.exists(REJECTED, name):
        yield f"{REJECTED}/{name} exists, but the unit's record lists no rejected rows"
    if record.rows_in != record.rows_scored + record.rows_rejected:
        parts = f"{record.rows_scored:,} scored + {record.rows_rejected:,} rejected"
        yield f"unit {unit.id}: {record.rows_in:,} rows in, {parts}"
    if record.rows_deleted != unit.rows_deleted:
        yield f"unit {unit.id}: {record.rows_deleted:,} rows deleted by the table, the plan has {unit.rows_deleted:,}"
    if record.rows_read != unit.rows:
        yield f"unit {unit.id}: {record.rows_read:,} rows read, the plan has {unit.rows:,}"
    promised = {SCORES: record.rows_scored, REJECTED: record.rows_rejected}
    yield from row_problems(run, unit, {folder: promised[folder] for folder in folders}, record.rows_in)


def _orphans(run: RunDirectory, units: Sequence[Unit]) -> Iterator[str]:
    expected = {part_name(unit.id) for unit in units}
    for folder in (SCORES, REJECTED):
        for name in sorted(run.parts(folder) - expected):
            yield f"{folder}/{name} belongs to no unit of the plan"


def _manifest_problems(run: RunDirectory, units: Sequence[Unit], found: _Found) -> Iterator[str]:
    """Check manifest, totals and _SUCCESS against what the parts say."""
    missing = [name for name in (MANIFEST, TOTALS, SUCCESS) if not run.exists(name)]
    if missing:
        yield f"not there: {', '.join(missing)}; run the same score again (--on-bad skip accepts gaps)"
    if {MANIFEST, TOTALS} & set(missing):
        return
    try:
        rows = run.read_table(MANIFEST).to_pylist()
        totals = run.read_json(TOTALS)
    except RunError as error:
        yield str(error)
        return
    listed = {row["unit"]: row["footer_sha256"] for row in rows if row["unit"] is not None}
    if set(listed) != {unit.id for unit in units}:
        yield f"{MANIFEST} lists {len(listed):,} units, the plan has {len(units):,}"
    whole = set(listed) <= set(found.seals)  # without a part of them, the totals cannot be right
    for name in COUNTS:
        if whole and totals.get(name, 0 if name in COUNTED_SINCE else None) != found.counts[name]:
            yield f"{TOTALS}: {name} is {totals.get(name, 'missing')}, the parts have {found.counts[name]:,}"
    for unit, proof in found.seals.items():
        if unit in listed and listed[unit] != proof:
            yield f"{SCORES}/{part_name(unit)}: its footer is not the one that {MANIFEST} knows"
