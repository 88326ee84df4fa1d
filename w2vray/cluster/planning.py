"""The plan of a scoring run: made once from the store, taken up again by the same command, refused to any other."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from w2vray.bundle import Bundle
from w2vray.cluster.corpus import BadFile, Corpus, Footer, SourceFile, read_footers
from w2vray.cluster.filters import parse_where
from w2vray.cluster.ledger import RUN, RunDirectory
from w2vray.cluster.preflight import Columns, check_footers, kept_columns, store_schema
from w2vray.cluster.stores import without_secrets
from w2vray.cluster.units import BEYOND_LIMIT, NO_ROWS, Unit, plan_units, without_view
from w2vray.config import ScoreSettings, flag
from w2vray.errors import CorpusError, RunError
from w2vray.scorer import SCORING_VERSION, numeric_profile

__all__ = ["RunPlan", "fingerprint", "resume_run", "run_identity", "start_run"]

RUN_FORMAT = 1


@dataclass
class RunPlan:
    """The units of a run, the files that are in none and why, and the schema of the columns that are kept."""

    units: list[Unit]
    left_out: dict[SourceFile, str]
    schema: pa.Schema  # of the columns that are read besides the text
    kept_schema: pa.Schema  # by the names in the scores
    new_files: list[str] = field(default_factory=list)

    @property
    def bad(self) -> dict[SourceFile, str]:
        """The files that should be in the plan and cannot."""
        return {file: reason for file, reason in self.left_out.items() if reason not in {NO_ROWS, BEYOND_LIMIT}}


def run_identity(settings: ScoreSettings, bundle: Bundle) -> dict[str, Any]:
    """Return all that a row's answer depends on, but the row."""
    names = ("text_column", "keep", "probabilities", "top_k", "threshold", "where", "limit")
    options = {name: getattr(settings, name) for name in names}
    identity = {
        "format": RUN_FORMAT,
        "scoring_version": SCORING_VERSION,
        "model": bundle.fingerprint,
        "vectors": bundle.config.vectors_fingerprint,
        "options": options,
    }
    return dict(json.loads(json.dumps(identity)))  # as it will be read back


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return one word for an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def start_run(run: RunDirectory, identity: Mapping[str, Any], corpus: Corpus, settings: ScoreSettings) -> RunPlan:
    """Plan a new run and write the plan down, then run.json, which makes it a run.

    Raises:
        CorpusError: no file can be read, or none has the columns.
    """
    columns = _columns(settings)
    footers, unreadable = read_footers(corpus, corpus.files, settings.text_column)
    if not footers:
        raise CorpusError(f"{corpus.place(unreadable[0].file)}: {unreadable[0].reason}; no file can be read")
    schema = store_schema(footers, columns)
    if settings.where:
        parse_where(settings.where).check(schema)
    good, unfit = check_footers(footers, columns, schema)
    if not good:
        raise CorpusError(f"{corpus.place(unfit[0].file)}: {unfit[0].reason}")
    others = pa.schema([schema.field(name) for name in dict.fromkeys(columns.others)]).remove_metadata()
    units = plan_units(good, limit=settings.limit)
    plan = RunPlan(units, _left_out(units, footers, [*unreadable, *unfit]), others, _kept_schema(settings, others))
    run.write_plan(plan.units, plan.left_out)
    stored = {
        **identity,
        "corpus": [without_secrets(root) for root in corpus.roots],
        "profile": numeric_profile(),
        "fingerprint": fingerprint(identity),
        "schema": base64.b64encode(others.serialize()).decode(),
    }
    run.write_json(stored, RUN)
    return plan


def resume_run(
    run: RunDirectory, identity: Mapping[str, Any], corpus: Corpus, settings: ScoreSettings
) -> RunPlan | None:
    """Take up a run that was planned before, None where there is none; no file that is planned is opened.

    Raises:
        RunError: the run is of another model, other options or other files; the message says which.
    """
    stored = run.identity()
    if stored is None:
        return None
    for name, now in identity.items():
        if stored.get(name) != now:
            difference = _difference(name, stored.get(name), now)
            raise RunError(f"{run.name} was made with another {difference}; give the same again, or another --output")
    units, left_out = run.plan()
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored["schema"])))
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{run.name}: {RUN} is damaged ({error})") from error
    plan = RunPlan(units, left_out, schema, _kept_schema(settings, schema))
    planned = {piece.source for unit in units for piece in unit.pieces}
    present = {(file.root, file.name): file for file in corpus.files}
    for file in sorted(planned, key=lambda file: file.name):
        _require_unchanged(run, file, present.get((file.root, file.name)))
    known = {file.name for file in [*planned, *left_out]}
    plan.new_files = [file.name for file in corpus.files if file.name not in known]
    if plan.bad:
        names = {file.name for file in plan.bad}
        _try_again(run, plan, corpus, [file for file in corpus.files if file.name in names], settings)
    return plan


def _columns(settings: ScoreSettings) -> Columns:
    filtered = parse_where(settings.where).columns if settings.where else ()
    return Columns(settings.text_column, (*kept_columns(settings.keep).values(), *filtered))


def _kept_schema(settings: ScoreSettings, schema: pa.Schema) -> pa.Schema:
    kept = kept_columns(settings.keep)
    fields = [(name, schema.field(stored)) for name, stored in kept.items()]
    return pa.schema([field.with_name(name).with_type(without_view(field.type)) for name, field in fields])


def _left_out(units: Sequence[Unit], footers: Sequence[Footer], bad: Sequence[BadFile]) -> dict[SourceFile, str]:
    """Say of each file that is in no unit why."""
    planned = {piece.source for unit in units for piece in unit.pieces}
    reasons = {item.file: item.reason for item in bad}
    for footer in footers:
        if footer.file not in planned:
            reasons.setdefault(footer.file, BEYOND_LIMIT if sum(footer.rows) else NO_ROWS)
    return reasons


def _require_unchanged(run: RunDirectory, planned: SourceFile, now: SourceFile | None) -> None:
    if now == planned:
        return
    was = f"was {planned.size:,} bytes, modified at {planned.mtime_ns} ns"
    what = "is gone" if now is None else f"has changed: {now.size:,} bytes, modified at {now.mtime_ns} ns; {was}"
    raise RunError(f"{planned.name} {what} since {run.name} was planned; score the store into another --output")


def _try_again(
    run: RunDirectory, plan: RunPlan, corpus: Corpus, files: Sequence[SourceFile], settings: ScoreSettings
) -> None:
    """Look again at files that could not be planned; those that now can be extend the plan."""
    footers, unreadable = read_footers(corpus, files, settings.text_column)
    good, unfit = check_footers(footers, _columns(settings), plan.schema)
    limit = None if settings.limit is None else settings.limit - sum(unit.rows for unit in plan.units)
    added = plan_units(good, limit=limit)
    plan.units += added
    kept = {file: reason for file, reason in plan.left_out.items() if file not in plan.bad}
    plan.left_out = {**kept, **_left_out(plan.units, footers, [*unreadable, *unfit])}
    if added:
        run.write_plan(plan.units, plan.left_out)


def _difference(name: str, was: Any, now: Any) -> str:
    if name == "options" and isinstance(was, dict):
        differing = [key for key in now if was.get(key) != now[key]]
        return " and ".join(f"{flag(key)} ({was.get(key)!r}, now {now[key]!r})" for key in differing)
    return f"{name.replace('_', ' ')} ({str(was)[:16]}, now {str(now)[:16]})"
