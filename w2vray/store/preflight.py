"""What is checked before any work: that the columns asked for are there and can be used."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from w2vray.errors import CorpusError
from w2vray.schema import FileReason
from w2vray.store.corpus import Corpus, SourceFile, find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.description import Description
from w2vray.store.failures import Failure
from w2vray.store.labels import holds_lists, require_label_type
from w2vray.text.columns import is_text_type

__all__ = ["Columns", "fitting_files", "store_schema", "whole_store"]


@dataclass(frozen=True)
class Columns:
    """Columns that are read: ``texts`` must be of a text type, ``others`` of the same type in each file.

    ``labels`` must all hold labels, or all lists of them; each file may have a type of its own.
    """

    texts: tuple[str, ...]
    others: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        """All columns, each once."""
        return list(dict.fromkeys([*self.texts, *self.labels, *self.others]))


def store_schema(files: Sequence[Description], columns: Columns, roots: Sequence[str]) -> pa.Schema:
    """Return the schema of the columns asked for, as the first file that has them all gives it.

    Args:
        files: of the store.
        columns: that are asked for.
        roots: of the store: their own folders are no columns.

    Raises:
        CorpusError: no file has them all; the message lists the columns that there are.
    """
    schemas = [_with_folders(file) for file in files]
    for schema in schemas:
        if all(schema.names.count(name) == 1 for name in columns.all):
            return pa.schema([schema.field(name) for name in columns.all])
    seen = Counter(name for schema in schemas for name in schema.names)
    if twice := [name for name in columns.all if any(schema.names.count(name) > 1 for schema in schemas)]:
        raise CorpusError(f"column {twice[0]!r} is there more than once in a file; rename one of them")
    missing = [name for name in columns.all if not seen[name]] or columns.all
    raise CorpusError(
        f"no column {', '.join(map(repr, missing))} in the store; its columns are {', '.join(seen)}"
        + _above(missing, roots)
    )


def _above(missing: Sequence[str], roots: Sequence[str]) -> str:
    """Say where a column that is missing is a folder that was named, or one above it."""
    folders = (folder for root in roots for folder in root.partition("?")[0].split("/"))
    found = next((folder for folder in folders if "=" in folder and folder.partition("=")[0] in missing), None)
    if found is None:
        return ""
    return f". Only folders below the one that is named are columns: name the one above {found} to have it"


def whole_store(
    arguments: Sequence[str], columns: Columns, check: Callable[[pa.Schema], None] = lambda _: None
) -> tuple[Corpus, list[Description], pa.Schema]:
    """List a store of which every file is needed, and describe all of them.

    Args:
        arguments: that name its files.
        columns: that each file has to have.
        check: looks at the columns' schema before any file is held against it.

    Returns:
        The store, its files described, and the schema of the columns.

    Raises:
        CorpusError: a file cannot be read or used; the message names the first, and says how many there are.
    """
    corpus = find_corpus(arguments)
    files, bad = describe_files(corpus, corpus.files, columns.texts)
    if files:
        schema = store_schema(files, columns, corpus.roots)
        check(schema)
        files, unfit = fitting_files(files, columns, schema)
        bad |= unfit
    if bad:
        (file, failure), *others = bad.items()
        more = f", and {len(others):,} more like it" if others else ""
        raise CorpusError(f"{corpus.place(file)}: {failure.detail}{more}; mend or leave out the file")
    return corpus, files, schema


def fitting_files(
    files: Iterable[Description], columns: Columns, schema: pa.Schema
) -> tuple[list[Description], dict[SourceFile, Failure]]:
    """Part the files into those that have the columns, in a type that can be used, and the others with the reason."""
    good: list[Description] = []
    bad: dict[SourceFile, Failure] = {}
    for described in files:
        unfit = _unfit(described, columns, schema)
        if unfit is None:
            good.append(described)
        else:
            reason, detail = unfit
            bad[described.file] = Failure(reason=reason, detail=detail, file=described.file.name)
    return good, bad


def _unfit(described: Description, columns: Columns, schema: pa.Schema) -> tuple[FileReason, str] | None:
    found = _with_folders(described)
    for name in columns.all:
        if (count := found.names.count(name)) != 1:
            detail = f"column {name!r} is there {count} times" if count else f"it has no column {name!r}"
            return FileReason.NO_COLUMN, detail
        if wrong := _wrong_type(name, found.field(name).type, schema, columns):
            return FileReason.WRONG_TYPE, wrong
    return None


def _wrong_type(name: str, kind: pa.DataType, schema: pa.Schema, columns: Columns) -> str:
    """Say why a column of a file cannot be used; nothing where it can."""
    if name in columns.texts and not is_text_type(kind):
        return f"column {name!r} is {kind}; expected strings or UTF-8 bytes"
    if name in columns.labels:
        try:
            require_label_type(kind, name)
        except CorpusError as error:
            return str(error)
        if holds_lists(kind) != holds_lists(schema.field(name).type):
            return f"column {name!r} is {kind}; in the files before it is {schema.field(name).type}"
    if name in columns.others and kind != schema.field(name).type:
        return f"column {name!r} is {kind}; in the files before it is {schema.field(name).type}"
    return ""


def _with_folders(described: Description) -> pa.Schema:
    stored = described.schema
    folders = (name for name in described.file.partition_values if name not in stored.names)
    return pa.schema([*stored, *(pa.field(name, pa.string()) for name in folders)])
