"""Rows of a file that a table has deleted without writing the file anew: how a plan tells them to whoever reads it."""

import base64
import zlib

import numpy as np
import numpy.typing as npt

__all__ = ["count_deleted", "deleted_between", "deleted_rows"]


def deleted_between(deleted_N: npt.NDArray[np.int64], start: int, rows: int) -> str | None:
    """Return the deleted ones of some rows of a file as text, counted from ``start``; None where there are none.

    Args:
        deleted_N: deleted rows of the file, in order.
        start: the first of the rows in question.
        rows: how many there are.

    Example:
        >>> deleted_rows(deleted_between(np.array([3, 11, 12, 40]), start=10, rows=20))
        array([1, 2])
    """
    first, last = np.searchsorted(deleted_N, [start, start + rows])
    if first == last:
        return None
    gaps = np.diff(deleted_N[first:last] - start, prepend=0).astype("<i8")
    return f"{last - first}:{base64.b64encode(zlib.compress(gaps.tobytes())).decode()}"


def deleted_rows(text: str | None) -> npt.NDArray[np.int64]:
    """Return what ``deleted_between`` gave as numbers of rows."""
    if text is None:
        return np.zeros(0, dtype=np.int64)
    gaps = np.frombuffer(zlib.decompress(base64.b64decode(text.partition(":")[2])), dtype="<i8")
    return np.cumsum(gaps)


def count_deleted(text: str | None) -> int:
    """Return how many rows ``deleted_between`` found."""
    return 0 if text is None else int(text.partition(":")[0])
