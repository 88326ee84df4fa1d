"""What a person is told of the columns of a store: of which types they are, and which files do not have them."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description
from w2vray.store.folders import is_comparable

__all__ = ["alike", "column_notes"]


def column_notes(
    files: Sequence[Description], schemas: Mapping[SourceFile, pa.Schema], schema: pa.Schema, names: Sequence[str]
) -> list[str]:
    """Return what is to be told of some files.

    Args:
        files: that are read.
        schemas: of each file, with the columns of its folders.
        schema: of the columns that have one type in all files.
        names: of all columns that are read.
    """
    return [*_of_types(files, schema), *_of_missing(files, schemas, schema), *_of_both(files, names)]


def _of_types(files: Sequence[Description], schema: pa.Schema) -> list[str]:
    """Say which types the columns of JSON Lines have: lines tell none, and a line that differs is rejected."""
    if not any(file.format == "jsonl" for file in files):
        return []
    notes = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if not pa.types.is_string(kind):
            notes.append(f"column {name!r} of JSON Lines is read as {kind}, judging by the lines that were looked at")
        elif other := next(filter(None, (_other_than_text(file, name) for file in files)), ""):
            notes.append(f"column {name!r} of JSON Lines is kept as text, as it is written: {other}, and others differ")
    return notes


def _other_than_text(file: Description, name: str) -> str:
    """Say of which type a column is in a file by itself, where that is not text."""
    if name not in file.schema.names:
        return ""
    kind = file.schema.field(name).type
    return "" if pa.types.is_string(kind) or pa.types.is_null(kind) else f"in {file.file.name} it is {kind}"


def _of_missing(files: Sequence[Description], schemas: Mapping[SourceFile, pa.Schema], schema: pa.Schema) -> list[str]:
    notes = []
    for name in schema.names:
        without = [
            file.file.name
            for file in files
            if file.rows and (name in file.absent or name not in schemas[file.file].names)
        ]
        if without:
            rest = f" and {len(without) - 1:,} more" if len(without) > 1 else ""
            other = next(filter(None, (alike(name, schemas[file.file]) for file in files)), "")
            notes.append(f"column {name!r} is null for the rows of {without[0]}{rest}: no such column there{other}")
    return notes


def alike(name: str, schema: pa.Schema) -> str:
    """Say which columns have the name but for capitals."""
    found = [repr(other) for other in schema.names if other != name and other.casefold() == name.casefold()]
    return f", but {' and '.join(found)}" if found and name not in schema.names else ""


def _of_both(files: Sequence[Description], names: Sequence[str]) -> list[str]:
    """Tell of columns that are in files and in the names of their folders, and cannot be compared."""
    notes = []
    for name in names:
        folders = [file for file in files if file.view is None and name in file.file.partition_values]
        both = [file for file in folders if name in file.schema.names]
        if any(not is_comparable(file.schema.field(name).type) for file in both):
            notes.append(f"column {name!r} is in the files and in their folders' names: the files' values are taken")
    return notes
