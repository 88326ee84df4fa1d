"""Words to rows of the table: a hash index in flat arrays.

A Python dict of three million words is rebuilt in every process and takes 430 MB of each one's own memory. Flat arrays
are shared through Ray's object store, or by memory map, at no private cost.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError

__all__ = ["MISSING", "Vocabulary", "hash_words"]

MISSING = -1
"""Row of a word that the table does not have."""

_EMPTY = -1
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SIDE_BY_SIDE = 256
"""Bytes of words that are hashed for all words at once; the rest of longer ones word by word."""


def hash_words(blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Hash each word's UTF-8 bytes: 64-bit FNV-1a, then one multiply-and-fold so that low and high bits are both good.

    Args:
        blob: bytes of all words, one after another.
        offsets: [W + 1], where each word starts; the last is the end of the last word.

    Source: Fowler, Noll, Vo; the final mix is MurmurHash3's first step.
    """
    lengths = np.diff(offsets)
    longest_first = np.argsort(-lengths, kind="stable")
    starts = np.asarray(offsets[:-1])[longest_first]
    descending = -lengths[longest_first]
    hashes = np.full(len(lengths), _FNV_OFFSET, dtype=np.uint64)
    for position in range(min(int(lengths.max(initial=0)), _SIDE_BY_SIDE)):
        still = int(np.searchsorted(descending, -position, side="left"))  # words longer than position
        hashes[:still] ^= blob[starts[:still] + position]
        hashes[:still] *= _FNV_PRIME
    for word in range(int(np.searchsorted(descending, -_SIDE_BY_SIDE, side="left"))):  # few are so long
        rest = blob[starts[word] + _SIDE_BY_SIDE : starts[word] - descending[word]].tobytes()
        hashes[word] = _fnv(int(hashes[word]), rest)
    hashes ^= hashes >> np.uint64(33)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(33)
    result = np.empty_like(hashes)
    result[longest_first] = hashes
    return result


def _fnv(value: int, data: bytes) -> int:
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def _flatten(words: Iterable[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    listed = list(words)
    offsets = np.zeros(len(listed) + 1, dtype=np.int64)
    np.cumsum([len(word) for word in listed], out=offsets[1:])
    return np.frombuffer(b"".join(listed), dtype=np.uint8), offsets


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a table, in row order, and an open-addressing index of them with linear probing.

    ``slot_rows[s]`` is the row of the word in slot s, or -1; ``slot_tags[s]`` the upper half of its hash, so that
    bytes are compared only when it is almost surely the word. A word's first slot is the low bits of its hash.
    """

    blob: npt.NDArray[np.uint8]  # UTF-8 of all words
    offsets: npt.NDArray[np.int64]  # [V + 1]
    slot_rows: npt.NDArray[np.int32]  # [slots]
    slot_tags: npt.NDArray[np.uint32]  # [slots], a power of two, at least 2V

    @classmethod
    def build(cls, words: Sequence[str] | Sequence[bytes]) -> "Vocabulary":
        """Index words; row i is ``words[i]``.

        Raises:
            VectorsError: a word is there twice.
        """
        blob, offsets = _flatten(word.encode() if isinstance(word, str) else word for word in words)
        slots = 1 << max(3, (2 * len(words) - 1).bit_length())
        hashes = hash_words(blob, offsets)
        slot_rows = _place(hashes, slots)
        slot_tags = np.zeros(slots, dtype=np.uint32)
        used = slot_rows != _EMPTY
        slot_tags[used] = (hashes[slot_rows[used]] >> np.uint64(32)).astype(np.uint32)
        vocabulary = cls(blob, offsets, slot_rows, slot_tags)
        found = vocabulary._find(blob, offsets, hashes)
        if (twice := np.flatnonzero(found != np.arange(len(words)))).size:
            row = int(twice[0])
            raise VectorsError(f"the word {vocabulary.word(row)!r} is in rows {found[row]} and {row}; each may be once")
        return vocabulary

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        return (self.word(row) for row in range(len(self)))

    def word(self, row: int) -> str:
        """Return the word of a row; of one that is no UTF-8, which no text finds, its bytes."""
        return self.blob[self.offsets[row] : self.offsets[row + 1]].tobytes().decode(errors="backslashreplace")

    def rows(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Find words exactly as they are written.

        Returns:
            [W] rows, ``MISSING`` for a word that is not there.
        """
        longest = self._longest  # of a longer word nothing need be looked at
        encoded = [word.encode() for word in words]
        longer = [number for number, word in enumerate(encoded) if len(word) > longest]
        for number in longer:
            encoded[number] = b""
        blob, offsets = _flatten(encoded)
        found = self._find(blob, offsets, hash_words(blob, offsets))
        found[longer] = MISSING
        return found

    @cached_property
    def _longest(self) -> int:
        """Bytes of the longest word."""
        return int(np.diff(self.offsets).max(initial=0))

    def _find(
        self, blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.int64]:
        """Probe all words side by side, a step for all at once, until each has met itself or an empty slot."""
        mask = len(self.slot_rows) - 1
        result = np.full(len(hashes), MISSING, dtype=np.int64)
        tags = (hashes >> np.uint64(32)).astype(np.uint32)
        asking = np.arange(len(hashes))
        slots = (hashes & np.uint64(mask)).astype(np.int64)
        while asking.size:
            rows = self.slot_rows[slots].astype(np.int64)
            alike = (rows != _EMPTY) & (self.slot_tags[slots] == tags[asking])
            hit = np.flatnonzero(alike)
            same = self._same_bytes(rows[hit], blob, offsets, asking[hit])
            result[asking[hit[same]]] = rows[hit[same]]
            going_on = rows != _EMPTY
            going_on[hit[same]] = False
            asking, slots = asking[going_on], (slots[going_on] + 1) & mask
        return result

    def _same_bytes(
        self,
        rows: npt.NDArray[np.int64],
        blob: npt.NDArray[np.uint8],
        offsets: npt.NDArray[np.int64],
        asked: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.bool_]:
        """Compare the words of ``rows`` with the asked ones, byte by byte, all pairs side by side."""
        mine, theirs = self.offsets[rows], offsets[asked]
        lengths = offsets[asked + 1] - theirs
        same: npt.NDArray[np.bool_] = (self.offsets[rows + 1] - mine) == lengths
        pairs = np.flatnonzero(same)
        total = lengths[pairs]
        if not total.sum():
            return same
        pair_of_byte = np.repeat(pairs, total)
        within = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
        differs = self.blob[mine[pair_of_byte] + within] != blob[theirs[pair_of_byte] + within]
        same[pair_of_byte[differs]] = False
        return same


def _place(hashes: npt.NDArray[np.uint64], slots: int) -> npt.NDArray[np.int32]:
    """Put each row into the first free slot from its own on; where two want one slot, the lower row gets it.

    A slot once taken stays taken, so every slot between a word's own and where it landed is in use: what probing needs.
    """
    mask = slots - 1
    slot_rows = np.full(slots, _EMPTY, dtype=np.int32)
    waiting = np.arange(len(hashes))
    wanted = (hashes & np.uint64(mask)).astype(np.int64)
    while waiting.size:
        free = slot_rows[wanted] == _EMPTY
        slot, first = np.unique(wanted[free], return_index=True)
        slot_rows[slot] = waiting[free][first]
        lost = slot_rows[wanted] != waiting
        waiting, wanted = waiting[lost], (wanted[lost] + 1) & mask
    return slot_rows
