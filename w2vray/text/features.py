"""A text's features as a fastText classifier reads them: words, their character n-grams, and n-grams of words.

Each feature is a row of the classifier's table: first the words', then those of buckets, which n-grams share by hash.
Here a feature is what a token is elsewhere, so that everything behind the look-up is as it is for words.

- Words end at ASCII white space. A line's end in a text is white space, too; fastText itself takes one line at a time.
- Behind the last word comes ``</s>``, which ends a line. A text that has it as a word is read no further.
- What begins with ``__label__``, and the classifier's own labels, are no words.
- With character n-grams a word is its row, where it has one, and those of the n-grams of ``<word>``.
- With word n-grams there is a row for each run of two words and more, ``</s>`` among them.

Source: ``Dictionary::getLine``, ``addSubwords``, ``computeSubwords`` and ``addWordNgrams`` of fastText 0.9.2.

Shape letters: CONTRIBUTING.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.text.given import given_texts
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.vocabulary import MISSING, Vocabulary

__all__ = ["LABEL_PREFIX", "LINE_END", "NGRAM_FACTOR", "FeatureLookup", "Features", "hash_bytes"]

LINE_END = b"</s>"
LABEL_PREFIX = b"__label__"
NGRAM_FACTOR = 116049371

_WORD = re.compile(rb"[^ \t\n\v\f\r\0]+")
_FNV_OFFSET, _FNV_PRIME = 2166136261, 16777619


@dataclass(frozen=True, eq=False)
class Features:
    """What n-grams there are, and where their rows begin.

    ``bucket_rows`` gives the row of each bucket of a classifier that was pruned, ``MISSING`` where it has none; of
    others it is empty, and the rows of the buckets follow those of the words. ``labels`` are no words.
    """

    shortest: int  # characters of the shortest character n-grams
    longest: int  # and of the longest: 0 where there are none
    word_ngrams: int  # words of the longest word n-grams: 1 where there are none
    buckets: int
    bucket_rows: npt.NDArray[np.int32]
    labels: Vocabulary

    def as_dict(self) -> dict[str, int]:
        """Return the numbers, without the arrays."""
        return {
            "shortest": self.shortest,
            "longest": self.longest,
            "word_ngrams": self.word_ngrams,
            "buckets": self.buckets,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all of it as flat arrays, for Ray's object store; ``from_arrays`` is the way back."""
        return {
            "features": np.array(list(self.as_dict().values()), dtype=np.int64),
            "bucket_rows": self.bucket_rows,
            "label_words": self.labels.blob,
            "label_offsets": self.labels.offsets,
            "label_slot_rows": self.labels.slot_rows,
            "label_slot_tags": self.labels.slot_tags,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Rebuild around shared arrays without copying them."""
        labels = Vocabulary(
            arrays["label_words"], arrays["label_offsets"], arrays["label_slot_rows"], arrays["label_slot_tags"]
        )
        shortest, longest, word_ngrams, buckets = arrays["features"].tolist()
        return cls(shortest, longest, word_ngrams, buckets, arrays["bucket_rows"], labels)


@dataclass(frozen=True, eq=False)
class FeatureLookup(Lookup):
    """Texts to the rows of their features: the plain model of the compiled look-up."""

    features: Features | None = None

    def __call__(self, texts: pa.LargeStringArray | Iterable[str]) -> Ids:
        """Look up texts; a token is found if it has a row, its own or one of its character n-grams.

        Raises:
            UnusableInputError: they are one str, or one of them is not a str of Unicode characters.
        """
        ids: list[int] = []
        ends, counts, found = [0], [], []
        for text in given_texts(texts).to_pylist():
            tokens = tokens_found = 0
            hashes: list[int] = []
            for word in (*_WORD.findall(text.encode()), LINE_END):
                row = self._own.get(word, MISSING)
                if row == MISSING and self._is_label(word):
                    continue
                rows = list(self._rows_of(word, row))
                hashes.append(_signed(hash_bytes(word)))
                ids += [*rows, *self._word_ngrams(hashes)]
                if word == LINE_END:
                    break
                tokens += 1
                tokens_found += bool(rows)
            ends.append(len(ids))
            counts.append(tokens)
            found.append(tokens_found)
        return Ids(
            np.array(ids, dtype=np.int32),
            np.array(ends, dtype=np.int64),
            np.array(counts, dtype=np.int32),
            np.array(found, dtype=np.int32),
            all_are_evidence=True,
        )

    @cached_property
    def _own(self) -> dict[bytes, int]:
        blob, offsets = self.vocabulary.blob.tobytes(), self.vocabulary.offsets.tolist()
        return {blob[start:stop]: row for row, (start, stop) in enumerate(pairwise(offsets))}

    @cached_property
    def _labels(self) -> frozenset[bytes]:
        assert self.features is not None
        labels = self.features.labels
        blob, offsets = labels.blob.tobytes(), labels.offsets.tolist()
        return frozenset(blob[start:stop] for start, stop in pairwise(offsets))

    def _is_label(self, word: bytes) -> bool:
        return word.startswith(LABEL_PREFIX) or word in self._labels

    def _rows_of(self, word: bytes, row: int) -> Iterator[int]:
        """Yield a word's own row and those of its character n-grams."""
        assert self.features is not None
        if row != MISSING:
            yield row
        if word == LINE_END:
            return
        shortest, longest = self.features.shortest, self.features.longest
        framed = b"<" + word + b">"
        for start in range(len(framed)):
            if _goes_on(framed[start]):
                continue
            end, characters = start, 0
            while end < len(framed) and characters < longest:
                end += 1
                while end < len(framed) and _goes_on(framed[end]):
                    end += 1
                characters += 1
                at_an_end = characters == 1 and (start == 0 or end == len(framed))
                if characters >= shortest and not at_an_end:
                    yield from self._bucket(hash_bytes(framed[start:end]))

    def _word_ngrams(self, hashes: list[int]) -> Iterator[int]:
        """Yield the rows of the runs of words that end with the last; ``hashes`` are of all, known or not."""
        assert self.features is not None
        for words in range(2, min(self.features.word_ngrams, len(hashes)) + 1):
            value, *others = hashes[-words:]
            for following in others:
                value = value * NGRAM_FACTOR + following & 0xFFFFFFFFFFFFFFFF
            yield from self._bucket(value)

    def _bucket(self, value: int) -> list[int]:
        assert self.features is not None
        if not self.features.buckets:
            return []
        bucket = (value & 0xFFFFFFFFFFFFFFFF) % self.features.buckets
        if not self.features.bucket_rows.size:
            return [len(self.vocabulary) + bucket]
        row = int(self.features.bucket_rows[bucket])
        return [] if row == MISSING else [row]


def hash_bytes(data: bytes) -> int:
    """Return fastText's hash: 32-bit FNV-1a that takes bytes for signed ones."""
    value = _FNV_OFFSET
    for byte in data:
        signed = byte if byte < 0x80 else byte | 0xFFFFFF00
        value = (value ^ signed) * _FNV_PRIME & 0xFFFFFFFF
    return value


def _signed(value: int) -> int:
    return value if value < 1 << 31 else value - (1 << 32)


def _goes_on(byte: int) -> bool:
    """Tell whether a byte goes on with a character of UTF-8."""
    return byte & 0xC0 == 0x80
