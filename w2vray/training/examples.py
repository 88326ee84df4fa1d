"""Examples to learn from: looked-up texts and their labels, in memory or mapped from files that hold a unit each.

An example file is an Arrow file of two record batches, the rows to learn from and those kept for validation. It is
written once, read by memory map, and shared by all workers of a machine, so that a labelled set may be larger than
memory and nothing of it is tokenised twice.

Shape letters: CONTRIBUTING.md.
"""

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from w2vray.errors import W2vrayError
from w2vray.models.batches import RaggedIds
from w2vray.text.lookup import overlaid

__all__ = ["NO_EXAMPLES", "ExampleCounts", "ExampleFile", "Examples", "Numbering", "Part", "joined"]

_SCHEMA = pa.schema(
    [
        pa.field("ids", pa.large_list(pa.int32()), nullable=False),
        pa.field("labels", pa.large_list(pa.int32()), nullable=False),  # numbers of the file's own labels
    ]
)
_COUNTS = b"w2vray.counts"
_CHUNK_IDS = 1 << 24


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

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1


@dataclass(frozen=True)
class Numbering:
    """How the ids that examples are kept with become those of a model that tunes words.

    Kept ids are rows of the table, then the special row, then rows made for the part. In the model the replaced rows
    have ids of their own behind the special row, and made rows are those of a batch.
    """

    table_rows: int
    special_rows: int
    replaced_rows: npt.NDArray[np.int64]

    @property
    def made(self) -> int:
        """The first kept id of a made row."""
        return self.table_rows + self.special_rows

    def __call__(self, ids_L: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Number ids as the model does."""
        shifted_L = np.where(ids_L >= self.made, ids_L + len(self.replaced_rows), ids_L)
        return overlaid(shifted_L, self.made, self.replaced_rows)


@dataclass(frozen=True)
class Examples:
    """The examples of a training. Each has one class, or, where ``multi_label``, any number of them."""

    parts: tuple[Part, ...]
    classes: int
    multi_label: bool = False
    numbering: Numbering | None = None

    @classmethod
    def of(
        cls, ids_L: npt.NDArray[np.int32], offsets_N1: npt.NDArray[np.int64], labels_N: npt.NDArray[Any], classes: int
    ) -> "Examples":
        """Make examples of one class each, in memory."""
        one_each_N1 = np.arange(len(labels_N) + 1)
        part = Part(ids_L, offsets_N1, labels_N.astype(np.int32), one_each_N1, np.arange(classes))
        return cls((part,), classes)

    @cached_property
    def part_starts(self) -> npt.NDArray[np.int64]:
        """Number of each part's first example; the last is the number of all."""
        return np.cumsum([0, *map(len, self.parts)])

    def __len__(self) -> int:
        return int(self.part_starts[-1])

    def lengths(self, rows_B: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many ids each of these examples has."""
        lengths_B = np.empty(len(rows_B), dtype=np.int64)
        for part, places, own in self._by_part(rows_B):
            lengths_B[places] = part.offsets_N1[own + 1] - part.offsets_N1[own]
        return lengths_B

    def ids(self, rows_B: npt.NDArray[np.int64]) -> RaggedIds:
        """Copy the ids of these examples, numbered, and the made rows that they use."""
        offsets_B1 = np.concatenate(([0], np.cumsum(self.lengths(rows_B))))
        made: list[npt.NDArray[np.float32]] = []
        flat = np.empty(offsets_B1[-1], dtype=np.int32)
        for part, places, own in self._by_part(rows_B):
            starts, lengths = part.offsets_N1[own], part.offsets_N1[own + 1] - part.offsets_N1[own]
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            ids = part.ids_L[np.repeat(starts, lengths) + within]
            if part.made_MD is not None and self.numbering is not None:
                own_L = ids >= self.numbering.made
                used, number_L = np.unique(ids[own_L] - self.numbering.made, return_inverse=True)
                ids[own_L] = self.numbering.made + sum(map(len, made)) + number_L
                made.append(part.made_MD[used])
            flat[np.repeat(offsets_B1[places], lengths) + within] = ids
        if self.numbering is not None:
            flat = self.numbering(flat)
        return RaggedIds(flat, offsets_B1, torch.from_numpy(np.concatenate(made)) if made else None)

    def table_rows(self, rows: int) -> npt.NDArray[np.int64]:
        """Return the rows of a table of so many that the examples use, ascending."""
        used_V = np.zeros(rows, dtype=np.bool_)
        for part in self.parts:
            for start in range(0, len(part.ids_L), _CHUNK_IDS):
                ids = part.ids_L[start : start + _CHUNK_IDS]
                used_V[ids[ids < rows]] = True
        return np.flatnonzero(used_V)

    def labels(self, rows_B: npt.NDArray[np.int64]) -> Tensor:
        """Return the class of each of these examples, labels_B; where ``multi_label``, ones and zeros, labels_BC."""
        if self.multi_label:
            labels_BC = torch.zeros(len(rows_B), self.classes)
            for part, places, own in self._by_part(rows_B):
                for place, row in zip(places, own, strict=True):
                    start, stop = part.label_offsets_N1[row], part.label_offsets_N1[row + 1]
                    of_model = part.classes[part.labels_Y[start:stop]]
                    labels_BC[place, of_model[of_model >= 0]] = 1.0
            return labels_BC
        labels_B = np.empty(len(rows_B), dtype=np.int64)
        for part, places, own in self._by_part(rows_B):
            labels_B[places] = part.classes[part.labels_Y[part.label_offsets_N1[own]]]
        return torch.from_numpy(labels_B)

    def _by_part(
        self, rows_B: npt.NDArray[np.int64]
    ) -> Iterable[tuple[Part, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Yield each part that is asked of, where in the batch its examples stand, and their numbers in the part."""
        if len(self.parts) == 1:
            yield self.parts[0], np.arange(len(rows_B)), rows_B
            return
        of_part_B = np.searchsorted(self.part_starts, rows_B, side="right") - 1
        for index in np.unique(of_part_B):
            places = np.flatnonzero(of_part_B == index)
            yield self.parts[index], places, rows_B[places] - self.part_starts[index]


NO_EXAMPLES = Examples((), 0)


def joined(first: Examples, second: Examples) -> Examples:
    """Return the examples of both, the first's first."""
    return replace(first, parts=first.parts + second.parts)


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
        train: tuple[pa.LargeListArray, pa.LargeListArray],
        validation: tuple[pa.LargeListArray, pa.LargeListArray],
        labels: Sequence[str],
        counts: ExampleCounts,
        made_MD: npt.NDArray[np.float32] | None = None,
        *,
        source: str = "",
        keys: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        """Write ids and label numbers of both kinds of rows; the file is there whole, or not at all.

        Rows made for words that have none lie in a file beside it, and so do the ``keys`` of the texts; both are
        written first. ``source`` is the hash of the rows that the examples were made from.

        Raises:
            W2vrayError: it cannot be written.
        """
        stated = json.dumps({**vars(counts), "names": list(labels), "source": source})
        schema = _SCHEMA.with_metadata({_COUNTS: stated.encode()})
        partial = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for array, place in ((made_MD, self.made_path), (keys, self.keys_path)):
                if array is not None:
                    with partial.open("wb") as sink:
                        np.save(sink, array)
                    partial.replace(place)
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
        reader = self._open()
        class_of = {label: index for index, label in enumerate(labels)}
        classes = np.array([class_of.get(name, -1) for name in self._stated(reader)["names"]], dtype=np.int64)
        made_MD = np.load(self.made_path, mmap_mode="r") if self.made_path.is_file() else None
        train, validation = (_part(reader.get_batch(index), classes, made_MD) for index in range(2))
        return (train, validation) if multi_label else (_of_known_labels(train), _of_known_labels(validation))

    def _open(self) -> Any:
        return pa.ipc.open_file(pa.memory_map(os.fspath(self.path)))

    def _stated(self, reader: Any) -> dict[str, Any]:
        return dict(json.loads(reader.schema.metadata[_COUNTS]))


def _part(batch: pa.RecordBatch, classes: npt.NDArray[np.int64], made_MD: npt.NDArray[np.float32] | None) -> Part:
    ids, labels = batch.column("ids"), batch.column("labels")
    return Part(
        ids.values.to_numpy(),
        ids.offsets.to_numpy(),
        labels.values.to_numpy(),
        labels.offsets.to_numpy(),
        classes,
        made_MD,
    )


def _of_known_labels(part: Part) -> Part:
    """Leave out rows whose label is unknown; where there are none, nothing is copied."""
    if (part.classes >= 0).all():
        return part
    known_N = part.classes[part.labels_Y[part.label_offsets_N1[:-1]]] >= 0
    if known_N.all():
        return part
    lengths_N = np.diff(part.offsets_N1)
    return Part(
        part.ids_L[np.repeat(known_N, lengths_N)],
        np.concatenate(([0], np.cumsum(lengths_N[known_N]))),
        part.labels_Y[known_N],
        np.arange(known_N.sum() + 1),
        part.classes,
        part.made_MD,
    )
