"""Labelled rows, classified by one model or several, and what is counted of them: the work behind ``evaluate``.

Shape letters: CONTRIBUTING.md.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.cluster.answered_rows import AnsweredRows, answered_rows, as_bytes, from_bytes
from w2vray.cluster.counting import Counts, ManyLabels, OneLabel
from w2vray.cluster.measured_rows import MeasuredRows, rows_as_bytes, rows_of_batch
from w2vray.cluster.pools import run_units
from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.sharing import SharedVectors
from w2vray.cluster.waiting import Note
from w2vray.models.directory import Bundle
from w2vray.scoring.answers import Scores
from w2vray.scoring.kept_labels import KeptLabels
from w2vray.scoring.repeats import RepeatCounter, Repeats
from w2vray.scoring.scorer import TextScorer
from w2vray.store.filters import parse_where
from w2vray.store.label_reading import LabelReading, ReadLabels
from w2vray.store.labelled import Labelled
from w2vray.store.labels import label_matrix
from w2vray.store.reading import place_of, read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import Texts, read_texts
from w2vray.text.keys import TextSample, is_among, name_key, text_keys

__all__ = ["MeasuredModel", "MeasuredSet", "MeasuringJob", "MeasuringWorker", "ModelAtWork", "measure"]

UNKNOWN_NAMED = 100
"""Labels that a model does not know, of a unit and of all, that are named."""


@dataclass(frozen=True, kw_only=True)
class ModelAtWork:
    """A model, its vectors, the columns that it reads, and what its training saw, where it tells."""

    bundle: Bundle
    shared: SharedVectors
    text_columns: tuple[str, ...]
    trained: TextSample | None = None


@dataclass(frozen=True, kw_only=True)
class MeasuringJob:
    """What every unit has in common. ``only`` are the keys of the texts that count; None for all."""

    models: tuple[ModelAtWork, ...]
    roots: tuple[str, ...]
    reading: LabelReading
    where: str | None
    schema: pa.Schema
    only: npt.NDArray[np.uint64] | None = None
    with_rows: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        texts = [name for model in self.models for name in model.text_columns]
        return list(dict.fromkeys([*texts, self.reading.column]))


@dataclass
class MeasuredModel:
    """What is counted of a model."""

    counts: Counts
    answered: AnsweredRows
    kept: KeptLabels = field(default_factory=KeptLabels)  # by the model's own thresholds, where it has some
    tokens: int = 0  # of all rows that were read
    tokens_found: int = 0  # those that have a vector
    unknown: Counter[str] = field(default_factory=Counter)  # labels that the model does not know
    told_of: int = 0  # rows of which it is known whether the training saw their text
    seen: int = 0  # those that it saw
    unseen_right: int = 0  # of the others, those that the model has right
    only_first_right: int = 0  # rows that the first model alone has right
    only_this_right: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it, but for the rows, as JSON can hold it."""
        unknown = dict(self.unknown.most_common(UNKNOWN_NAMED))
        stated = {name: value for name, value in vars(self).items() if name != "answered"}
        return {**stated, "counts": self.counts.as_dict(), "kept": vars(self.kept), "unknown": unknown}

    def add(self, stored: Mapping[str, Any]) -> None:
        """Add what ``as_dict`` gave of another unit."""
        self.counts.add(stored["counts"])
        self.kept.add(stored["kept"])
        self.unknown += Counter(stored["unknown"])
        for name, value in stored.items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)


@dataclass
class MeasuredSet:
    """What is counted of a labelled set, and of each model on it."""

    models: list[MeasuredModel]
    without_label: int = 0
    unlabelled: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    repeats: Repeats = field(default_factory=Repeats)


def measure(
    labelled: Labelled,
    job: MeasuringJob,
    *,
    workers: int | None = None,
    note: Note = lambda _: None,
    rows: MeasuredRows | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> MeasuredSet:
    """Classify the rows of a labelled set and count; ``rows`` takes each row, where somebody wants them.

    ``progress`` is called with the units done and the units there are.
    """
    found = MeasuredSet([_nothing_of(model.bundle) for model in job.models])
    repeats = RepeatCounter()
    measured = run_units(labelled.units, MeasuringWorker, {"job": job}, workers=workers, note=note)
    for done, unit in enumerate(measured, start=1):
        progress(done, len(labelled.units))
        stated = json.loads(unit["counted"])
        found.without_label += stated["without_label"]
        found.unlabelled += Counter(stated["unlabelled"])
        found.damaged += Counter(stated["damaged"])
        for model, of_unit in zip(found.models, stated["models"], strict=True):
            model.add(of_unit)
        from_bytes([model.answered for model in found.models], unit["answered"])
        repeats.add(*(np.frombuffer(unit[name], np.uint64) for name in ("texts", "labels")))
        if rows is not None:
            rows.add(unit["rows"])
    found.repeats = repeats.counted()
    return found


def _nothing_of(bundle: Bundle) -> MeasuredModel:
    labels, several = bundle.config.labels, bundle.config.multi_label
    return MeasuredModel((ManyLabels if several else OneLabel)(labels), AnsweredRows(len(labels) if several else None))


class MeasuringWorker:
    """A worker of the pool: classifies a unit's rows and counts."""

    def __init__(self, job: MeasuringJob) -> None:
        use_one_thread()
        self.job = job
        self.scorers = [TextScorer(model.bundle, model.shared.get()) for model in job.models]
        self.where = parse_where(job.where).fitted(job.schema) if job.where is not None else None

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Return what is counted of a unit, the keys of its texts and labels, and its rows where they are wanted."""
        job = self.job
        self.found = MeasuredSet([_nothing_of(model.bundle) for model in job.models])
        self.keys: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]] = []
        rows = [
            self._batch(batch)
            for batch in read_unit(unit, job.roots, job.columns, self.where, job.schema)
            if len(batch)
        ]
        counted = {
            "without_label": self.found.without_label,
            "unlabelled": self.found.unlabelled,
            "damaged": self.found.damaged,
            "models": [model.as_dict() for model in self.found.models],
        }
        texts, labels = (b"".join(part[place].tobytes() for part in self.keys) for place in range(2))
        return {
            "counted": json.dumps(counted),
            "texts": texts,
            "labels": labels,
            "answered": as_bytes([model.answered for model in self.found.models]),
            "rows": rows_as_bytes([table for table in rows if table is not None]) if job.with_rows else b"",
        }

    def _batch(self, batch: pa.RecordBatch) -> pa.Table | None:
        """Count a batch, and return its labelled rows where they are wanted."""
        job = self.job
        read = job.reading(batch, partial(place_of, batch))
        texts, keys = _texts_and_keys(batch, job.models[0].text_columns)
        labelled_N = read.values.is_valid().to_numpy(zero_copy_only=False)
        if job.only is not None:
            chosen_N = np.zeros(len(batch), dtype=np.bool_)
            chosen_N[texts.rows_N] = labelled_N[texts.rows_N] & is_among(keys, job.only)
            batch = batch.filter(pa.array(chosen_N))
            read = ReadLabels(read.values.filter(pa.array(chosen_N)))
            texts, keys = _texts_and_keys(batch, job.models[0].text_columns)
            labelled_N = np.ones(len(batch), dtype=np.bool_)
        self.found.without_label += read.rows_without
        self.found.unlabelled += read.unlabelled
        self.found.damaged += read.damaged
        counted_N = labelled_N[texts.rows_N]
        label_keys = _label_keys(read.values)
        self.keys.append((keys[counted_N], label_keys[texts.rows_N[counted_N]]))
        read_by = {job.models[0].text_columns: (texts, keys)}
        answers = [self._model(place, batch, read, labelled_N, read_by) for place in range(len(job.models))]
        if not job.with_rows:
            return None
        return rows_of_batch(batch, texts, read.values, answers).filter(pa.array(labelled_N))

    def _model(
        self,
        place: int,
        batch: pa.RecordBatch,
        read: ReadLabels,
        labelled_N: npt.NDArray[np.bool_],
        read_by: dict[tuple[str, ...], tuple[Texts, npt.NDArray[np.uint64]]],
    ) -> tuple[Scores, npt.NDArray[np.int64]]:
        """Count what a model makes of a batch; return its answers to the readable texts, and the rows of those."""
        model, found = self.job.models[place], self.found.models[place]
        if model.text_columns not in read_by:
            read_by[model.text_columns] = _texts_and_keys(batch, model.text_columns)
        texts, keys = read_by[model.text_columns]
        scores = self.scorers[place].score_array(texts.values)
        found.tokens += int(scores.token_counts_N.sum(dtype=np.int64))
        found.tokens_found += int(scores.found_counts_N.sum(dtype=np.int64))
        flat = read.values.flatten() if self.job.reading.multi_label else read.values.drop_null()
        found.unknown.update(flat.filter(pc.invert(pc.is_in(flat, pa.array(scores.labels, pa.string())))).to_pylist())
        right_N = np.zeros(len(batch), dtype=np.bool_)
        right_N[labelled_N] = found.counts.count(read.values, scores, texts.rows_N)[labelled_N]
        answered_rows(found.answered, scores, rows_N=texts.rows_N, keys_N=keys, true=read.values, right_N=right_N)
        if model.bundle.config.thresholds is not None:
            true = label_matrix(read.values, scores.labels)[0] if scores.multi_label else right_N
            found.kept.count(scores, labelled_N[texts.rows_N], true[texts.rows_N])
        if model.trained is not None:
            told_N = labelled_N[texts.rows_N] & model.trained.tells_of(keys)
            seen_N = told_N & model.trained.has(keys)
            found.told_of += int(told_N.sum())
            found.seen += int(seen_N.sum())
            found.unseen_right += int((told_N & ~seen_N & right_N[texts.rows_N]).sum())
        if place == 0:
            self.first_right_N = right_N
        found.only_first_right += int((self.first_right_N & ~right_N).sum())
        found.only_this_right += int((right_N & ~self.first_right_N).sum())
        return scores, texts.rows_N


def _texts_and_keys(batch: pa.RecordBatch, columns: Sequence[str]) -> tuple[Texts, npt.NDArray[np.uint64]]:
    texts = read_texts(batch, columns)
    return texts, text_keys(texts.values)


def _label_keys(labels: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a number for the label, or the labels, of each row."""
    if pa.types.is_list(labels.type):
        labels = pc.binary_join(labels, "\x1f")
    coded = labels.dictionary_encode()
    keys = np.array([name_key(label) for label in coded.dictionary.to_pylist()] or [0], dtype=np.uint64)
    places_N: npt.NDArray[np.int32] = coded.indices.fill_null(0).to_numpy()
    return np.asarray(keys[places_N], dtype=np.uint64)
