"""``score``: classify a whole store, unit by unit, on Ray Data.

The driver plans (or goes on with what is planned), hands units to a pool of workers, and writes the manifest. A worker
holds the model, sees the shared vectors, and commits each unit by itself, so that a driver that dies loses nothing.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import ray
import torch

from w2vray.bundle import Bundle
from w2vray.cluster.corpus import BadFile, Corpus, SourceFile, find_corpus, read_footers
from w2vray.cluster.filters import Where, parse_where
from w2vray.cluster.ledger import RUN, SUCCESS, TOTALS, RunDirectory
from w2vray.cluster.parts import PartFooter
from w2vray.cluster.preflight import Columns, check_footers, kept_columns, store_schema
from w2vray.cluster.runtime import SharedVectors, connected, run_units, share
from w2vray.cluster.scoring import ScoringJob, score_unit
from w2vray.cluster.stores import absolute
from w2vray.cluster.units import Unit, plan_units
from w2vray.config import ScoreSettings
from w2vray.errors import CorpusError, RunError
from w2vray.scorer import SCORING_VERSION, TextScorer, numeric_profile
from w2vray.vectors import Vectors

__all__ = ["ScoreSummary", "score"]

RUN_FORMAT = 1

Progress = Callable[[int, int, int], None]
"""Called with units done, units to do, and rows scored so far."""


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """What a run came to, finished units of earlier calls included."""

    run: str
    rows_in: int
    rows_scored: int
    rows_rejected: int
    rows_abstained: int
    units: int
    units_skipped: int  # finished by an earlier call
    units_failed: int
    seconds: float
    rows_now: int  # scored by this call
    bad_files: Mapping[str, str]  # file -> why it was left out
    new_files: Sequence[str]  # in the store, but not in the run's plan
    exit_code: int

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)


@dataclass
class _Plan:
    """The units of a run and what could not be planned."""

    units: list[Unit]
    kept_schema: pa.Schema
    bad: list[BadFile]
    new_files: list[str] = field(default_factory=list)


def score(settings: ScoreSettings, *, address: str | None = None, progress: Progress | None = None) -> ScoreSummary:
    """Score what is not scored yet, and write the manifest.

    Raises:
        UnusableInputError: the arguments, the store, the model or the run's directory cannot be used.
    """
    started = time.monotonic()
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    where = parse_where(settings.where) if settings.where else None
    run = RunDirectory(absolute(settings.output))
    corpus = find_corpus(settings.corpus)
    identity = _identity(settings, bundle)
    with run.only_writer():
        run.clear_temporary()
        plan = _resume(run, identity, corpus, settings) or _start(run, identity, corpus, settings, where)
        finished = run.finished()
        missing = [unit for unit in plan.units if unit.id not in finished]
        run.remove(SUCCESS)
        failed: dict[str, str] = {}
        rows_now = 0
        if missing:
            job = _job(settings, corpus, plan, where, identity)
            for done, outcome in enumerate(_run(missing, bundle, vectors, job, settings.workers, address), 1):
                rows_now += outcome.rows
                if outcome.error is not None:
                    failed[outcome.unit] = outcome.error
                if progress is not None:
                    progress(done, len(missing), rows_now)
        footers = run.footers([unit.id for unit in plan.units if unit.id not in failed])
        return _close(run, settings, plan, footers, failed, len(plan.units) - len(missing), rows_now, started)


# Planning


def _identity(settings: ScoreSettings, bundle: Bundle) -> dict[str, Any]:
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
    return dict(json.loads(json.dumps(identity)))


def _fingerprint(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _columns(settings: ScoreSettings, where: Where | None) -> Columns:
    return Columns(settings.text_column, (*kept_columns(settings.keep).values(), *(where.columns if where else ())))


def _start(
    run: RunDirectory, identity: Mapping[str, Any], corpus: Corpus, settings: ScoreSettings, where: Where | None
) -> _Plan:
    """Plan a new run and write the plan down, then run.json, which makes it a run."""
    columns = _columns(settings, where)
    footers, unreadable = read_footers(corpus, corpus.files, settings.text_column)
    if not footers:
        raise CorpusError(f"{corpus.place(unreadable[0].file)}: {unreadable[0].reason}; no file can be read")
    schema = store_schema(footers, columns)
    if where is not None:
        where.check(schema)
    good, unfit = check_footers(footers, columns, schema)
    if not good:
        raise CorpusError(f"{corpus.place(unfit[0].file)}: {unfit[0].reason}")
    kept = kept_columns(settings.keep)
    kept_schema = pa.schema([schema.field(stored).with_name(name) for name, stored in kept.items()])
    plan = _Plan(plan_units(good, limit=settings.limit), kept_schema.remove_metadata(), [*unreadable, *unfit])
    run.write_plan(plan.units)
    stored = {
        **identity,
        "corpus": [corpus.place(SourceFile(index, "", 0, None)) for index in range(len(corpus.roots))],
        "profile": numeric_profile(),
        "kept_schema": base64.b64encode(kept_schema.serialize()).decode(),
        "bad_files": [item.file.name for item in plan.bad],
    }
    run.write_json(stored, RUN)
    return plan


def _resume(
    run: RunDirectory, identity: Mapping[str, Any], corpus: Corpus, settings: ScoreSettings
) -> _Plan | None:
    """Take up a run that was planned before; its files' rows are not looked at again.

    Raises:
        RunError: the run is of another model, other options or other files; the message says which.
    """
    stored = run.identity()
    if stored is None:
        return None
    for name, now in identity.items():
        if stored.get(name) != now:
            raise RunError(f"{run.name} was made with another {_difference(name, stored.get(name), now)}; "
                           "give the same again, or another --output")
    units = run.plan()
    kept_schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored["kept_schema"])))
    planned = {piece.source for unit in units for piece in unit.pieces}
    present = {(file.root, file.name): file for file in corpus.files}
    for file in sorted(planned):
        now = present.get((file.root, file.name))
        if now != file:
            was = f"{file.size} bytes, modified at {file.mtime_ns}"
            what = "is gone" if now is None else f"has changed ({now.size} bytes, modified at {now.mtime_ns}; was {was})"
            raise RunError(f"{file.name} {what} since {run.name} was planned; score it into another --output")
    rest = [file for file in corpus.files if file not in planned]
    known_bad = set(stored["bad_files"])
    plan = _Plan(units, kept_schema, [], [file.name for file in rest if file.name not in known_bad])
    _retry_bad_files(run, plan, stored, corpus, [file for file in rest if file.name in known_bad], settings)
    return plan


def _retry_bad_files(
    run: RunDirectory,
    plan: _Plan,
    stored: dict[str, Any],
    corpus: Corpus,
    files: Sequence[SourceFile],
    settings: ScoreSettings,
) -> None:
    """Look again at files that could not be planned; those that now can be extend the plan."""
    if not files:
        return
    where = parse_where(settings.where) if settings.where else None
    columns = _columns(settings, where)
    footers, unreadable = read_footers(corpus, files, settings.text_column)
    by_stored_name = {old: plan.kept_schema.field(new) for new, old in kept_columns(settings.keep).items()}
    schema = pa.schema([(name, field.type) for name, field in by_stored_name.items()])
    where_only = [name for name in columns.others if name not in by_stored_name]
    for footer in footers[:1]:
        schema = pa.unify_schemas([schema, pa.schema([f for f in footer.schema if f.name in where_only])])
    good, unfit = check_footers(footers, columns, schema)
    plan.bad = [*unreadable, *unfit]
    if good:
        plan.units += plan_units(good)
        run.write_plan(plan.units)
        run.write_json({**stored, "bad_files": [item.file.name for item in plan.bad]}, RUN)


def _difference(name: str, was: Any, now: Any) -> str:
    if name == "options" and isinstance(was, dict):
        differing = [key for key in now if was.get(key) != now[key]]
        return "; another ".join(f"--{key.replace('_', '-')} ({was.get(key)!r}, now {now[key]!r})" for key in differing)
    return f"{name.replace('_', ' ')} ({str(was)[:16]}, now {str(now)[:16]})"


def _job(
    settings: ScoreSettings, corpus: Corpus, plan: _Plan, where: Where | None, identity: Mapping[str, Any]
) -> ScoringJob:
    return ScoringJob(
        output=absolute(settings.output),
        roots=corpus.roots,
        text_columns=settings.text_column,
        kept=kept_columns(settings.keep),
        kept_schema=plan.kept_schema,
        where=where,
        probabilities=settings.probabilities,
        top_k=settings.top_k or 0,
        threshold=settings.threshold,
        run=_fingerprint(identity),
        profile=numeric_profile(),
    )


# Running


@dataclass(frozen=True)
class _Outcome:
    """What became of a unit in this call; ``error`` says why it could not be scored."""

    unit: str
    rows: int
    error: str | None


class ScoringWorker:
    """A worker of the pool: loads once, then scores and commits unit after unit."""

    def __init__(self, shared: SharedVectors, bundle: Bundle, job: ScoringJob) -> None:
        torch.set_num_threads(1)  # rounding depends on it; more workers, not more threads, use more CPUs
        pa.set_cpu_count(1)
        self.job = job
        self.run = RunDirectory(job.output)
        self.scorer = TextScorer(bundle, shared.get())

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Score a unit, unless its part is there already: Ray hands a unit out again when a worker has died."""
        if unit.id in self.run:
            return asdict(_Outcome(unit.id, self.run.footer(unit.id).record.rows_in, None))
        try:
            record, scores, rejected = score_unit(unit, self.scorer, self.job)
        except CorpusError as error:
            return asdict(_Outcome(unit.id, 0, str(error)))
        self.run.commit(record, scores, rejected)
        return asdict(_Outcome(unit.id, record.rows_in, None))


def _run(
    units: Sequence[Unit], bundle: Bundle, vectors: Vectors, job: ScoringJob, workers: int | None, address: str | None
) -> Iterator[_Outcome]:
    """Hand the units to a pool of workers; yield outcomes as they come."""
    with connected(address):
        arguments = {"shared": share(vectors), "bundle": bundle, "job": job}
        for row in run_units(units, ScoringWorker, arguments, workers=workers):
            yield _Outcome(**row)


# Closing


def _close(
    run: RunDirectory,
    settings: ScoreSettings,
    plan: _Plan,
    footers: Sequence[PartFooter],
    failed: Mapping[str, str],
    skipped: int,
    rows_now: int,
    started: float,
) -> ScoreSummary:
    """Write the manifest and, only when nothing is missing, _SUCCESS."""
    records = [footer.record for footer in footers]
    totals = {
        name: sum(getattr(record, name) for record in records)
        for name in ("rows_in", "rows_scored", "rows_rejected", "rows_abstained")
    }
    bad_files = {item.file.name: item.reason for item in plan.bad}
    complete = not failed and not bad_files
    too_many = settings.max_rejected is not None and totals["rows_rejected"] > settings.max_rejected
    run.write_manifest(footers, failed)
    run.write_json({**totals, "units": len(plan.units), "units_failed": len(failed), "bad_files": bad_files}, TOTALS)
    if complete:
        run.write(b"", SUCCESS)
    return ScoreSummary(
        run=run.name,
        **totals,
        units=len(plan.units),
        units_skipped=skipped,
        units_failed=len(failed),
        seconds=round(time.monotonic() - started, 3),
        rows_now=rows_now,
        bad_files={**bad_files, **failed},
        new_files=plan.new_files,
        exit_code=0 if complete and not too_many else 3,
    )
