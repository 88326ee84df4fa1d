"""Arrays that are mapped from files: which of their pages this process holds in memory."""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["let_go"]


def let_go(array: npt.NDArray[Any]) -> None:
    """Let go of the pages of the file that a read-only array is mapped from; whoever reads there again gets them again.

    For the array that goes through the whole of a table once: its pages would count as this process's memory until its
    end. What is no map of a file, and any system that does not know how, stays as it is.
    """
    if array.flags.writeable or not hasattr(mmap, "MADV_DONTNEED"):
        return  # of a private copy, what was written there would be lost
    held: Any = array
    while isinstance(held, np.ndarray):
        held = held.base
    if isinstance(held, memoryview):
        held = held.obj
    if isinstance(held, mmap.mmap):
        held.madvise(mmap.MADV_DONTNEED)
