"""A labelled store, checked and planned: what training and evaluation begin with."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from w2vray.store.corpus import Corpus
from w2vray.store.filters import parse_where
from w2vray.store.labels import holds_lists, require_label_type
from w2vray.store.preflight import Columns, whole_store
from w2vray.store.reading import schema_as_read
from w2vray.store.units import Unit, plan_units

__all__ = ["Labelled", "labelled_units"]


@dataclass(frozen=True)
class Labelled:
    """A labelled store, checked and cut into units."""

    corpus: Corpus
    units: list[Unit]
    multi_label: bool  # the label column holds lists


def labelled_units(
    arguments: Sequence[str], text_columns: tuple[str, ...], label_column: str, where: str | None = None
) -> Labelled:
    """Plan a labelled store, of which the rows will be read for which ``where`` holds.

    Raises:
        CorpusError: a file cannot be read, or a column is missing or of another type: no row is left out in silence.
        ConfigError: the condition cannot be understood, or does not fit the columns.
    """
    condition = parse_where(where) if where else None

    def check(schema: pa.Schema) -> None:
        require_label_type(schema.field(label_column).type, label_column)
        if condition:
            condition.check(schema_as_read(schema))

    columns = Columns(text_columns, tuple(condition.columns) if condition else (), (label_column,))
    corpus, files, schema = whole_store(arguments, columns, check)
    return Labelled(corpus, plan_units(files), holds_lists(schema.field(label_column).type))
