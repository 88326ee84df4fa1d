"""The plan of a scoring run: made once from the store, taken up again by the same command, refused to any other."""

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from w2vray.errors import CorpusError, RunError
from w2vray.models.directory import Bundle
from w2vray.run.directory import INSTEAD, MANIFEST, PLAN, REJECTED, RUN, SCORES, TOTALS, Failure, RunDirectory
from w2vray.run.parts import part_name
from w2vray.schema import MAY_PASS, NOTHING_AMISS, FileReason, holds_views, without_views
from w2vray.scoring.scorer import SCORING_VERSION
from w2vray.settings.verbs import ScoreSettings, flag
from w2vray.store.corpus import Corpus, SourceFile, names_what_is_in
from w2vray.store.filters import parse_where
from w2vray.store.footer_process import read_footers
from w2vray.store.footers import BadFile, Footer
from w2vray.store.places import without_secrets
from w2vray.store.preflight import Columns, check_footers, kept_columns, store_schema
from w2vray.store.reading import schema_as_read
from w2vray.store.units import Unit, plan_units, split_unit

__all__ = ["RunPlan", "fingerprint", "require_outside", "resume_run", "run_identity", "split_failed", "start_run"]

RUN_FORMAT = 4

_OF_A_RUN = (RUN, PLAN, MANIFEST, TOTALS, f"{SCORES}/{part_name('0' * 20)}", f"{REJECTED}/{part_name('0' * 20)}")
"""Files that a run has, or will have."""


@dataclass
class RunPlan:
    """The units of a run, the files that are in none and why, and the schema of the columns that are kept."""

    units: list[Unit]
    left_out: dict[SourceFile, BadFile]
    schema: pa.Schema  # of the columns that are read besides the text
    kept_schema: pa.Schema  # by the names in the scores
    new_files: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[BadFile]:
        """The files that should be in the plan and cannot."""
        return [bad for bad in self.left_out.values() if bad.reason not in NOTHING_AMISS]


def run_identity(settings: ScoreSettings, bundle: Bundle) -> dict[str, Any]:
    """Return all that a row's answer depends on, but the row."""
    names = ["text_column", "keep", "probabilities", "top_k", "threshold", "where", "limit"]
    names += ["max_bytes", "truncate", "null_as_empty", "precision"]
    options = {name: getattr(settings, name) for name in names}
    identity = {
        "format": RUN_FORMAT,
        "scoring_version": SCORING_VERSION,
        "model": bundle.fingerprint,
        "labels": bundle.config.labels,  # the order of a row's probabilities
        "vectors": bundle.config.vectors_fingerprint,
        "options": options,
    }
    return dict(json.loads(json.dumps(identity)))  # as it will be read back


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return one word for an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def require_outside(arguments: Sequence[str], run: RunDirectory) -> None:
    """Refuse a run that lies in a store that it classifies: its files would be documents to whoever lists it next.

    Raises:
        RunError: it does, and neither it nor a folder above it in the store is left out by its name.
    """
    for argument in arguments:
        if names_what_is_in(argument, run.store, run.base, _OF_A_RUN):
            raise RunError(
                f"{run.name} is inside {without_secrets(argument)}: its files would be documents to whoever classifies "
                "that next. Name an --output elsewhere, or one that begins with _"
            )


def start_run(run: RunDirectory, identity: Mapping[str, Any], corpus: Corpus, settings: ScoreSettings) -> RunPlan:
    """Plan a new run and write the plan down, then run.json, which makes it a run.

    Raises:
        CorpusError: no file can be read, or none has the columns; with ``--on-bad fail``, one cannot.
    """
    columns = _columns(settings)
    footers, unreadable = read_footers(corpus, corpus.files, settings.text_column)
    if not footers:
        raise CorpusError(f"{corpus.place(unreadable[0].file)}: {unreadable[0].detail}; no file can be read")
    schema = store_schema(footers, columns, corpus.roots)
    if settings.where:
        parse_where(settings.where).check(schema_as_read(schema))
    good, unfit = check_footers(footers, columns, schema)
    if not good:
        raise CorpusError(f"{corpus.place(unfit[0].file)}: {unfit[0].detail}")
    others = pa.schema([schema.field(name) for name in dict.fromkeys(columns.others)]).remove_metadata()
    units = plan_units(good, limit=settings.limit)
    left_out = _left_out(units, footers, [*unreadable, *unfit])
    plan = RunPlan(units, left_out, others, _kept_schema(settings, others))
    _stop_at_bad(plan, settings)
    run.remove(RUN)  # of another plan, where there is one: until the new one is there, this is no run
    run.write_plan(plan.units, plan.left_out.values())
    stored = {
        **identity,
        "corpus": [without_secrets(root) for root in corpus.roots],
        "fingerprint": fingerprint(identity),
        "schema": base64.b64encode(others.serialize()).decode(),
    }
    run.write_json(stored, RUN)
    return plan


def resume_run(
    run: RunDirectory,
    identity: Mapping[str, Any],
    corpus: Corpus,
    settings: ScoreSettings,
    *,
    finished: Collection[str],
    failures: Sequence[Failure],
) -> RunPlan | None:
    """Take up a run that was planned before, None where there is none, or only the plan of another.

    No file is opened but those that could not be read before and, with ``--new-files``, those that are new.

    Args:
        run: the run's directory.
        identity: what its answers depend on.
        corpus: the store as it is now.
        settings: of this call.
        finished: units whose part is there.
        failures: what the last call could not score: such a file may have been mended, or removed.

    Raises:
        RunError: the run is of another model, other options or other files; the message says which.
    """
    stored = run.identity()
    if stored is None:
        return None
    differing = next((name for name, now in identity.items() if stored.get(name) != now), None)
    if differing is not None:
        if run.is_only_planned():
            return None  # as where its workers were refused: nothing is lost with the plan
        difference = _difference(differing, stored.get(differing), identity[differing])
        raise RunError(f"{run.name} was made with another {difference}; give the same again, or another --output")
    if stored.get("fingerprint") != fingerprint(identity):
        raise RunError(f"{run.name}: {RUN} is damaged (its fingerprint is not that of what it lists); {INSTEAD}")
    units, left_out = run.plan()
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored["schema"])))
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{run.name}: {RUN} is damaged ({error}); {INSTEAD}") from error
    plan = RunPlan(units, left_out, schema, _kept_schema(settings, schema))
    present = {(file.root, file.name): file for file in corpus.files}
    failed = {failure.file: failure.reason for failure in failures}
    again = _drop_mended(run, plan, present, finished, failed, retry=settings.on_bad != "skip")
    tried = [bad for bad in plan.bad if settings.on_bad != "skip" or bad.reason in MAY_PASS]
    again |= {(bad.file.root, bad.file.name) for bad in tried}
    known = {(file.root, file.name) for file in [*_planned(plan.units), *plan.left_out]} | again
    new = [file for place, file in present.items() if place not in known]
    plan.new_files = [file.name for file in new]
    if settings.new_files:
        again |= {(file.root, file.name) for file in new}
        plan.new_files = []
    if again:
        _extend(run, plan, corpus, again, settings)
    _stop_at_bad(plan, settings)
    return plan


def split_failed(plan: RunPlan, corpus: Corpus, failures: Iterable[Failure], settings: ScoreSettings) -> list[Unit]:
    """Put smaller units into the plan in place of those that a bad file has failed, so that all else gets done.

    Returns:
        The smaller units. Units that ended their workers stay whole.
    """
    failed = {item.unit: item for item in failures if item.unit and item.reason != FileReason.KILLED_WORKERS}
    whole = [unit for unit in plan.units if unit.id in failed]
    divided = {FileReason.DAMAGED_DATA, FileReason.OUT_OF_MEMORY}
    alone = {unit.pieces[0].source for unit in whole if failed[unit.id].reason in divided and len(unit.pieces) == 1}
    footers, _ = read_footers(corpus, [file for file in corpus.files if file in alone], settings.text_column)
    unchanged = {footer.file: footer for footer in footers}
    smaller = {unit.id: split_unit(unit, unchanged) for unit in whole}
    plan.units = [part for unit in plan.units for part in smaller.get(unit.id) or [unit]]
    return [part for parts in smaller.values() for part in parts]


def _columns(settings: ScoreSettings) -> Columns:
    filtered = parse_where(settings.where).columns if settings.where else ()
    return Columns(settings.text_column, (*kept_columns(settings.keep).values(), *filtered))


def _kept_schema(settings: ScoreSettings, schema: pa.Schema) -> pa.Schema:
    kept = kept_columns(settings.keep)
    fields = [(name, schema.field(stored)) for name, stored in kept.items()]
    for _, column in fields:
        if holds_views(without_views(column.type)):
            raise CorpusError(
                f"--keep {column.name}: the column is {column.type}, of which Arrow cannot take single rows yet; "
                "leave it out, or write the store with plain strings and lists"
            )
    return pa.schema([field.with_name(name).with_type(without_views(field.type)) for name, field in fields])


def _planned(units: Iterable[Unit]) -> set[SourceFile]:
    return {piece.source for unit in units for piece in unit.pieces}


def _left_out(units: Sequence[Unit], footers: Sequence[Footer], bad: Sequence[BadFile]) -> dict[SourceFile, BadFile]:
    """Say of each file that is in no unit why."""
    planned = _planned(units)
    left_out = {item.file: item for item in bad}
    for footer in footers:
        if footer.file not in planned:
            rows = sum(footer.rows)
            reason = FileReason.BEYOND_LIMIT if rows else FileReason.NO_ROWS
            detail = "--limit ends before it" if rows else "it has no rows"
            left_out.setdefault(footer.file, BadFile(footer.file, reason, detail))
    return left_out


def _stop_at_bad(plan: RunPlan, settings: ScoreSettings) -> None:
    if settings.on_bad == "fail" and plan.bad:
        first, more = plan.bad[0], len(plan.bad) - 1
        others = f", and {more:,} more like it" if more else ""
        raise CorpusError(f"{first.file.name}: {first.detail}{others}; mend or remove it, or choose another --on-bad")


def _drop_mended(
    run: RunDirectory,
    plan: RunPlan,
    present: Mapping[tuple[int, str], SourceFile],
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
    as_it_was = _planned(plan.units) | {bad.file for bad in plan.left_out.values() if bad.reason in NOTHING_AMISS}
    changed = {file for file in as_it_was if present.get((file.root, file.name)) != file}
    begun = {piece.source for unit in plan.units if unit.id in finished for piece in unit.pieces}
    for file in sorted(changed, key=lambda file: file.name):
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
    run: RunDirectory, plan: RunPlan, corpus: Corpus, places: Collection[tuple[int, str]], settings: ScoreSettings
) -> None:
    """Plan files that are new, or that could not be planned before; those that are gone are forgotten."""
    files = [file for file in corpus.files if (file.root, file.name) in places]
    footers, unreadable = read_footers(corpus, files, settings.text_column)
    good, unfit = check_footers(footers, _columns(settings), plan.schema)
    limit = None if settings.limit is None else settings.limit - sum(unit.rows for unit in plan.units)
    plan.units += plan_units(good, limit=limit)
    kept = {file: bad for file, bad in plan.left_out.items() if (file.root, file.name) not in places}
    plan.left_out = {**kept, **_left_out(plan.units, footers, [*unreadable, *unfit])}
    _stop_at_bad(plan, settings)
    run.write_plan(plan.units, plan.left_out.values())


def _difference(name: str, was: Any, now: Any) -> str:
    if name == "options" and isinstance(was, dict):
        differing = [key for key in now if was.get(key) != now[key]]
        return " and ".join(f"{flag(key)} ({was.get(key)!r}, now {now[key]!r})" for key in differing)
    return f"{name.replace('_', ' ')} ({str(was)[:16]}, now {str(now)[:16]})"
