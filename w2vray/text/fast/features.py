"""Texts to the rows of their features, in compiled code: the same ``Ids`` as ``FeatureLookup`` gives.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.text.fast.feature_words import LABEL, OFFSET, find_words, hashed, look_up, words_ahead
from w2vray.text.fast.index import Index
from w2vray.text.fast.misses import none_lately
from w2vray.text.fast.writing import FlatTexts
from w2vray.text.features import LINE_END, NGRAM_FACTOR, FeatureLookup, Features, hash_bytes
from w2vray.text.lookup import Ids

__all__ = ["FastFeatures"]

_MOST_KNOWN = 1 << 22
"""Rows of n-grams of the commonest words that are found once and kept, 16 MiB of them."""

_ROWS = 1 << 16
_KEPT_ROWS = 1 << 22
_FACTOR = np.uint64(NGRAM_FACTOR)
_BEFORE, _BEHIND = np.uint8(ord("<")), np.uint8(ord(">"))


class _Reading(NamedTuple):
    """``Features`` as kernels take them."""

    shortest: int
    longest: int
    word_ngrams: int
    buckets: np.uint64
    first: int  # row of the first bucket
    bucket_rows: npt.NDArray[np.int32]
    line_end: int  # its row
    line_end_hash: np.uint32

    @classmethod
    def of(cls, lookup: FeatureLookup, features: Features) -> Self:
        """View the features of a look-up."""
        row = int(lookup.vocabulary.rows([LINE_END.decode()])[0])
        return cls(
            features.shortest,
            features.longest,
            features.word_ngrams,
            np.uint64(features.buckets),
            len(lookup.vocabulary),
            read_only(features.bucket_rows),
            row,
            np.uint32(hash_bytes(LINE_END)),
        )


class _Known(NamedTuple):
    """The rows of the character n-grams of the first words of the vocabulary, which are the commonest.

    Those of the word r are ``rows[offsets[r] : offsets[r + 1]]``.
    """

    rows: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, reading: _Reading, words: Index) -> Self:
        """Find them, for as many words as there is room for."""
        rows = np.empty(_MOST_KNOWN if reading.longest else 0, dtype=np.int32)
        offsets = np.zeros(len(words.offsets) if reading.longest else 1, dtype=np.int64)
        known = _know(words, reading, rows, offsets)
        return cls(read_only(rows[: offsets[known]].copy()), read_only(offsets[: known + 1]))


class FastFeatures:
    """Look up blocks of texts as ``lookup`` does."""

    def __init__(self, lookup: FeatureLookup) -> None:
        assert lookup.features is not None
        self.lookup = lookup
        self._reading = _Reading.of(lookup, lookup.features)
        self._words, self._labels = Index.of(lookup.vocabulary), Index.of(lookup.features.labels)
        self._known = _Known.of(self._reading, self._words)
        self._lately = none_lately()
        self._ids = np.empty(_ROWS, dtype=np.int32)

    def __call__(self, texts: pa.LargeStringArray) -> Ids:
        """Look up texts (no nulls)."""
        flat = FlatTexts.viewed(texts)
        ends_N = np.empty(len(texts), dtype=np.int64)
        counts_N, found_N = np.empty(len(texts), dtype=np.int32), np.empty(len(texts), dtype=np.int32)
        text = used = 0
        while True:
            text, used = _read(
                flat,
                text,
                self._reading,
                self._words,
                self._labels,
                self._known,
                self._lately,
                self._ids,
                used,
                ends_N,
                counts_N,
                found_N,
            )
            if text == len(texts):
                break
            grown = np.empty(2 * len(self._ids), dtype=np.int32)
            grown[:used] = self._ids[:used]  # the rest takes no memory until something is written there
            self._ids = grown
        ids_L = self._ids[:used].copy()
        if used > _KEPT_ROWS:
            self._ids = np.empty(_ROWS, dtype=np.int32)
        return Ids(ids_L, np.concatenate(([0], ends_N)), counts_N, found_N, all_are_evidence=True)


@inlined
def _goes_on(byte: np.uint8) -> bool:
    """Tell whether a byte goes on with a character of UTF-8."""
    return byte & np.uint8(0xC0) == np.uint8(0x80)


@inlined
def _bucket_row(buckets: np.uint64, first: int, bucket_rows: npt.NDArray[np.int32], value: np.uint64) -> int:
    """Return the row of a hash, or -1."""
    if buckets == 0:
        return -1
    bucket = np.int64(value % buckets)
    if len(bucket_rows):
        return np.int64(bucket_rows[bucket])
    return first + bucket


@inlined
def _framed(data: npt.NDArray[np.uint8], start: int, length: int, at: int) -> np.uint8:
    """Return a byte of ``<word>``."""
    if at == 0:
        return _BEFORE
    return _BEHIND if at == length + 1 else data[start + at - 1]


@inlined
def _add_ngrams(
    data: npt.NDArray[np.uint8], start: int, stop: int, reading: _Reading, ids: npt.NDArray[np.int32], used: int
) -> int:
    """Write the rows of a word's character n-grams, and return how many are written then; -1 where they are too many.

    No more than ``longest`` rows begin at each byte.
    """
    length = stop - start
    if used + (length + 2) * reading.longest > len(ids):
        return -1
    for first in range(length + 2):
        if _goes_on(_framed(data, start, length, first)):
            continue
        value, end = OFFSET, first
        for characters in range(1, reading.longest + 1):
            if end == length + 2:
                break
            value = hashed(value, _framed(data, start, length, end))
            end += 1
            while end < length + 2 and _goes_on(_framed(data, start, length, end)):
                value = hashed(value, _framed(data, start, length, end))
                end += 1
            if characters < reading.shortest or (characters == 1 and (first == 0 or end == length + 2)):
                continue
            row = _bucket_row(reading.buckets, reading.first, reading.bucket_rows, np.uint64(value))
            if row >= 0:
                ids[used] = row
                used += 1
    return used


@kernel
def _know(words: Index, reading: _Reading, rows: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]) -> int:
    """Write the rows of the character n-grams of words, until ``rows`` is full; return how many words these are."""
    for word in range(len(offsets) - 1):
        used = offsets[word]
        if word != reading.line_end:
            used = _add_ngrams(words.blob, words.offsets[word], words.offsets[word + 1], reading, rows, used)
        if used < 0:
            return word
        offsets[word + 1] = used
    return len(offsets) - 1


@inlined
def _add_word_ngrams(
    runs: npt.NDArray[np.uint64],
    words: int,
    value: np.uint32,
    longest: int,
    buckets: np.uint64,
    first: int,
    bucket_rows: npt.NDArray[np.int32],
    ids: npt.NDArray[np.int32],
    used: int,
) -> int:
    """Write the rows of the runs that end with a word; ``runs[k]`` is the hash of the last ``k + 1`` words.

    ``words`` of the text have come before it.
    """
    signed = np.uint64(np.int64(np.int32(value)))
    for longer in range(min(longest - 1, words), 0, -1):
        runs[longer] = runs[longer - 1] * _FACTOR + signed
    runs[0] = signed
    for longer in range(1, min(longest - 1, words) + 1):
        row = _bucket_row(buckets, first, bucket_rows, runs[longer])
        if row >= 0:
            ids[used] = row
            used += 1
    return used


@kernel
def _read(
    texts: FlatTexts,
    first_text: int,
    reading: _Reading,
    words: Index,
    labels: Index,
    known: _Known,
    lately: npt.NDArray[np.uint64],
    ids: npt.NDArray[np.int32],
    used: int,
    ends_N: npt.NDArray[np.int64],
    counts_N: npt.NDArray[np.int32],
    found_N: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Write the rows of texts until all are done, or until ``ids`` has no room for the next.

    Returns:
        The text to go on from, and how many rows are written.
    """
    word_ngrams, longest, line_end = reading.word_ngrams, reading.longest, reading.line_end
    of_runs = word_ngrams, reading.buckets, reading.first, reading.bucket_rows
    words_alone = word_ngrams <= 1 and not longest
    runs = np.zeros(max(word_ngrams, 1), dtype=np.uint64)
    ahead, data = words_ahead(), texts.data
    starts, stops, rows, hashes, ends = ahead.starts, ahead.stops, ahead.rows, ahead.hashes, ahead.ends
    known_rows, known_offsets = known.rows, known.offsets
    text, begun = first_text, used
    next_text, next_at = first_text, texts.offsets[first_text]
    seen = tokens = found = 0
    while text < len(ends_N):
        count, next_text, next_at = find_words(texts, next_text, next_at, lately, ahead)
        look_up(data, words, labels, lately, ahead, count)
        for word in range(count):
            if len(ids) - used < 1 + word_ngrams:
                return text, begun
            if ends[word]:
                if line_end >= 0:
                    ids[used] = line_end
                    used += 1
                if word_ngrams > 1:
                    used = _add_word_ngrams(runs, seen, reading.line_end_hash, *of_runs, ids, used)
                ends_N[text], counts_N[text], found_N[text] = used, tokens, found
                text, begun = text + 1, used
                seen = tokens = found = 0
                continue
            row, before = rows[word], used
            if words_alone:
                ids[used] = row
                used += row >= 0
                tokens += row != LABEL
                found += row >= 0
                continue
            if row == LABEL:
                continue
            if row >= 0:
                ids[used] = row
                used += 1
            if 0 <= row < len(known_offsets) - 1:
                ngrams = known_offsets[row + 1] - known_offsets[row]
                if len(ids) - used < ngrams + word_ngrams:
                    return text, begun
                for ngram in range(known_offsets[row], known_offsets[row + 1]):
                    ids[used] = known_rows[ngram]
                    used += 1
            elif longest:
                used = _add_ngrams(data, starts[word], stops[word], reading, ids, used)
                if used < 0 or len(ids) - used < word_ngrams:
                    return text, begun
            tokens += 1
            found += used > before
            if word_ngrams > 1:
                used = _add_word_ngrams(runs, seen, hashes[word], *of_runs, ids, used)
            seen += 1
    return len(ends_N), used
