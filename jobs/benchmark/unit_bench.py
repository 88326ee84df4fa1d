"""Where the time of a unit goes, from Parquet to Parquet: each step by itself, in this process, on one core."""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from material import Material, write_store
from stopwatch import Row
from whole_jobs import Place

from w2vray.models.directory import Bundle
from w2vray.run.directory import RunDirectory
from w2vray.run.one_unit import ScoringJob, batches_of, rejected_rows, score_unit, scored_rows
from w2vray.run.parts import UnitRecord
from w2vray.run.planning import start_run
from w2vray.run.request import Request
from w2vray.run.writing import PartWriter
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.store.corpus import find_corpus
from w2vray.store.units import Unit
from w2vray.text.columns import blocks, read_texts

__all__ = ["STEPS", "measure_unit"]

STEPS = ("read", "texts", "look-up", "model", "answers", "columns", "write")
"""Rows from Parquet; a column to texts that are valid UTF-8; ids; logits; probabilities; what is said of a row, in
Arrow's columns; compressed, hashed and on the disk. What a unit takes beside these is its plan, record and commit."""

T = TypeVar("T")


class _Seconds(Counter[str]):
    """Seconds of a processor by step."""

    def of(self, step: str, function: Callable[..., T], *arguments: object) -> T:
        """Call a function and count its time."""
        started = time.process_time()
        made = function(*arguments)
        self[step] += time.process_time() - started  # type: ignore[assignment] # a Counter adds up any numbers
        return made


def measure_unit(material: Material, megabytes: float, runs: int) -> Iterator[Row]:
    """Score the units of a store as a worker does, and step by step, in turn; medians of CPU seconds count."""
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        place = Place(Path(name), material)
        store = place.folder / "store"
        size = write_store(store, material.texts, max(1, round(megabytes / material.megabytes)))
        for model in ("average", "cnn"):
            settings = place.settings(store, model)
            bundle = Bundle.load(settings.model)
            scorer = TextScorer(bundle, bundle.open_vectors())
            taken = [
                _seconds(replace(settings, output=str(place.output())), bundle, scorer) for _ in range(runs + 1)
            ]  # the first warms up what is kept
            median = {step: statistics.median(one[step] for one in taken[1:]) for step in ("unit", *STEPS)}
            note = f"{1000 * median['unit'] / size:.2f} ms/MB on one core, {size:,.0f} MB"
            yield Row("unit", model, size / median["unit"], "MB/s", {}, note)
            rest = median["unit"] - sum(median[step] for step in STEPS)
            for step, took in (*((step, median[step]) for step in STEPS), ("all else", rest)):
                yield Row("unit", f"{model}, {step}", 100 * took / median["unit"], "%", {}, f"{1000 * took / size:.2f}")


def _seconds(settings: ScoreSettings, bundle: Bundle, scorer: TextScorer) -> _Seconds:
    """Score each unit of a store whole, then step by step."""
    request, run, corpus = Request.of(settings, bundle), RunDirectory(settings.output), find_corpus(settings.corpus)
    plan = start_run(run, request, corpus)
    job = ScoringJob(request=request, roots=corpus.roots, schema=plan.schema, kept_schema=plan.kept_schema)
    seconds = _Seconds()
    with run.drafting() as drafts:
        ours = RunDirectory(settings.output, drafts)
        for unit in plan.units:
            record = seconds.of("unit", _whole, ours, unit, scorer, job)
            seconds.update(_in_steps(ours, unit, scorer, job, record))
    return seconds


def _whole(run: RunDirectory, unit: Unit, scorer: TextScorer, job: ScoringJob) -> UnitRecord:
    with run.part(unit.id, job.scores_schema) as part:
        return run.commit(part, score_unit(unit, scorer, job, part.write)).record


def _in_steps(run: RunDirectory, unit: Unit, scorer: TextScorer, job: ScoringJob, record: UnitRecord) -> _Seconds:
    """Do what ``score_unit`` does, one thing after another; nothing is published."""
    seconds = _Seconds()
    source = batches_of(unit, scorer, job)
    with run.part(unit.id, job.scores_schema) as part:
        while (batch := seconds.of("read", next, source, None)) is not None:
            _batch_in_steps(batch, part, scorer, job, seconds)
        seconds.of("write", part.finish_scores, record)
    return seconds


def _batch_in_steps(
    batch: pa.RecordBatch, part: PartWriter, scorer: TextScorer, job: ScoringJob, seconds: _Seconds
) -> None:
    texts = seconds.of("texts", read_texts, batch, job.request.text_columns, job.request.limits)
    scores = []
    for block in seconds.of("texts", blocks, texts.values):
        ids = seconds.of("look-up", scorer.look_up, block)
        logits_NC = seconds.of("model", scorer.logits_of_ids, ids)
        scores.append(seconds.of("answers", scorer.answers_of, ids, logits_NC))
    answers = seconds.of("answers", scorer.join, scores)
    rows = seconds.of("columns", scored_rows, batch.select(job.carried), answers, job)
    rejected = seconds.of("columns", rejected_rows, batch, texts)
    seconds.of("write", part.write, rows, rejected)
