"""``evaluate``: how good a model is on labelled rows, on Ray Data; and which of several is better."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from w2vray.cluster.counting import OneLabel
from w2vray.cluster.evaluated_page import write_evaluation_page
from w2vray.cluster.measured_rows import MeasuredRows, rows_schema
from w2vray.cluster.measuring import UNKNOWN_NAMED, MeasuredModel, MeasuredSet, MeasuringJob, ModelAtWork, measure
from w2vray.cluster.runtime import SharedVectors, connected, share
from w2vray.cluster.waiting import Note
from w2vray.errors import ConfigError, CorpusError, RunError
from w2vray.models.directory import Bundle
from w2vray.models.reading import Reading
from w2vray.models.trained_texts import knows_training, saw
from w2vray.notebooks import as_html
from w2vray.places.uris import without_secrets
from w2vray.scoring.calibration_error import CalibrationError
from w2vray.scoring.comparing import Comparison
from w2vray.scoring.metrics import NO_LABEL, Metrics, MultiLabelMetrics, metrics, multi_label_metrics
from w2vray.scoring.repeats import Repeats
from w2vray.settings.labelled import CalibrateSettings, EvaluateSettings
from w2vray.stages import stage
from w2vray.standing import instead, made_by_us
from w2vray.store.description import ReadAs
from w2vray.store.filters import parse_where
from w2vray.store.label_reading import LabelReading, mended
from w2vray.store.labelled import Labelled, labelled_units
from w2vray.store.sampling import sample_texts
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import coverage_warnings, share_found

__all__ = ["EvaluationSummary", "OpenedModel", "evaluate", "labelled_as_read", "metrics_of", "near_labels"]


_CONFUSIONS_SHOWN = 5
METRICS = "metrics.json"


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """Metrics of a labelled store. Rows of a label that the model does not know count as wrong in ``accuracy``."""

    metrics: Metrics | MultiLabelMetrics
    rows_without_label: int
    rows_unknown_label: int
    model: str = ""
    calibration: CalibrationError | None = None  # of its probabilities; None where no row got an answer
    rows_unlabelled: Mapping[str, int] = field(default_factory=dict)  # value of --unlabelled -> rows left out by it
    rows_damaged: Mapping[str, int] = field(default_factory=dict)  # file -> rows left out, for their line is damaged
    labels_unknown: Mapping[str, int] = field(default_factory=dict)  # that the model does not know -> how often
    rows_trained_on: int | None = None  # whose text the training saw; None where the model does not tell
    accuracy_elsewhere: float | None = None  # on the other rows, where the training saw some and not all
    trained_on_estimated: bool = False  # both are estimated from a sample of the texts
    repeats: Repeats = field(default_factory=Repeats)  # of texts in the store
    tokens: int = 0  # of all rows that were read
    tokens_found: int = 0  # those that have a vector
    warnings: Sequence[str] = ()  # what makes the accuracy less than it seems, and what to do
    reading: Reading = field(default_factory=Reading)  # the columns and label options that were used
    others: Sequence["EvaluationSummary"] = ()  # of the other models, on the same rows
    comparisons: Sequence[Comparison] = ()  # each other model held against this one

    @property
    def coverage(self) -> float | None:
        """Share of the tokens that have a vector; None where there are no tokens."""
        return share_found(self.tokens, self.tokens_found)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return {
            "model": self.model,
            **self.metrics.as_dict(),
            "calibration": None if self.calibration is None else self.calibration.as_dict(),
            "rows_without_label": self.rows_without_label,
            "rows_unknown_label": self.rows_unknown_label,
            "rows_unlabelled": dict(self.rows_unlabelled),
            "rows_damaged": dict(self.rows_damaged),
            "labels_unknown": dict(self.labels_unknown),
            "rows_trained_on": self.rows_trained_on,
            "accuracy_elsewhere": self.accuracy_elsewhere,
            "trained_on_estimated": self.trained_on_estimated,
            "repeats": self.repeats.as_dict(),
            "tokens": self.tokens,
            "tokens_found": self.tokens_found,
            "coverage": self.coverage,
            "warnings": list(self.warnings),
            "reading": self.reading.as_dict(),
            "others": [other.as_dict() for other in self.others],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
        }

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        found = self.metrics
        stated = found.as_dict()
        facts = {
            "rows": found.rows,
            "accuracy": found.accuracy,
            "always answering the commonest label": stated.get("largest_class_share"),
            "micro-F1": stated.get("micro_f1"),
            "macro-F1": found.macro_f1,
            "calibration error": None if self.calibration is None else self.calibration.error,
            "calibration error by chance alone": None if self.calibration is None else self.calibration.by_chance,
            "rows without a known word": found.rows_no_evidence or None,
            "rows of a label that the model does not know": self.rows_unknown_label or None,
            "rows that the training saw": self.rows_trained_on,
            "accuracy on the others": self.accuracy_elsewhere,
            "other models": {other.model: other.metrics.accuracy for other in self.others},
            "compared": [comparison.sentence for comparison in self.comparisons],
            "to look at": list(self.warnings),
        }
        classes = [(item.label, item.rows, item.precision, item.recall, item.f1) for item in found.classes]
        wrong = [] if isinstance(found, MultiLabelMetrics) else found.confusions(_CONFUSIONS_SHOWN)
        return as_html(
            f"Model {self.model}",
            facts,
            ("classes", ["label", "rows", "precision", "recall", "F1"], classes),
            ("commonest confusions", ["label", "given instead", "rows"], wrong),
        )


@dataclass(frozen=True)
class OpenedModel:
    """A model that labelled rows are held against: its name, and what was opened of it."""

    name: str
    bundle: Bundle
    vectors: Vectors
    read_by: Reading

    @classmethod
    def open(cls, name: str, settings: EvaluateSettings | CalibrateSettings) -> "OpenedModel":
        """Open a model and its vectors.

        Raises:
            BundleError: the model, or the vectors for it, cannot be used.
        """
        bundle = Bundle.load(name)
        return cls(
            without_secrets(name),
            bundle,
            bundle.open_vectors(settings.vectors),
            bundle.config.reading.with_options(settings),
        )


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
    _require_alike(models)
    for line in dict.fromkeys(line for model in models for line in model.bundle.config.reading.told(settings)):
        note(line)
    labelled, reading = labelled_as_read(settings, models[0])
    for line in labelled.notes:
        note(line)
    rows = MeasuredRows(folder, rows_schema(len(models), multi_label=labelled.multi_label)) if folder else None
    try:
        with connected(address):
            job = MeasuringJob(
                models=_at_work(models),
                roots=labelled.corpus.roots,
                reading=reading,
                where=settings.where,
                schema=labelled.schema,
                with_rows=rows is not None,
            )
            stage("classifying the rows")
            found = measure(labelled, job, workers=settings.workers, note=note, rows=rows, progress=progress)
        first, *others = [
            _summary(model, counted, found, labelled, settings.where)
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
        _tell(summary, models, settings, note)
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


def _at_work(models: Sequence[OpenedModel]) -> tuple[ModelAtWork, ...]:
    """Share the vectors of the models, each set of them once."""
    shared: dict[str, SharedVectors] = {}
    for model in models:
        if model.vectors.fingerprint not in shared:
            shared[model.vectors.fingerprint] = share(model.vectors)
    return tuple(
        ModelAtWork(
            bundle=model.bundle,
            shared=shared[model.vectors.fingerprint],
            text_columns=model.read_by.text_column,
            trained=model.bundle.trained_texts(),
        )
        for model in models
    )


def labelled_as_read(
    settings: EvaluateSettings | CalibrateSettings, model: OpenedModel
) -> tuple[Labelled, LabelReading]:
    """Plan the labelled rows, which are read as a model says.

    Raises:
        CorpusError: they cannot be used, or have several labels each where the model gives one, or the other way.
    """
    read_by = model.read_by
    stage("listing the labelled rows")
    labelled = labelled_units(
        settings.labelled,
        read_by.text_column,
        read_by.label_column,
        settings.where,
        ReadAs.of(settings),
        table_version=settings.table_version,
        label_separator=read_by.label_separator,
        separator_given=settings.label_separator is not None,
    )
    if labelled.multi_label != model.bundle.config.multi_label:
        raise CorpusError(
            f"column {read_by.label_column!r} holds {_kind(labelled.multi_label)}, and the model gives "
            f"{_kind(model.bundle.config.multi_label)}; name another --label-column or another --model"
            + ("" if labelled.multi_label else "; --label-separator reads several labels from a string")
        )
    reading = LabelReading(
        column=read_by.label_column,
        multi_label=labelled.multi_label,
        strip=read_by.label_strip,
        separator=labelled.label_separator,
        unlabelled=read_by.unlabelled,
    )
    return labelled, reading


def _require_alike(models: Sequence[OpenedModel]) -> None:
    """Refuse to compare what gives one label with what gives several."""
    first = models[0]
    for other in models[1:]:
        if other.bundle.config.multi_label != first.bundle.config.multi_label:
            raise ConfigError(
                f"{first.name} gives {_kind(first.bundle.config.multi_label)}, and {other.name} "
                f"{_kind(other.bundle.config.multi_label)}; compare models that answer alike"
            )


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


# What was counted, as a summary


def metrics_of(counted: MeasuredModel, labels: Sequence[str]) -> Metrics | MultiLabelMetrics:
    """Compute the metrics of what was counted of a model."""
    counts = counted.counts
    if isinstance(counts, OneLabel):
        return metrics(counts.total, labels)
    return multi_label_metrics(counts.total, labels)


def _summary(
    model: OpenedModel, counted: MeasuredModel, found: MeasuredSet, labelled: Labelled, condition: str | None
) -> EvaluationSummary:
    """Compute the metrics of a model, and what a person has to know of them."""
    labels = model.bundle.config.labels
    _require_rows(model, counted, found, condition)
    measured = metrics_of(counted, labels)
    where = parse_where(condition).fitted(labelled.schema) if condition is not None else None
    sample = partial(
        sample_texts, labelled.units, labelled.corpus.roots, model.read_by.text_column, where, labelled.schema
    )
    warnings = coverage_warnings(counted.tokens, counted.tokens_found, model.vectors, model.bundle.config.rules, sample)
    trained_on, elsewhere, estimated = _trained_on(model, counted, measured.rows)
    return EvaluationSummary(
        model=model.name,
        metrics=measured,
        calibration=counted.answered.calibration(),
        rows_without_label=found.without_label,
        rows_unknown_label=counted.counts.unknown_rows,
        rows_unlabelled=dict(found.unlabelled),
        rows_damaged=dict(found.damaged),
        labels_unknown=dict(counted.unknown.most_common(UNKNOWN_NAMED)),
        rows_trained_on=trained_on,
        accuracy_elsewhere=elsewhere,
        trained_on_estimated=estimated,
        repeats=found.repeats,
        tokens=counted.tokens,
        tokens_found=counted.tokens_found,
        warnings=[*_flattered(model, trained_on, elsewhere, measured.rows, estimated=estimated), *warnings],
        reading=model.read_by,
    )


def _require_rows(model: OpenedModel, counted: MeasuredModel, found: MeasuredSet, where: str | None) -> None:
    column = model.read_by.label_column
    and_where = f", or another --where: {where!r} holds for no other row" if where else ""
    counts, without = counted.counts, found.without_label
    if not isinstance(counts, OneLabel):
        if not counts.total.rows:
            raise CorpusError(f"no row of {column!r} has a list of labels; {without:,} rows have none{and_where}")
    elif (counts.total.true_Y == NO_LABEL).all():
        labels = model.bundle.config.labels
        some = ", ".join(labels[:10]) + (f" and {len(labels) - 10:,} others" if len(labels) > 10 else "")
        raise CorpusError(
            f"no row of {column!r} has a label that the model knows ({some}); {without:,} rows have none, "
            f"{counts.unknown_rows:,} another; name another --label-column or another --model{and_where}"
        )


def _trained_on(model: OpenedModel, counted: MeasuredModel, rows: int) -> tuple[int | None, float | None, bool]:
    """Return how many rows the training saw, the accuracy on the others, and whether both are estimated."""
    trained = model.bundle.trained_texts()
    if trained is None or (not counted.seen and not knows_training(model.bundle.config, trained)):
        return None, None, False
    if not counted.told_of:
        return 0, None, not trained.is_whole
    others = counted.told_of - counted.seen
    trained_on = counted.seen if trained.is_whole else round(rows * counted.seen / counted.told_of)
    elsewhere = counted.unseen_right / others if counted.seen and others else None
    return trained_on, elsewhere, not trained.is_whole


def _flattered(
    model: OpenedModel, trained_on: int | None, elsewhere: float | None, rows: int, *, estimated: bool
) -> Iterator[str]:
    """Say that a model is measured on rows that its training saw."""
    if not trained_on:
        return
    about = "about " if estimated else ""
    also = "" if elsewhere is None else f" On the other rows it is {elsewhere:.4f}."
    yield (
        f"the {saw(model.bundle.config)} of {model.name} saw the text of {about}{trained_on:,} of these {rows:,} rows "
        f"({trained_on / rows:.0%}): the accuracy is too good.{also} Measure on rows that it did not see; `train "
        "--test-fraction` keeps some"
    )


# What a person is told


def _tell(summary: EvaluationSummary, models: Sequence[OpenedModel], settings: EvaluateSettings, note: Note) -> None:
    """Tell what is odd about the rows, and what the accuracy hides."""
    of_models = zip([summary, *summary.others], models, strict=True)
    lines = [
        line for of_one, model in of_models for line in near_labels(of_one.labels_unknown, model.bundle.config.labels)
    ]
    left_out = {mended(value) for value in summary.rows_unlabelled}
    lines += [
        f"--unlabelled {value!r}: no row has this label"
        for value in settings.unlabelled
        if value and mended(value) not in left_out
    ]
    lines += _repeated(summary.repeats)
    lines += [line for of_one in (summary, *summary.others) for line in of_one.warnings]
    for line in dict.fromkeys(lines):
        note(line)


def near_labels(unknown: Mapping[str, int], labels: Sequence[str]) -> Iterator[str]:
    """Say which labels the model does not know though it knows nearly the same."""
    known = {mended(label).casefold(): label for label in labels}
    near = [(label, known[key]) for label in unknown if (key := mended(label).casefold()) in known]
    for label, own in near[:3]:
        remedy = "--label-strip makes them one" if mended(label) == own else "write them alike"
        yield f"the model has no label {label!r} ({unknown[label]:,} rows), but {own!r}; {remedy}"


def _repeated(repeats: Repeats) -> Iterator[str]:
    """Say which texts are there more than once."""
    if not repeats.rows_repeated:
        return
    about = "about " if repeats.estimated else ""
    yield (
        f"{about}{repeats.texts_repeated:,} texts are there more than once, so that {repeats.rows_repeated:,} rows "
        f"repeat an earlier one; {repeats.texts_of_two_labels:,} of these texts have different labels"
        + (", and no model is right on all of their rows" if repeats.texts_of_two_labels else "")
    )


def _kind(multi_label: bool) -> str:
    return "lists of labels" if multi_label else "one label a row"
