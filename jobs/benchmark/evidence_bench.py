"""What evidence costs: units scored and written with ``--evidence 3`` and without, in this process, on one core."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from material import Material, write_store
from stopwatch import Row
from whole_jobs import Place

from w2vray.models.directory import Bundle
from w2vray.run.directory import RunDirectory
from w2vray.run.one_unit import ScoringJob, score_unit
from w2vray.run.planning import start_run
from w2vray.run.request import Request
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.store.corpus import find_corpus

__all__ = ["PIECES", "measure_evidence"]

PIECES = 3


def measure_evidence(material: Material, megabytes: float, runs: int) -> Iterator[Row]:
    """Score the same store with evidence and without, in turn; the median ratio of CPU seconds counts."""
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        place = Place(Path(name), material)
        store = place.folder / "store"
        size = write_store(store, material.texts, max(1, round(megabytes / material.megabytes)))
        for model in ("average", "cnn"):
            plain = place.settings(store, model)
            bundle = Bundle.load(plain.model)
            scorer = TextScorer(bundle, bundle.open_vectors())
            seconds: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(runs):
                for explained in (False, True):
                    settings = replace(plain, output=str(place.output()), evidence=PIECES if explained else None)
                    seconds[explained].append(_seconds(settings, bundle, scorer))
            ratios = [too / without for without, too in zip(seconds[False], seconds[True], strict=True)]
            more = 100 * (statistics.median(ratios) - 1)
            mean = pc.mean(pc.utf8_length(material.texts)).as_py()
            without = statistics.median(seconds[False])
            note = f"texts of {mean:,.0f} characters, {size:,.0f} MB of them; {without:.2f} s without"
            yield Row("evidence", model, more, "% more time", {}, note)


def _seconds(settings: ScoreSettings, bundle: Bundle, scorer: TextScorer) -> float:
    """Score and write all units, and return the seconds of a processor that it took."""
    request, run, corpus = Request.of(settings, bundle), RunDirectory(settings.output), find_corpus(settings.corpus)
    plan = start_run(run, request, corpus)
    job = ScoringJob(
        request=request,
        roots=corpus.roots,
        schema=plan.schema,
        kept_schema=plan.kept_schema,
        explained_up_to=plan.explained_up_to,
    )
    with run.drafting() as drafts:
        ours = RunDirectory(settings.output, drafts)
        started = time.process_time()
        for unit in plan.units:
            with ours.part(unit.id, job.scores_schema) as part:
                ours.commit(part, score_unit(unit, scorer, job, part.write))
        return time.process_time() - started
