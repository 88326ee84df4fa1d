"""The hash index of a vocabulary, as compiled code looks words up in it.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, read_only
from w2vray.text.vocabulary import Vocabulary

__all__ = ["FNV_OFFSET", "FNV_PRIME", "HALF", "Index", "found_row", "mixed", "same_bytes"]

FNV_OFFSET, FNV_PRIME, _MIX = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(0xFF51AFD7ED558CCD)
"""A word's bytes are hashed as ``vocabulary.hash_words`` does: from the offset on, each is put in and multiplied."""

HALF, _FOLD = np.uint64(32), np.uint64(33)


class Index(NamedTuple):
    """The flat arrays of a ``Vocabulary``."""

    blob: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    slot_rows: npt.NDArray[np.int32]
    slot_tags: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> "Index":
        """View the arrays as kernels take them."""
        return cls(
            read_only(vocabulary.blob),
            read_only(vocabulary.offsets),
            read_only(vocabulary.slot_rows),
            read_only(vocabulary.slot_tags),
        )


@inlined
def mixed(value: Any) -> int:
    """Return a word's hash, given what its bytes came to."""
    value ^= value >> _FOLD
    value *= _MIX
    return value ^ (value >> _FOLD)


@inlined
def same_bytes(
    blob: npt.NDArray[np.uint8],
    start: int,
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    lower: npt.NDArray[np.uint8],
) -> bool:
    """Tell whether a word's bytes are those of a token, as the family writes them."""
    for byte in range(end - at):
        if blob[start + byte] != lower[data[at + byte]]:
            return False
    return True


@inlined
def found_row(
    words: npt.NDArray[np.uint8],
    word_offsets: npt.NDArray[np.int64],
    slot_rows: npt.NDArray[np.int32],
    slot_tags: npt.NDArray[np.uint32],
    value: Any,
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    lower: npt.NDArray[np.uint8],
) -> int:
    """Return the row of a token, or -1."""
    mask = np.uint64(len(slot_rows) - 1)
    tag = np.uint32(value >> HALF)
    slot = value & mask
    while True:
        row = slot_rows[slot]
        if row < 0:
            return -1
        if slot_tags[slot] == tag:
            start = word_offsets[row]
            if word_offsets[row + 1] - start == end - at and same_bytes(words, start, data, at, end, lower):
                return row
        slot = (slot + np.uint64(1)) & mask
