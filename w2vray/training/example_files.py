"""Files of examples: looked-up texts and their labels, a unit each, written once and mapped by all who learn from them.

An example file is an Arrow file of two record batches, the rows to learn from and those kept for validation. Whoever
writes one needs no torch.

Shape letters: CONTRIBUTING.md.
"""

import json
import os
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.errors import W2vrayError
from w2vray.text.word_ngrams import NgramCounts

__all__ = ["ExampleCounts", "ExampleFile", "Part", "Places"]

_SCHEMA = pa.schema(
    [
        pa.field("ids", pa.large_list(pa.int32()), nullable=False),
        pa.field("labels", pa.large_list(pa.int32()), nullable=False),  # numbers of the file's own labels
    ]
)
_NGRAMS = pa.schema(  # and these, where runs of words are learnt from
    [
        pa.field("buckets", pa.large_list(pa.int32()), nullable=False),
        pa.field("times", pa.large_list(pa.int32()), nullable=False),
    ]
)
_COUNTS = b"w2vray.counts"


@dataclass(frozen=True)
class Part:
    """Examples that lie together: ids and labels, one example after another.

    ``classes`` says which of the model's classes each label is: a file numbers its labels in an order of its own.
    """

    ids_L: npt.NDArray[np.int32]
    offsets_N1: npt.NDArray[np.int64]
    labels_Y: npt.NDArray[np.int32]
    label_offsets_N1: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    made_MD: npt.NDArray[np.float32] | None = None  # rows of the words that have none of the table, in a block of ids
    ngrams: NgramCounts | None = None  # runs of words, where they are learnt from

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1


@dataclass(frozen=True)
class Places:
    """Where rows are in a store: each in one of ``files``, and which row of it."""

    files: npt.NDArray[np.str_]
    file_N: npt.NDArray[np.int32]
    row_N: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[tuple[str, npt.NDArray[np.int64]]]) -> Self:
        """Put rows of files together."""
        number = {file: place for place, file in enumerate(dict.fromkeys(file for file, _ in rows))}
        return cls(
            np.array(list(number), dtype=np.str_),
            np.repeat(np.array([number[file] for file, _ in rows], dtype=np.int32), [len(row_N) for _, row_N in rows]),
            np.concatenate([np.empty(0, dtype=np.int64), *(row_N for _, row_N in rows)]),
        )

    def __len__(self) -> int:
        return len(self.row_N)

    def __getitem__(self, row: int) -> tuple[str, int]:
        return str(self.files[self.file_N[row]]), int(self.row_N[row])


@dataclass(frozen=True)
class ExampleCounts:
    """What a unit's rows came to. Labels are counted over the rows to learn from, and over those for validation."""

    labels: Mapping[str, int] = field(default_factory=dict)
    validation_labels: Mapping[str, int] = field(default_factory=dict)
    train: int = 0
    validation: int = 0
    without_label: int = 0
    without_evidence: int = 0  # no word of theirs has a vector, or their text cannot be read
    unlabelled: Mapping[str, int] = field(default_factory=dict)  # values that stand for no label, and rows with them
    damaged: Mapping[str, int] = field(default_factory=dict)  # file -> rows whose line cannot be read
    tokens: int = 0  # of all rows but those of the test
    tokens_found: int = 0  # those that have a vector
    test: int = 0  # rows that are kept for the test: in none of the other numbers
    test_labels: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "ExampleCounts") -> "ExampleCounts":
        return ExampleCounts(
            Counter(self.labels) + Counter(other.labels),
            Counter(self.validation_labels) + Counter(other.validation_labels),
            self.train + other.train,
            self.validation + other.validation,
            self.without_label + other.without_label,
            self.without_evidence + other.without_evidence,
            Counter(self.unlabelled) + Counter(other.unlabelled),
            Counter(self.damaged) + Counter(other.damaged),
            self.tokens + other.tokens,
            self.tokens_found + other.tokens_found,
            self.test + other.test,
            Counter(self.test_labels) + Counter(other.test_labels),
        )


@dataclass(frozen=True)
class ExampleFile:
    """A unit's examples on disk."""

    path: Path

    def write(
        self,
        train: Sequence[pa.LargeListArray],
        validation: Sequence[pa.LargeListArray],
        labels: Sequence[str],
        counts: ExampleCounts,
        made_MD: npt.NDArray[np.float32] | None = None,
        *,
        source: str = "",
        keys: npt.NDArray[np.uint64] | None = None,
        places: "tuple[Places, Places] | None" = None,
    ) -> None:
        """Write ids and label numbers of both kinds of rows, and their n-grams; the file is there whole, or not at all.

        Rows made for words that have none lie in a file beside it, and so do the ``keys`` of the texts, and the
        ``places`` of the rows of both kinds; these are written first. ``source`` is the hash of the rows that the
        examples were made from.

        Raises:
            W2vrayError: it cannot be written.
        """
        stated = json.dumps({**vars(counts), "names": list(labels), "source": source})
        schema = (_SCHEMA if len(train) == len(_SCHEMA) else pa.schema([*_SCHEMA, *_NGRAMS])).with_metadata(
            {_COUNTS: stated.encode()}
        )
        partial = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for array, place in ((made_MD, self.made_path), (keys, self.keys_path)):
                if array is not None:
                    with partial.open("wb") as sink:
                        np.save(sink, array)
                    partial.replace(place)
            if places is not None:
                with partial.open("wb") as sink:
                    np.savez(
                        sink,
                        **{
                            f"{name}_{kind}": array
                            for kind, of in enumerate(places)
                            for name, array in vars(of).items()
                        },
                    )
                partial.replace(self.places_path)
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                for columns in (train, validation):
                    writer.write_batch(pa.RecordBatch.from_arrays(list(columns), schema=schema))
            partial.replace(self.path)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise W2vrayError(f"{self.path} cannot be written ({reason})") from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    @property
    def made_path(self) -> Path:
        """The file of made rows."""
        return self.path.with_suffix(".npy")

    @property
    def keys_path(self) -> Path:
        """The file of the texts' keys."""
        return self.path.with_suffix(".keys.npy")

    @property
    def places_path(self) -> Path:
        """The file of the rows' places."""
        return self.path.with_suffix(".places.npz")

    def places(self, labels: Sequence[str], *, multi_label: bool) -> "tuple[Places, Places]":
        """Return where the rows of ``parts`` are, in the same order."""
        with np.load(self.places_path) as stored:
            of_rows = [
                Places(*(stored[f"{name}_{kind}"] for name in ("files", "file_N", "row_N"))) for kind in range(2)
            ]
        if not multi_label:
            known = [_with_known_label(part) for part in self._parts(labels)]
            of_rows = [
                places if known_N is None else Places(places.files, places.file_N[known_N], places.row_N[known_N])
                for places, known_N in zip(of_rows, known, strict=True)
            ]
        return of_rows[0], of_rows[1]

    def keys(self) -> npt.NDArray[np.uint64]:
        """Return the keys of all texts, sorted, each once."""
        return np.asarray(np.load(self.keys_path), dtype=np.uint64)

    def counts(self) -> ExampleCounts | None:
        """Return what was counted when the file was written, None where there is no whole file."""
        try:
            stated = self._stated(self._open())
        except (OSError, pa.ArrowInvalid):  # it is not there, or its end is not
            return None
        del stated["names"], stated["source"]
        return ExampleCounts(**stated)

    def source(self) -> str:
        """Return the hash of the rows that the examples were made from."""
        return str(self._stated(self._open())["source"])

    def parts(self, labels: Sequence[str], *, multi_label: bool) -> tuple[Part, Part]:
        """Map the rows to learn from and those for validation, with the classes that ``labels`` gives them.

        Rows of a single label that is none of ``labels`` are left out.
        """
        train, validation = self._parts(labels)
        return (train, validation) if multi_label else (_of_known_labels(train), _of_known_labels(validation))

    def _parts(self, labels: Sequence[str]) -> tuple[Part, Part]:
        reader = self._open()
        class_of = {label: index for index, label in enumerate(labels)}
        classes = np.array([class_of.get(name, -1) for name in self._stated(reader)["names"]], dtype=np.int64)
        made_MD = np.load(self.made_path, mmap_mode="r") if self.made_path.is_file() else None
        train, validation = (_part(reader.get_batch(index), classes, made_MD) for index in range(2))
        return train, validation

    def _open(self) -> Any:
        return pa.ipc.open_file(pa.memory_map(os.fspath(self.path)))

    def _stated(self, reader: Any) -> dict[str, Any]:
        return dict(json.loads(reader.schema.metadata[_COUNTS]))


def _part(batch: pa.RecordBatch, classes: npt.NDArray[np.int64], made_MD: npt.NDArray[np.float32] | None) -> Part:
    ids, labels = batch.column("ids"), batch.column("labels")
    ngrams = None
    if "buckets" in batch.schema.names:
        buckets, times = batch.column("buckets"), batch.column("times")
        ngrams = NgramCounts(buckets.values.to_numpy(), times.values.to_numpy(), buckets.offsets.to_numpy())
    return Part(
        ids.values.to_numpy(),
        ids.offsets.to_numpy(),
        labels.values.to_numpy(),
        labels.offsets.to_numpy(),
        classes,
        made_MD,
        ngrams,
    )


def _with_known_label(part: Part) -> npt.NDArray[np.bool_] | None:
    """Tell which rows have a label that is known; None where all have one."""
    if (part.classes >= 0).all():
        return None
    known_N: npt.NDArray[np.bool_] = part.classes[part.labels_Y[part.label_offsets_N1[:-1]]] >= 0
    return None if known_N.all() else known_N


def _of_known_labels(part: Part) -> Part:
    """Leave out rows whose label is unknown; where there are none, nothing is copied."""
    known_N = _with_known_label(part)
    if known_N is None:
        return part
    lengths_N = np.diff(part.offsets_N1)
    return Part(
        part.ids_L[np.repeat(known_N, lengths_N)],
        np.concatenate(([0], np.cumsum(lengths_N[known_N]))),
        part.labels_Y[known_N],
        np.arange(known_N.sum() + 1),
        part.classes,
        part.made_MD,
        None if part.ngrams is None else part.ngrams.of(np.flatnonzero(known_N)),
    )
