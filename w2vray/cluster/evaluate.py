"""``evaluate``: how good a model is on labelled rows, on Ray Data."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.runtime import SharedVectors, connected, run_units, share
from w2vray.cluster.waiting import Note
from w2vray.errors import ConfigError, CorpusError, RunError
from w2vray.models.directory import Bundle
from w2vray.models.reading import Reading
from w2vray.scoring.answers import Scores
from w2vray.scoring.metrics import (
    NO_LABEL,
    NO_ROWS,
    Confusion,
    LabelCounts,
    Metrics,
    MultiLabelMetrics,
    count_labels,
    metrics,
    multi_label_metrics,
)
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.verbs import EvaluateSettings
from w2vray.stages import stage
from w2vray.store.description import ReadAs
from w2vray.store.filters import parse_where
from w2vray.store.label_reading import LabelReading, ReadLabels, mended
from w2vray.store.labelled import labelled_units
from w2vray.store.labels import label_matrix
from w2vray.store.reading import place_of, read_unit
from w2vray.store.sampling import sample_texts
from w2vray.store.units import Unit
from w2vray.text.columns import read_texts
from w2vray.vectors.comparing import coverage_warnings, share_found

__all__ = ["EvaluationSummary", "evaluate"]

_UNKNOWN_NAMED = 100
"""Labels that the model does not know, of a unit and of all, that are named."""
_COUNTED = frozenset({"tokens", "tokens_found", "unlabelled", "damaged", "unknown"})


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """Metrics of a labelled store. Rows of a label that the model does not know count as wrong in ``accuracy``."""

    metrics: Metrics | MultiLabelMetrics
    rows_without_label: int
    rows_unknown_label: int
    rows_unlabelled: Mapping[str, int] = field(default_factory=dict)  # value of --unlabelled -> rows left out by it
    rows_damaged: Mapping[str, int] = field(default_factory=dict)  # file -> rows left out, for their line is damaged
    labels_unknown: Mapping[str, int] = field(default_factory=dict)  # that the model does not know -> how often
    tokens: int = 0  # of all rows that were read
    tokens_found: int = 0  # those that have a vector
    warnings: Sequence[str] = ()  # what to do where few have
    reading: Reading = field(default_factory=Reading)  # the columns and label options that were used

    @property
    def coverage(self) -> float | None:
        """Share of the tokens that have a vector; None where there are no tokens."""
        return share_found(self.tokens, self.tokens_found)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return {
            **self.metrics.as_dict(),
            "rows_without_label": self.rows_without_label,
            "rows_unknown_label": self.rows_unknown_label,
            "rows_unlabelled": dict(self.rows_unlabelled),
            "rows_damaged": dict(self.rows_damaged),
            "labels_unknown": dict(self.labels_unknown),
            "tokens": self.tokens,
            "tokens_found": self.tokens_found,
            "coverage": self.coverage,
            "warnings": list(self.warnings),
            "reading": self.reading.as_dict(),
        }


def evaluate(
    settings: EvaluateSettings, *, address: str | None = None, note: Note = lambda _: None
) -> EvaluationSummary:
    """Classify labelled rows and compare; a row that cannot be read, or has no known word, counts as wrong.

    ``note`` is told where the workers have to wait for CPUs.

    Raises:
        UnusableInputError: the arguments, the store or the model cannot be used.
    """
    folder = None if settings.output is None else _folder(settings.output)
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    read_by = bundle.config.reading.with_options(settings)
    for line in bundle.config.reading.told(settings):
        note(line)
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
    if labelled.multi_label != bundle.config.multi_label:
        raise CorpusError(
            f"column {read_by.label_column!r} holds {_kind(labelled.multi_label)}, and the model gives "
            f"{_kind(bundle.config.multi_label)}; name another --label-column or another --model"
            + ("" if labelled.multi_label else "; --label-separator reads several labels from a string")
        )
    reading = LabelReading(
        column=read_by.label_column,
        multi_label=labelled.multi_label,
        strip=read_by.label_strip,
        separator=labelled.label_separator,
        unlabelled=read_by.unlabelled,
    )
    for line in labelled.notes:
        note(line)
    with connected(address):
        arguments = {
            "shared": share(vectors),
            "bundle": bundle,
            "roots": labelled.corpus.roots,
            "text_columns": read_by.text_column,
            "reading": reading,
            "where": settings.where,
            "schema": labelled.schema,
        }
        stage("classifying the rows")
        worker = ManyLabelsWorker if labelled.multi_label else OneLabelWorker
        rows = run_units(labelled.units, worker, arguments, workers=settings.workers, note=note)
        count = _many_labels if labelled.multi_label else _one_label
        counted = _Counted()
        summary = count(counted.passed_on(rows), bundle.config.labels, read_by.label_column, settings.where)
    where = parse_where(settings.where).fitted(labelled.schema) if settings.where is not None else None
    sample = partial(sample_texts, labelled.units, labelled.corpus.roots, read_by.text_column, where, labelled.schema)
    warnings = coverage_warnings(counted.tokens, counted.tokens_found, vectors, bundle.config.rules, sample)
    summary = replace(
        summary,
        tokens=counted.tokens,
        tokens_found=counted.tokens_found,
        warnings=warnings,
        rows_unlabelled=dict(counted.unlabelled),
        rows_damaged=dict(counted.damaged),
        labels_unknown=dict(counted.unknown.most_common(_UNKNOWN_NAMED)),
        reading=read_by,
    )
    for line in [*_of_labels(summary, settings.unlabelled, bundle.config.labels), *warnings]:
        note(line)
    if folder is not None:
        text = json.dumps(summary.as_dict(), indent=2, ensure_ascii=False) + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").write_text(text, encoding="utf-8")
        except OSError as error:
            measured = f"accuracy {summary.metrics.accuracy:.4f}, macro-F1 {summary.metrics.macro_f1:.4f}"
            raise RunError(
                f"{folder / 'metrics.json'} cannot be written ({error.strerror}); what was measured: {measured}"
            ) from error
    return summary


def _folder(output: str) -> Path:
    """Look before the work whether metrics can be written into a folder that is there, or is to be made.

    Raises:
        ConfigError: they cannot.
    """
    folder = Path(output)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"--output is {output!r}; allowed: a folder that can be written, or made ({there} cannot)")
    return folder


@dataclass
class _Counted:
    """The tokens of the units that went by, and the labels that count for nothing."""

    tokens: int = 0
    tokens_found: int = 0
    unlabelled: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def passed_on(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield what workers say of units, without the tokens."""
        for row in rows:
            self.tokens += row["tokens"]
            self.tokens_found += row["tokens_found"]
            self.unlabelled += Counter(row["unlabelled"])
            self.damaged += Counter(row["damaged"])
            self.unknown += Counter(row["unknown"])
            yield {name: value for name, value in row.items() if name not in _COUNTED}


def _of_labels(summary: EvaluationSummary, unlabelled: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    """Say which labels the model does not know though it knows nearly the same, and which values no row has."""
    known = {mended(label).casefold(): label for label in labels}
    near = [(label, known[key]) for label in summary.labels_unknown if (key := mended(label).casefold()) in known]
    for label, own in near[:3]:
        remedy = "--label-strip makes them one" if mended(label) == own else "write them alike"
        yield f"the model has no label {label!r} ({summary.labels_unknown[label]:,} rows), but {own!r}; {remedy}"
    left_out = {mended(value) for value in summary.rows_unlabelled}
    for value in unlabelled:  # a value that the model remembers need not be in every set
        if value and mended(value) not in left_out:
            yield f"--unlabelled {value!r}: no row has this label"


def _kind(multi_label: bool) -> str:
    return "lists of labels" if multi_label else "one label a row"


def _and_where(where: str | None) -> str:
    return f", or another --where: {where!r} holds for no other row" if where else ""


def _one_label(
    rows: Iterable[dict[str, Any]], labels: Sequence[str], column: str, where: str | None
) -> EvaluationSummary:
    """Add up what the workers counted."""
    total = NO_ROWS
    without = 0
    for row in rows:
        total += Confusion(*(np.array(pairs, dtype=np.int64) for pairs in row["confusion"]))
        without += row["without_label"]
    known_Y = total.true_Y != NO_LABEL
    unknown = int(total.rows_Y[~known_Y].sum())
    if not known_Y.any():
        some = ", ".join(labels[:10]) + (f" and {len(labels) - 10:,} others" if len(labels) > 10 else "")
        raise CorpusError(
            f"no row of {column!r} has a label that the model knows ({some}); "
            f"{without:,} rows have none, {unknown:,} another; name another --label-column or another --model"
            + _and_where(where)
        )
    return EvaluationSummary(
        metrics=metrics(total, labels),
        rows_without_label=without,
        rows_unknown_label=unknown,
    )


def _many_labels(
    rows: Iterable[dict[str, Any]], labels: Sequence[str], column: str, where: str | None
) -> EvaluationSummary:
    """Add up what the workers counted."""
    total = LabelCounts(np.zeros((3, len(labels)), dtype=np.int64), 0, 0, 0, 0)
    without = unknown = 0
    for row in rows:
        without += row.pop("without_label")
        unknown += row.pop("unknown_label")
        counts_3C = np.array(row.pop("counts"), dtype=np.int64).reshape(3, len(labels))
        total += LabelCounts(counts_3C, **row)
    if not total.rows:
        raise CorpusError(f"no row of {column!r} has a list of labels; {without:,} rows have none" + _and_where(where))
    return EvaluationSummary(
        metrics=multi_label_metrics(total, labels), rows_without_label=without, rows_unknown_label=unknown
    )


class _EvaluationWorker:
    """A worker of the pool: classifies a unit's rows and counts."""

    def __init__(
        self,
        *,
        shared: SharedVectors,
        bundle: Bundle,
        roots: tuple[str, ...],
        text_columns: tuple[str, ...],
        reading: LabelReading,
        where: str | None,
        schema: pa.Schema,
    ) -> None:
        use_one_thread()
        self.scorer = TextScorer(bundle, shared.get())
        self.labels = bundle.config.labels
        self.roots, self.text_columns, self.reading = roots, text_columns, reading
        self.where = parse_where(where).fitted(schema) if where is not None else None
        self.schema = schema

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Return what is counted of a unit, and its tokens."""
        self.tokens = self.tokens_found = 0
        self.unlabelled: Counter[str] = Counter()
        self.damaged: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        return {
            **self.counts(unit),
            "tokens": self.tokens,
            "tokens_found": self.tokens_found,
            "unlabelled": dict(self.unlabelled),
            "damaged": dict(self.damaged),
            "unknown": dict(self.unknown.most_common(_UNKNOWN_NAMED)),
        }

    def read_labels(self, batch: pa.RecordBatch) -> ReadLabels:
        """Read the labels of a batch, and note those that the model does not know."""
        read = self.reading(batch, partial(place_of, batch))
        self.unlabelled += read.unlabelled
        self.damaged += read.damaged
        flat = read.values.flatten() if self.reading.multi_label else read.values.drop_null()
        unknown = flat.filter(pc.invert(pc.is_in(flat, pa.array(self.labels, pa.string()))))
        self.unknown.update(unknown.to_pylist())
        return read

    def counts(self, unit: Unit) -> dict[str, Any]:
        """Return what is counted of a unit."""
        raise NotImplementedError

    def answers(self, unit: Unit) -> Iterator[tuple[pa.RecordBatch, Scores, npt.NDArray[np.int64]]]:
        """Yield a unit's batches, the answers to their readable texts, and the rows that those are in."""
        columns = list(dict.fromkeys([*self.text_columns, self.reading.column]))
        for batch in read_unit(unit, self.roots, columns, self.where, self.schema):
            texts = read_texts(batch, self.text_columns)
            scores = self.scorer.score_array(texts.values)
            self.tokens += int(scores.token_counts_N.sum(dtype=np.int64))
            self.tokens_found += int(scores.found_counts_N.sum(dtype=np.int64))
            yield batch, scores, texts.rows_N


class OneLabelWorker(_EvaluationWorker):
    """Counts which label was given for which."""

    def counts(self, unit: Unit) -> dict[str, Any]:
        """Return the pairs of labels of a unit, and how many rows have no label."""
        total = NO_ROWS
        without = 0
        for batch, scores, rows_N in self.answers(unit):
            predicted = np.full(len(batch), NO_LABEL, dtype=np.int64)
            predicted[rows_N] = scores.label_N
            read = self.read_labels(batch)
            label = read.values
            true = pc.index_in(label, pa.array(self.labels, pa.string())).fill_null(NO_LABEL).to_numpy()
            labelled = label.is_valid().to_numpy(zero_copy_only=False)
            without += read.rows_without
            total += Confusion.of(true[labelled], predicted[labelled])
        pairs = [total.true_Y.tolist(), total.predicted_Y.tolist(), total.rows_Y.tolist()]
        return {"confusion": pairs, "without_label": without}


class ManyLabelsWorker(_EvaluationWorker):
    """Counts right, given and true labels."""

    def counts(self, unit: Unit) -> dict[str, Any]:
        """Return a unit's flattened counts_3C, the other numbers of ``LabelCounts``, and what is in none of them."""
        total = LabelCounts(np.zeros((3, len(self.labels)), dtype=np.int64), 0, 0, 0, 0)
        without = unknown = 0
        for batch, scores, rows_N in self.answers(unit):
            given_NC = np.zeros((len(batch), len(self.labels)), dtype=np.bool_)
            given_NC[rows_N] = scores.given_NC()
            answered_N = np.zeros(len(batch), dtype=np.bool_)
            answered_N[rows_N] = scores.label_N != NO_LABEL
            read = self.read_labels(batch)
            lists = read.values
            labelled_N = lists.is_valid().to_numpy(zero_copy_only=False)
            true_NC, unknown_N = label_matrix(lists, self.labels)
            total += count_labels(
                true_NC[labelled_N],
                given_NC[labelled_N],
                unknown_N=unknown_N[labelled_N],
                rows_no_evidence=int((labelled_N & ~answered_N).sum()),
            )
            without += read.rows_without
            unknown += int((unknown_N > 0).sum())
        counts = {**vars(total), "counts": total.counts_3C.ravel().tolist()}
        del counts["counts_3C"]
        return {**counts, "without_label": without, "unknown_label": unknown}
