"""``evaluate``: how good a model is on labelled rows, on Ray Data; and which of several is better."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from w2vray.cluster.connecting import connected
from w2vray.cluster.evaluate_counts import measured_summary
from w2vray.cluster.evaluate_notes import drawn_notes, tell
from w2vray.cluster.evaluate_summary import EvaluationSummary
from w2vray.cluster.evaluated_page import write_evaluation_page
from w2vray.cluster.measured_rows import MeasuredRows, rows_schema
from w2vray.cluster.measuring import MeasuringJob, measure
from w2vray.cluster.opened_models import OpenedModel, at_work, labelled_as_read, require_alike
from w2vray.cluster.seen_places import require_seen
from w2vray.cluster.waiting import Note
from w2vray.errors import ConfigError, RunError
from w2vray.pages.ahead import prepare_plots
from w2vray.scoring.comparing import Comparison
from w2vray.settings.labelled import EvaluateSettings
from w2vray.stages import stage
from w2vray.standing import instead, made_by_us

__all__ = ["EvaluationSummary", "evaluate"]

METRICS = "metrics.json"


def evaluate(
    settings: EvaluateSettings,
    *,
    address: str | None = None,
    note: Note = lambda _: None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> EvaluationSummary:
    """Classify labelled rows and compare; a row that cannot be read, or has no known word, counts as wrong.

    Of several models, the first one says how labels are read, and the others are held against it. ``note`` is told
    where the workers have to wait for CPUs. ``progress`` is called with the units done and the units there are.

    Raises:
        UnusableInputError: the arguments, the store or the model cannot be used.
    """
    folder = None if settings.output is None else _folder(settings.output)
    models = [OpenedModel.open(name, settings) for name in settings.model]
    require_alike(models)
    for line in dict.fromkeys(line for model in models for line in model.bundle.config.reading.told(settings)):
        note(line)
    labelled, reading = labelled_as_read(settings, models[0])
    for line in [*labelled.notes, *drawn_notes(labelled)]:
        note(line)
    rows = MeasuredRows(folder, rows_schema(len(models), multi_label=labelled.multi_label)) if folder else None
    try:
        if folder is not None:
            prepare_plots()
        with connected(address, units=labelled.units, workers=settings.workers):
            require_seen({"LABELLED": labelled.corpus}, {}, shared=settings.shared_filesystem, note=note)
            job = MeasuringJob(
                models=at_work(models),
                roots=labelled.corpus.roots,
                reading=reading,
                where=settings.where,
                schema=labelled.schema,
                with_rows=rows is not None,
            )
            stage("classifying the rows")
            found = measure(labelled, job, workers=settings.workers, note=note, rows=rows, progress=progress)
        first, *others = [
            measured_summary(model, counted, found, labelled, settings.where)
            for model, counted in zip(models, found.models, strict=True)
        ]
        comparisons = [
            Comparison.of(
                first.model,
                other.model,
                rows=first.metrics.rows,
                only_first=counted.only_first_right,
                only_model=counted.only_this_right,
            )
            for other, counted in zip(others, found.models[1:], strict=True)
        ]
        summary = replace(first, others=others, comparisons=comparisons)
        tell(summary, models, settings, note)
        if folder is not None and rows is not None:
            _write(summary, folder, rows)
            first_model = models[0]
            write_evaluation_page(
                folder, summary.as_dict(), first_model.bundle, first_model.vectors, name=first_model.name, note=note
            )
    finally:
        if rows is not None:
            rows.clear()
    return summary


def _folder(output: str) -> Path:
    """Look before the work whether files can be written into a folder that is there, or is to be made.

    Raises:
        ConfigError: they cannot; or the folder holds something else than an earlier evaluation, such as a run with a
            page of its own, or the labelled rows.
    """
    folder = Path(output)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"--output is {output!r}; allowed: a folder that can be written, or made ({there} cannot)")
    held = sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []
    if held and (METRICS not in held or made_by_us(folder)):
        some = ", ".join(held[:3]) + (f" and {len(held) - 3:,} more" if len(held) > 3 else "")
        raise ConfigError(
            f"--output {output!r} is not empty and holds no evaluation: {some}{instead(folder)}. Give another --output"
        )
    return folder


def _write(summary: EvaluationSummary, folder: Path, rows: MeasuredRows) -> None:
    """Write ``metrics.json``, and publish ``rows.parquet``.

    Raises:
        RunError: they cannot be written; the message says what was measured.
    """
    text = json.dumps(summary.as_dict(), indent=2, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / METRICS).write_text(text, encoding="utf-8")
        rows.publish()
    except OSError as error:
        measured = f"accuracy {summary.metrics.accuracy:.4f}, macro-F1 {summary.metrics.macro_f1:.4f}"
        raise RunError(
            f"{folder}: metrics.json and rows.parquet cannot be written ({error.strerror or error}); what was "
            f"measured: {measured}"
        ) from error
