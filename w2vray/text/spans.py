"""Texts to ids, and where in its text each of them was written.

This is the plain model of the look-up with places. A word that was split has a place for each part (``film-maker``),
and one that was only respelt has one (``John's``, which is ``John`` in the table).

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.text.given import given_texts
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.segmentation import usual_widths
from w2vray.text.tokens import placed_tokens, rewritten
from w2vray.text.tracing import Traced, respelt
from w2vray.text.word_ngrams import hashes_of

__all__ = ["PlacedIds", "PlacedWords", "Span", "entry_spans", "look_up_places", "read_placed"]

Span = tuple[int, int]


@dataclass(frozen=True)
class PlacedIds:
    """Ids, and where each of them starts and ends in its text, in characters."""

    ids: Ids
    starts_L: npt.NDArray[np.int32]
    ends_L: npt.NDArray[np.int32]
    words: "PlacedWords"


@dataclass(frozen=True)
class PlacedWords:
    """The words of texts as the look-up found them, whether they have an id or not: what runs of words are made of.

    ``hashes_T`` are those that runs are hashed from, ``spans`` where each word starts and ends in its text, in
    characters. ``word_L`` is the word of each id, counted over all texts.
    """

    hashes_T: npt.NDArray[np.uint64]
    spans: npt.NDArray[np.int32]
    offsets_N1: npt.NDArray[np.int64]
    word_L: npt.NDArray[np.int64]


def look_up_places(lookup: Lookup, texts: pa.LargeStringArray | Iterable[str]) -> PlacedIds:
    """Look up texts: the ids are those that ``lookup`` gives.

    Raises:
        UnusableInputError: they are one str, or one of them is not a str of Unicode characters.
    """
    read = [read_placed(lookup, text) for text in given_texts(texts).to_pylist()]
    tokens = [traced.text[start:end] for traced, spans in read for start, end in spans]
    words = list(dict.fromkeys(tokens))
    numbers = {word: number for number, word in enumerate(words)}
    codes = np.array([numbers[token] for token in tokens], dtype=np.int64)
    lengths = np.array([len(spans) for _, spans in read], dtype=np.int64)
    found = lookup.resolve(words)
    ids, tokens_L, entries_L = lookup.assemble(codes, lengths, found)
    firsts = found.offsets_W1.tolist()
    of_words = [
        entry_spans(lookup, word, found.written[first:stop])
        for word, first, stop in zip(words, firsts, firsts[1:], strict=False)
    ]
    flat = list(chain.from_iterable(((traced, span) for span in spans) for traced, spans in read))
    counts = np.diff(found.offsets_W1)[codes] if len(codes) else np.empty(0, dtype=np.int64)  # entries of each token
    before = np.concatenate(([0], np.cumsum(counts)))
    spans = np.empty((int(before[-1]), 2), dtype=np.int32)
    for token, (traced, (start, _)) in enumerate(flat):
        for entry, (first, last) in enumerate(of_words[codes[token]]):
            spans[before[token] + entry] = traced.span(start + first, start + last)
    word_L = before[tokens_L] + entries_L
    within = np.arange(before[-1]) - np.repeat(before[:-1], counts)
    hashes_T = hashes_of(found.entries)[np.repeat(found.offsets_W1[codes], counts) + within]
    words_of_texts = PlacedWords(
        hashes_T, spans, before[np.concatenate(([0], np.cumsum(lengths)))].astype(np.int64), word_L
    )
    return PlacedIds(ids, spans[word_L, 0], spans[word_L, 1], words_of_texts)


def read_placed(lookup: Lookup, text: str) -> tuple[Traced, list[Span]]:
    """Return a text as it is split, and where in it each token is."""
    if lookup.pieces is None:
        return placed_tokens(lookup.rules, text)
    traced = rewritten(lookup.rules, Traced.of(text))
    return traced, lookup.pieces.cuts.spans(traced.text)


def entry_spans(lookup: Lookup, word: str, written: Sequence[str]) -> list[Span]:
    """Return where in a word each of its entries starts and ends, none of them empty.

    Args:
        lookup: which resolved the word.
        word: as the text has it.
        written: what of the word each of its entries was looked for, in order.
    """
    if lookup.pieces is not None:
        return [_not_empty(span, word) for span in lookup.pieces.spans(word)]
    whole = (0, len(word))
    if list(written) == [word]:
        return [whole]
    if (spans := _in_order(word, written)) is not None:
        return spans
    usual = respelt(Traced.of(word), usual_widths(word), usual_widths)
    if (spans := _in_order(usual.text, written)) is not None:
        return [usual.span(start, end) for start, end in spans]
    return [whole] * len(written)


def _in_order(word: str, parts: Sequence[str]) -> list[Span] | None:
    """Return where in a word its parts are, one behind another; None where they are not."""
    spans: list[Span] = []
    at = 0
    for part in parts:
        start = word.find(part, at)
        if start < 0 or not part:
            return None
        at = start + len(part)
        spans.append((start, at))
    return spans


def _not_empty(span: Span, word: str) -> Span:
    """Let a piece that stands for no character stand for the whole part."""
    start, end = span
    return span if start < end else (0, len(word))
