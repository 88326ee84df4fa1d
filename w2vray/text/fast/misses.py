"""Words that have no row of the table, each kept once, and the words that were met lately.

Most tokens are common words of up to 16 bytes: those are found, as two whole numbers, in a small table of words met
lately, and are neither hashed byte by byte nor compared.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.aligning import aligned
from w2vray.kernels.compiling import inlined, kernel
from w2vray.text.fast.index import FNV_OFFSET, FNV_PRIME, HALF, mixed, same_bytes
from w2vray.text.fast.peeking import eight_bytes

__all__ = [
    "BUT_ONE",
    "BYTE",
    "LATELY",
    "LATELY_BYTES",
    "Misses",
    "empty_misses",
    "grown",
    "hash_bytes",
    "last_bytes",
    "last_bytes_at_once",
    "none_lately",
    "number_of_miss",
    "place_of",
]

_ODD_LOW, _ODD_HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
BYTE, BUT_ONE, _SHIFT = np.uint64(8), np.uint64(56), np.uint64(64 - 17)

_NO_WORD = np.uint64(0xFFFFFFFFFFFFFFFF)  # no text has such bytes

LATELY = 1 << 17
"""Places in the table of words met lately, each of four numbers: the last 16 bytes as two, the code, and one more.

Of film reviews, 2.4 % of the words are not found there. With two words a place it is 0.9 %, and takes as long."""

LATELY_BYTES = 16
"""Bytes of such a word at most."""


class Misses(NamedTuple):
    """Distinct words without a row, found again by the same hash; there are at least twice as many slots."""

    blob: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]  # [capacity + 1]
    slots: npt.NDArray[np.int32]  # [slots] number of the word, or -1
    tags: npt.NDArray[np.uint32]  # [slots]


@inlined
def hash_bytes(data: npt.NDArray[np.uint8], at: int, end: int, lower: npt.NDArray[np.uint8]) -> int:
    """Hash a token as ``vocabulary.hash_words`` does."""
    value = FNV_OFFSET
    for byte in range(at, end):
        value = (value ^ np.uint64(lower[data[byte]])) * FNV_PRIME
    return mixed(value)


@inlined
def number_of_miss(
    misses: Misses, count: int, value: int, data: npt.NDArray[np.uint8], at: int, end: int, lower: npt.NDArray[np.uint8]
) -> int:
    """Return the number of a word without a row; ``count`` where it is new, and kept now."""
    mask = np.uint64(len(misses.slots) - 1)
    tag = np.uint32(value >> HALF)
    slot = value & mask
    while True:
        number = misses.slots[slot]
        if number < 0:
            break
        if misses.tags[slot] == tag:
            start = misses.ends[number]
            if misses.ends[number + 1] - start == end - at and same_bytes(misses.blob, start, data, at, end, lower):
                return number
        slot = (slot + np.uint64(1)) & mask
    start = misses.ends[count]
    for byte in range(end - at):
        misses.blob[start + byte] = lower[data[at + byte]]
    misses.ends[count + 1] = start + end - at
    misses.slots[slot] = count
    misses.tags[slot] = tag
    return count


@inlined
def last_bytes(data: npt.NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Return the last 16 bytes of a token, as they are written, as two numbers: the last eight, and those before."""
    low = high = np.uint64(0)
    for back in range(1, min(end - at, 8) + 1):
        low = low << BYTE | np.uint64(data[end - back])
    for back in range(9, min(end - at, 16) + 1):
        high = high << BYTE | np.uint64(data[end - back])
    return low, high


@inlined
def last_bytes_at_once(data: npt.NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Return what ``last_bytes`` does, where so many bytes are before ``end``.

    It has no loop, so that it is put into the loops that call it; one that chose between both would not be, and with a
    call a word takes twice as long to find.
    """
    missing, before_it = max(8 - (end - at), 0), min(max(end - at - 8, 0), 8)
    low = eight_bytes(data, end - 8) >> np.uint64(8 * missing)
    high = eight_bytes(data, end - 16) >> np.uint64(8 * (8 - before_it) & 63)
    return low, high * np.uint64(before_it > 0)


@inlined
def place_of(low: Any, high: Any) -> int:
    """Return the place of a word among those met lately, by its last bytes."""
    return 4 * np.int64((low * _ODD_LOW ^ high * _ODD_HIGH) >> _SHIFT)


def none_lately() -> npt.NDArray[np.uint64]:
    """Return the table of words met lately, as long as none was; a place of it lies within a line of the cache."""
    table: npt.NDArray[np.uint64] = aligned(8 * LATELY).view(np.uint64)
    table[:] = _NO_WORD
    return table


@kernel
def empty_misses(capacity: int, size: int) -> Misses:
    """Return room for so many words of so many bytes in all."""
    slots = 1
    while slots < 2 * capacity:
        slots *= 2
    blob = np.empty(size, dtype=np.uint8)
    ends = np.zeros(capacity + 1, dtype=np.int64)
    return Misses(blob, ends, np.full(slots, -1, dtype=np.int32), np.zeros(slots, dtype=np.uint32))


@kernel
def grown(misses: Misses, count: int) -> Misses:
    """Return the words in twice the room."""
    larger = empty_misses(2 * (len(misses.ends) - 1), 2 * len(misses.blob))
    as_it_is = np.arange(256).astype(np.uint8)
    for number in range(count):
        start, end = misses.ends[number], misses.ends[number + 1]
        value = hash_bytes(misses.blob, start, end, as_it_is)
        number_of_miss(larger, number, value, misses.blob, start, end, as_it_is)
    return larger
