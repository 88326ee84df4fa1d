"""Files opened, and errors of filesystems told as the file's."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import FileError, W2vrayError
from w2vray.places.uris import first_line
from w2vray.schema import FileReason

__all__ = ["NAMELESS_FOLDER", "UNREADABLE", "errors_of", "etag_of", "file_error"]

UNREADABLE = (OSError, pa.ArrowException, UnicodeDecodeError)
"""What Arrow raises where a file cannot be read; the last where the name of a column is not UTF-8."""

NAMELESS_FOLDER = "a key with // in it has a folder without a name, which Arrow cannot open; copy it to another key"

_OF_A_STORE = re.compile(r"AWS Error|google::cloud|Azure|curl", re.IGNORECASE)
"""Words in the errors of object stores, which carry no number."""

_OF_THE_MACHINE = re.compile(r"Failed to launch worker thread|Resource temporarily unavailable|Too many open files")
"""Words in Arrow's errors where the machine, or its limits, let this process have no more of something."""


@contextmanager
def errors_of(store: fs.FileSystem) -> Iterator[None]:
    """Let errors of a filesystem that is written in Python, as that of ``hf://``, be those of reading.

    Raises:
        OSError: in the place of one that is no class of Arrow's or Python's own for files.
    """
    try:
        yield
    except (*UNREADABLE, W2vrayError, MemoryError):
        raise
    except Exception as error:
        if not store.type_name.startswith("py::"):
            raise
        raise OSError(errno.EIO, f"{type(error).__name__}: {first_line(error)}") from error


def etag_of(handle: Any) -> str | None:
    """Return what an object store calls the content of an opened file; other filesystems have no such name."""
    found: bytes | None = (handle.metadata() or {}).get("ETag")
    return None if found is None else found.decode().strip('"')


def file_error(name: str, error: Exception, otherwise: FileReason) -> FileError:
    """Say which file could not be read, and why; ``otherwise`` is the reason where the filesystem is not to blame.

    Raises:
        MemoryError: it was one; Arrow's is an ArrowException too, and no fault of the file's.
    """
    if isinstance(error, MemoryError):
        raise error
    text = first_line(error)
    if isinstance(error, FileNotFoundError):
        reason = FileReason.VANISHED
    elif isinstance(error, PermissionError) or "ACCESS_DENIED" in text or "AccessDenied" in text:
        reason = FileReason.NO_PERMISSION
    elif _OF_THE_MACHINE.search(text) or (
        isinstance(error, OSError) and (error.errno is not None or _OF_A_STORE.search(text))
    ):
        reason = FileReason.UNREADABLE
    else:
        reason = otherwise
    return FileError(f"{name} cannot be read: {text}", file=name, reason=reason)
