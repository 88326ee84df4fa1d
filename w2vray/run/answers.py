"""The answers of a finished run, read back from its parts: labels and scores, and the texts that they are of.

Shape letters: CONTRIBUTING.md.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2vray.errors import FileError, RunError
from w2vray.places.uris import absolute
from w2vray.run.directory import RunDirectory
from w2vray.run.parts import part_name
from w2vray.run.planning import recorded_versions
from w2vray.run.run_files import MANIFEST, REJECTED, RUN, SCORES, SUCCESS, TOTALS
from w2vray.standing import instead
from w2vray.store.corpus import Corpus, find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.description import ReadAs
from w2vray.store.reading import ROW_COLUMN, read_unit
from w2vray.store.units import Unit, split_unit
from w2vray.text.columns import TextLimits, read_texts

__all__ = ["FinishedRun", "Given", "RowPlace", "counts_of"]

RowPlace = tuple[str, int]
"""A row of a store: its file, and where it is in it."""

_BATCH_ROWS = 1 << 16


def counts_of(values: pa.DictionaryArray) -> dict[str, int]:
    """Return how often each value is there; nulls are not counted."""
    codes_Y = values.indices.drop_null().to_numpy()
    counts = np.bincount(codes_Y, minlength=len(values.dictionary)).tolist()
    return {name: count for name, count in zip(values.dictionary.to_pylist(), counts, strict=True) if count}


@dataclass(frozen=True)
class Given:
    """The labels that some rows were given, one after another: of a multi-label run a row may have several.

    ``rows_Y`` are the places of their rows in ``batch``.
    """

    batch: pa.RecordBatch
    rows_Y: npt.NDArray[np.int64]
    labels: pa.StringArray | pa.DictionaryArray
    scores_Y: npt.NDArray[np.float32]

    def column(self, name: str) -> pa.Array:
        """Return a column of the rows, a value for each label."""
        return self.batch.column(name).take(pa.array(self.rows_Y))

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Self:
        """Take the labels of a batch of scores; rows without one are left out."""
        if "labels" in batch.schema.names:
            lists = batch.column("labels")
            rows_Y = pc.list_parent_indices(lists).to_numpy()
            scores = pc.list_flatten(batch.column("scores"))
            return cls(batch, rows_Y, pc.list_flatten(lists), scores.to_numpy(zero_copy_only=False))
        labels = batch.column("label")
        rows_Y = np.flatnonzero(labels.is_valid().to_numpy(zero_copy_only=False))
        scores_Y = batch.column("score").drop_null().to_numpy(zero_copy_only=False)
        return cls(batch, rows_Y, labels.drop_null(), scores_Y)


@dataclass(frozen=True)
class FinishedRun:
    """A run whose manifest is written: what it is, and its units."""

    directory: RunDirectory
    identity: Mapping[str, Any]
    totals: Mapping[str, Any]
    units: list[Unit]  # those that have a part

    @classmethod
    def open(cls, place: str) -> Self:
        """Open a run.

        Raises:
            RunError: there is none, or it is not finished.
        """
        run = RunDirectory(absolute(place))
        if not run.exists(RUN):
            raise RunError(f"{run.name} holds no run: there is no {RUN}{instead(place)}")
        if not (run.exists(TOTALS) and run.exists(MANIFEST)):
            raise RunError(f"{run.name} is not finished: run the same `w2vray score` again, then this")
        finished = run.finished()
        units = [unit for unit in run.plan()[0] if unit.id in finished]
        return cls(run, run.read_json(RUN), run.read_json(TOTALS), units)

    @property
    def name(self) -> str:
        """Where it is, for people to read."""
        return self.directory.name

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, or every gap was accepted."""
        return self.directory.exists(SUCCESS)

    @property
    def fingerprint(self) -> str:
        """One word for the model and the options that its answers depend on."""
        return str(self.identity.get("fingerprint", ""))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its model."""
        return tuple(self.identity["labels"])

    @cached_property
    def multi_label(self) -> bool:
        """Whether a row may have any number of labels."""
        if not self.units:
            return False
        with self._part(self.units[0]) as parquet:
            return "labels" in parquet.schema_arrow.names

    @property
    def bytes(self) -> int:
        """Size of its parts."""
        return sum(info.size or 0 for folder in (SCORES, REJECTED) for info in self.directory.list(folder))

    @property
    def answer_columns(self) -> list[str]:
        """The columns that hold label, score and status."""
        return [*(("labels", "scores") if self.multi_label else ("label", "score")), "status"]

    def batches(
        self, columns: Sequence[str], units: Sequence[Unit] | None = None, *, coded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Read columns of the scores, in the order of the plan, of all units or of some.

        With ``coded``, labels and statuses come as dictionaries, which are counted in a fifth of the time.

        Raises:
            RunError: a part is damaged.
        """
        few_values = ["labels.list.element" if self.multi_label else "label", "status"]
        for unit in self.units if units is None else units:
            try:
                with self._part(unit, few_values if coded else ()) as parquet:
                    yield from parquet.iter_batches(_BATCH_ROWS, columns=list(columns))
            except (OSError, pa.ArrowException) as error:
                part = f"{SCORES}/{part_name(unit.id)}"
                raise RunError(
                    f"{self.name}: {part} cannot be read ({error}); `w2vray verify` says what is wrong"
                ) from error

    def _part(self, unit: Unit, coded: Sequence[str] = ()) -> pq.ParquetFile:
        path = self.directory.path(SCORES, part_name(unit.id))
        return pq.ParquetFile(path, filesystem=self.directory.store, read_dictionary=list(coded))

    def label_counts(self) -> Counter[str]:
        """Return how many rows have each label, those below the threshold too."""
        counts: Counter[str] = Counter()
        for batch in self.batches(self.answer_columns[:1], coded=True):
            column = batch.column(0)
            counts.update(counts_of(pc.list_flatten(column) if self.multi_label else column))
        return counts

    def units_of(self, places: Sequence[RowPlace]) -> dict[str, list[Unit]]:
        """Return the units that have rows of each file among these."""
        files = {file for file, _ in places}
        found: dict[str, list[Unit]] = {file: [] for file in files}
        for unit in self.units:
            for file in {piece.file for piece in unit.pieces} & files:
                found[file].append(unit)
        return found

    def store(self, places: Sequence[str]) -> Corpus:
        """List the store that was scored, at these places or where it was.

        Raises:
            RunError: there are not as many places as the store had.
            CorpusError: it is not there.
        """
        roots = list(self.identity["corpus"])
        if places and len(places) != len(roots):
            raise RunError(
                f"--corpus names {len(places)} places; the run was made from {len(roots)}: {', '.join(roots)}"
            )
        return find_corpus(places or self.identity.get("named", roots), recorded_versions(self.identity))

    def texts(self, wanted: Sequence[RowPlace], corpus: Corpus) -> dict[RowPlace, str]:
        """Read the texts of some rows of the store, as the model reads them.

        Of a file, only the stretches (row groups) are read that have such rows.

        Raises:
            FileError: a file is not what it was when it was scored, or cannot be read.
        """
        rows_of: dict[str, set[int]] = {}
        for file, row in wanted:
            rows_of.setdefault(file, set()).add(row)
        texts: dict[RowPlace, str] = {}
        for unit in self._smallest(rows_of, corpus):
            texts.update(self._texts_of(unit, rows_of, corpus.roots))
        if missing := [place for place in wanted if place not in texts]:
            file, row = missing[0]
            raise FileError(f"{file}: row {row} is not there any more; was the store changed?", file=file)
        return texts

    def _texts_of(
        self, unit: Unit, rows_of: Mapping[str, set[int]], roots: Sequence[str]
    ) -> Iterator[tuple[RowPlace, str]]:
        """Yield the wanted texts of a unit of one piece; what comes after the last of them is not read."""
        (piece,) = unit.pieces
        rows = np.array(sorted(rows_of[piece.file]))
        rows = rows[(rows >= piece.row_start) & (rows < piece.row_start + piece.rows)]
        columns = list(self.identity["options"]["text_column"])
        for batch in read_unit(unit, roots, columns):
            chosen_N = np.isin(batch.column(ROW_COLUMN).to_numpy(), rows)
            if chosen_N.any():
                found = batch.filter(pa.array(chosen_N))
                texts = read_texts(found, columns, TextLimits(null_as_empty=True))
                places = found.column(ROW_COLUMN).take(pa.array(texts.rows_N)).to_pylist()
                yield from (
                    ((piece.file, row), text) for row, text in zip(places, texts.values.to_pylist(), strict=True)
                )
            if len(batch) and batch.column(ROW_COLUMN)[-1].as_py() >= rows[-1]:
                return

    def _smallest(self, rows_of: Mapping[str, set[int]], corpus: Corpus) -> Iterator[Unit]:
        """Yield the smallest stretches of files that have such rows, each as a unit of one piece."""
        options = {"format": None, "delimiter": None, **self.identity["options"]}
        columns = list(self.identity["options"]["text_column"])
        files = [file for file in corpus.files if file.name in rows_of]
        described, _ = describe_files(corpus, files, columns, ReadAs.of(SimpleNamespace(**options), columns))
        descriptions = {item.file: item for item in described}
        for unit in self.units:
            for piece in unit.pieces:
                if piece.file not in rows_of:
                    continue
                alone = Unit((piece,))
                for part in split_unit(alone, descriptions) or [alone]:
                    (small,) = part.pieces
                    stop = small.row_start + small.rows
                    if any(small.row_start <= row < stop for row in rows_of[piece.file]):
                        yield part
