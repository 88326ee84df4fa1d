"""Tables that kernels read and that take a while to make: kept beside the machine code, for the next process."""

import hashlib
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import cache_folder

__all__ = ["kept_table", "made_by"]

_DIGEST = hashlib.sha256().digest_size
"""Bytes before a table by which a damaged one is known."""


def made_by(*facts: object, sources: Iterable[Path]) -> str:
    """Return the name for what is made of some facts by some source files: another one where any of it changes."""
    digest = hashlib.sha256(repr(facts).encode())
    for source in sorted(sources):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def kept_table(name: str, length: int, dtype: Any, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the table [length] that was kept by this name; or make and keep it."""
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / f"{name}.table"
    with suppress(OSError):  # it is not there
        digest, kept = (data := path.read_bytes())[:_DIGEST], data[_DIGEST:]
        if digest == hashlib.sha256(kept).digest() and len(kept) == length * np.dtype(dtype).itemsize:
            return np.frombuffer(kept, dtype=dtype)
    table = make()
    kept = table.tobytes()
    draft = path.with_name(f"{name}-{uuid.uuid4().hex}")
    with suppress(OSError):  # the disk is full: it is used all the same
        try:
            draft.write_bytes(hashlib.sha256(kept).digest() + kept)
            draft.replace(path)  # whole, or not at all
        finally:
            draft.unlink(missing_ok=True)
    return table
