"""Runs of words in hashed buckets: what a model's wide part reads, beside the vectors of words.

A run is of one word or of several. Every word counts, whether it has a vector or not: as the look-up found it, or as it
is written where the look-up found nothing, and the letters A to Z are the same as a to z. A text has each bucket once,
with the number of times.

Source of the sum that a run is hashed by: ``Dictionary::addWordNgrams`` of fastText 0.9.2; here the hashes of words
have 64 bits, and the upper bits of a product name the bucket.

Shape letters: CONTRIBUTING.md; G counts the buckets of all texts, one text after another.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from w2vray.text.vocabulary import MISSING, hash_words

__all__ = ["NGRAM_FACTOR", "SPREAD", "NgramCounts", "WordNgrams", "hashes_of"]

NGRAM_FACTOR = 116049371
SPREAD = 0x9E3779B97F4A7C15
"""An odd number: its product with a hash has good upper bits, also where runs differ little."""

_ALL_BITS = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, eq=False)
class NgramCounts:
    """The buckets of N texts and how often each text has them, in the order in which they come first in the text."""

    buckets_G: npt.NDArray[np.int32]
    times_G: npt.NDArray[np.int32]
    offsets_N1: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1

    @property
    def lengths_N(self) -> npt.NDArray[np.int64]:
        """How many buckets each text has."""
        return np.diff(self.offsets_N1)

    def of(self, texts_B: npt.NDArray[np.int64]) -> "NgramCounts":
        """Copy those of some texts."""
        lengths_B = self.lengths_N[texts_B]
        ends_B = np.cumsum(lengths_B)
        places_G = np.repeat(self.offsets_N1[texts_B] - (ends_B - lengths_B), lengths_B) + np.arange(lengths_B.sum())
        return NgramCounts(self.buckets_G[places_G], self.times_G[places_G], np.concatenate(([0], ends_B)))

    def first(self, texts: int) -> "NgramCounts":
        """Return those of the first so many texts."""
        offsets_N1 = self.offsets_N1[: texts + 1]
        return NgramCounts(self.buckets_G[: offsets_N1[-1]], self.times_G[: offsets_N1[-1]], offsets_N1)

    @classmethod
    def joined(cls, parts: Sequence["NgramCounts"]) -> "NgramCounts":
        """Put texts one after another."""
        lengths_N = np.concatenate([np.empty(0, dtype=np.int64), *(part.lengths_N for part in parts)])
        none = np.empty(0, dtype=np.int32)
        buckets_G, times_G = (
            (np.concatenate([none, *arrays]) for arrays in zip(*((p.buckets_G, p.times_G) for p in parts), strict=True))
            if parts
            else (none, none)
        )
        return cls(buckets_G, times_G, np.concatenate(([0], np.cumsum(lengths_N))))


@dataclass(frozen=True, eq=False)
class WordNgrams:
    """Which runs are counted: of up to ``longest`` words, in ``2 ** bits`` buckets.

    ``numbers_B`` gives the number that each bucket has in a model. A bucket that it does not know has ``MISSING``
    and is not counted. Where it is empty, all are counted, and a bucket is its own number.
    """

    longest: int
    bits: int
    numbers_B: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def counted(self, texts: Iterable[Sequence[int]]) -> NgramCounts:
        """Count the runs of texts, each of which is the hashes of its words."""
        buckets: list[int] = []
        times: list[int] = []
        ends = [0]
        for hashes in texts:
            found: dict[int, int] = {}
            for _, _, bucket in self.runs(hashes):
                found[bucket] = found.get(bucket, 0) + 1
            buckets += found.keys()
            times += found.values()
            ends.append(len(buckets))
        return NgramCounts(
            np.array(buckets, dtype=np.int32), np.array(times, dtype=np.int32), np.array(ends, dtype=np.int64)
        )

    def runs(self, hashes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Yield the first and the last word of each run of a text that is counted, and its bucket."""
        for last in range(len(hashes)):
            for first in range(last, max(last - self.longest, -1), -1):
                bucket = self._number(self._run(hashes[first : last + 1]))
                if bucket != MISSING:
                    yield first, last, bucket

    @staticmethod
    def _run(hashes: Sequence[int]) -> int:
        value, *others = hashes
        for following in others:
            value = value * NGRAM_FACTOR + following & _ALL_BITS
        return value

    def _number(self, value: int) -> int:
        bucket = (value * SPREAD & _ALL_BITS) >> (64 - self.bits)
        return int(self.numbers_B[bucket]) if self.numbers_B.size else bucket


def hashes_of(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return the hash of each word, hashes_W; A to Z are hashed as a to z."""
    small = [word.encode().lower() for word in words]
    offsets = np.concatenate(([0], np.cumsum([len(word) for word in small], dtype=np.int64)))
    return hash_words(np.frombuffer(b"".join(small), dtype=np.uint8), offsets)
