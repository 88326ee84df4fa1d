"""``score``: classify a whole store, unit by unit, on Ray Data.

The driver plans (or goes on with what is planned), hands units to a pool of workers, and writes the manifest. A worker
holds the model, sees the shared vectors, and commits each unit by itself, so that a driver that dies loses nothing.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Self

import pyarrow as pa

from w2vray.cluster.resources import GpuShare, use_one_thread
from w2vray.cluster.runtime import SharedVectors, connected, run_units, share
from w2vray.cluster.waiting import Note
from w2vray.errors import CorpusError, FileError, RunError
from w2vray.models.directory import Bundle
from w2vray.models.thresholds import Thresholds
from w2vray.notebooks import as_html
from w2vray.places.uris import absolute, shown
from w2vray.run.answers import FinishedRun
from w2vray.run.directory import MOST_ATTEMPTS, NOTED, SUCCESS, TOTALS, RunDirectory
from w2vray.run.forecast import Forecast, outcome
from w2vray.run.leases import StillOurs, only_writer
from w2vray.run.missing_words import missing_words
from w2vray.run.one_unit import ScoringJob, damaged, score_unit
from w2vray.run.pace import Pace
from w2vray.run.parts import COUNTS, CommittedPart
from w2vray.run.planning import RunPlan, planned_versions, require_outside, resume_run, split_failed, start_run
from w2vray.run.refused_files import refused_files, refused_notes
from w2vray.run.reporting import rows_with_evidence, training_facts
from w2vray.run.request import Request
from w2vray.run.room import require_room
from w2vray.run.writing_reports import write_run_report
from w2vray.schema import MAY_PASS, FileReason
from w2vray.scoring.device_scorer import DeviceScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.stages import detail, stage
from w2vray.store.corpus import Corpus, find_corpus
from w2vray.store.failures import Failure
from w2vray.store.not_read import ignored_files
from w2vray.store.sampling import sample_texts
from w2vray.store.units import Unit
from w2vray.vectors.comparing import coverage_warnings, share_found

__all__ = ["ScoreSummary", "ScoringWorker", "score", "write_report"]

_SLOWEST = 10
"""Units whose time a page tells."""

Progress = Callable[[int, int, int], None]
"""Called with units done, units to do, and how many rows are in those done, rejected ones included."""


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """What a run came to, finished units of earlier calls included."""

    run: str
    rows_in: int
    rows_scored: int
    rows_rejected: int
    rejected: Mapping[str, int]  # why -> rows; of parts that an earlier version wrote, nobody counted why
    rows_abstained: int
    rows_truncated: int
    rows_below_threshold: int  # of the scored ones: they have a known word, and keep no label
    expected_kept: (
        float | None
    )  # of the rows with a known word, by the model's thresholds; None where they are not used
    kept: float | None  # what came out; None where no row has a known word
    tokens: int  # of the scored rows
    tokens_found: int  # those that have a vector
    coverage: float | None  # their share; None where there are no tokens
    rows_deleted: int  # in the files of a table that has deleted them: neither scored nor rejected
    units: int
    units_skipped: int  # finished by an earlier call
    units_failed: int
    rows_now: int  # of the units that this call handed out: rejected ones too, and of parts that were there
    seconds: float
    rows_per_second: float | None  # of this call, from its first finished unit on; None where it had no second one
    left_out: Mapping[str, str]  # file, or unit -> why
    ignored: Mapping[
        str, int
    ]  # why files are not read -> how many: hidden, no data, read by another way, excluded by --where
    tables: Sequence[Mapping[str, Any]]  # kind, place and version of each table that was read
    notes: Sequence[str]  # for a person: those files by name, and columns that are null where a file has none
    gaps_accepted: bool  # what is left out is meant to be: --on-bad skip
    new_files: Sequence[str]  # in the store, but not in the run's plan
    warnings: Sequence[str]  # what to do where few tokens have a vector
    exit_code: int
    report: str | None = None  # the page of the run; None where it could not be made
    forecast: Mapping[str, Any] | None = None  # of --plan, beside what was found

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            "complete": self.exit_code == 0,
            "rows": self.rows_in,
            "scored": self.rows_scored,
            "of them abstained": self.rows_abstained,
            "share that kept a label": self.kept,
            "share that was expected to": self.expected_kept,
            "rejected": self.rows_rejected,
            "rejected because": dict(self.rejected),
            "tokens with a vector": None if self.coverage is None else f"{self.coverage:.1%}",
            "seconds": self.seconds,
            "left out": dict(self.left_out),
            "to look at": [*self.notes, *self.warnings],
        }
        return as_html(f"Run {self.run}", facts)


@dataclass
class _Work:
    """What this call has done so far, and whom it asks and tells between units."""

    settings: ScoreSettings
    still_ours: StillOurs
    progress: Progress | None
    note: Note
    missing: list[Unit] = field(default_factory=list)
    skipped: int = 0
    rows: int = 0
    pace: Pace = field(default_factory=Pace)
    failures: list[Failure] = field(default_factory=list)  # of units
    slowest: list[dict[str, Any]] = field(default_factory=list)  # units of this call
    noted: list[Failure] = field(
        default_factory=list
    )  # all that were seen, those that smaller units took the place of too


def score(
    settings: ScoreSettings,
    *,
    address: str | None = None,
    progress: Progress | None = None,
    note: Note = lambda _: None,
) -> ScoreSummary:
    """Score what is not scored yet, and write the manifest; ``note`` is told where the workers have to wait for CPUs.

    Raises:
        UnusableInputError: the arguments, the store, the model or the run's directory cannot be used.
    """
    started = time.monotonic()
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    run = RunDirectory(absolute(settings.output))
    request = Request.of(settings, bundle)
    planned = None if settings.plan is None else Forecast.load(settings.plan)
    if planned is not None:
        planned.require_of(request, str(settings.plan))
    for line in bundle.config.reading.told(settings):
        note(line)
    # This refuses a directory that holds something else, before anything is written into it
    stage("listing the store")
    corpus = find_corpus(settings.corpus, planned_versions(run, request))
    require_outside(settings.corpus, run)
    detail(f"model {bundle.path}: {bundle.config.model}, {len(bundle.config.labels):,} labels")
    detail(f"vectors {vectors.path}: {len(vectors):,} words x {vectors.dim}, family {vectors.rules.name}")
    size = sum(file.size for file in corpus.files)
    detail(f"store {', '.join(map(shown, corpus.roots))}: files {len(corpus.files):,}, bytes {size:,}")
    with only_writer(run) as still_ours:
        run.clear_temporary()
        work = _Work(settings, still_ours, progress, note)
        with run.drafting() as drafts:
            ours = RunDirectory(absolute(settings.output), drafts)
            if (weaker := ours.publishing_by_a_look()) is not None:
                note(weaker)
            stage("planning")
            plan = _plan(ours, request, corpus, work)
            if planned is not None and (other := planned.of_another_store(plan.units)):
                note(f"--plan {settings.plan}: {other}")
            detail(f"plan of {shown(settings.output)}: units {len(plan.units):,}, to do {len(work.missing):,}")
            require_room(run, sum(unit.rows for unit in work.missing), _numbers(request, bundle))
            ours.remove(SUCCESS)
            if work.missing:
                job = ScoringJob(
                    request=request,
                    roots=corpus.roots,
                    schema=plan.schema,
                    kept_schema=plan.kept_schema,
                    explained_up_to=plan.explained_up_to,
                )
                with connected(address):
                    arguments = {"shared": share(vectors), "bundle": bundle, "job": job}
                    stage("starting the workers")
                    _score_missing(ours, plan, corpus, arguments, work)
            still_ours()
            seconds = round(time.monotonic() - started, 3)
            corpus.ignored.add_all(ignored_files(plan.left_out))
            summary = _close(ours, plan, work, corpus, expected=request.fingerprint, seconds=seconds)
            summary = _with_kept(summary, request, bundle)
            where = request.where.fitted(plan.schema) if request.where else None
            sample = partial(sample_texts, plan.units, corpus.roots, request.text_columns, where, plan.schema)
            words = partial(missing_words, sample(), bundle, vectors, tokens=summary.tokens)
            page = write_report(ours, corpus, bundle, summary, work=work, words=words)
    warnings = coverage_warnings(summary.tokens, summary.tokens_found, vectors, bundle.config.rules, sample)
    found = None if planned is None else _held_against(planned, summary, settings)
    return replace(summary, warnings=[*summary.warnings, *warnings], forecast=found, report=page)


def write_report(
    run: RunDirectory,
    corpus: Corpus,
    bundle: Bundle,
    summary: ScoreSummary,
    *,
    work: _Work,
    words: Callable[[], Mapping[str, Any] | None],
) -> str | None:
    """Write the page of the run, and return where it is; the run is finished without it, too."""
    stage("writing the page")
    timing = {
        "seconds": summary.seconds,
        "rows": summary.rows_now,
        "rows_per_second": summary.rows_per_second,
        "slowest": work.slowest,
    }
    try:
        finished = FinishedRun.open(work.settings.output)
        told = {"timing": timing, "missing_words": words()}
        return write_run_report(run, finished, corpus, training_facts(bundle.config), told).page
    except Exception as error:  # noqa: BLE001 - whatever a page fails by, the answers are there
        why = f"{type(error).__name__}: {error}"
        work.note(f"the run's page could not be made ({why}); `w2vray report` makes it again")
        return None


def _held_against(planned: Forecast, summary: ScoreSummary, settings: ScoreSettings) -> Mapping[str, Any]:
    """Hold a forecast against what was found."""
    run = FinishedRun.open(settings.output)
    found = outcome(
        planned,
        counts=run.label_counts(),
        rows=summary.rows_in,
        rows_scored=summary.rows_scored,
        output_bytes=run.bytes,
        seconds=None if summary.units_skipped else summary.seconds,
        workers=settings.workers,
    )
    return {**found.as_dict(), "lines": found.lines}


def _numbers(request: Request, bundle: Bundle) -> int:
    return request.answer.numbers(len(bundle.config.labels))


def _plan(run: RunDirectory, request: Request, corpus: Corpus, work: _Work) -> RunPlan:
    """Plan the run, or take up the one that is there, and note which units are missing."""
    finished, failures = run.finished(), run.failures()
    plan = resume_run(run, request, corpus, finished=finished, failures=[*failures, *run.noted()])
    plan = plan or start_run(run, request, corpus)
    work.missing = _missing(plan, finished, failures if work.settings.on_bad == "skip" else [], work)
    return plan


def _score_missing(run: RunDirectory, plan: RunPlan, corpus: Corpus, arguments: Mapping[str, Any], work: _Work) -> None:
    """Hand out the missing units, then, in smaller ones, what could not be scored."""
    missing = work.missing
    while missing:
        failed = _pass(run, missing, arguments, work)
        missing = split_failed(plan, corpus, failed, arguments["job"].request)
        if missing:
            run.write_plan(plan.units, plan.left_out)
        planned = {unit.id for unit in plan.units}
        work.failures += [item for item in failed if item.unit in planned]


def _missing(plan: RunPlan, finished: Collection[str], accepted: Sequence[Failure], work: _Work) -> list[Unit]:
    """Return the units to be done; what was accepted as a gap before is one still."""
    missing = [unit for unit in plan.units if unit.id not in finished]
    work.skipped = len(plan.units) - len(missing)
    ids = {unit.id for unit in missing}
    work.failures = [item for item in accepted if item.unit in ids and item.reason not in MAY_PASS]
    left_out = {item.unit for item in work.failures}
    return [unit for unit in missing if unit.id not in left_out]


def _pass(run: RunDirectory, units: Sequence[Unit], arguments: Mapping[str, Any], work: _Work) -> list[Failure]:
    """Hand out units once, and return those that could not be scored.

    When this returns, no worker can publish one of them any more: what was not scored can be cut into smaller ones.

    Raises:
        CorpusError: one could not, and ``--on-bad`` is fail.
        RunError: another run has taken this one's place.
    """
    failed: list[Failure] = []
    with run.drafting() as drafts:
        for done, outcome in enumerate(_outcomes(units, {**arguments, "drafts": drafts}, work), 1):
            work.still_ours()
            work.rows += outcome.rows
            work.pace.at(work.rows)
            work.slowest.append({"unit": outcome.unit, "seconds": outcome.seconds, "rows": outcome.rows})
            work.slowest = sorted(work.slowest, key=lambda item: -float(item["seconds"]))[:_SLOWEST]
            if (failure := outcome.failure) is not None:
                failed.append(failure)
                work.noted.append(failure)
                run.note(work.noted)
                if work.settings.on_bad == "fail":
                    raise CorpusError(f"{failure.detail}; repair or remove it, or choose another --on-bad")
            if work.progress is not None:
                work.progress(done, len(units), work.rows)
    # one that was slow may have done it after all
    return [failure for failure in failed if failure.unit not in run]


def _scorer(bundle: Bundle, shared: SharedVectors, request: Request) -> TextScorer:
    if request.device is None:
        return TextScorer(bundle, shared.get(), projection_cache=request.projection_cache)
    return DeviceScorer(bundle, shared.get(), device=request.device, threads=request.threads)


@dataclass(frozen=True)
class _Outcome:
    """What a worker made of a unit: how many rows it took, and why the unit was not scored, where it was not."""

    unit: str
    rows: int
    failure: Failure | None = None
    seconds: float = 0.0

    def as_row(self) -> dict[str, Any]:
        """Return the outcome as a row for Ray, whose columns have the same types in each."""
        failure = "" if self.failure is None else json.dumps(asdict(self.failure))
        return {"unit": self.unit, "rows": self.rows, "failure": failure, "seconds": self.seconds}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Rebuild what ``as_row`` gave."""
        stored = json.loads(row["failure"]) if row["failure"] else None
        failure = None if stored is None else Failure(**{**stored, "reason": FileReason(stored["reason"])})
        return cls(row["unit"], row["rows"], failure, row["seconds"])


class ScoringWorker:
    """A worker of the pool: loads once, then scores and commits unit after unit."""

    def __init__(self, shared: SharedVectors, bundle: Bundle, job: ScoringJob, drafts: str) -> None:
        use_one_thread()
        self.job = job
        self.run = RunDirectory(job.request.output, drafts)
        self.scorer = _scorer(bundle, shared, job.request)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Score a unit, unless its part is there already: Ray hands a unit out again when a worker has died."""
        started = time.monotonic()
        outcome = self._outcome(unit)
        return replace(outcome, seconds=round(time.monotonic() - started, 3)).as_row()

    def _outcome(self, unit: Unit) -> _Outcome:
        if unit.id in self.run:
            return _Outcome(unit.id, self.run.committed_part(unit.id).record.rows_in)
        mark = self.run.begin(unit.id)
        if mark is None:
            detail = f"{MOST_ATTEMPTS} workers died while scoring this unit of {unit.rows:,} rows of {_files(unit)}"
            return _failed(unit, FileReason.KILLED_WORKERS, detail)
        try:
            return _Outcome(unit.id, self._commit(unit))
        except FileError as error:
            return _Outcome(unit.id, 0, Failure.of(error, unit=unit.id))
        except MemoryError as error:
            detail = f"{_files(unit)}: {unit.rows:,} rows do not fit into a worker's memory ({error})"
            return _failed(unit, FileReason.OUT_OF_MEMORY, detail, _files(unit))
        finally:
            self.run.end(unit.id, mark)

    def _commit(self, unit: Unit) -> int:
        """Score a unit and write its part; return how many rows it had.

        Raises:
            FileError: a file of the unit cannot be read, or its values are damaged.
        """
        try:
            with self.run.part(unit.id, self.job.scores_schema) as part:
                record = score_unit(unit, self.scorer, self.job, part.write)
                return self.run.commit(part, record).record.rows_in
        except MemoryError:  # Arrow's is an ArrowException too
            raise
        except pa.ArrowException as error:
            if (damage := damaged(unit, self.job)) is None:
                raise
            raise FileError(f"{damage}: {error}", file=damage, reason=FileReason.DAMAGED_DATA) from error


def _files(unit: Unit) -> str:
    return ", ".join(dict.fromkeys(piece.file for piece in unit.pieces))


def _failed(unit: Unit, reason: FileReason, detail: str, file: str | None = None) -> _Outcome:
    return _Outcome(unit.id, 0, Failure(reason=reason, detail=detail, file=file, unit=unit.id))


def _outcomes(units: Sequence[Unit], arguments: Mapping[str, Any], work: _Work) -> Iterator[_Outcome]:
    settings = work.settings
    share = GpuShare(settings.cpus_per_gpu) if settings.gpu else None
    rows = run_units(units, ScoringWorker, arguments, workers=settings.workers, gpu=share, note=work.note)
    return (_Outcome.from_row(row) for row in rows)


def _close(
    run: RunDirectory,
    plan: RunPlan,
    work: _Work,
    corpus: Corpus,
    *,
    expected: str,
    seconds: float,
) -> ScoreSummary:
    """Write the manifest and, only when nothing is missing or the gaps are accepted, _SUCCESS."""
    settings = work.settings
    failed = {item.unit for item in work.failures}
    parts = run.committed([unit.id for unit in plan.units if unit.id not in failed])
    _require_own(run, parts, expected)
    run.require_rejected(parts)
    run.keep_rejected(parts)
    totals = {name: sum(getattr(part.record, name) for part in parts) for name in COUNTS}
    rejected = sum((Counter(part.record.rejected) for part in parts if part.record.rejected), Counter[str]())
    failures = [*plan.bad.values(), *work.failures]
    left_out: dict[str, str] = {}
    for name, why in dict.fromkeys((item.name, str(item)) for item in failures):
        left_out[name] = f"{left_out[name]}; {why}" if name in left_out else why
    accepted = settings.on_bad == "skip"
    too_many = settings.max_rejected is not None and totals["rows_rejected"] > settings.max_rejected
    run.write_manifest(parts, failures, accepted=accepted)
    run.remove(NOTED)
    tables = [table.as_json() for table in corpus.tables.values()]
    profiles = _distinct([part.record.profile for part in parts])
    coverage = share_found(totals["tokens"], totals["tokens_found"])
    refused = refused_files(plan.units, {part.record.unit: part.record.refused for part in parts})
    counted = {
        **totals,
        "rejected": dict(rejected),
        "refused": refused,
        "coverage": coverage,
        "profiles": profiles,
        "units": len(plan.units),
        "left_out": left_out,
        "ignored": corpus.ignored.files,
        "tables": tables,
        "gaps_accepted": accepted,
    }
    run.write_json(counted, TOTALS)
    complete = accepted or not failures
    if complete:
        run.write(b"", SUCCESS)
    return ScoreSummary(
        run=run.name,
        **totals,
        rejected=dict(rejected),
        coverage=coverage,
        expected_kept=None,
        kept=None,
        warnings=[],
        units=len(plan.units),
        units_skipped=work.skipped,
        units_failed=len(work.failures),
        rows_now=work.rows,
        seconds=seconds,
        rows_per_second=None if (speed := work.pace.rows_per_second) is None else round(speed, 1),
        left_out=left_out,
        ignored=corpus.ignored.files,
        tables=tables,
        notes=[*corpus.notes, *plan.notes, *_deleted_note(totals["rows_deleted"]), *refused_notes(refused)],
        gaps_accepted=accepted,
        new_files=plan.new_files,
        exit_code=0 if complete and not too_many else 3,
    )


def _rows_with_evidence(summary: ScoreSummary, *, multi_label: bool) -> int:
    """Count the scored rows with a known word; of several labels, a row that is given none has not abstained."""
    return rows_with_evidence(
        summary.rows_scored, summary.rows_abstained, summary.rows_below_threshold, multi_label=multi_label
    )


def _with_kept(summary: ScoreSummary, request: Request, bundle: Bundle) -> ScoreSummary:
    """Say which share of the rows with a known word keeps a label, and which one the model's thresholds expect."""
    rows = _rows_with_evidence(summary, multi_label=bundle.config.multi_label)
    kept = round((rows - summary.rows_below_threshold) / rows, 6) if rows else None
    own = bundle.config.thresholds
    if own is None or request.answer.threshold is not None or request.answer.no_threshold:
        return replace(summary, kept=kept)
    return replace(summary, kept=kept, expected_kept=own.kept, warnings=_unlike(kept, rows, own))


_FAR = 0.05
"""Difference of the share that keeps a label from the expected one which is told, if it is no chance either."""


def _unlike(kept: float | None, rows: int, own: Thresholds) -> list[str]:
    """Say that rows are not like those that thresholds were chosen on, where far more or fewer keep a label."""
    if kept is None:
        return []
    share = (kept * rows + own.kept * own.rows) / (rows + own.rows)
    by_chance = 3 * math.sqrt(share * (1 - share) * (1 / rows + 1 / max(own.rows, 1)))
    if abs(kept - own.kept) <= max(_FAR, by_chance):
        return []
    line = (
        f"{kept:.1%} of the rows with a known word kept a label, and {own.kept:.1%} were expected to: these rows are "
        "not like those that the model's thresholds were chosen on, so the precision that they promise may not hold. "
        "Check some by hand (`w2vray sample`), and `calibrate` the model on their true labels"
    )
    return [line]


def _deleted_note(rows: int) -> list[str]:
    return [f"{rows:,} rows of the files were not scored: the table has deleted them"] if rows else []


def _distinct(profiles: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return on what machines, in all that answers may differ by, the parts were made: told by the workers."""
    return list({json.dumps(profile, sort_keys=True): profile for profile in profiles}.values())


def _require_own(run: RunDirectory, parts: Sequence[CommittedPart], expected: str) -> None:
    foreign = next((part.record for part in parts if part.record.run != expected), None)
    if foreign is not None:
        raise RunError(
            f"{run.name}: the part of unit {foreign.unit} was made by another model or with other options; remove it"
        )
