"""The texts of a store, one after another, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from w2vray.store.description import ANY, ReadAs
from w2vray.store.preflight import Columns, whole_store
from w2vray.store.reading import read_unit
from w2vray.store.units import Unit, plan_units
from w2vray.text.columns import read_texts

__all__ = ["CorpusTexts", "corpus_texts"]


@dataclass
class CorpusTexts:
    """Iterate over Arrow arrays of texts; ``rejected`` counts rows without a readable one so far."""

    roots: tuple[str, ...]
    units: list[Unit]
    text_columns: tuple[str, ...]
    notes: list[str] = field(default_factory=list)  # for a person: files that are not read
    rejected: int = field(default=0)

    @property
    def rows(self) -> int:
        """Rows of the store."""
        return sum(unit.rows - unit.rows_deleted for unit in self.units)

    def __iter__(self) -> Iterator[pa.LargeStringArray]:
        self.rejected = 0
        for unit in self.units:
            for batch in read_unit(unit, self.roots, list(self.text_columns)):
                texts = read_texts(batch, self.text_columns)
                self.rejected += len(texts.rejected)
                yield texts.values


def corpus_texts(
    arguments: Sequence[str],
    text_columns: tuple[str, ...],
    read_as: ReadAs = ANY,
    *,
    table_version: int | None = None,
) -> CorpusTexts:
    """Open a store for its texts.

    ``read_as`` says how its files are read; ``table_version`` is of the table that it is, None for the current one.

    Raises:
        CorpusError: a file cannot be read, or has no such column.
    """
    corpus, found = whole_store(arguments, Columns(text_columns), read_as=read_as, table_version=table_version)
    return CorpusTexts(corpus.roots, plan_units(found.files), text_columns, [*corpus.notes, *found.notes])
