"""``score``: classify a whole store, unit by unit, on Ray Data.

The driver plans (or goes on with what is planned), hands units to a pool of workers, and writes the manifest. A worker
holds the model, sees the shared vectors, and commits each unit by itself, so that a driver that dies loses nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import torch

from w2vray.bundle import Bundle
from w2vray.cluster.corpus import Corpus, find_corpus
from w2vray.cluster.filters import parse_where
from w2vray.cluster.ledger import SUCCESS, TOTALS, RunDirectory
from w2vray.cluster.planning import RunPlan, fingerprint, resume_run, run_identity, start_run
from w2vray.cluster.preflight import kept_columns
from w2vray.cluster.runtime import SharedVectors, connected, run_units, share
from w2vray.cluster.scoring import ScoringJob, score_unit
from w2vray.cluster.stores import absolute
from w2vray.cluster.units import Unit
from w2vray.config import ScoreSettings
from w2vray.errors import CorpusError, RunError
from w2vray.scorer import TextScorer, numeric_profile

__all__ = ["ScoreSummary", "score"]

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
    rows_now: int  # scored by this call
    seconds: float
    left_out: Mapping[str, str]  # file, or unit -> why
    new_files: Sequence[str]  # in the store, but not in the run's plan
    exit_code: int

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)


@dataclass
class _Work:
    """What this call has done so far."""

    skipped: int = 0
    rows: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # unit -> why
    started: float = field(default_factory=time.monotonic)


def score(settings: ScoreSettings, *, address: str | None = None, progress: Progress | None = None) -> ScoreSummary:
    """Score what is not scored yet, and write the manifest.

    Raises:
        UnusableInputError: the arguments, the store, the model or the run's directory cannot be used.
    """
    work = _Work()
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    run = RunDirectory(absolute(settings.output))
    corpus = find_corpus(settings.corpus)
    identity = run_identity(settings, bundle)
    run.identity()  # nothing is written into a directory that holds something else
    with run.only_writer():
        run.clear_temporary()
        plan = resume_run(run, identity, corpus, settings) or start_run(run, identity, corpus, settings)
        finished = run.finished()
        missing = [unit for unit in plan.units if unit.id not in finished]
        work.skipped = len(plan.units) - len(missing)
        run.remove(SUCCESS)
        if missing:
            job = _job(settings, bundle, corpus, plan, fingerprint(identity))
            with connected(address):
                arguments = {"shared": share(vectors), "bundle": bundle, "job": job}
                for done, outcome in enumerate(_outcomes(missing, arguments, settings.workers), 1):
                    work.rows += outcome.rows
                    if outcome.error:
                        work.failed[outcome.unit] = outcome.error
                    if progress is not None:
                        progress(done, len(missing), work.rows)
        return _close(run, settings, plan, work, fingerprint(identity))


def _job(settings: ScoreSettings, bundle: Bundle, corpus: Corpus, plan: RunPlan, run: str) -> ScoringJob:
    return ScoringJob(
        output=absolute(settings.output),
        roots=corpus.roots,
        text_columns=settings.text_column,
        kept=kept_columns(settings.keep),
        kept_schema=plan.kept_schema,
        where=parse_where(settings.where) if settings.where else None,
        multi_label=bundle.config.multi_label,
        probabilities=settings.probabilities,
        top_k=settings.top_k or 0,
        threshold=settings.threshold,
        run=run,
        profile=numeric_profile(),
    )


@dataclass(frozen=True)
class _Outcome:
    """What became of a unit in this call; ``error``, where it is not empty, says why it could not be scored."""

    unit: str
    rows: int
    error: str = ""


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
            return asdict(_Outcome(unit.id, self.run.footer(unit.id).record.rows_in))
        try:
            record, scores, rejected = score_unit(unit, self.scorer, self.job)
        except (CorpusError, pa.ArrowException) as error:
            return asdict(_Outcome(unit.id, 0, str(error)))
        self.run.commit(record, scores, rejected)
        return asdict(_Outcome(unit.id, record.rows_in))


def _outcomes(units: Sequence[Unit], arguments: Mapping[str, Any], workers: int | None) -> Iterator[_Outcome]:
    return (_Outcome(**row) for row in run_units(units, ScoringWorker, arguments, workers=workers))


def _close(run: RunDirectory, settings: ScoreSettings, plan: RunPlan, work: _Work, expected: str) -> ScoreSummary:
    """Write the manifest and, only when nothing is missing, _SUCCESS."""
    footers = run.footers([unit.id for unit in plan.units if unit.id not in work.failed])
    totals = {
        name: sum(getattr(footer.record, name) for footer in footers)
        for name in ("rows_in", "rows_scored", "rows_rejected", "rows_abstained")
    }
    foreign = next((footer.record for footer in footers if footer.record.run != expected), None)
    if foreign is not None:
        raise RunError(
            f"{run.name}: the part of unit {foreign.unit} was made by another model or with other options; remove it"
        )
    left_out = {**{file.name: reason for file, reason in plan.bad.items()}, **work.failed}
    too_many = settings.max_rejected is not None and totals["rows_rejected"] > settings.max_rejected
    run.write_manifest(footers, work.failed)
    run.write_json({**totals, "units": len(plan.units), "left_out": left_out}, TOTALS)
    if not left_out:
        run.write(b"", SUCCESS)
    return ScoreSummary(
        run=run.name,
        **totals,
        units=len(plan.units),
        units_skipped=work.skipped,
        units_failed=len(work.failed),
        rows_now=work.rows,
        seconds=round(time.monotonic() - work.started, 3),
        left_out=left_out,
        new_files=plan.new_files,
        exit_code=3 if left_out or too_many else 0,
    )
