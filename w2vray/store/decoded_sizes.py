"""What Arrow's columns take in memory once their dictionaries are decoded."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.schema import holds_views, without_views

__all__ = ["bytes_of_all", "holds_dictionary", "longest_named"]


def bytes_of_all(batch: pa.RecordBatch) -> int:
    """Return what a batch takes in memory, a dictionary's values counted in each of their rows."""
    if not any(map(_counts_otherwise, batch.schema.types)):
        return int(batch.nbytes)
    return sum(map(_bytes_of, batch.columns))


@lru_cache(maxsize=1024)
def _counts_otherwise(kind: pa.DataType) -> bool:
    return holds_dictionary(kind) or holds_views(kind)


def _bytes_of(array: pa.Array) -> int:
    kind = array.type
    if not _counts_otherwise(kind):
        return int(array.nbytes)
    if pa.types.is_dictionary(kind):
        used_N = array.indices.drop_null().to_numpy()
        return _bytes_named(array.dictionary, used_N) if len(used_N) else 0
    if holds_dictionary(kind):
        return sum(map(_bytes_of, _inside(array)))
    try:  # a slice has all the bytes of the views that it was cut from
        return int(array.cast(without_views(kind)).nbytes)
    except pa.ArrowNotImplementedError:
        return 0


def _bytes_named(values: pa.Array, used_N: npt.NDArray[np.integer[Any]]) -> int:
    """Return how many bytes those values of a dictionary have that are named, each time that they are."""
    ends_N1 = _ends(values)
    if ends_N1 is None:
        return int(len(used_N) * values.nbytes // len(values))
    return int((ends_N1[used_N + 1] - ends_N1[used_N]).sum(dtype=np.int64))


def _ends(values: pa.Array) -> npt.NDArray[np.integer[Any]] | None:
    """Return where values of strings or bytes end in memory, and where the first one starts; None of others."""
    if holds_views(values.type):
        values = values.cast(without_views(values.type))
    kind = values.type
    small = pa.types.is_string(kind) or pa.types.is_binary(kind)
    if not (small or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
        return None
    ends_N1: npt.NDArray[np.integer[Any]] = np.frombuffer(values.buffers()[1], dtype=np.int32 if small else np.int64)
    return ends_N1[values.offset : values.offset + len(values) + 1]


def _inside(array: pa.Array) -> Sequence[pa.Array]:
    """Return what a nested array holds."""
    if pa.types.is_map(array.type):
        start, stop = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
        return [half.slice(start, stop - start) for half in (array.keys, array.items)]
    flat = array.flatten()
    return flat if pa.types.is_struct(array.type) else [flat]


def longest_named(array: pa.Array) -> int:
    """Return the bytes of the longest value of the dictionary that a column is, or that is inside it."""
    while not pa.types.is_dictionary(array.type):
        array = next(inner for inner in _inside(array) if holds_dictionary(inner.type))
    if not len(array.dictionary):
        return 0
    ends_N1 = _ends(array.dictionary)
    return 0 if ends_N1 is None else int(np.diff(ends_N1).max())


def holds_dictionary(kind: pa.DataType) -> bool:
    """Tell whether a type is a dictionary, or has one at any depth."""
    if pa.types.is_dictionary(kind):
        return True
    return any(holds_dictionary(kind.field(index).type) for index in range(kind.num_fields))
