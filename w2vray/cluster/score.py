"""``score``: classify a whole store, unit by unit, on Ray Data.

The driver plans (or goes on with what is planned), hands units to a pool of workers, and writes the manifest. A worker
holds the model, sees the shared vectors, and commits each unit by itself, so that a driver that dies loses nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from w2vray.cluster.ahead import processes_ahead
from w2vray.cluster.connecting import connected
from w2vray.cluster.footers import spread_over_cluster
from w2vray.cluster.score_closing import closed, with_kept
from w2vray.cluster.score_summary import ScoreSummary
from w2vray.cluster.score_units import Progress, Work, planned_units, score_missing
from w2vray.cluster.seen_places import require_seen
from w2vray.cluster.sharing import SharedVectors, share
from w2vray.cluster.waiting import Note
from w2vray.errors import RunError
from w2vray.models.directory import Bundle
from w2vray.pages.ahead import prepare_plots
from w2vray.places.uris import absolute, shown
from w2vray.run.answers import FinishedRun
from w2vray.run.directory import RunDirectory
from w2vray.run.explaining import slow_evidence
from w2vray.run.forecast import Forecast, outcome
from w2vray.run.leases import only_writer
from w2vray.run.missing_words import missing_words
from w2vray.run.one_unit import ScoringJob
from w2vray.run.planning import RunPlan, planned_versions, require_outside
from w2vray.run.reporting import run_data, training_facts
from w2vray.run.request import Request
from w2vray.run.room import require_room
from w2vray.run.run_files import RUN, SUCCESS
from w2vray.run.writing_reports import told_before, write_run_report
from w2vray.settings.answering import ScoreSettings
from w2vray.stages import detail, stage
from w2vray.store.corpus import Corpus, find_corpus
from w2vray.store.not_read import ignored_files
from w2vray.store.sampling import sample_texts
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import coverage_warnings

__all__ = ["ScoreSummary", "score", "write_report"]


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
    with processes_ahead("local" if settings.gpu else address):
        return _score(settings, address, progress, note)


def _score(settings: ScoreSettings, address: str | None, progress: Progress | None, note: Note) -> ScoreSummary:
    started = time.monotonic()
    run = RunDirectory(absolute(settings.output))
    asked = _asked(settings, run, note)
    with only_writer(run) as still_ours:
        run.clear_temporary()
        work = Work(settings, still_ours, progress, note)
        with run.drafting(alone=True) as drafts:
            ours = RunDirectory(absolute(settings.output), drafts)
            with _told_if_stopped(ours, work):
                plan = _planned(ours, asked, work, address)
                if work.missing:
                    _score_missing(ours, asked, plan, work, address)
                still_ours()
                seconds = round(time.monotonic() - started, 3)
                asked.corpus.ignored.add_all(ignored_files(plan.left_out))
                summary = closed(ours, plan, work, asked.corpus, asked.request, seconds=seconds)
            summary = with_kept(summary, asked.request, asked.bundle)
            sample = asked.sample_of(plan)
            words = partial(missing_words, sample(), asked.bundle, asked.vectors, tokens=summary.tokens)
            page = write_report(ours, asked.corpus, asked.bundle, summary, work=work, words=words)
    rules = asked.bundle.config.rules
    warnings = coverage_warnings(summary.tokens, summary.tokens_found, asked.vectors, rules, sample)
    found = None if asked.forecast is None else _held_against(asked.forecast, summary, settings)
    return replace(summary, warnings=[*summary.warnings, *warnings], forecast=found, report=page)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is asked for, opened: the model, its vectors, the store, and the forecast that it is to be held against."""

    bundle: Bundle
    vectors: Vectors
    request: Request
    corpus: Corpus
    forecast: Forecast | None

    def sample_of(self, plan: RunPlan) -> Callable[[], Iterator[pa.LargeStringArray]]:
        """Return what draws some texts of the store."""
        where = self.request.where.fitted(plan.schema) if self.request.where else None
        return partial(sample_texts, plan.units, self.corpus.roots, self.request.text_columns, where, plan.schema)


def _asked(settings: ScoreSettings, run: RunDirectory, note: Note) -> _Asked:
    """Open what is asked for.

    Raises:
        UnusableInputError: something of it cannot be used, or the run's directory holds something else.
    """
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    request = Request.of(settings, bundle)
    planned = _forecast(settings, request)
    for line in bundle.config.reading.told(settings):
        note(line)
    if (slow := slow_evidence(request)) is not None:
        note(slow)
    # This refuses a directory that holds something else, before anything is written into it
    stage("listing the store")
    corpus = find_corpus(settings.corpus, planned_versions(run, request))
    require_outside(settings.corpus, run)
    detail(f"model {bundle.place}: {bundle.config.model}, {len(bundle.config.labels):,} labels")
    detail(f"vectors {vectors.place}: {len(vectors):,} words x {vectors.dim}, family {vectors.rules.name}")
    places, sizes = ", ".join(map(shown, corpus.roots)), [file.size for file in corpus.files]
    detail(f"store {places}: files {len(sizes):,}, bytes {sum(sizes):,}")
    return _Asked(bundle=bundle, vectors=vectors, request=request, corpus=corpus, forecast=planned)


def _planned(run: RunDirectory, asked: _Asked, work: Work, address: str | None) -> RunPlan:
    """Plan the run, or take up its plan, and make sure that there is room for what is missing."""
    settings, note = work.settings, work.note
    if (weaker := run.publishing_by_a_look()) is not None:
        note(weaker)
    stage("planning")
    with spread_over_cluster(asked.corpus, address, shared=settings.shared_filesystem, note=note):
        plan = planned_units(run, asked.request, asked.corpus, work)
    if asked.forecast is not None and (other := asked.forecast.of_another_store(plan.units)):
        note(f"--plan {settings.plan}: {other}")
    detail(f"plan of {shown(settings.output)}: units {len(plan.units):,}, to do {len(work.missing):,}")
    numbers = asked.request.answer.numbers(len(asked.bundle.config.labels))
    require_room(run, sum(unit.rows for unit in work.missing), numbers)
    run.remove(SUCCESS)
    run.tell(work.counted.as_json())  # before Ray is there, which takes its time
    return plan


@contextmanager
def _told_if_stopped(run: RunDirectory, work: Work) -> Iterator[None]:
    """Say in the run's directory that this call goes on with it, and that it has ended before the run is finished."""
    if run.exists(RUN):  # planning may take minutes
        run.tell(work.counted.as_json())
    try:
        yield
    except BaseException:
        with suppress(OSError, RunError):
            if run.exists(RUN):
                run.tell(work.counted.as_json(ended=True))
        raise


def _score_missing(run: RunDirectory, asked: _Asked, plan: RunPlan, work: Work, address: str | None) -> None:
    """Start the workers, and hand them the units that are missing."""
    job = ScoringJob(
        request=asked.request,
        roots=asked.corpus.roots,
        schema=plan.schema,
        kept_schema=plan.kept_schema,
        explained_up_to=plan.explained_up_to,
    )
    with _workers(address, work, asked.request):
        shared = _seen_and_shared(work.settings, asked.corpus, asked.vectors, work.note)
        stage("starting the workers")
        score_missing(run, plan, asked.corpus, {"shared": shared, "bundle": asked.bundle, "job": job}, work)


@contextmanager
def _workers(address: str | None, work: Work, request: Request) -> Iterator[None]:
    """Have the Ray that the missing units need; what draws the page is imported while they are worked on."""
    prepare_plots()
    needs_ray = work.settings.gpu or slow_evidence(request) is not None
    with connected(address, units=None if needs_ray else work.missing, workers=work.settings.workers):
        yield


def _seen_and_shared(settings: ScoreSettings, corpus: Corpus, vectors: Vectors, note: Note) -> SharedVectors:
    """Share the vectors, where all hosts see the places of the run.

    Raises:
        ClusterError: a host does not, or has no room.
    """
    output = absolute(settings.output)
    require_seen({"the store": corpus}, {"--output": output}, shared=settings.shared_filesystem, note=note)
    return share(vectors)


def write_report(
    run: RunDirectory,
    corpus: Corpus,
    bundle: Bundle,
    summary: ScoreSummary,
    *,
    work: Work,
    words: Callable[[], Mapping[str, Any] | None],
) -> str | None:
    """Write the page of the run, and return where it is; the run is finished without it, too."""
    stage("writing the page")
    timing: Mapping[str, Any] | None = {
        "seconds": summary.seconds,
        "rows": summary.rows_now,
        "rows_per_second": summary.rows_per_second,
        "slowest": work.slowest,
    }
    try:
        finished = FinishedRun.open(work.settings.output)
        with ThreadPoolExecutor(1) as beside:  # words are counted by Python, and rows by Arrow and numpy
            missing = beside.submit(words)
            counted = run_data(finished, training_facts(bundle.config))
            timing = timing if summary.rows_now else told_before(run).get("timing")
            told = {"timing": timing, "missing_words": missing.result()}
        return write_run_report(run, finished, corpus, counted, told).page
    except Exception as error:  # noqa: BLE001 - whatever a page fails by, the answers are there
        why = f"{type(error).__name__}: {error}"
        work.note(f"the run's page could not be made ({why}); `w2vray report` makes it again")
        return None


def _forecast(settings: ScoreSettings, request: Request) -> Forecast | None:
    """Return the forecast that the run is to be held against, where one is given."""
    if settings.plan is None:
        return None
    planned = Forecast.load(settings.plan)
    planned.require_of(request, str(settings.plan))
    return planned


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
