"""A labelled store, checked and planned: what training and evaluation begin with."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from w2vray.errors import ConfigError, CorpusError
from w2vray.schema import SAMPLE_COLUMNS
from w2vray.store.corpus import Corpus, SourceFile
from w2vray.store.description import ANY, ReadAs
from w2vray.store.filters import parse_where
from w2vray.store.preflight import Columns, whole_store
from w2vray.store.units import Unit, plan_units

__all__ = ["Labelled", "labelled_units"]


@dataclass(frozen=True)
class Labelled:
    """A labelled store, checked and cut into units."""

    corpus: Corpus
    units: list[Unit]
    multi_label: bool  # the label column holds lists, or strings that a separator makes lists of
    schema: pa.Schema  # of the columns that rows are filtered by
    notes: list[str]  # for a person: files that are not read, columns that a file does not have
    label_separator: str | None = None  # the one that applies
    samples: frozenset[SourceFile] = frozenset()  # files of ``w2vray sample``


def labelled_units(
    arguments: Sequence[str],
    text_columns: tuple[str, ...],
    label_column: str,
    where: str | None = None,
    read_as: ReadAs = ANY,
    *,
    table_version: int | None = None,
    label_separator: str | None = None,
    separator_given: bool = True,
) -> Labelled:
    """Plan a labelled store, of which the rows will be read for which ``where`` holds; ``read_as`` says how.

    ``table_version`` is of the table that is the store; None is the current one. ``label_separator`` parts the labels
    that are in one string; one that nobody gave, but a model remembers, does not matter where there are lists.

    Raises:
        CorpusError: a file cannot be read, or a column is missing or of another type: no row is left out in silence.
        ConfigError: the condition cannot be understood, or does not fit the columns.
    """
    condition = parse_where(where) if where is not None else None
    filtered = condition.columns if condition else ()
    columns = Columns(text_columns, labels=(label_column,), filtered=filtered)
    corpus, found = whole_store(arguments, columns, where=condition, read_as=read_as, table_version=table_version)
    samples = [file.file for file in found.files if set(file.schema.names) >= SAMPLE_COLUMNS]
    for file in samples:
        if label_column == "label":
            raise CorpusError(
                f"{file.name} is of `w2vray sample`: its column label is what the model said, and true_label "
                "what a person did; give --label-column true_label"
            )
    if found.multi_label and not separator_given:
        label_separator = None
    if label_separator is not None and found.multi_label:
        raise ConfigError(
            f"--label-separator is {label_separator!r}, and column {label_column!r} holds lists of labels already; "
            "leave it out"
        )
    of_condition = condition.fitted(found.schema).notes if condition else ()
    notes = [*corpus.notes, *found.notes, *of_condition]
    multi_label = found.multi_label or label_separator is not None
    units = plan_units(found.files)
    return Labelled(corpus, units, multi_label, found.schema, notes, label_separator, frozenset(samples))
