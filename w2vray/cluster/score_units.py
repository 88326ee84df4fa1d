"""Handing out the units of a scoring run: those that are missing, then, in smaller ones, what could not be scored."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from w2vray.cluster.metrics import Meter, metered
from w2vray.cluster.pools import run_units
from w2vray.cluster.resources import GpuShare, cpus_to_reckon_with
from w2vray.cluster.score_worker import Outcome, ScoringWorker
from w2vray.cluster.waiting import Note
from w2vray.errors import CorpusError, RunError
from w2vray.places.uris import shown
from w2vray.run.directory import RunDirectory
from w2vray.run.leases import StillOurs
from w2vray.run.planning import RunPlan, resume_run, split_failed, start_run
from w2vray.run.progress import Counted, ScoreProgress
from w2vray.run.request import Request
from w2vray.schema import MAY_PASS
from w2vray.settings.answering import ScoreSettings
from w2vray.store.corpus import Corpus
from w2vray.store.failures import Failure
from w2vray.store.units import Unit, text_bytes

__all__ = ["Progress", "Work", "planned_units", "score_missing", "telling"]

_SLOWEST = 10
"""Units whose time a page tells."""

_TELL_SECONDS = 10.0

Progress = Callable[[ScoreProgress], None]
"""Called when a unit is done, with what this call has done so far."""


@dataclass
class Work:
    """What this call has done so far, and whom it asks and tells between units."""

    settings: ScoreSettings
    still_ours: StillOurs
    progress: Progress | None
    note: Note
    missing: list[Unit] = field(default_factory=list)
    skipped: int = 0
    counted: Counted = field(default_factory=Counted)
    meter: Meter | None = None
    failures: list[Failure] = field(default_factory=list)  # of units
    slowest: list[dict[str, Any]] = field(default_factory=list)  # units of this call
    noted: list[Failure] = field(
        default_factory=list
    )  # all that were seen, those that smaller units took the place of too


def planned_units(run: RunDirectory, request: Request, corpus: Corpus, work: Work) -> RunPlan:
    """Plan the run, or take up the one that is there, and note which units are missing."""
    finished, failures = run.finished(), run.failures()
    plan = resume_run(run, request, corpus, finished=finished, failures=[*failures, *run.noted()])
    plan = plan or start_run(run, request, corpus)
    work.missing = _missing(plan, finished, failures if work.settings.on_bad == "skip" else [], work)
    return plan


def score_missing(run: RunDirectory, plan: RunPlan, corpus: Corpus, arguments: Mapping[str, Any], work: Work) -> None:
    """Hand out the missing units, then, in smaller ones, what could not be scored."""
    missing = work.missing
    while missing:
        failed = _pass(run, missing, arguments, work)
        missing = split_failed(plan, corpus, failed, arguments["job"].request)
        if missing:
            run.write_plan(plan.units, plan.left_out)
        planned = {unit.id for unit in plan.units}
        work.failures += [item for item in failed if item.unit in planned]


def _missing(plan: RunPlan, finished: Collection[str], accepted: Sequence[Failure], work: Work) -> list[Unit]:
    """Return the units to be done; what was accepted as a gap before is one still."""
    missing = [unit for unit in plan.units if unit.id not in finished]
    work.skipped = len(plan.units) - len(missing)
    ids = {unit.id for unit in missing}
    work.failures = [item for item in accepted if item.unit in ids and item.reason not in MAY_PASS]
    left_out = {item.unit for item in work.failures}
    return [unit for unit in missing if unit.id not in left_out]


def _pass(run: RunDirectory, units: Sequence[Unit], arguments: Mapping[str, Any], work: Work) -> list[Failure]:
    """Hand out units once, and return those that could not be scored.

    When this returns, no worker can publish one of them any more: what was not scored can be cut into smaller ones.

    Raises:
        CorpusError: one could not, and ``--on-bad`` is fail.
        RunError: another run has taken this one's place.
    """
    failed: list[Failure] = []
    with run.drafting() as drafts:
        work.counted.planned(units)
        take_down = work.meter = work.meter or metered(shown(work.settings.output))
        of_each = text_bytes(units) // (work.settings.workers or cpus_to_reckon_with())
        for outcome in _outcomes(units, {**arguments, "drafts": drafts, "text_ahead": of_each}, work):
            work.still_ours()
            now = work.counted.done(outcome.unit, outcome.rows, outcome.rejected)
            take_down(now)
            work.slowest.append({"unit": outcome.unit, "seconds": outcome.seconds, "rows": outcome.rows})
            work.slowest = sorted(work.slowest, key=lambda item: -float(item["seconds"]))[:_SLOWEST]
            if (failure := outcome.failure) is not None:
                failed.append(failure)
                work.noted.append(failure)
                run.note(work.noted)
                if work.settings.on_bad == "fail":
                    raise CorpusError(f"{failure.detail}; repair or remove it, or choose another --on-bad")
            if work.progress is not None:
                work.progress(now)
    # one that was slow may have done it after all
    return [failure for failure in failed if failure.unit not in run]


def _outcomes(units: Sequence[Unit], arguments: Mapping[str, Any], work: Work) -> Iterator[Outcome]:
    settings = work.settings
    share = GpuShare(settings.cpus_per_gpu) if settings.gpu else None
    name = f"score {shown(settings.output)}"
    run = RunDirectory(arguments["job"].request.output, arguments["drafts"])

    def in_hand(host: str) -> int | None:
        with suppress(RunError):  # the place of the run is away for a moment
            return len(run.attempts.begun_on(host))
        return None

    rows = run_units(
        units,
        ScoringWorker,
        arguments,
        workers=settings.workers,
        gpu=share,
        note=work.note,
        in_order=False,
        name=name,
        in_hand=in_hand,
        tick=telling(run, work.counted),
    )
    return (Outcome.from_row(row) for row in rows)


def telling(run: RunDirectory, counted: Counted) -> Callable[[], None]:
    """Return what tells the run's directory, at once and then from time to time, how far this call is."""
    told = -math.inf

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            run.tell(counted.as_json())

    return tell
