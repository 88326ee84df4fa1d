"""``train --test-fraction``: texts that nothing learns from, chosen before the work, and the model measured on them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.cluster.evaluate_counts import metrics_of
from w2vray.cluster.examples import ReadingJob, labels_as_lists
from w2vray.cluster.measured_rows import MeasuredRows
from w2vray.cluster.measuring import MeasuringJob, ModelAtWork, measure
from w2vray.cluster.pools import run_units
from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.sharing import SharedVectors
from w2vray.cluster.waiting import Note
from w2vray.errors import CorpusError
from w2vray.models.directory import Bundle
from w2vray.scoring.kept_labels import OwnThresholds
from w2vray.scoring.metrics import Metrics, MultiLabelMetrics
from w2vray.stages import stage
from w2vray.store.filters import parse_where
from w2vray.store.labelled import Labelled
from w2vray.store.reading import place_of, read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import read_texts
from w2vray.text.keys import text_keys
from w2vray.training.held_out import choose_test_texts

__all__ = ["KeyReader", "Tested", "held_out_texts", "measure_held_out", "told_of_test"]

TOLD = ("rows", "rows_no_evidence", "accuracy", "micro_f1", "macro_f1", "largest_class_share")
"""What a model directory tells of the test: not a row for each class, of which there may be thousands."""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """How good a model is on the rows that were kept for the test; what its thresholds come to, where it has some."""

    metrics: Metrics | MultiLabelMetrics
    own_thresholds: OwnThresholds | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        own = {} if self.own_thresholds is None else {"own_thresholds": self.own_thresholds.as_dict()}
        return {**self.metrics.as_dict(), **own}


def told_of_test(found: Tested) -> dict[str, Any]:
    """Return what the model directory tells of the test."""
    return {name: value for name, value in found.as_dict().items() if name in TOLD}


def held_out_texts(
    store: Labelled, job: ReadingJob, share: float, *, workers: int | None = None, note: Note = lambda _: None
) -> npt.NDArray[np.uint64]:
    """Choose the texts of a labelled store that are kept apart; see ``training/held_out.py``.

    Returns:
        Their keys, sorted.

    Raises:
        CorpusError: there are too few texts for any to be kept.
    """
    stage("choosing the rows for the test")
    keys, labels, counts = [], [], []
    names: dict[str, int] = {}
    for unit in run_units(store.units, KeyReader, {"job": job}, workers=workers, note=note):
        of_unit = [names.setdefault(name, len(names)) for name in json.loads(unit["names"])]
        keys.append(np.frombuffer(unit["keys"], np.uint64))
        counts.append(np.frombuffer(unit["counts"], np.int64))
        labels.append(np.array(of_unit, dtype=np.int64)[np.frombuffer(unit["labels"], np.int64)])
    keys_N = np.concatenate(keys) if keys else np.empty(0, dtype=np.uint64)
    chosen = (
        choose_test_texts(
            keys_N, np.concatenate(labels), np.concatenate(counts), list(names), share=share, seed=job.seed
        )
        if len(keys_N)
        else keys_N
    )
    if len(keys_N) and not len(chosen):
        raise CorpusError(
            f"no rows for the test: {len(keys_N):,} rows have {len(names):,} different labels, and a share of "
            f"{share:g} is none, when a text of each label is left to learn from; raise --test-fraction or leave it "
            "out, or name another --label-column"
        )
    return chosen


class KeyReader:
    """A worker of the pool: reads the keys of a unit's texts, and their labels."""

    def __init__(self, job: ReadingJob) -> None:
        use_one_thread()
        self.job = job
        self.where = parse_where(job.where).fitted(job.schema) if job.where is not None else None

    def __call__(self, unit: Unit) -> Mapping[str, Any]:
        """Return the keys of the rows that have a label and a readable text; their labels, one row after another."""
        job, names = self.job, dict[str, int]()
        keys, labels, counts = [b""], [b""], [b""]
        columns = list(dict.fromkeys([*job.text_columns, job.label_column]))
        for batch in read_unit(unit, job.roots, columns, self.where, job.schema):
            lists = labels_as_lists(job.label_reading(batch, partial(place_of, batch)).values)
            texts = read_texts(batch, job.text_columns)
            labelled = lists.take(texts.rows_N)
            has_label_N = labelled.is_valid().to_numpy(zero_copy_only=False)
            keys.append(text_keys(texts.values)[has_label_N].tobytes())
            labelled = labelled.drop_null()
            counts.append(labelled.value_lengths().to_numpy().astype(np.int64).tobytes())
            coded = labelled.flatten().dictionary_encode()
            of_unit = [names.setdefault(name, len(names)) for name in coded.dictionary.to_pylist()]
            labels.append(np.array(of_unit, dtype=np.int64)[coded.indices.to_numpy()].tobytes())
        return {
            "keys": b"".join(keys),
            "labels": b"".join(labels),
            "counts": b"".join(counts),
            "names": json.dumps(list(names)),
        }


def measure_held_out(
    store: Labelled,
    job: ReadingJob,
    bundle: Bundle,
    shared: SharedVectors,
    texts: npt.NDArray[np.uint64],
    *,
    workers: int | None = None,
    note: Note = lambda _: None,
    rows: MeasuredRows | None = None,
) -> Tested:
    """Measure a model on the rows of a labelled store that have one of these texts; ``rows`` takes each of them."""
    stage("measuring the model on the rows kept for the test")
    measuring = MeasuringJob(
        models=(ModelAtWork(bundle=bundle, shared=shared, text_columns=job.text_columns),),
        roots=store.corpus.roots,
        reading=job.label_reading,
        where=job.where,
        schema=store.schema,
        only=texts,
        with_rows=rows is not None,
    )
    found = measure(store, measuring, workers=workers, note=note, rows=rows)
    (counted,) = found.models
    return Tested(
        metrics=metrics_of(counted, bundle.config.labels),
        own_thresholds=OwnThresholds.of(bundle.config.thresholds, counted.kept),
    )
