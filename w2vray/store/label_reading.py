"""How labels are read: mended, split into several, or taken for none at all, where somebody asks for it."""

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from w2vray.schema import DAMAGE_COLUMN
from w2vray.store.labels import label_lists, label_strings
from w2vray.store.reading import FILE_COLUMN
from w2vray.text.invisible import visible

__all__ = ["LabelReading", "ReadLabels", "mended"]


_ESCAPED = {"\\t": "\t", "\\n": "\n"}
"""How a person types a separator that nobody sees."""


def mended(label: str) -> str:
    """Return a label in its usual form (NFKC), with single spaces inside and none around, nothing invisible in it.

    Example:
        >>> mended(" sci   fi")
        'sci fi'
    """
    return " ".join(visible(unicodedata.normalize("NFKC", label), emoji=True).split())


@dataclass(frozen=True)
class ReadLabels:
    """The labels of a batch of rows; null for a row without any.

    ``values`` are strings, or lists of strings. ``unlabelled`` counts the rows that are null because of a value that
    stands for no label; ``damaged`` counts, by their file, those that are null because their line is damaged.
    """

    values: pa.Array
    unlabelled: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)

    @property
    def rows_without(self) -> int:
        """Rows that are null for no other reason than that they have no label."""
        return int(self.values.null_count) - self.unlabelled.total() - self.damaged.total()


@dataclass(frozen=True, kw_only=True)
class LabelReading:
    """The column of labels, and what is asked for: the options of the same names."""

    column: str
    multi_label: bool
    strip: bool = False
    separator: str | None = None
    unlabelled: tuple[str, ...] = ()

    def __call__(self, batch: pa.RecordBatch, place: Callable[[int], str]) -> ReadLabels:
        """Read the labels of a batch; ``place`` says where a row is.

        Raises:
            CorpusError: as ``label_strings``.
        """
        read = self._read(batch, place)
        if DAMAGE_COLUMN not in batch.schema.names:
            return read
        damaged = pc.and_(batch.column(DAMAGE_COLUMN).is_valid(), read.values.is_null())
        return replace(read, damaged=Counter(batch.column(FILE_COLUMN).filter(damaged).to_pylist()))

    def _read(self, batch: pa.RecordBatch, place: Callable[[int], str]) -> ReadLabels:
        column = batch.column(self.column)
        if self.multi_label and self.separator is None:
            lists = label_lists(column, self.column, place)
            return self._without_unlabelled(self._mended_lists(lists) if self.strip else lists)
        labels = label_strings(column, self.column, place)
        if self.separator is not None:
            return self._without_unlabelled(self._split(labels, self.separator))
        if self.strip:
            labels = pa.array(self._mend(labels.to_pylist()), pa.string())
        if not self.unlabelled:
            return ReadLabels(labels)
        marked = pc.is_in(labels, pa.array(self._stand_for_none, pa.string()), skip_nulls=True)
        counts = Counter(labels.filter(marked).to_pylist())
        return ReadLabels(pc.if_else(marked, pa.scalar(None, pa.string()), labels), counts)

    @cached_property
    def _stand_for_none(self) -> list[str]:
        return [mended(value) if self.strip else value for value in self.unlabelled]

    def _mend(self, labels: list[str | None]) -> list[str | None]:
        changed = {label: mended(label) or None for label in set(labels) if label is not None}
        return [label if label is None else changed[label] for label in labels]

    def _mended_lists(self, lists: pa.ListArray) -> pa.ListArray:
        rows = [row if row is None else _distinct(self._mend(row)) for row in lists.to_pylist()]
        return pa.array(rows, pa.list_(pa.string()))

    def _split(self, labels: pa.StringArray, separator: str) -> pa.ListArray:
        separator = _ESCAPED.get(separator, separator)
        split = {
            label: _distinct([part.strip() for part in label.split(separator)])
            for label in pc.unique(labels).to_pylist()
            if label is not None
        }
        if self.strip:
            split = {label: _distinct(self._mend(list(parts))) for label, parts in split.items()}
        return pa.array(
            [label if label is None else split[label] for label in labels.to_pylist()], pa.list_(pa.string())
        )

    def _without_unlabelled(self, lists: pa.ListArray) -> ReadLabels:
        if not self.unlabelled:
            return ReadLabels(lists)
        counts: Counter[str] = Counter()
        rows = lists.to_pylist()
        for index, row in enumerate(rows):
            marked = next((value for value in self._stand_for_none if row and value in row), None)
            if marked is not None:
                counts[marked] += 1
                rows[index] = None
        return ReadLabels(pa.array(rows, pa.list_(pa.string())), counts)


def _distinct(labels: list[str | None]) -> list[str]:
    """Return labels sorted, each once, without those that are none."""
    return sorted({label for label in labels if label})
