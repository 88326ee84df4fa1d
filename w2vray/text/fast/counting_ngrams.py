"""Runs of words to counted buckets, in compiled code: the same ``NgramCounts`` as ``WordNgrams.counted`` gives.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.kernels.loading import call_for
from w2vray.text.fast.index import FNV_OFFSET, FNV_PRIME, Index, mixed
from w2vray.text.vocabulary import Vocabulary
from w2vray.text.word_ngrams import NGRAM_FACTOR, SPREAD, NgramCounts, WordNgrams

__all__ = ["NgramCounter"]

_FACTOR, _SPREAD = np.uint64(NGRAM_FACTOR), np.uint64(SPREAD)
_BUCKETS = 1 << 16
_KEPT_BUCKETS = 1 << 22
_LEAST_SLOTS = 1 << 10
_MOST_TEXTS = (1 << 31) - 1
_UNKNOWN = np.uint64(0)
_A, _Z, _SMALL = np.uint8(ord("A")), np.uint8(ord("Z")), np.uint8(0x20)


class _Slots(NamedTuple):
    """A hash table of a text's buckets. What another text has left is told by its number in ``of_text_S``."""

    of_text_S: npt.NDArray[np.int32]
    bucket_S: npt.NDArray[np.int32]
    place_S: npt.NDArray[np.int32]  # among the buckets of the text

    @classmethod
    def empty(cls, slots: int) -> "_Slots":
        """Make a table of so many slots, a power of two."""
        return cls(np.zeros(slots, np.int32), np.empty(slots, np.int32), np.empty(slots, np.int32))


class NgramCounter:
    """Counts the runs of words in blocks of looked-up texts."""

    def __init__(self, rules: WordNgrams, vocabulary: Vocabulary) -> None:
        self._rules = rules
        self._numbers_B = read_only(rules.numbers_B)
        self._words = Index.of(vocabulary)
        self._hashes_V = np.zeros(len(vocabulary), dtype=np.uint64)  # of the words that were met
        self._slots = _Slots.empty(_LEAST_SLOTS)
        self._texts = 0  # that were counted with these slots
        self._buckets = np.empty(_BUCKETS, dtype=np.int32)
        self._times = np.empty(_BUCKETS, dtype=np.int32)

    @property
    def hashes_V(self) -> npt.NDArray[np.uint64]:
        """The hashes of the words of the vocabulary, of those that were met."""
        return self._hashes_V

    def __call__(
        self,
        codes_L: npt.NDArray[np.int32],
        ends_N: npt.NDArray[np.int64],
        hashes_E: npt.NDArray[np.uint64],
        offsets_W1: npt.NDArray[np.int64],
    ) -> NgramCounts:
        """Count the runs of texts.

        Args:
            codes_L: row of each token, or -1 less the number of its miss.
            ends_N: tokens before the end of each text.
            hashes_E: of the entries of the misses.
            offsets_W1: entries before each miss.
        """
        if self._texts + len(ends_N) >= _MOST_TEXTS:
            self._slots = _Slots.empty(len(self._slots.bucket_S))
            self._texts = 0
        bucket_ends_N = np.empty(len(ends_N), dtype=np.int64)
        text = used = 0
        while True:
            text, used, needed = _count(
                codes_L,
                ends_N,
                read_only(hashes_E),
                read_only(offsets_W1),
                self._words,
                self._hashes_V,
                self._rules.longest,
                np.uint64(64 - self._rules.bits),
                self._numbers_B,
                self._slots,
                self._texts,
                text,
                used,
                self._buckets,
                self._times,
                bucket_ends_N,
            )
            if text == len(ends_N):
                break
            if 2 * needed > len(self._slots.bucket_S):
                self._slots = _Slots.empty(1 << (2 * needed - 1).bit_length())
                self._texts = 0
            if used + needed > len(self._buckets):
                room = max(2 * len(self._buckets), used + needed)
                self._buckets = _longer(self._buckets, room)
                self._times = _longer(self._times, room)
        self._texts += len(ends_N)
        counts = NgramCounts(
            self._buckets[:used].copy(), self._times[:used].copy(), np.concatenate(([0], bucket_ends_N))
        )
        if used > _KEPT_BUCKETS:
            self._buckets, self._times = np.empty(_BUCKETS, dtype=np.int32), np.empty(_BUCKETS, dtype=np.int32)
        return counts


def _longer(array: npt.NDArray[np.int32], room: int) -> npt.NDArray[np.int32]:
    return np.concatenate([array, np.empty(room - len(array), dtype=np.int32)])


@inlined
def _hashed(words: Index, row: int) -> np.uint64:
    """Hash a word as ``hashes_of`` does."""
    value = FNV_OFFSET
    for at in range(words.offsets[row], words.offsets[row + 1]):
        byte = words.blob[at]
        if _A <= byte <= _Z:
            byte = np.uint8(byte | _SMALL)
        value = (value ^ np.uint64(byte)) * FNV_PRIME
    return mixed(value)


@kernel
def _count(
    codes_L: npt.NDArray[np.int32],
    ends_N: npt.NDArray[np.int64],
    hashes_E: npt.NDArray[np.uint64],
    offsets_W1: npt.NDArray[np.int64],
    words: Index,
    hashes_V: npt.NDArray[np.uint64],
    longest: int,
    shift: np.uint64,
    numbers_B: npt.NDArray[np.int32],
    slots: _Slots,
    texts_before: int,
    first_text: int,
    used: int,
    buckets: npt.NDArray[np.int32],
    times: npt.NDArray[np.int32],
    bucket_ends_N: npt.NDArray[np.int64],
) -> tuple[int, int, int]:
    """Write the buckets of texts, until one needs more room than there is.

    Returns:
        The text to go on from, how many buckets are written, and how many that text may have at most.
    """
    of_text_S, bucket_S, place_S = slots.of_text_S, slots.bucket_S, slots.place_S
    mask = len(bucket_S) - 1
    runs = np.zeros(longest, dtype=np.uint64)  # of the last word, the last two words, and so on
    for text in range(first_text, len(ends_N)):
        begin, end = ends_N[text - 1] if text else 0, ends_N[text]
        most = 0
        for token in range(begin, end):
            code = codes_L[token]
            most += 1 if code >= 0 else offsets_W1[-code] - offsets_W1[-1 - code]
        most *= longest
        if 2 * most > len(bucket_S) or used + most > len(buckets):
            return text, used, most
        mark = np.int32(texts_before + text + 1)
        seen, last_run = 0, used
        for token in range(begin, end):
            code = codes_L[token]
            first, last = (0, 1) if code >= 0 else (offsets_W1[-1 - code], offsets_W1[-code])
            for entry in range(first, last):
                if code >= 0:
                    value = hashes_V[code]
                    if value == _UNKNOWN:
                        value = _hashed(words, code)
                        hashes_V[code] = value
                else:
                    value = hashes_E[entry]
                for longer in range(min(longest - 1, seen), 0, -1):
                    runs[longer] = runs[longer - 1] * _FACTOR + value
                runs[0] = value
                seen += 1
                for longer in range(min(longest, seen)):
                    bucket = np.int64((runs[longer] * _SPREAD) >> shift)
                    if len(numbers_B):
                        call_for(numbers_B, bucket)
                    buckets[last_run] = bucket  # what stands here is read before what is counted is written over it
                    last_run += 1
        begun = used
        for run in range(begun, last_run):
            bucket = np.int64(buckets[run])
            if len(numbers_B):
                bucket = np.int64(numbers_B[bucket])
                if bucket < 0:
                    continue
            slot = (bucket * 0x9E3779B1 >> 7) & mask
            while of_text_S[slot] == mark and bucket_S[slot] != bucket:
                slot = (slot + 1) & mask
            if of_text_S[slot] == mark:
                times[begun + place_S[slot]] += 1
            else:
                of_text_S[slot], bucket_S[slot], place_S[slot] = mark, bucket, used - begun
                buckets[used], times[used] = bucket, 1
                used += 1
        bucket_ends_N[text] = used
    return len(ends_N), used, 0
