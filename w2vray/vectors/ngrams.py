"""Vectors of words that have none, from those of their character n-grams, as fastText makes them.

A word is written ``<word>``; each run of ``shortest`` to ``longest`` of its characters is hashed into one of G buckets,
and the word's vector is the mean of the buckets' rows.

Shape letters: CONTRIBUTING.md.

Source: Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information"; buckets as fastText's dictionary
numbers them, so that vectors agree with its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NGrams"]

_FNV_OFFSET = np.uint32(2166136261)
_FNV_PRIME = np.uint32(16777619)
_BLOCK_WORDS = 1024


@dataclass(frozen=True, eq=False)
class NGrams:
    """The rows of hashed n-grams, and how long n-grams are. ``table_GD`` is shared, and nothing may write to it."""

    table_GD: npt.NDArray[Any]
    shortest: int
    longest: int

    def covers(self, word: str) -> bool:
        """Tell whether a word is long enough to have an n-gram."""
        return max(self.shortest, 1 if word else 2) <= min(self.longest, len(word) + 2)

    def rows(self, words: Sequence[str]) -> npt.NDArray[np.float32]:
        """Make made_MD: the mean of each word's n-grams, zero for a word too short to have any.

        A row depends on its word alone: n-grams are added one after another, whatever comes along.
        """
        made_MD = np.zeros((len(words), self.table_GD.shape[1]), dtype=np.float32)
        counts_M = self._add(made_MD, words)
        made_MD /= np.maximum(counts_M, 1).astype(np.float32)[:, None]
        return made_MD

    def composed(self, words: Sequence[str], own_WD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the vectors of words that have a row of their own: the mean of it and their n-grams'."""
        composed_WD = own_WD.astype(np.float32)
        counts_W = self._add(composed_WD, words)
        composed_WD /= (counts_W + 1).astype(np.float32)[:, None]
        return composed_WD

    def _add(self, sums_WD: npt.NDArray[np.float32], words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Add to each word's row its n-grams' rows, first to last, and return how many n-grams each word has."""
        counts_W = np.zeros(len(words), dtype=np.int64)
        for start in range(0, len(words), _BLOCK_WORDS):
            block = slice(start, start + _BLOCK_WORDS)
            ngrams = [word_ngrams(word, self.shortest, self.longest) for word in words[block]]
            counts = np.array([len(each) for each in ngrams])
            buckets = hash_ngrams([ngram for each in ngrams for ngram in each]) % np.uint32(len(self.table_GD))
            most_first = np.argsort(-counts, kind="stable")
            firsts = (np.cumsum(counts) - counts)[most_first]
            for position in range(int(counts.max(initial=0))):
                still = most_first[: int(np.count_nonzero(counts > position))]
                sums_WD[start + still] += self.table_GD[buckets[firsts[: len(still)] + position]]
            counts_W[block] = counts
        return counts_W


def word_ngrams(word: str, shortest: int, longest: int) -> list[bytes]:
    """Return the n-grams of a word in UTF-8, by where they start, then by length.

    Its edges alone (``<`` and ``>``) are none.

    Example:
        >>> word_ngrams("as", 2, 3)
        [b'<a', b'<as', b'as', b'as>', b's>']
    """
    marked = f"<{word}>"
    end = len(marked)
    return [
        marked[start:stop].encode()
        for start in range(end)
        for stop in range(start + max(shortest, 1), min(start + longest, end) + 1)
        if stop - start > 1 or 0 < start < end - 1
    ]


def hash_ngrams(ngrams: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """Hash n-grams: 32-bit FNV-1a whose bytes are taken as signed, which is how fastText's hash came to be."""
    lengths = np.array([len(ngram) for ngram in ngrams], dtype=np.int64)
    signed = np.frombuffer(b"".join(ngrams), dtype=np.int8).astype(np.int32).view(np.uint32)
    longest_first = np.argsort(-lengths, kind="stable")
    starts = (np.cumsum(lengths) - lengths)[longest_first]
    hashes = np.full(len(ngrams), _FNV_OFFSET, dtype=np.uint32)
    for position in range(int(lengths.max(initial=0))):
        still = int(np.count_nonzero(lengths > position))
        hashes[:still] = (hashes[:still] ^ signed[starts[:still] + position]) * _FNV_PRIME
    result = np.empty_like(hashes)
    result[longest_first] = hashes
    return result
