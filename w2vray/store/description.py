"""What a file of a store says of itself before its rows are read: its columns, and where it may be cut."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.store.corpus import SourceFile
from w2vray.store.table import FileView

__all__ = ["ANY", "Description", "ReadAs", "Stretch"]


@dataclass(frozen=True, kw_only=True)
class ReadAs:
    """What somebody says of a store's files: of which format they are, and what parts the cells of CSV.

    None where nothing is said: then each file tells. ``plain`` are columns of texts or labels: if lines of JSON differ,
    the kind that most of them have counts, where another column would be kept as the JSON that is written.
    """

    format: str | None = None
    delimiter: str | None = None
    plain: Sequence[str] = ()

    @classmethod
    def of(cls, settings: Any, plain: Sequence[str] = ()) -> Self:
        """Return what the settings of a verb say."""
        return cls(format=settings.format, delimiter=_WRITTEN.get(settings.delimiter, settings.delimiter), plain=plain)


_WRITTEN = {"tab": "\t", "\\t": "\t"}
"""How people write delimiters that are hard to type."""

ANY = ReadAs()


_PLAIN = ("format", "fingerprint", "etag", "layout", "notes")
"""Fields of a ``Description`` that JSON holds as they are."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The least of a file that can be read by itself. ``start`` and ``stop`` count as the file's format counts."""

    start: int
    stop: int
    rows: int
    read_bytes: int  # of the columns that are read, uncompressed
    first_line: int = 0  # of text: the line that it starts in, from 1
    fingerprint: str = ""  # what its content is known by, where the format does not know the whole file's by its end


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """A file: its schema, its stretches in order, and what its content is known by."""

    file: SourceFile
    format: str
    schema: pa.Schema
    stretches: tuple[Stretch, ...]
    fingerprint: str = ""
    etag: str | None = None  # what an object store calls the content
    layout: str = ""  # what the format has to know to read it
    notes: tuple[str, ...] = ()  # for a person: how it is read
    view: FileView | None = None  # of the table that the file belongs to
    absent: tuple[str, ...] = ()  # columns of the table that the file does not have
    deleted_N: npt.NDArray[np.int64] | None = field(default=None, compare=False)  # rows that the table has deleted

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return sum(stretch.rows for stretch in self.stretches)

    def as_json(self) -> dict[str, Any]:
        """Return the description as it travels between processes, without its file and what a table says of it."""
        schema = base64.b64encode(self.schema.serialize()).decode()
        stretches = [
            [part.start, part.stop, part.rows, part.read_bytes, part.first_line, part.fingerprint]
            for part in self.stretches
        ]
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {"schema": schema, "stretches": stretches, **plain}

    @classmethod
    def from_json(cls, file: SourceFile, value: Mapping[str, Any]) -> Self:
        """Rebuild a description that ``as_json`` gave."""
        return cls(
            file=file,
            schema=_schema(value["schema"]),
            stretches=tuple(Stretch(*stretch) for stretch in value["stretches"]),
            notes=tuple(value["notes"]),
            **{name: value[name] for name in _PLAIN if name != "notes"},
        )


@lru_cache(256)
def _schema(written: str) -> pa.Schema:
    """Return a schema that JSON holds: one object for all files that have it."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(written)))
