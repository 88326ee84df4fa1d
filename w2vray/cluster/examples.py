"""Labelled units to example files: tokenised and looked up once, on Ray Data."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.cluster.pools import run_units
from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.sharing import SharedVectors
from w2vray.cluster.waiting import Note
from w2vray.errors import CorpusError
from w2vray.store.filters import parse_where
from w2vray.store.label_reading import LabelReading, ReadLabels
from w2vray.store.labelled import Labelled
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN, place_of, read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import Texts, blocks, read_texts
from w2vray.text.keys import is_among, mixed, text_keys
from w2vray.text.lookup import Ids
from w2vray.text.patient import PatientLookup
from w2vray.text.rules import TokenRules
from w2vray.text.word_ngrams import NgramCounts, WordNgrams
from w2vray.training.example_files import ExampleCounts, ExampleFile, Places

__all__ = ["ExampleReader", "ReadingJob", "labels_as_lists", "read_examples"]

Progress = Callable[[int, int | None, str], None]

_FORMAT = 6
"""Of what lies in a folder of example files: those of another one are made anew."""

_ROWS = pa.schema(
    [
        pa.field("ids", pa.large_list(pa.int32())),
        pa.field("labels", pa.list_(pa.string())),  # null: the row has none
        pa.field("known", pa.bool_()),  # a word of the text has a vector
        pa.field("validation", pa.bool_()),
    ]
)
_NGRAMS = ("buckets", "times")
"""Columns of counted runs of words, where these are learnt from."""


@dataclass(frozen=True, kw_only=True)
class ReadingJob:
    """What every unit has in common. ``validation_share`` of the rows is marked, all of them where it is 1."""

    roots: tuple[str, ...]
    text_columns: tuple[str, ...]
    label_column: str
    where: str | None
    read_as: tuple[str | None, str | None] = (
        None,
        None,
    )  # the format, and the delimiter of CSV, where somebody says them
    schema: pa.Schema  # of the columns that rows are filtered by
    multi_label: bool
    rules: TokenRules
    oov: str
    validation_share: float
    seed: int
    label_strip: bool = False
    label_separator: str | None = None
    unlabelled: tuple[str, ...] = ()
    ngrams: tuple[int, int] | None = None  # words of the longest runs, and the bits of a bucket's number
    held_out: str = ""  # a hash of the texts that are kept for the test; nothing where none are

    @property
    def label_reading(self) -> LabelReading:
        """How labels are read."""
        return LabelReading(
            column=self.label_column,
            multi_label=self.multi_label,
            strip=self.label_strip,
            separator=self.label_separator,
            unlabelled=self.unlabelled,
        )

    def folder(self, store: Labelled, vectors_fingerprint: str, place: Path) -> Path:
        """Name a folder for the files by all that is in them: what is there already need not be made again."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in {"schema", "rules"}}
        stated = [_FORMAT, own, asdict(self.rules), store.corpus.fingerprint, vectors_fingerprint]
        name = hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]
        return place / f"examples-{name}"


def read_examples(
    store: Labelled,
    job: ReadingJob,
    shared: SharedVectors,
    place: Path,
    *,
    test_texts: npt.NDArray[np.uint64] | None = None,
    workers: int | None = None,
    note: Note = lambda _: None,
    progress: Progress = lambda *_: None,
) -> tuple[list[Path], ExampleCounts, str]:
    """Make the example file of each unit that has none yet; ``workers`` and ``note`` as for ``run_units``.

    Rows of ``test_texts``, the sorted keys of texts, are counted and otherwise left out. ``progress`` is called with
    the units that are read and those that there are.

    Returns:
        The files, in the order of the units, what their rows came to, and a hash of all texts and labels.
    """
    folder = job.folder(store, shared.fingerprint, place)
    files = [ExampleFile(folder / f"{unit.id}.arrow") for unit in store.units]
    counts = [file.counts() for file in files]
    missing = [unit for unit, counted in zip(store.units, counts, strict=True) if counted is None]
    if missing:
        arguments = {"shared": shared, "job": job, "folder": str(folder), "test_texts": test_texts}
        read = run_units(missing, ExampleReader, arguments, workers=workers, note=note)
        for done, _ in enumerate(read, start=len(files) - len(missing) + 1):
            progress(done, len(files), "units of labelled rows read")
    total = ExampleCounts()
    for file, before in zip(files, counts, strict=True):
        counted = before or file.counts()
        if counted is None:
            raise CorpusError(
                f"{file.path} is missing, though a worker wrote it: --output has to be in a folder that all machines "
                "share"
            )
        total += counted
    sources = json.dumps([file.source() for file in files])
    return [file.path for file in files], total, hashlib.sha256(sources.encode()).hexdigest()


class ExampleReader:
    """A worker of the pool: reads units and writes their example files."""

    def __init__(
        self,
        shared: SharedVectors,
        job: ReadingJob,
        folder: str,
        test_texts: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        use_one_thread()
        self.job, self.folder = job, Path(folder)
        self.test_texts = test_texts if test_texts is not None else np.empty(0, dtype=np.uint64)
        self.where = parse_where(job.where).fitted(job.schema) if job.where is not None else None
        vectors = shared.get().for_oov(job.oov)
        self.table_rows = len(vectors.vocabulary)
        ngrams = None if job.ngrams is None else WordNgrams(*job.ngrams)
        self.look_up = PatientLookup(vectors.lookup(job.rules, job.oov, word_ngrams=ngrams))
        self.ngrams = vectors.ngrams

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Write a unit's file, unless it is there already: Ray hands a unit out again when a worker has died."""
        file = ExampleFile(self.folder / f"{unit.id}.arrow")
        if file.counts() is None:
            job = self.job
            columns = list(dict.fromkeys([*job.text_columns, job.label_column]))
            made, usable, source = _Made(self.table_rows), _Usable(ngrams=job.ngrams is not None), hashlib.sha256()
            for batch in read_unit(unit, job.roots, columns, self.where, job.schema):
                rows = _Rows.of(batch, job)
                source.update(f"{batch.column(FILE_COLUMN)[0]}\n".encode() if len(batch) else b"")
                for piece in _content(rows.texts, rows.labels):
                    source.update(piece)
                if (test_N := rows.among(self.test_texts)).any():
                    usable.add_test(rows.labels.filter(pa.array(test_N)))
                    rows = _Rows.of(batch.filter(pa.array(~test_N)), job)
                usable.add(self._looked_up(rows, made), rows)
            made_MD = self.ngrams.rows(tuple(made.numbers)) if self.ngrams is not None else None
            usable.counts += ExampleCounts(tokens=made.tokens, tokens_found=made.tokens_found)
            usable.write(file, made_MD, source.hexdigest())
        return {"unit": unit.id}

    def _looked_up(self, rows_read: "_Rows", made: "_Made") -> pa.RecordBatch:
        """Look up a batch; a row whose text cannot be read has no ids."""
        batch, texts = rows_read.batch, rows_read.texts
        known = np.zeros(len(batch), dtype=np.bool_)
        lengths = np.zeros(len(batch), dtype=np.int64)
        ids = [np.empty(0, dtype=np.int32)]
        counts: list[NgramCounts] = []
        start = 0
        for block in blocks(texts.values):
            looked_up = self.look_up(block)
            rows = texts.rows_N[start : start + len(block)]
            known[rows], lengths[rows] = looked_up.evidence_N, looked_up.lengths_N
            made.count(looked_up)
            ids.append(made.renumbered(looked_up))
            counts += [looked_up.ngrams] if looked_up.ngrams is not None else []
            start += len(block)
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))))
        arrays = [
            pa.LargeListArray.from_arrays(offsets, pa.array(np.concatenate(ids), pa.int32())),
            rows_read.labels,
            pa.array(known),
            pa.array(self._validation(batch)),
        ]
        if self.job.ngrams is None:
            return pa.RecordBatch.from_arrays(arrays, schema=_ROWS)
        ngrams = NgramCounts.joined(counts)
        lengths[texts.rows_N] = ngrams.lengths_N
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))))
        lists = [pa.LargeListArray.from_arrays(offsets, pa.array(of)) for of in (ngrams.buckets_G, ngrams.times_G)]
        return pa.RecordBatch.from_arrays([*arrays, *lists], names=[*_ROWS.names, *_NGRAMS])

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
        return mixed(rows + np.uint64(key)) < np.uint64(int(share * 2**64))


def _content(texts: Texts, labels: pa.ListArray) -> Iterator[bytes | memoryview]:
    """Yield what a batch says, in bytes that do not depend on where it lies in a file or in memory."""
    values = texts.values
    yield json.dumps([texts.rows_N.tolist(), labels.to_pylist()]).encode()
    if len(values):
        offsets_N1 = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
        yield np.diff(offsets_N1).tobytes()
        yield memoryview(values.buffers()[2] or b"")[offsets_N1[0] : offsets_N1[-1]]


@dataclass(frozen=True)
class _Rows:
    """A batch as it was read, its texts with their keys, and its labels as lists."""

    batch: pa.RecordBatch
    read: ReadLabels
    labels: pa.ListArray
    texts: Texts
    keys: npt.NDArray[np.uint64]  # of the readable texts

    @classmethod
    def of(cls, batch: pa.RecordBatch, job: ReadingJob) -> "_Rows":
        """Read the labels and the texts of a batch."""
        read = job.label_reading(batch, partial(place_of, batch))
        texts = read_texts(batch, job.text_columns)
        return cls(batch, read, labels_as_lists(read.values), texts, text_keys(texts.values))

    def among(self, sorted_keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Tell which rows have one of these texts, and a label."""
        found_N = np.zeros(len(self.batch), dtype=np.bool_)
        found_N[self.texts.rows_N] = is_among(self.keys, sorted_keys)
        labelled_N: npt.NDArray[np.bool_] = self.labels.is_valid().to_numpy(zero_copy_only=False)
        return found_N & labelled_N


def labels_as_lists(labels: pa.Array) -> pa.ListArray:
    """Return labels as lists, null for a row without any, whether a row has one or several."""
    if pa.types.is_list(labels.type):
        return labels
    one_each = pa.array(np.arange(len(labels) + 1, dtype=np.int32))
    return pa.ListArray.from_arrays(one_each, labels, mask=labels.is_null())


class _Made:
    """The words of a unit that rows are made for, which the look-up numbers anew in each block; and its tokens."""

    def __init__(self, table_rows: int) -> None:
        self.table_rows = table_rows
        self.numbers: dict[str, int] = {}
        self.tokens = self.tokens_found = 0

    def count(self, looked_up: Ids) -> None:
        """Count a block's tokens."""
        self.tokens += int(looked_up.token_counts_N.sum(dtype=np.int64))
        self.tokens_found += int(looked_up.found_counts_N.sum(dtype=np.int64))

    def renumbered(self, looked_up: Ids) -> npt.NDArray[np.int32]:
        """Return a block's ids with the unit's numbers of its made words."""
        if not looked_up.made_words:
            return looked_up.ids_L
        of_unit = [self.numbers.setdefault(word, len(self.numbers)) for word in looked_up.made_words]
        ids_L = looked_up.ids_L.copy()
        made_L = ids_L >= self.table_rows
        ids_L[made_L] = self.table_rows + np.array(of_unit, dtype=np.int32)[ids_L[made_L] - self.table_rows]
        return ids_L


_RowsOfAFile = tuple[str, npt.NDArray[np.int64]]


class _Usable:
    """The rows of a unit that can be learnt from: those with a label, and at least one known word.

    They are sorted out batch by batch and put together once, so that a unit is never in memory more than twice.
    """

    def __init__(self, *, ngrams: bool) -> None:
        self.ngrams = ngrams
        self.counts = ExampleCounts()
        self.names: set[str] = set()
        self.train: list[pa.RecordBatch] = []
        self.validation: list[pa.RecordBatch] = []
        self.keys: list[npt.NDArray[np.uint64]] = [np.empty(0, dtype=np.uint64)]
        self.places: tuple[list[_RowsOfAFile], list[_RowsOfAFile]] = ([], [])  # of both kinds of rows

    def add_test(self, labels: pa.ListArray) -> None:
        """Count rows that are kept for the test."""
        self.counts += ExampleCounts(test=len(labels), test_labels=_counted(labels))

    def add(self, rows: pa.RecordBatch, of: _Rows) -> None:
        """Sort out the looked-up rows of a batch."""
        read = of.read
        has_label, known = rows["labels"].is_valid(), rows["known"]
        usable = rows.filter(pc.and_(has_label, known))
        usable_N = pc.and_(has_label, known).to_numpy(zero_copy_only=False)
        self.keys.append(of.keys[usable_N[of.texts.rows_N]])
        train = usable.filter(pc.invert(usable["validation"]))
        validation = usable.filter(usable["validation"])
        self.train.append(train)
        self.validation.append(validation)
        if len(usable):
            file = str(of.batch.column(FILE_COLUMN)[0].as_py())
            row_N = of.batch.column(ROW_COLUMN).to_numpy()[usable_N].astype(np.int64)
            of_validation_N = usable["validation"].to_numpy(zero_copy_only=False)
            self.places[0].append((file, row_N[~of_validation_N]))
            self.places[1].append((file, row_N[of_validation_N]))
        self.names.update(pc.unique(usable["labels"].flatten()).to_pylist())
        self.counts += ExampleCounts(
            labels=_counted(train["labels"]),
            validation_labels=_counted(validation["labels"]),
            train=len(train),
            validation=len(validation),
            without_label=read.rows_without,
            unlabelled=read.unlabelled,
            damaged=read.damaged,
            without_evidence=pc.and_(has_label, pc.invert(known)).true_count,
        )

    def write(self, file: ExampleFile, made_MD: npt.NDArray[np.float32] | None, source: str) -> None:
        """Write them all; they are gone then."""
        names = sorted(self.names)
        train, validation = (_numbered(rows, names, ngrams=self.ngrams) for rows in (self.train, self.validation))
        keys = np.unique(np.concatenate(self.keys))
        places = Places.of(self.places[0]), Places.of(self.places[1])
        file.write(train, validation, names, self.counts, made_MD, source=source, keys=keys, places=places)


def _counted(labels: pa.ListArray) -> dict[str, int]:
    """Count the labels of rows."""
    return {pair["values"]: pair["counts"] for pair in labels.flatten().value_counts().to_pylist()}


def _numbered(batches: list[pa.RecordBatch], names: Sequence[str], *, ngrams: bool) -> list[pa.LargeListArray]:
    """Return the ids of all rows, their labels as numbers, and their runs; the batches are taken out of the list."""

    def lists(name: str) -> pa.LargeListArray:
        return pa.concat_arrays([pa.array([], _ROWS.field("ids").type), *(batch[name] for batch in batches)])

    ids, runs = lists("ids"), [lists(name) for name in _NGRAMS] if ngrams else []
    labels = pa.concat_arrays([pa.array([], _ROWS.field("labels").type), *(batch["labels"] for batch in batches)])
    batches.clear()
    numbers = pc.index_in(labels.flatten(), pa.array(names, pa.string()))
    lengths = pc.list_value_length(labels).to_numpy()
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int64))
    return [ids, pa.LargeListArray.from_arrays(offsets, numbers), *runs]
