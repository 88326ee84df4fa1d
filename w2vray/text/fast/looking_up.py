"""Texts to ids in compiled code: the same ``Ids`` as ``Lookup`` gives, many times sooner.

Words that have a row as they are written never leave compiled code. The others are resolved by ``Lookup`` itself, each
once, and remembered for later blocks; memory of them is bounded, and no answer depends on it. Where words are split
into pieces, all that is read are parts of texts that ``Lookup`` splits, each once.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.kernels.compiling import why_no_kernels
from w2vray.text.fast.assembling import Entries, OovIds, assemble
from w2vray.text.fast.counting_ngrams import NgramCounter
from w2vray.text.fast.features import FastFeatures
from w2vray.text.fast.misses import Misses, empty_misses, grown, none_lately
from w2vray.text.fast.parting import PartReader
from w2vray.text.fast.placing import Places, Scanned
from w2vray.text.fast.placing_words import FastWords, words_of
from w2vray.text.fast.rewriting import rewritten
from w2vray.text.fast.words import WordReader
from w2vray.text.fast.writing import BY_PYTHON, FlatTexts
from w2vray.text.features import FeatureLookup
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.tokens import rewriter
from w2vray.text.word_ngrams import hashes_of

__all__ = ["FastLookup", "compiled", "fastest"]

_CODES, _KEPT_CODES = 1 << 16, 1 << 22
_MISSES, _MISS_BYTES = 1 << 12, 1 << 16


class FastLookup:
    """Look up blocks of texts as ``lookup`` does."""

    _count: int  # of misses
    _resolved: int  # of them
    _misses: Misses
    _lately: npt.NDArray[np.uint64]
    _rows: npt.NDArray[np.int64]  # of their entries
    _made: npt.NDArray[np.int64]
    _hashes: npt.NDArray[np.uint64]  # of the entries, where runs of words are counted
    _words: dict[str, int]  # entries that rows are made for
    _written: list[str]  # what each entry was looked for as, where places are told,
    _inside: npt.NDArray[np.int32]  # and which bytes of its word it is, as far as that was asked for
    _offsets: npt.NDArray[np.int64]

    def __init__(self, lookup: Lookup, *, places: bool = False) -> None:
        """Make the tables of a look-up; with ``places``, one that tells where ids were written."""
        self.lookup = lookup
        self._noting = places
        self._reader: WordReader | PartReader = (
            WordReader(replace(lookup.rules, strip_html=False, tweets=False), lookup.vocabulary)
            if lookup.pieces is None
            else PartReader(lookup.pieces.cuts)
        )
        self._rewrite = rewriter(lookup.rules)
        self._oov_ids = _oov_ids(lookup)
        rules = lookup.word_ngrams
        self._ngrams = None if rules is None else NgramCounter(rules, lookup.vocabulary)
        self._codes = np.empty(_CODES, dtype=np.int32)
        self._starts = np.empty(_CODES if places else 0, dtype=np.int64)
        self._forget()

    def __call__(self, texts: pa.LargeStringArray) -> Ids:
        """Look up texts (no nulls)."""
        return self._look_up(texts)[0]

    def placed(self, texts: pa.LargeStringArray) -> tuple[Ids, Places]:
        """Look up texts (no nulls); the places are right until the next texts are looked up."""
        assert self._noting, "it was not made to tell places"
        ids, scanned = self._look_up(texts)
        entries = Entries(self._rows, self._made, self._offsets)
        return ids, Places(
            self.lookup, self._reader, scanned, entries, self._oov_ids, self._misses, self._written, self._inside
        )

    def placed_words(self, texts: pa.LargeStringArray) -> tuple[Ids, FastWords]:
        """Look up texts (no nulls) whose runs of words are counted, and find their words, as ``placed`` does ids."""
        assert self._ngrams is not None, "it was not made to count runs"
        ids, places = self.placed(texts)
        return ids, words_of(places, self._ngrams.hashes_V, self._hashes)

    def _look_up(self, texts: pa.LargeStringArray) -> tuple[Ids, Scanned]:
        if self._count > self._reader.remembered or len(self._misses.blob) > self._reader.remembered_bytes:
            self._forget()
        source = flat = FlatTexts.viewed(texts)
        rewrote: list[int] = []
        if self._rewrite is not None:
            flat, rewrote = rewritten(flat, self._rewrite, html_alone=not self.lookup.rules.tweets)
        flat, ways_N = self._reader.prepared(flat)
        ends_N = np.empty(len(texts), dtype=np.int64)
        text, at, tokens = 0, int(flat.offsets[0]), 0
        while True:
            text_before = text
            text, at, more, self._count = self._reader.scan(
                flat,
                text,
                at,
                self._misses,
                self._count,
                self._lately,
                self._codes[tokens:],
                self._starts[tokens:],
                ends_N,
            )
            ends_N[text_before:text] += tokens
            tokens += more
            if text == len(texts):
                break
            if tokens == len(self._codes):
                self._codes = np.concatenate([self._codes, np.empty_like(self._codes)])
                self._starts = np.concatenate([self._starts, np.empty_like(self._starts)])
            else:
                self._misses = grown(self._misses, self._count)
        self._resolve()
        entries = Entries(self._rows, self._made, self._offsets)
        ids_L, tokens_L, offsets_N1, token_counts_N, found_counts_N, made = assemble(
            self._codes[:tokens], ends_N, entries, self._oov_ids, len(self._words), self._noting
        )
        words = list(self._words) if len(made) else []
        ngrams = None
        if self._ngrams is not None:
            ngrams = self._ngrams(self._codes[:tokens], ends_N, self._hashes, self._offsets)
        if self._noting:
            ways_N[rewrote] = BY_PYTHON
        scanned = Scanned(
            source, flat, ways_N, self._codes[:tokens], self._starts[:tokens], ends_N, tokens_L, offsets_N1
        )
        if tokens > _KEPT_CODES:
            self._codes = np.empty(_CODES, dtype=np.int32)
            self._starts = np.empty(_CODES if self._noting else 0, dtype=np.int64)
        made_words = tuple(words[word] for word in made.tolist())
        return Ids(ids_L, offsets_N1, token_counts_N, found_counts_N, made_words, ngrams=ngrams), scanned

    def _forget(self) -> None:
        self._count = 0
        self._resolved = 0
        self._lately = none_lately()
        self._misses = empty_misses(_MISSES, _MISS_BYTES)
        self._rows = np.empty(0, dtype=np.int64)
        self._made = np.empty(0, dtype=np.int64)
        self._hashes = np.empty(0, dtype=np.uint64)
        self._words = {}
        self._written = []
        self._inside = np.empty((2, 0), dtype=np.int32)
        self._offsets = np.zeros(1, dtype=np.int64)

    def _resolve(self) -> None:
        """Let ``Lookup`` resolve the misses that are new."""
        if self._resolved == self._count:
            return
        ends = self._misses.ends
        new = self._misses.blob[ends[self._resolved] : ends[self._count]].tobytes()
        starts = ends[self._resolved : self._count + 1] - ends[self._resolved]
        words = [new[start:stop].decode() for start, stop in pairwise(starts.tolist())]
        found = self.lookup.resolve(words)
        rows, offsets = found.rows_E, found.offsets_W1
        entries = self.lookup.made_entries(found)
        made = np.full(len(rows), -1, dtype=np.int64)
        made[entries] = [self._words.setdefault(found.entries[entry], len(self._words)) for entry in entries]
        self._offsets = np.concatenate([self._offsets, offsets[1:] + self._offsets[-1]])
        self._rows = np.concatenate([self._rows, rows])
        self._made = np.concatenate([self._made, made])
        if self._ngrams is not None:
            self._hashes = np.concatenate([self._hashes, hashes_of(found.entries)])
        if self._noting:
            self._written += found.written
            self._inside = np.concatenate([self._inside, np.full((2, len(rows)), -1, dtype=np.int32)], axis=1)
        self._resolved = self._count


def compiled(lookup: Lookup) -> FastLookup | FastFeatures:
    """Return what looks up as ``lookup`` does, in compiled code."""
    return FastFeatures(lookup) if isinstance(lookup, FeatureLookup) else FastLookup(lookup)


def fastest(lookup: Lookup) -> Lookup | FastLookup | FastFeatures:
    """Return what looks up as ``lookup`` does, in compiled code where there is a compiler."""
    return lookup if why_no_kernels() else compiled(lookup)


def _oov_ids(lookup: Lookup) -> OovIds:
    rows, special = len(lookup.vocabulary), lookup.special_id
    replaced = np.full(rows if lookup.replaced_rows.size else 0, -1, dtype=np.int32)
    replaced[lookup.replaced_rows] = rows + (special is not None) + np.arange(len(lookup.replaced_rows))
    first_made = rows + len(lookup.replaced_rows) if lookup.oov == "subword" else -1
    return OovIds(-1 if special is None else special, first_made, replaced)
