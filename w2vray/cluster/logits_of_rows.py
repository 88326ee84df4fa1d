"""What a model says of labelled rows, before any temperature: its logits, beside what is true.

Shape letters: CONTRIBUTING.md.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from safetensors.numpy import load, save

from w2vray.cluster.pools import run_units
from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.sharing import SharedVectors
from w2vray.cluster.waiting import Note
from w2vray.models.directory import Bundle
from w2vray.scoring.metrics import NO_LABEL
from w2vray.scoring.scorer import TextScorer
from w2vray.store.filters import parse_where
from w2vray.store.label_reading import LabelReading
from w2vray.store.labelled import Labelled
from w2vray.store.labels import label_matrix
from w2vray.store.reading import place_of, read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import read_texts
from w2vray.text.keys import ALL_KEYS, text_keys
from w2vray.training.held_out_answers import MOST_NUMBERS, HeldOutAnswers

__all__ = ["LogitsJob", "LogitsWorker", "RowsSaid", "logits_of_rows"]


@dataclass(frozen=True, kw_only=True)
class LogitsJob:
    """What every unit has in common."""

    bundle: Bundle
    shared: SharedVectors
    text_columns: tuple[str, ...]
    roots: tuple[str, ...]
    reading: LabelReading
    where: str | None
    schema: pa.Schema


@dataclass
class RowsSaid:
    """Labelled rows that have a known word: the keys of their texts, logits_NC and labels; and what was left out.

    A single label that the model does not know is -1; of several, those that it does not know are not there. Of very
    many rows those are kept whose keys are below a limit, which is an even sample.
    """

    keys_N: npt.NDArray[np.uint64]
    answers: HeldOutAnswers
    up_to: int = ALL_KEYS
    without_label: int = 0
    without_evidence: int = 0  # they have a label, and no known word, or a text that cannot be read
    unlabelled: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)  # labels that the model does not know

    @classmethod
    def of(cls, classes: int, *, multi_label: bool) -> "RowsSaid":
        """Begin without any."""
        labels = np.empty((0, classes) if multi_label else 0, dtype=np.int64)
        return cls(np.empty(0, dtype=np.uint64), HeldOutAnswers(np.empty((0, classes), dtype=np.float32), labels))

    def add(
        self, keys_N: npt.NDArray[np.uint64], logits_NC: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
    ) -> None:
        """Add rows; where there are too many, the limit is halved."""
        self.keys_N = np.concatenate([self.keys_N, keys_N])
        before = self.answers
        self.answers = HeldOutAnswers(
            np.concatenate([before.logits_NC, logits_NC]), np.concatenate([before.labels, labels])
        )
        self._keep(self.up_to)
        while self.answers.logits_NC.size > MOST_NUMBERS:
            self._keep(self.up_to >> 1)

    def _keep(self, up_to: int) -> None:
        self.up_to = up_to
        self.only(self.keys_N <= np.uint64(up_to))

    def only(self, kept_N: npt.NDArray[np.bool_]) -> None:
        """Keep some of the rows."""
        self.keys_N, self.answers = self.keys_N[kept_N], self.answers.take(kept_N)

    def as_unit(self) -> dict[str, Any]:
        """Return the rows as a worker hands them to who called it."""
        arrays = {"keys": self.keys_N, "logits": self.answers.logits_NC, "labels": self.answers.labels}
        counted = {
            "up_to": self.up_to,
            "counts": [self.without_label, self.without_evidence],
            "counters": [self.unlabelled, self.damaged, self.unknown],
        }
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return {"counted": json.dumps(counted), "rows": bytes(save(contiguous))}

    def add_unit(self, unit: Mapping[str, Any]) -> None:
        """Add what ``as_unit`` gave."""
        counted, arrays = json.loads(unit["counted"]), load(unit["rows"])
        self.up_to = min(self.up_to, counted["up_to"])
        self.add(arrays["keys"], arrays["logits"], arrays["labels"])
        self.without_label += counted["counts"][0]
        self.without_evidence += counted["counts"][1]
        for counter, of_unit in zip((self.unlabelled, self.damaged, self.unknown), counted["counters"], strict=True):
            counter.update(of_unit)


def logits_of_rows(
    labelled: Labelled, job: LogitsJob, *, workers: int | None = None, note: Note = lambda _: None
) -> RowsSaid:
    """Ask a model about the rows of a labelled set, in an order that does not depend on the workers."""
    config = job.bundle.config
    found = RowsSaid.of(len(config.labels), multi_label=config.multi_label)
    for unit in run_units(labelled.units, LogitsWorker, {"job": job}, workers=workers, note=note):
        found.add_unit(unit)
    order_N = np.lexsort((found.answers.logits_NC[:, 0], found.keys_N))  # units come as they are done
    found.keys_N, found.answers = found.keys_N[order_N], found.answers.take(order_N)
    return found


class LogitsWorker:
    """A worker of the pool: asks the model about a unit's rows."""

    def __init__(self, job: LogitsJob) -> None:
        use_one_thread()
        self.job = job
        self.scorer = TextScorer(job.bundle, job.shared.get())
        self.where = parse_where(job.where).fitted(job.schema) if job.where is not None else None

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Return what the model says of a unit."""
        job, config = self.job, self.job.bundle.config
        found = RowsSaid.of(len(config.labels), multi_label=config.multi_label)
        columns = list(dict.fromkeys([*job.text_columns, job.reading.column]))
        for batch in read_unit(unit, job.roots, columns, self.where, job.schema):
            if len(batch):
                self._batch(batch, found)
        return found.as_unit()

    def _batch(self, batch: pa.RecordBatch, found: RowsSaid) -> None:
        job, labels = self.job, self.job.bundle.config.labels
        read = job.reading(batch, partial(place_of, batch))
        texts = read_texts(batch, job.text_columns)
        labelled_N = read.values.is_valid().to_numpy(zero_copy_only=False)
        logits_NC, evidence_N = self.scorer.logits(texts.values)
        taken_N = labelled_N[texts.rows_N] & evidence_N
        rows_N = texts.rows_N[taken_N]
        known = pa.array(labels, pa.string())
        if job.reading.multi_label:
            true = label_matrix(read.values, labels)[0].astype(np.int64)
        else:
            true = pc.index_in(read.values, known).fill_null(NO_LABEL).to_numpy().astype(np.int64)
        flat = read.values.flatten() if job.reading.multi_label else read.values.drop_null()
        found.unknown.update(flat.filter(pc.invert(pc.is_in(flat, known))).to_pylist())
        found.add(text_keys(texts.values)[taken_N], logits_NC[taken_N], true[rows_N])
        found.without_label += read.rows_without
        found.without_evidence += int(labelled_N.sum()) - len(rows_N)
        found.unlabelled += read.unlabelled
        found.damaged += read.damaged
