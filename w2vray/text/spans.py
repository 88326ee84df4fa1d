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

__all__ = ["PlacedIds", "Span", "entry_spans", "look_up_places", "read_placed"]

Span = tuple[int, int]


@dataclass(frozen=True)
class PlacedIds:
    """Ids, and where each of them starts and ends in its text, in characters."""

    ids: Ids
    starts_L: npt.NDArray[np.int32]
    ends_L: npt.NDArray[np.int32]


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
    placed = np.empty((len(tokens_L), 2), dtype=np.int32)
    for place, (token, entry) in enumerate(zip(tokens_L.tolist(), entries_L.tolist(), strict=True)):
        traced, (start, _) = flat[token]
        first, last = of_words[codes[token]][entry]
        placed[place] = traced.span(start + first, start + last)
    return PlacedIds(ids, placed[:, 0], placed[:, 1])


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
