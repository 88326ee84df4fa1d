"""Labelled units to examples: tokenised and looked up once, on Ray Data, for training and for evaluation."""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.cluster.corpus import Corpus, find_corpus
from w2vray.cluster.footer_process import read_footers
from w2vray.cluster.labels import holds_lists, label_strings, require_label_type
from w2vray.cluster.preflight import Columns, check_footers, store_schema
from w2vray.cluster.runtime import SharedVectors
from w2vray.cluster.units import FILE_COLUMN, ROW_COLUMN, Unit, plan_units, read_unit
from w2vray.errors import CorpusError
from w2vray.lookup import Lookup
from w2vray.texts import blocks, read_texts
from w2vray.tokens import TokenRules
from w2vray.training import Examples

__all__ = ["EXAMPLES_SCHEMA", "ExampleReader", "Labelled", "collect", "labelled_units"]

EXAMPLES_SCHEMA = pa.schema(
    [
        pa.field("ids", pa.list_(pa.int32())),
        pa.field("label", pa.string()),  # null: the row has none
        pa.field("found", pa.int32()),  # tokens that have a vector
        pa.field("validation", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Labelled:
    """A labelled store, checked and cut into units."""

    corpus: Corpus
    units: list[Unit]
    multi_label: bool  # the label column holds lists


def labelled_units(arguments: Sequence[str], text_columns: tuple[str, ...], label_column: str) -> Labelled:
    """Plan a labelled store.

    Raises:
        CorpusError: a file cannot be read, or a column is missing or of another type: no row is left out in silence.
    """
    corpus = find_corpus(arguments)
    columns = Columns(text_columns, (label_column,))
    footers, bad = read_footers(corpus, corpus.files, text_columns)
    if footers:
        schema = store_schema(footers, columns)
        kind = schema.field(label_column).type
        require_label_type(kind, label_column)
        good, unfit = check_footers(footers, columns, schema)
        bad = [*bad, *unfit]
    if bad:
        more = f", and {len(bad) - 1} more like it" if len(bad) > 1 else ""
        raise CorpusError(f"{corpus.place(bad[0].file)}: {bad[0].detail}{more}; mend or leave out the file")
    return Labelled(corpus, plan_units(good), holds_lists(kind))


@dataclass(frozen=True, kw_only=True)
class ReadingJob:
    """What every unit has in common. ``validation_share`` of the rows is marked, all of them where it is 1."""

    roots: tuple[str, ...]
    text_columns: tuple[str, ...]
    label_column: str
    rules: TokenRules
    policy: str
    validation_share: float
    seed: int


class ExampleReader:
    """A worker of the pool: reads units and gives a row for each of theirs (see ``EXAMPLES_SCHEMA``)."""

    def __init__(self, shared: SharedVectors, job: ReadingJob) -> None:
        pa.set_cpu_count(1)
        self.job = job
        self.lookup = Lookup(shared.get().vocabulary, job.rules, job.policy)

    def __call__(self, unit: Unit) -> pa.Table:
        """Read a unit."""
        job = self.job
        columns = list(dict.fromkeys([*job.text_columns, job.label_column]))
        batches = [self._read(batch) for batch in read_unit(unit, job.roots, columns)]
        return pa.Table.from_batches(batches, EXAMPLES_SCHEMA)

    def _read(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Look up a batch; a row whose text cannot be read has no ids."""
        texts = read_texts(batch, self.job.text_columns)
        found = np.zeros(len(batch), dtype=np.int32)
        lengths = np.zeros(len(batch), dtype=np.int64)
        ids = []
        start = 0
        for block in blocks(texts.values):
            looked_up = self.lookup(block)
            rows = texts.rows_N[start : start + len(block)]
            found[rows], lengths[rows] = looked_up.found_counts_N, looked_up.lengths_N
            ids.append(looked_up.ids_L)
            start += len(block)
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        values = np.concatenate(ids) if ids else np.empty(0, dtype=np.int32)
        arrays = [
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, pa.int32())),
            label_strings(batch.column(self.job.label_column), self.job.label_column),
            pa.array(found),
            pa.array(self._validation(batch)),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=EXAMPLES_SCHEMA)

    def _validation(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Choose rows by where they are and the seed: the same ones whatever reads them."""
        share = self.job.validation_share
        if share in {0, 1}:
            return np.full(len(batch), bool(share))
        if not len(batch):
            return np.zeros(0, dtype=bool)
        name = batch.column(FILE_COLUMN)[0].as_py()
        key = struct.unpack("<Q", hashlib.sha256(f"{self.job.seed} {name}".encode()).digest()[:8])[0]
        rows = batch.column(ROW_COLUMN).to_numpy().astype(np.uint64)
        return _mix(rows + np.uint64(key)) < np.uint64(int(share * 2**64))


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread numbers evenly over 64 bits (splitmix64's finaliser)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def collect(tables: Iterable[pa.Table], labels: Sequence[str]) -> tuple[Examples, Examples]:
    """Gather the rows that can be learnt from (a label, and at least one known word) for training and validation."""
    parts: tuple[_Parts, _Parts] = (_Parts(), _Parts())
    classes = pa.array(labels, pa.string())
    for table in tables:
        for batch in table.to_batches():
            label = pc.index_in(batch.column("label"), classes).fill_null(-1).to_numpy()
            usable = (batch.column("found").to_numpy() > 0) & (label >= 0)
            validation = batch.column("validation").to_numpy(zero_copy_only=False)
            for part, wanted in zip(parts, (usable & ~validation, usable & validation), strict=True):
                part.append(batch.column("ids").filter(pa.array(wanted)), label[wanted])
    return parts[0].examples(), parts[1].examples()


class _Parts:
    """Examples in the making."""

    def __init__(self) -> None:
        self.ids: list[npt.NDArray[np.int32]] = [np.empty(0, dtype=np.int32)]
        self.lengths: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
        self.labels: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]

    def append(self, ids: pa.ListArray, labels: npt.NDArray[np.int64]) -> None:
        self.ids.append(ids.flatten().to_numpy().copy())
        self.lengths.append(np.diff(ids.offsets.to_numpy()).astype(np.int64))
        self.labels.append(labels.astype(np.int64))

    def examples(self) -> Examples:
        offsets = np.concatenate(([0], np.cumsum(np.concatenate(self.lengths))))
        return Examples(np.concatenate(self.ids), offsets, np.concatenate(self.labels))
