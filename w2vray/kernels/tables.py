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


def made_by(*facts: object, sources: Iterable[Path]) -> str:
    """Return the name for what is made of some facts by some source files: another one where any of it changes."""
    digest = hashlib.sha256(repr(facts).encode())
    for source in sorted(sources):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def kept_table(name: str, length: int, dtype: Any, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the table [length] that was kept by this name, in the memory of all who read it; or make and keep it."""
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / f"{name}.npy"
    with suppress(OSError, ValueError, EOFError):  # it is not there, or damaged
        table: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if table.shape == (length,) and table.dtype == dtype:
            return table
    table = make()
    draft = path.with_name(f"{name}-{uuid.uuid4().hex}")
    with suppress(OSError):  # the disk is full: it is used all the same
        try:
            with draft.open("xb") as stream:
                np.save(stream, table, allow_pickle=False)
            draft.replace(path)  # whole, or not at all
        finally:
            draft.unlink(missing_ok=True)
    return table
