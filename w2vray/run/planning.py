"""The plan of a scoring run: made once from the store, taken up again by the same command, refused to any other."""

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from w2vray.errors import CorpusError, RunError
from w2vray.places.uris import without_secrets
from w2vray.run.directory import RunDirectory
from w2vray.run.made_otherwise import made_otherwise
from w2vray.run.parts import part_name
from w2vray.run.request import Request
from w2vray.run.run_files import INSTEAD, MANIFEST, PLAN, REJECTED, RUN, SCORES, TOTALS
from w2vray.schema import MAY_PASS, NOTHING_AMISS, FileReason, holds_views, without_views
from w2vray.store.corpus import Corpus, SourceFile, one_version
from w2vray.store.describing import describe_files
from w2vray.store.description import Description
from w2vray.store.failures import Failure
from w2vray.store.globs import names_what_is_in
from w2vray.store.not_read import EXCLUDED, excluded_files
from w2vray.store.one_format import require_one_format
from w2vray.store.preflight import fit_files
from w2vray.store.units import Unit, plan_units, split_unit
from w2vray.text.keys import ALL_KEYS

__all__ = [
    "RunPlan",
    "plan_run",
    "planned_versions",
    "recorded_versions",
    "require_outside",
    "resume_run",
    "split_failed",
    "start_run",
]

EXPLAINED = "explained_up_to"
"""In run.json, of a run with ``--evidence-sample``: written when the run is planned, so that files which come later
change no choice."""

_OF_A_RUN = (RUN, PLAN, MANIFEST, TOTALS, f"{SCORES}/{part_name('0' * 20)}", f"{REJECTED}/{part_name('0' * 20)}")
"""Files that a run has, or will have."""


@dataclass
class RunPlan:
    """The units of a run, the files that are in none and why, and the schema of the columns that are kept."""

    units: list[Unit]
    left_out: dict[SourceFile, Failure]
    schema: pa.Schema  # of the columns that are read besides the text
    kept_schema: pa.Schema  # by the names in the scores
    explained_up_to: int = ALL_KEYS  # keys of places from there on have no evidence, where it is asked for
    new_files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for a person

    @property
    def bad(self) -> dict[SourceFile, Failure]:
        """The files that should be in the plan and cannot."""
        return {file: bad for file, bad in self.left_out.items() if bad.reason not in NOTHING_AMISS}


def require_outside(arguments: Sequence[str], run: RunDirectory) -> None:
    """Refuse a run that lies in a store that it classifies: its files would be documents to whoever lists it next.

    Raises:
        RunError: it does, and neither it nor a folder above it in the store is left out by its name.
    """
    for argument in arguments:
        if names_what_is_in(argument, run.store, run.base, _OF_A_RUN):
            raise RunError(
                f"{run.name} is inside {without_secrets(argument)}: the next run there would read its files as "
                "documents. Give an --output elsewhere, or one whose name begins with _"
            )


def plan_run(request: Request, corpus: Corpus) -> RunPlan:
    """Plan a run; nothing is written.

    Raises:
        CorpusError: no file can be read, or none has the columns; with ``--on-bad fail``, one cannot.
    """
    columns = request.columns
    excluded = excluded_files(corpus, request.where) if request.limit is None else []
    wanted = [file for file in corpus.files if file not in {*excluded}]
    files, unreadable = describe_files(corpus, wanted, columns.all, request.read_as)
    if not files:
        file, failure = next(iter(unreadable.items()))
        raise CorpusError(f"{corpus.place(file)}: {failure.detail}; no file can be read")
    found = fit_files(files, columns, corpus, unreadable=unreadable)
    notes = [*found.notes, *(request.where.fitted(found.schema).notes if request.where else ())]
    if not found.files:
        file, failure = next(iter(found.bad.items()))
        raise CorpusError(f"{corpus.place(file)}: {failure.detail}")
    units = plan_units(found.files, limit=request.limit)
    left_out = _left_out(units, files, unreadable | found.bad) | {
        file: Failure(reason=FileReason.EXCLUDED, detail=EXCLUDED, file=file.name) for file in excluded
    }
    plan = RunPlan(units, left_out, found.schema, _kept_schema(request, found.schema), notes=notes)
    _stop_at_bad(plan, request)
    return plan


def start_run(run: RunDirectory, request: Request, corpus: Corpus) -> RunPlan:
    """Plan a new run and write the plan down, then run.json, which makes it a run.

    Raises:
        CorpusError: see ``plan_run``.
    """
    plan = plan_run(request, corpus)
    if (sample := request.answer.evidence_sample) is not None:
        plan.explained_up_to = min(ALL_KEYS, sample * ALL_KEYS // max(1, sum(unit.rows for unit in plan.units)))
    run.remove(RUN)  # of another plan, where there is one: until the new one is there, this is no run
    run.write_plan(plan.units, plan.left_out)
    stored = {
        **request.identity,
        "corpus": [without_secrets(root) for root in corpus.roots],
        "named": [without_secrets(place) for place in request.corpus],
        "fingerprint": request.fingerprint,
        "tables": [{"root": root, **table.as_json()} for root, table in corpus.tables.items()],
        "notes": plan.notes,
        "schema": base64.b64encode(plan.schema.serialize()).decode(),
        **({} if sample is None else {EXPLAINED: plan.explained_up_to}),
    }
    run.write_json(stored, RUN)
    return plan


def resume_run(
    run: RunDirectory, request: Request, corpus: Corpus, *, finished: Collection[str], failures: Sequence[Failure]
) -> RunPlan | None:
    """Take up a run that was planned before, None where there is none, or only the plan of another.

    No file is opened but those that could not be read before and, with ``--new-files``, those that are new.

    Args:
        run: the run's directory.
        request: what this call asks for.
        corpus: the store as it is now.
        finished: units whose part is there.
        failures: what the last call could not score: such a file may have been mended, or removed.

    Raises:
        RunError: the run is of another model, other options or other files; the message says which.
    """
    stored, identity = run.identity(), request.identity
    if stored is None:
        return None
    differing = next((name for name, now in identity.items() if stored.get(name) != now), None)
    if differing is not None:
        if run.is_only_planned():
            return None  # as where its workers were refused: nothing is lost with the plan
        raise RunError(f"{run.name} {made_otherwise(differing, stored.get(differing), identity[differing])}")
    if stored.get("fingerprint") != request.fingerprint:
        raise RunError(f"{run.name}: {RUN} is damaged (its fingerprint is not that of what it lists); {INSTEAD}")
    planned = recorded_versions(stored)
    if planned != corpus.versions:
        was, now = _versions(stored.get("tables", [])), _versions([table.as_json() for table in corpus.tables.values()])
        raise RunError(
            f"{run.name} was planned with other versions of tables: {was}; now {now}; name the same store again, or "
            "another --output"
        )
    if request.new_files and corpus.tables:
        raise RunError(
            f"--new-files: {run.name} stays with {next(iter(corpus.tables.values()))}; "
            "leave out --new-files, or score the current version into another --output"
        )
    units, left_out = run.plan()
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored["schema"])))
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{run.name}: {RUN} is damaged ({error}); {INSTEAD}") from error
    explained = stored.get(EXPLAINED, ALL_KEYS)
    if not isinstance(explained, int) or not 0 <= explained <= ALL_KEYS:
        raise RunError(f"{run.name}: {RUN} is damaged ({EXPLAINED} is {explained!r}); {INSTEAD}")
    notes = list(stored.get("notes", []))
    plan = RunPlan(units, left_out, schema, _kept_schema(request, schema), explained_up_to=explained, notes=notes)
    present = _present(corpus)
    failed = {failure.file: failure.reason for failure in failures}
    again = _drop_mended(run, plan, corpus, finished, failed, retry=request.on_bad != "skip")
    tried = [file for file, bad in plan.bad.items() if request.on_bad != "skip" or bad.reason in MAY_PASS]
    again |= {(file.root, file.name) for file in tried}
    known = {(file.root, file.name) for file in [*_planned(plan.units), *plan.left_out]} | again
    new = [file for place, file in present.items() if place not in known]
    plan.new_files = [file.name for file in new]
    if request.new_files:
        again |= {(file.root, file.name) for file in new}
        plan.new_files = []
    if again:
        _extend(run, plan, corpus, again, request)
    _stop_at_bad(plan, request)
    return plan


def planned_versions(run: RunDirectory, request: Request) -> dict[int, int]:
    """Return which versions of tables a call is to read: those that the run was planned from, if it is the same run.

    Raises:
        RunError: the directory holds something else.
        CorpusError: a version is asked for, and several places are named.
    """
    stored = run.identity()
    if stored is not None and stored.get("fingerprint") == request.fingerprint:
        return recorded_versions(stored)
    return one_version(request.corpus, request.table_version)


def recorded_versions(identity: Mapping[str, Any]) -> dict[int, int]:
    """Return the versions of tables that run.json tells of, by the root that the table is."""
    return {table["root"]: table["version"] for table in identity.get("tables", [])}


def _versions(tables: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"version {table['version']} of {table['place']}" for table in tables) or "no table"


def split_failed(plan: RunPlan, corpus: Corpus, failures: Iterable[Failure], request: Request) -> list[Unit]:
    """Put smaller units into the plan in place of those that a bad file has failed, so that all else gets done.

    Returns:
        The smaller units. Units that ended their workers stay whole.
    """
    failed = {item.unit: item for item in failures if item.unit and item.reason != FileReason.KILLED_WORKERS}
    whole = [unit for unit in plan.units if unit.id in failed]
    divided = {FileReason.DAMAGED_DATA, FileReason.OUT_OF_MEMORY}
    alone = {unit.pieces[0].source for unit in whole if failed[unit.id].reason in divided and len(unit.pieces) == 1}
    files, _ = describe_files(
        corpus, [file for file in corpus.files if file in alone], request.columns.all, request.read_as
    )
    unchanged = {described.file: described for described in files}
    smaller = {unit.id: split_unit(unit, unchanged) for unit in whole}
    plan.units = [part for unit in plan.units for part in smaller.get(unit.id) or [unit]]
    return [part for parts in smaller.values() for part in parts]


def _kept_schema(request: Request, schema: pa.Schema) -> pa.Schema:
    fields = [(name, schema.field(stored)) for name, stored in request.kept.items()]
    for _, column in fields:
        if holds_views(without_views(column.type)):
            raise CorpusError(
                f"--keep {column.name}: the column is {column.type}, of which Arrow cannot take single rows yet; "
                "leave it out, or write the store with plain strings and lists"
            )
    return pa.schema([field.with_name(name).with_type(without_views(field.type)) for name, field in fields])


def _present(corpus: Corpus) -> dict[tuple[int, str], SourceFile]:
    return {(file.root, file.name): file for file in corpus.files if not corpus.is_gone(file)}


def _planned(units: Iterable[Unit]) -> set[SourceFile]:
    return {piece.source for unit in units for piece in unit.pieces}


def _left_out(
    units: Sequence[Unit], files: Sequence[Description], bad: Mapping[SourceFile, Failure]
) -> dict[SourceFile, Failure]:
    """Say of each file that is in no unit why."""
    planned = _planned(units)
    left_out = dict(bad)
    for described in files:
        file = described.file
        if file not in planned and file not in bad:
            beyond = described.rows > 0
            reason = FileReason.BEYOND_LIMIT if beyond else FileReason.NO_ROWS
            detail = "--limit ends before it" if beyond else "it has no rows"
            left_out[file] = Failure(reason=reason, detail=detail, file=file.name)
    return left_out


def _stop_at_bad(plan: RunPlan, request: Request) -> None:
    if request.on_bad == "fail" and plan.bad:
        first, *more = plan.bad.values()
        others = f", and {len(more):,} more like it" if more else ""
        raise CorpusError(f"{first.name}: {first.detail}{others}; repair or remove it, or choose another --on-bad")


def _drop_mended(
    run: RunDirectory,
    plan: RunPlan,
    corpus: Corpus,
    finished: Collection[str],
    failed: Mapping[str | None, str],
    *,
    retry: bool,
) -> set[tuple[int, str]]:
    """Take out of the plan the files that changed or went since they could not be read, with their unfinished units.

    With ``retry``, those too that were seen to be other files than were planned, of the same size and time.

    Returns:
        The files that have to be planned again: these, and those that were in a unit with one of them.

    Raises:
        RunError: another file has changed, or one of which rows are scored already.
    """
    present = _present(corpus)
    as_it_was = _planned(plan.units) | (plan.left_out.keys() - plan.bad.keys())
    changed = {file for file in as_it_was if present.get((file.root, file.name)) != file}
    begun = {piece.source for unit in plan.units if unit.id in finished for piece in unit.pieces}
    gone = {file for file in changed if corpus.is_gone(file)}  # the version has it still: its rows are no others
    changed -= gone & (begun | plan.left_out.keys())
    for file in sorted(changed - gone, key=lambda file: file.name):
        if file.name not in failed or file in begun:
            raise _changed(run, file, present.get((file.root, file.name)))
    if retry:
        changed |= {file for file in as_it_was - begun if failed.get(file.name) == FileReason.CHANGED}
    stale = [unit for unit in plan.units if changed & {piece.source for piece in unit.pieces}]
    plan.units = [unit for unit in plan.units if unit not in stale]
    for unit in stale:
        plan.units += [Unit((piece,)) for piece in unit.pieces if piece.source not in changed]
    return {(file.root, file.name) for file in changed}


def _changed(run: RunDirectory, planned: SourceFile, now: SourceFile | None) -> RunError:
    if now is None:
        what = "is gone, or not among the files that are named now,"
    else:
        was = f"was {planned.size:,} bytes, modified at {planned.mtime_ns} ns"
        what = f"has changed: {now.size:,} bytes, modified at {now.mtime_ns} ns; {was}"
    return RunError(f"{planned.name} {what} since {run.name} was planned; score the store into another --output")


def _extend(
    run: RunDirectory, plan: RunPlan, corpus: Corpus, places: Collection[tuple[int, str]], request: Request
) -> None:
    """Plan files that are new, or that could not be planned before; those that are gone are forgotten."""
    again = [file for file in corpus.files if (file.root, file.name) in places]
    files, unreadable = describe_files(corpus, again, request.columns.all, request.read_as)
    planned = ((piece.source, piece.format) for unit in plan.units for piece in unit.pieces)
    require_one_format(corpus, [*planned, *((item.file, item.format) for item in files)])
    found = fit_files(files, request.columns, corpus, plan.schema) if files else None
    good, unfit = (found.files, found.bad) if found else ([], {})
    limit = None if request.limit is None else request.limit - sum(unit.rows - unit.rows_deleted for unit in plan.units)
    plan.units += plan_units(good, limit=limit)
    kept = {file: bad for file, bad in plan.left_out.items() if (file.root, file.name) not in places}
    plan.notes += found.notes if found else []
    plan.left_out = {**kept, **_left_out(plan.units, files, unreadable | unfit)}
    _stop_at_bad(plan, request)
    run.write_plan(plan.units, plan.left_out)
