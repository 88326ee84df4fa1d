"""What the end of a Parquet file tells, or why a file cannot be used: read in this process, one file at a time.

A footer is read as bytes first, once: their hash is part of the file's identity, and whoever knows the hash can refuse
a damaged footer before Arrow parses it. Arrow can be made to end the process by a few flipped bits.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile

__all__ = ["BadFile", "Footer", "etag_of", "file_error", "footer_metadata", "read_footer", "read_tail"]

_MAGIC = b"PAR1"
_END = 8  # the footer's length, and the magic word
_OF_A_STORE = re.compile(r"AWS Error|google::cloud|Azure|curl", re.IGNORECASE)
"""Words of an object store's errors, which have no number."""

_GUESS = 1 << 16
"""Read at once from the end of a file: most footers fit."""


@dataclass(frozen=True)
class Footer:
    """What a file's footer tells. ``text_bytes`` are those of the text columns, uncompressed, of each row group."""

    file: SourceFile
    schema: pa.Schema
    rows: tuple[int, ...]
    text_bytes: tuple[int, ...]
    sha256: str = ""
    etag: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the footer as it travels between processes, without its file."""
        schema = base64.b64encode(self.schema.serialize()).decode()
        return {"schema": schema, "rows": self.rows, "text_bytes": self.text_bytes, "sha256": self.sha256} | (
            {"etag": self.etag} if self.etag else {}
        )

    @classmethod
    def from_json(cls, file: SourceFile, value: dict[str, Any]) -> Self:
        """Rebuild a footer that ``as_json`` gave."""
        return cls(
            file=file,
            schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value["schema"]))),
            rows=tuple(value["rows"]),
            text_bytes=tuple(value["text_bytes"]),
            sha256=value["sha256"],
            etag=value.get("etag"),
        )


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be read, and why: a word of a closed list, and a sentence."""

    file: SourceFile
    reason: FileReason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def read_tail(handle: Any) -> bytes:
    """Read a Parquet file's footer, with the eight bytes behind it.

    Raises:
        FileError: the file does not end as a Parquet file.
    """
    size = handle.size()
    if size == 0:
        raise FileError("it has zero bytes", reason=FileReason.ZERO_BYTES)
    tail = bytes(handle.read_at(min(size, _GUESS), max(size - _GUESS, 0)))
    if size < len(_MAGIC) + _END or tail[-4:] != _MAGIC:
        started = bytes(handle.read_at(min(size, 4), 0)) == _MAGIC
        if started:
            raise FileError("it starts as Parquet and does not end as Parquet", reason=FileReason.TRUNCATED)
        what = "it neither starts nor ends as Parquet, which alone is read: convert it first (pyarrow reads CSV, JSON)"
        raise FileError(what, reason=FileReason.NOT_PARQUET)
    length = int.from_bytes(tail[-_END:-4], "little") + _END
    if length > size - len(_MAGIC):
        raise FileError(
            f"its footer would have {length - _END:,} bytes, and the file has {size:,}",
            reason=FileReason.DAMAGED_FOOTER,
        )
    return tail[-length:] if length <= len(tail) else bytes(handle.read_at(length, size - length))


def footer_metadata(tail: bytes) -> pq.FileMetaData:
    """Parse what ``read_tail`` gave.

    Raises:
        FileError: it is damaged.
    """
    try:
        return pq.read_metadata(pa.BufferReader(_MAGIC + tail))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise FileError(_first_line(error), reason=FileReason.DAMAGED_FOOTER) from error


def read_footer(store: fs.FileSystem, base: str, file: SourceFile, text_columns: list[str]) -> Footer | BadFile:
    """Read the footer of a file of a store whose root is ``base``."""
    try:
        with store.open_input_file(f"{base}/{file.name}") as handle:
            tail = read_tail(handle)
            return _footer(file, tail, etag_of(handle), text_columns)
    except FileError as error:
        return BadFile(file, FileReason(error.reason), str(error))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last: a column's name is not UTF-8
        refused = file_error(file.name, error, FileReason.DAMAGED_FOOTER)
        return BadFile(file, FileReason(refused.reason), _first_line(error))


def _footer(file: SourceFile, tail: bytes, etag: str | None, text_columns: list[str]) -> Footer:
    metadata = footer_metadata(tail)
    wanted = [index for index in range(metadata.num_columns) if metadata.schema.column(index).path in text_columns]
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return Footer(
        file=file,
        schema=metadata.schema.to_arrow_schema(),
        rows=tuple(group.num_rows for group in groups),
        text_bytes=tuple(sum(group.column(index).total_uncompressed_size for index in wanted) for group in groups),
        sha256=hashlib.sha256(tail).hexdigest(),
        etag=etag,
    )


def etag_of(handle: Any) -> str | None:
    """Return what an object store calls the content of an opened file; filesystems have no such name."""
    found: bytes | None = (handle.metadata() or {}).get("ETag")
    return None if found is None else found.decode().strip('"')


def file_error(name: str, error: Exception, otherwise: FileReason) -> FileError:
    """Say which file could not be read, and why; ``otherwise`` is the reason where the filesystem is not to blame.

    Raises:
        MemoryError: it was one; Arrow's is an ArrowException too, and no fault of the file's.
    """
    if isinstance(error, MemoryError):
        raise error
    text = _first_line(error)
    if isinstance(error, FileNotFoundError):
        reason = FileReason.VANISHED
    elif isinstance(error, PermissionError) or "ACCESS_DENIED" in text or "AccessDenied" in text:
        reason = FileReason.NO_PERMISSION
    elif isinstance(error, OSError) and (error.errno is not None or _OF_A_STORE.search(text)):
        reason = FileReason.UNREADABLE
    else:
        reason = otherwise
    return FileError(f"{name} cannot be read: {text}", file=name, reason=reason)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
