"""What a file of a store says of itself before its rows are read: its columns, and where it may be cut."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.store.corpus import SourceFile
from w2vray.store.table import FileView

__all__ = ["Description", "Stretch"]


@dataclass(frozen=True)
class Stretch:
    """The least of a file that can be read by itself. ``start`` and ``stop`` count as the file's format counts."""

    start: int
    stop: int
    rows: int
    read_bytes: int  # of the columns that are read, uncompressed


@dataclass(frozen=True, kw_only=True)
class Description:
    """A file: its schema, its stretches in order, and what its content is known by."""

    file: SourceFile
    format: str
    schema: pa.Schema
    stretches: tuple[Stretch, ...]
    fingerprint: str = ""
    etag: str | None = None  # what an object store calls the content
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
        stretches = [list(asdict(stretch).values()) for stretch in self.stretches]
        plain = {"format": self.format, "fingerprint": self.fingerprint, "etag": self.etag}
        return {"schema": schema, "stretches": stretches, **plain}

    @classmethod
    def from_json(cls, file: SourceFile, value: Mapping[str, Any]) -> Self:
        """Rebuild a description that ``as_json`` gave."""
        return cls(
            file=file,
            schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value["schema"]))),
            stretches=tuple(Stretch(*stretch) for stretch in value["stretches"]),
            **{name: value[name] for name in ("format", "fingerprint", "etag")},
        )
