"""Which row of the table each token has: one pass over the bytes of a block.

A token's bytes are hashed and looked for in the vocabulary's index as they lie; only words that have no row are kept,
each once (``Misses``), for ``Lookup`` to resolve. Most tokens are words of up to 16 bytes that were met lately: those
are found, as two whole numbers, in a table of these, and are neither hashed byte by byte nor compared. Some hundreds of
tokens are found (``token_ends.py``) before they are looked for, and what each needs of memory is called for meanwhile.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel
from w2vray.text.fast.alphabet import EMOJI, MARK, PARTS, TOKEN, WORD, Alphabet
from w2vray.text.fast.index import Index, found_row
from w2vray.text.fast.misses import (
    LATELY_BYTES,
    Misses,
    hash_bytes,
    last_bytes,
    last_bytes_at_once,
    number_of_miss,
    place_of,
)
from w2vray.text.fast.peeking import WINDOW, call_for, length_of_run
from w2vray.text.fast.token_ends import APOSTROPHE, stands_alone, token_end, word_end
from w2vray.text.fast.writing import FlatTexts

__all__ = ["scan"]

TOGETHER = 512
"""Tokens that are found, and then looked up, together: what one waits for in memory is fetched for all at once.

With 64 of them a look-up took a tenth longer: a processor guesses wrong at the end of each of the loops over them."""


class Batch(NamedTuple):
    """Tokens that were found and are not looked up yet."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    low: npt.NDArray[np.uint64]  # its last bytes,
    high: npt.NDArray[np.uint64]  # and those before
    place: npt.NDArray[np.int64]  # among the words met lately
    left: npt.NDArray[np.int64]  # those that were not met lately
    hash: npt.NDArray[np.uint64]  # of these


@inlined
def _batch() -> Batch:
    places = np.empty((4, TOGETHER), dtype=np.int64)
    numbers = np.empty((3, TOGETHER), dtype=np.uint64)
    return Batch(places[0], places[1], numbers[0], numbers[1], places[2], places[3], numbers[2])


@inlined
def _find(
    texts: FlatTexts,
    text: int,
    at: int,
    alphabet: Alphabet,
    lately: npt.NDArray[np.uint64],
    most: int,
    before: int,
    batch: Batch,
    ends: npt.NDArray[np.int64],
) -> tuple[int, int, int]:
    """Find up to ``most`` tokens from a text and a byte on; return where to go on, and how many there are.

    ``ends`` gets those of each text that is done, counted from ``before``.
    """
    bits, lower, ranges = alphabet.bits, alphabet.lower, alphabet.ranges
    rules = (alphabet.apostrophe, alphabet.marks, alphabet.clitics, alphabet.lone_clitics, alphabet.acronyms)
    data, offsets = texts.data, texts.offsets
    last_window = len(data) - WINDOW
    found = 0
    while text < len(ends):
        stop = offsets[text + 1]
        while at < stop and found < most:
            kind = bits[data[at]]
            start, end = at, at
            if kind & WORD:
                length = WINDOW
                while length == WINDOW and end < stop and end <= last_window:
                    length = length_of_run(data, end, ranges)
                    end += length
                if length == WINDOW:
                    end = word_end(data, end, stop, bits)
                end = min(end, stop)
                ends_here = end + 1 >= stop or bits[data[end]] & PARTS != 0 or bits[data[end + 1]] & WORD == 0
            elif kind & TOKEN:
                ends_here = stands_alone(data, at, stop)
                end += 1
            elif data[at] == APOSTROPHE:
                ends_here = False
            else:
                at += 1
                continue
            if not ends_here:
                end = token_end(data, at, stop, bits, lower, rules)
                if end == at:
                    at += 1
                    continue
                start += (data[at] == MARK) + 2 * (data[at] == EMOJI)
            if end >= LATELY_BYTES:
                low, high = last_bytes_at_once(data, start, end)
            else:
                low, high = last_bytes(data, start, end)
            place = place_of(low, high)
            call_for(lately, place)
            batch.start[found], batch.end[found] = start, end
            batch.low[found], batch.high[found], batch.place[found] = low, high, place
            found += 1
            at = end
        if at < stop:
            break
        ends[text] = before + found
        text += 1
        if text < len(ends):
            at = offsets[text]
    return text, at, found


@inlined
def _met_lately(lately: npt.NDArray[np.uint64], batch: Batch, found: int, codes: npt.NDArray[np.int32]) -> int:
    """Write the codes of tokens that were met lately; return how many are left."""
    left = 0
    for token in range(found):
        place = batch.place[token]
        same = lately[place] == batch.low[token] and lately[place + 1] == batch.high[token]
        codes[token] = np.int64(lately[place + 2])
        batch.left[left] = token
        left += not (same and batch.end[token] - batch.start[token] <= LATELY_BYTES)
    return left


@kernel
def scan(
    texts: FlatTexts,
    text: int,
    at: int,
    alphabet: Alphabet,
    index: Index,
    misses: Misses,
    count: int,
    lately: npt.NDArray[np.uint64],
    codes: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> tuple[int, int, int, int]:
    """Look up the tokens of texts until all are done, or until ``codes`` or ``misses`` is full.

    Args:
        texts: the block, written anew where it is not ASCII.
        text: where to begin,
        at: and at which of its bytes.
        alphabet: what each byte is.
        index: the vocabulary.
        misses: words without a row; they grow.
        count: how many there are.
        lately: words met lately; written.
        codes: [any] written: the row of each token, or -1 less the number of its miss.
        starts: [any, as codes] written: the byte that each token starts at; of none where it is empty.
        ends: [N] written: tokens before the end of each text that is done, counted from the first of ``codes``.

    Returns:
        The text and byte to go on from (``len(ends)`` when all is done), tokens written, misses.
    """
    data, lower = texts.data, alphabet.lower
    words, word_offsets, slot_rows, slot_tags = index.blob, index.offsets, index.slot_rows, index.slot_tags
    mask = np.uint64(len(slot_rows) - 1)
    batch = _batch()
    token = 0
    while text < len(ends) and token < len(codes):
        text_before, at_before = text, at
        text, at, found = _find(
            texts, text, at, alphabet, lately, min(TOGETHER, len(codes) - token), token, batch, ends
        )
        left = _met_lately(lately, batch, found, codes[token:])
        for each in range(left):
            one = batch.left[each]
            value = hash_bytes(data, batch.start[one], batch.end[one], lower)
            batch.hash[each] = value
            call_for(slot_rows, np.int64(value & mask))
            call_for(slot_tags, np.int64(value & mask))
        for each in range(left):
            row = slot_rows[batch.hash[each] & mask]
            if row >= 0:
                call_for(word_offsets, np.int64(row))
        for each in range(left):
            one, value = batch.left[each], batch.hash[each]
            start, end = batch.start[one], batch.end[one]
            code = found_row(words, word_offsets, slot_rows, slot_tags, value, data, start, end, lower)
            if code < 0:
                if count + 1 == len(misses.ends) or misses.ends[count] + end - start > len(misses.blob):
                    return text_before, at_before, token, count  # they are found again when there is room
                number = number_of_miss(misses, count, value, data, start, end, lower)
                count += number == count
                code = -1 - number
            if end - start <= LATELY_BYTES:
                place = batch.place[one]
                lately[place], lately[place + 1], lately[place + 2] = batch.low[one], batch.high[one], np.uint64(code)
            codes[token + one] = code
        if len(starts):
            starts[token : token + found] = batch.start[:found]
        token += found
    return text, at, token, count
