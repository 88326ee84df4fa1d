"""A record that cannot be read: it is a row all the same, without values, that says why."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from w2vray.schema import DAMAGE, DAMAGE_COLUMN, Reason
from w2vray.store.plain.records import LARGEST_RECORD

__all__ = ["Damage", "is_utf8", "not_utf8", "too_long", "with_damage"]


class Damage(NamedTuple):
    """Why a record cannot be read."""

    reason: Reason
    detail: str


def with_damage(batch: pa.RecordBatch, damages: Sequence[Damage | None]) -> pa.RecordBatch:
    """Return a batch with what is wrong with each of its rows; as it is where nothing is."""
    if not any(damages):
        return batch
    told = [None if item is None else {"reason": item.reason.value, "detail": item.detail} for item in damages]
    return batch.append_column(pa.field(DAMAGE_COLUMN, DAMAGE), pa.array(told, DAMAGE))


def too_long(line: int) -> Damage:
    """Say that a record is longer than any may be."""
    detail = f"line {line}: the record has more than {LARGEST_RECORD:,} bytes, the most that is read as one"
    return Damage(Reason.TOO_LONG, detail)


def not_utf8(line: int, error: UnicodeDecodeError) -> Damage:
    """Say that a record is not UTF-8."""
    detail = f"line {line}: byte {error.start} of {len(error.object)}: {error.reason}"
    return Damage(Reason.INVALID_UTF8, detail)


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8, without a copy of them."""
    offsets = pa.py_buffer(np.array([0, len(data)], dtype=np.int64))
    try:
        pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(data)]).cast(
            pa.large_string()
        )
    except pa.ArrowInvalid:
        return False
    return True
