"""Texts to the rows of their features, in compiled code: the same ``Ids`` as ``FeatureLookup`` gives.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.kernels.loading import call_for
from w2vray.text.fast.index import FNV_OFFSET, FNV_PRIME, Index, found_row, mixed
from w2vray.text.fast.writing import FlatTexts
from w2vray.text.features import LABEL_PREFIX, LINE_END, NGRAM_FACTOR, FeatureLookup, Features, hash_bytes
from w2vray.text.lookup import Ids

__all__ = ["FastFeatures"]

_MOST_KNOWN = 1 << 22
"""Rows of n-grams of the commonest words that are found once and kept, 16 MiB of them."""

_ROWS = 1 << 16
_KEPT_ROWS = 1 << 22
_OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_SIGN, _SIGNED = np.uint8(0x80), np.uint32(0xFFFFFF00)
_FACTOR = np.uint64(NGRAM_FACTOR)
_BEFORE, _BEHIND = np.uint8(ord("<")), np.uint8(ord(">"))
_AS_WRITTEN = read_only(np.arange(256, dtype=np.uint8))
_PREFIX = read_only(np.frombuffer(LABEL_PREFIX, dtype=np.uint8))
_SPACES = read_only(np.isin(np.arange(256), [0, *range(9, 14), 32]))
"""Which bytes words end at."""

_TOGETHER = 32
"""Tokens that are found before the first of them is looked up."""

_END = read_only(np.frombuffer(LINE_END, dtype=np.uint8))


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
                self._ids,
                used,
                ends_N,
                counts_N,
                found_N,
            )
            if text == len(texts):
                break
            self._ids = np.concatenate([self._ids, np.empty_like(self._ids)])
        ids_L = self._ids[:used].copy()
        if used > _KEPT_ROWS:
            self._ids = np.empty(_ROWS, dtype=np.int32)
        return Ids(ids_L, np.concatenate(([0], ends_N)), counts_N, found_N, all_are_evidence=True)


@inlined
def _hashed(value: np.uint32, byte: np.uint8) -> np.uint32:
    """Put a byte into fastText's hash: it takes bytes for signed numbers."""
    signed = np.uint32(byte) | _SIGNED if byte & _SIGN else np.uint32(byte)
    return np.uint32((value ^ signed) * _PRIME)


@inlined
def _goes_on(byte: np.uint8) -> bool:
    """Tell whether a byte goes on with a character of UTF-8."""
    return byte & np.uint8(0xC0) == _SIGN


@inlined
def _bucket_row(reading: _Reading, value: np.uint64) -> int:
    """Return the row of a hash, or -1."""
    if reading.buckets == 0:
        return -1
    bucket = np.int64(value % reading.buckets)
    if len(reading.bucket_rows):
        return np.int64(reading.bucket_rows[bucket])
    return reading.first + bucket


@inlined
def _is(data: npt.NDArray[np.uint8], start: int, stop: int, expected: npt.NDArray[np.uint8]) -> bool:
    """Tell whether bytes begin as expected."""
    if stop - start < len(expected):
        return False
    for at in range(len(expected)):
        if data[start + at] != expected[at]:
            return False
    return True


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
        value, end = _OFFSET, first
        for characters in range(1, reading.longest + 1):
            if end == length + 2:
                break
            value = _hashed(value, _framed(data, start, length, end))
            end += 1
            while end < length + 2 and _goes_on(_framed(data, start, length, end)):
                value = _hashed(value, _framed(data, start, length, end))
                end += 1
            if characters < reading.shortest or (characters == 1 and (first == 0 or end == length + 2)):
                continue
            row = _bucket_row(reading, np.uint64(value))
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
    runs: npt.NDArray[np.uint64], words: int, value: np.uint32, reading: _Reading, ids: npt.NDArray[np.int32], used: int
) -> int:
    """Write the rows of the runs that end with a word; ``runs[k]`` is the hash of the last ``k + 1`` words.

    ``words`` of the text have come before it.
    """
    signed = np.uint64(np.int64(np.int32(value)))
    for longer in range(min(reading.word_ngrams - 1, words), 0, -1):
        runs[longer] = runs[longer - 1] * _FACTOR + signed
    runs[0] = signed
    for longer in range(1, min(reading.word_ngrams - 1, words) + 1):
        row = _bucket_row(reading, runs[longer])
        if row >= 0:
            ids[used] = row
            used += 1
    return used


class _Ahead(NamedTuple):
    """Tokens that were found, before they are looked up: the processor has loaded what they are compared with then."""

    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint64]  # hashes, by which words are found
    lows: npt.NDArray[np.uint32]  # fastText's hashes
    ends: npt.NDArray[np.bool_]  # whether a text ends here, and there is no token


@inlined
def _find_tokens(texts: FlatTexts, text: int, at: int, words: Index, ahead: _Ahead) -> tuple[int, int, int]:
    """Find the next tokens of texts, and call for what they are compared with.

    Returns:
        How many are found, and the text and the byte to go on from.
    """
    data, offsets, texts_there = texts.data, texts.offsets, len(texts.offsets) - 1
    count, mask = 0, np.uint64(len(words.slot_rows) - 1)
    while count < len(ahead.starts) and text < texts_there:
        stop = offsets[text + 1]
        while at < stop and _SPACES[data[at]]:
            at += 1
        start, value, low = at, FNV_OFFSET, _OFFSET
        while at < stop and not _SPACES[data[at]]:
            value = (value ^ np.uint64(data[at])) * FNV_PRIME
            low = _hashed(low, data[at])
            at += 1
        ended = start == at or (at - start == len(_END) and _is(data, start, at, _END))
        value = mixed(value)
        if ended:
            at, text = stop, text + 1
        else:
            slot = np.int64(value & mask)
            call_for(words.slot_rows, slot)
            call_for(words.slot_tags, slot)
        ahead.starts[count], ahead.stops[count], ahead.ends[count] = start, at, ended
        ahead.values[count], ahead.lows[count] = value, low
        count += 1
    for token in range(count):
        row = np.int64(words.slot_rows[np.int64(ahead.values[token] & mask)])
        if row >= 0:
            call_for(words.offsets, row)
    for token in range(count):
        row = np.int64(words.slot_rows[np.int64(ahead.values[token] & mask)])
        if row >= 0:
            call_for(words.blob, words.offsets[row])
    return count, text, at


@kernel
def _read(
    texts: FlatTexts,
    first_text: int,
    reading: _Reading,
    words: Index,
    labels: Index,
    known: _Known,
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
    data = texts.data
    runs = np.zeros(max(reading.word_ngrams, 1), dtype=np.uint64)
    ahead = _Ahead(
        np.empty(_TOGETHER, dtype=np.int64),
        np.empty(_TOGETHER, dtype=np.int64),
        np.empty(_TOGETHER, dtype=np.uint64),
        np.empty(_TOGETHER, dtype=np.uint32),
        np.empty(_TOGETHER, dtype=np.bool_),
    )
    text, begun = first_text, used
    next_text, next_at = first_text, texts.offsets[first_text]
    seen = tokens = found = 0
    while text < len(ends_N):
        count, next_text, next_at = _find_tokens(texts, next_text, next_at, words, ahead)
        for token in range(count):
            start, at, value, low = ahead.starts[token], ahead.stops[token], ahead.values[token], ahead.lows[token]
            if len(ids) - used < 1 + reading.word_ngrams:
                return text, begun
            if ahead.ends[token]:
                if reading.line_end >= 0:
                    ids[used] = reading.line_end
                    used += 1
                used = _add_word_ngrams(runs, seen, reading.line_end_hash, reading, ids, used)
                ends_N[text], counts_N[text], found_N[text] = used, tokens, found
                text, begun = text + 1, used
                seen = tokens = found = 0
                continue
            row = found_row(
                words.blob, words.offsets, words.slot_rows, words.slot_tags, value, data, start, at, _AS_WRITTEN
            )
            if row < 0:
                label = found_row(
                    labels.blob, labels.offsets, labels.slot_rows, labels.slot_tags, value, data, start, at, _AS_WRITTEN
                )
                if label >= 0 or _is(data, start, at, _PREFIX):
                    continue
            before = used
            if row >= 0:
                ids[used] = row
                used += 1
            if 0 <= row < len(known.offsets) - 1:
                ngrams = known.offsets[row + 1] - known.offsets[row]
                if len(ids) - used < ngrams + reading.word_ngrams:
                    return text, begun
                for ngram in range(known.offsets[row], known.offsets[row + 1]):
                    ids[used] = known.rows[ngram]
                    used += 1
            elif reading.longest:
                used = _add_ngrams(data, start, at, reading, ids, used)
                if used < 0 or len(ids) - used < reading.word_ngrams:
                    return text, begun
            tokens += 1
            found += used > before
            used = _add_word_ngrams(runs, seen, low, reading, ids, used)
            seen += 1
    return len(ends_N), used
