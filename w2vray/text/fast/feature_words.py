"""The words of texts as fastText reads them: where they are, which rows they have, and what it hashes them to.

As in ``scanning.py``, some hundreds of words are found before the first of them is looked up, and most have been met
lately: those are found as two whole numbers, and are neither hashed byte by byte nor compared.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, read_only
from w2vray.kernels.loading import call_for
from w2vray.text.fast.index import FNV_OFFSET, FNV_PRIME, Index, found_row, mixed
from w2vray.text.fast.misses import (
    LATELY_BYTES,
    last_bytes,
    last_bytes_at_once,
    place_of,
)
from w2vray.text.fast.peeking import BITS, bits_of, first_bit
from w2vray.text.fast.writing import FlatTexts
from w2vray.text.features import LABEL_PREFIX, LINE_END

__all__ = ["LABEL", "OFFSET", "WordsAhead", "find_words", "hashed", "look_up", "words_ahead"]

LABEL = -2
"""In place of the row of a label, which is no word; a word without a row has -1."""

OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_SIGN, _SIGNED = np.uint8(0x80), np.uint32(0xFFFFFF00)

_SPACES = tuple(map(np.uint8, (0, 0, 9, 4, 32, 0, 32, 0)))
"""The ranges of the bytes that words end at, as ``bits_of`` takes them."""

_ALL, _BITS = np.uint64(0xFFFFFFFFFFFFFFFF), np.int64(BITS)
_ONE, _LAST = np.uint64(1), np.uint64(BITS - 1)

_TOGETHER = 512
"""Words that are found, and then looked up, together: what one waits for in memory is fetched for all at once."""

_ROOM = _TOGETHER + BITS // 2 + 2
"""Words that there is room for: those of one more number of bits, one that is cut by the text's end, and this end."""

_AS_WRITTEN = read_only(np.arange(256, dtype=np.uint8))
_PREFIX = read_only(np.frombuffer(LABEL_PREFIX, dtype=np.uint8))
_END = read_only(np.frombuffer(LINE_END, dtype=np.uint8))


class WordsAhead(NamedTuple):
    """Words that were found and are not read yet; where a text ends, there is one that ``ends`` it."""

    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    lows: npt.NDArray[np.uint64]  # its last bytes,
    highs: npt.NDArray[np.uint64]  # and those before
    places: npt.NDArray[np.int64]  # among the words met lately
    left: npt.NDArray[np.int64]  # those that were not met lately
    values: npt.NDArray[np.uint64]  # what these are found by in an index
    rows: npt.NDArray[np.int64]  # or -1, or LABEL
    hashes: npt.NDArray[np.uint32]  # fastText's
    ends: npt.NDArray[np.bool_]


@inlined
def words_ahead() -> WordsAhead:
    """Return room for some."""
    places = np.empty((5, _ROOM), dtype=np.int64)
    numbers = np.empty((3, _ROOM), dtype=np.uint64)
    hashes, ends = np.empty(_ROOM, dtype=np.uint32), np.empty(_ROOM, dtype=np.bool_)
    return WordsAhead(
        places[0], places[1], numbers[0], numbers[1], places[2], places[3], numbers[2], places[4], hashes, ends
    )


@inlined
def hashed(value: np.uint32, byte: np.uint8) -> np.uint32:
    """Put a byte into fastText's hash: it takes bytes for signed numbers."""
    signed = np.uint32(byte) | _SIGNED if byte & _SIGN else np.uint32(byte)
    return np.uint32((value ^ signed) * _PRIME)


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
def _spaces(data: npt.NDArray[np.uint8], at: int, stop: int) -> int:
    """Return which of the next bytes words end at, that at ``at`` in the lowest bit: from ``stop`` on, each of them."""
    if at + _BITS <= len(data):
        spaces = bits_of(data, at, _SPACES)
    else:
        spaces = np.uint64(0)
        for place in range(at, len(data)):
            if data[place] in (0, 9, 10, 11, 12, 13, 32):
                spaces |= np.uint64(1) << np.uint64(place - at)
    if stop - at < _BITS:
        spaces |= _ALL << np.uint64(stop - at)
    return spaces


@inlined
def _find(texts: FlatTexts, text: int, at: int, ahead: WordsAhead) -> tuple[int, int, int]:
    """Find where the next words of texts begin and end, and where texts end; return as ``find_words`` does.

    Of each ``BITS`` bytes, all places where words begin are written first, then all where words end.
    """
    data, offsets, texts_there = texts.data, texts.offsets, len(texts.offsets) - 1
    starts, stops, ends = ahead.starts, ahead.stops, ahead.ends
    begun = count = 0
    behind_space, stop = _ONE, offsets[text + 1]
    while count < _TOGETHER and text < texts_there:
        spaces = _spaces(data, at, stop)
        before = spaces << _ONE | behind_space
        behind_space = spaces >> _LAST
        bits = ~spaces & before
        while bits != 0:
            starts[begun] = at + first_bit(bits)
            begun += 1
            bits &= bits - _ONE
        bits = spaces & ~before
        while bits != 0:
            stops[count], ends[count] = at + first_bit(bits), False
            count += 1
            bits &= bits - _ONE
        at += _BITS
        if at >= stop:
            if begun > count:
                stops[count], ends[count] = stop, False
                count += 1
            starts[count], stops[count], ends[count] = stop, stop, True
            count += 1
            begun = count
            at, text, behind_space = stop, text + 1, _ONE
            if text < texts_there:
                stop = offsets[text + 1]
    return count, text, starts[count] if begun > count else at


@inlined
def find_words(
    texts: FlatTexts, text: int, at: int, lately: npt.NDArray[np.uint64], ahead: WordsAhead
) -> tuple[int, int, int]:
    """Find the next words of texts, and call for their places among the words met lately.

    Returns:
        How many are found, and the text and the byte to go on from.
    """
    data, starts, stops, lows, highs = texts.data, ahead.starts, ahead.stops, ahead.lows, ahead.highs
    places, ends = ahead.places, ahead.ends
    count, next_text, next_at = _find(texts, text, at, ahead)
    for word in range(count):
        begins, stop = starts[word], stops[word]
        text += ends[word]
        if stop - begins == len(_END) and _is(data, begins, stop, _END):
            ends[word], places[word] = True, 0
            return word + 1, text + 1, texts.offsets[text + 1]
        if stop >= LATELY_BYTES:
            low, high = last_bytes_at_once(data, begins, stop)
        else:
            low, high = last_bytes(data, begins, stop)
        place = place_of(low, high)
        call_for(lately, place)
        lows[word], highs[word], places[word] = low, high, place
    return count, next_text, next_at


@inlined
def look_up(
    data: npt.NDArray[np.uint8],
    words: Index,
    labels: Index,
    lately: npt.NDArray[np.uint64],
    ahead: WordsAhead,
    count: int,
) -> None:
    """Write the rows and the hashes of words that were found."""
    starts, stops, lows, highs, places = ahead.starts, ahead.stops, ahead.lows, ahead.highs, ahead.places
    todo, values, rows, hashes, ends = ahead.left, ahead.values, ahead.rows, ahead.hashes, ahead.ends
    blob, offsets, slot_rows, slot_tags = words.blob, words.offsets, words.slot_rows, words.slot_tags
    left = 0
    for word in range(count):
        place = places[word]
        same = lately[place] == lows[word] and lately[place + 1] == highs[word]
        same = same and stops[word] - starts[word] <= LATELY_BYTES
        rows[word], hashes[word] = np.int64(lately[place + 2]), np.uint32(lately[place + 3])
        todo[left] = word
        left += not (same or ends[word])
    mask = np.uint64(len(slot_rows) - 1)
    for each in range(left):
        word = todo[each]
        value, low = FNV_OFFSET, OFFSET
        for at in range(starts[word], stops[word]):
            value = (value ^ np.uint64(data[at])) * FNV_PRIME
            low = hashed(low, data[at])
        value = mixed(value)
        values[each], hashes[word] = value, low
        call_for(slot_rows, np.int64(value & mask))
        call_for(slot_tags, np.int64(value & mask))
    for each in range(left):
        row = np.int64(slot_rows[np.int64(values[each] & mask)])
        if row >= 0:
            call_for(offsets, row)
    for each in range(left):
        row = np.int64(slot_rows[np.int64(values[each] & mask)])
        if row >= 0:
            call_for(blob, offsets[row])
    for each in range(left):
        word, value = todo[each], values[each]
        start, stop = starts[word], stops[word]
        row = np.int64(found_row(blob, offsets, slot_rows, slot_tags, value, data, start, stop, _AS_WRITTEN))
        if row < 0 and (_is_label(labels, value, data, start, stop) or _is(data, start, stop, _PREFIX)):
            row = np.int64(LABEL)
        rows[word] = row
        if stop - start <= LATELY_BYTES:
            place = places[word]
            lately[place], lately[place + 1] = lows[word], highs[word]
            lately[place + 2], lately[place + 3] = np.uint64(row), np.uint64(hashes[word])


@inlined
def _is_label(labels: Index, value: int, data: npt.NDArray[np.uint8], start: int, stop: int) -> bool:
    index = labels.blob, labels.offsets, labels.slot_rows, labels.slot_tags
    return found_row(*index, value, data, start, stop, _AS_WRITTEN) >= 0
