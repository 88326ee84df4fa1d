"""A table as its log tells it: which files are current, which rows of them, and what its columns are in each file.

The libraries that know a log are asked once, where a run is planned. What they say goes with each piece of the plan, as
a ``FileView`` and as deleted rows, so that whoever reads the rows needs none of them.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.errors import CorpusError, FileError
from w2vray.schema import FileReason
from w2vray.store.common_types import common_type

__all__ = ["NO_VALUES", "FileView", "Table", "TableFile"]

FIELD_ID = b"PARQUET:field_id"
"""Under this name Arrow keeps the number that a file gives a column."""

NO_VALUES = pa.RecordBatch.from_struct_array(pa.array([{}], pa.struct([])))
"""One row of no columns."""


@dataclass(frozen=True)
class FileView:
    """How a table sees one of its files: its columns' names there, and columns that have one value for all rows."""

    names: Mapping[str, str]  # column of the table -> column of the file
    constants: pa.RecordBatch  # one row

    def as_text(self) -> str:
        """Return the view as it stands in a plan."""
        constants = base64.b64encode(_serialised(self.constants)).decode()
        return json.dumps({"names": dict(sorted(self.names.items())), "constants": constants})

    @classmethod
    @lru_cache(maxsize=64)
    def from_text(cls, text: str) -> Self:
        """Rebuild a view that ``as_text`` gave."""
        value = json.loads(text)
        with pa.ipc.open_stream(pa.py_buffer(base64.b64decode(value["constants"]))) as stream:
            return cls(value["names"], stream.read_next_batch())


def _serialised(row: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, row.schema) as stream:
        stream.write_batch(row)
    return bytes(sink.getvalue())


@dataclass(frozen=True)
class TableFile:
    """What a table's log says of a file. ``constants`` are one row: values that all rows of the file have.

    ``uncertain`` are columns that have one value in the file, which the log does not tell for certain.
    """

    size: int
    constants: pa.RecordBatch = field(default_factory=lambda: NO_VALUES)
    deleted_N: npt.NDArray[np.int64] | None = field(default=None, compare=False)  # rows, in order
    uncertain: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A version of a table. A column is found in a file by its number where the table says so, else by its name."""

    kind: str
    place: str  # for people
    version: int
    schema: pa.Schema
    names: Mapping[str, str] = field(default_factory=dict)  # column -> its name in the files, where that is another
    ids: Mapping[str, int] | None = None  # column -> its number in the files
    known_as: Mapping[str, Sequence[str]] | None = None  # column -> its names in files that have no numbers
    defaults: Mapping[str, pa.Scalar] = field(default_factory=dict)  # for files that do not have the column
    unusable: Mapping[str, str] = field(default_factory=dict)  # column -> why it cannot be read
    files: Mapping[str, TableFile]  # by name, below the table's folder
    gone: frozenset[str] = frozenset()  # files that are not there any more

    def __str__(self) -> str:
        return f"version {self.version} of the {self.kind} table {self.place}"

    def as_json(self) -> dict[str, Any]:
        """Say which version of which table it is."""
        return {"kind": self.kind, "place": self.place, "version": self.version}

    def guess(self, columns: Sequence[str]) -> list[str]:
        """Return what columns are most likely called in a file, before it is opened."""
        return [self.names.get(name, name) for name in columns]

    def view(self, name: str, stored: pa.Schema, columns: Sequence[str]) -> tuple[pa.Schema, FileView, list[str]]:
        """See a file as the table does.

        Args:
            name: of the file.
            stored: its own schema.
            columns: that will be read.

        Returns:
            The table's columns with the types in which the file's values are read, where they are, and which of them
            the file does not have.

        Raises:
            FileError: a column cannot be found for certain, or is of a type that does not fit the table's.
        """
        constants = self.files[name].constants
        fields, names, absent = [], {}, []
        values = {of_all.name: constants.column(of_all.name) for of_all in constants.schema}
        for column in self.schema:
            if column.name in values:
                fields.append(column)
                continue
            found = self._find(column.name, stored, wanted=column.name in columns)
            if found is None and column.name in self.files[name].uncertain and column.name in columns:
                raise _wrong(
                    f"it has no column {column.name!r}, and the table's log gives its value with too few digits",
                    FileReason.NO_COLUMN,
                )
            if found is None:
                default = self.defaults.get(column.name, pa.scalar(None, column.type))
                values[column.name] = pa.array([default.as_py()], column.type)
                absent.append(column.name)
                fields.append(column)
            else:
                names[column.name] = found.name
                fields.append(self._typed(column, found, wanted=column.name in columns))
        kept = [column for column in self.schema if column.name in values]
        row = pa.RecordBatch.from_arrays([values[column.name] for column in kept], schema=pa.schema(kept))
        return pa.schema(fields), FileView(names, row), absent

    def _find(self, column: str, stored: pa.Schema, *, wanted: bool) -> pa.Field | None:
        """Return a column of a file, None where the file was written without it."""
        if self.ids is not None and any(FIELD_ID in (field.metadata or {}) for field in stored):
            number = str(self.ids[column]).encode()
            found = [field for field in stored if (field.metadata or {}).get(FIELD_ID) == number]
        elif self.ids is not None and self.known_as is None:
            if wanted:
                raise _wrong("its columns have no numbers, by which the table knows them", FileReason.NO_COLUMN)
            return None
        else:
            known = [self.names.get(column, column)] if self.known_as is None else self.known_as.get(column, ())
            found = [field for field in stored if field.name in known]
            if not found and self.known_as is None:  # Spark writes a name in whatever case it was asked for
                found = [field for field in stored if field.name.lower() == known[0].lower()]
        if len(found) > 1 or (found and stored.names.count(found[0].name) > 1):
            if wanted:
                raise _wrong(f"column {column!r} is there more than once", FileReason.NO_COLUMN)
            return None
        return found[0] if found else None

    def _typed(self, column: pa.Field, stored: pa.Field, *, wanted: bool) -> pa.Field:
        """Return a column in the type that holds the file's values, and those of the table."""
        kind = _read_as(stored.type, column.type)
        if wanted and kind is None:
            raise _wrong(f"column {column.name!r} is {stored.type}; the table says {column.type}")
        if wanted and (what := _other_inside(stored.type, column.type)):
            raise _wrong(f"column {column.name!r} has {what} inside, and the table has not: leave the column out")
        return column.with_type(kind or stored.type)

    def require_columns(self, columns: Sequence[str]) -> None:
        """Look whether columns can be read at all.

        Raises:
            CorpusError: one cannot; the message says why.
        """
        for name in columns:
            if name in self.unusable:
                raise CorpusError(f"{self}: column {name!r} {self.unusable[name]}")


def _wrong(what: str, reason: FileReason = FileReason.WRONG_TYPE) -> FileError:
    return FileError(what, reason=reason)


def _read_as(stored: pa.DataType, table: pa.DataType) -> pa.DataType | None:
    """Return the type in which a file's values are read; None where the table's type is none for them.

    Old programs write instants without saying that they are in UTC (INT96 cannot): the table says it.
    """
    if pa.types.is_timestamp(stored) and pa.types.is_timestamp(table) and stored.tz is None and table.tz is not None:
        stored = pa.timestamp(stored.unit, table.tz)
    return common_type(stored, table)


def _other_inside(stored: pa.DataType, table: pa.DataType) -> str:
    """Name what fields a file's nested column has that the table's has not, by name or number; nothing if none."""
    if pa.types.is_struct(stored) and pa.types.is_struct(table):
        known = {inner.name: inner for inner in table}
        for inner in stored:
            ids = {_id(inner), _id(known.get(inner.name))} - {None}
            if inner.name not in known or len(ids) > 1:
                return f"a field {inner.name!r}"
            if what := _other_inside(inner.type, known[inner.name].type):
                return what
        return ""
    pairs = zip(_inner(stored), _inner(table), strict=False)
    return next((what for one, other in pairs if (what := _other_inside(one, other))), "")


def _inner(kind: pa.DataType) -> list[pa.DataType]:
    return [kind.field(index).type for index in range(kind.num_fields)]


def _id(inner: pa.Field | None) -> bytes | None:
    found: bytes | None = (inner.metadata or {}).get(FIELD_ID) if inner is not None else None
    return found
