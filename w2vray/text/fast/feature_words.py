"""The words of texts as fastText reads them: where they are, which rows they have, and what it hashes them to.

As in ``scanning.py``, some dozens of words are found before the first of them is looked up, and most have been met
lately: those are found as two whole numbers, and are neither hashed byte by byte nor compared.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, read_only
from w2vray.kernels.loading import call_for
from w2vray.text.fast.index import FNV_OFFSET, FNV_PRIME, Index, found_row, mixed
from w2vray.text.fast.misses import LATELY_BYTES, LATELY_SHIFT, ODD_HIGH, ODD_LOW, as_numbers
from w2vray.text.fast.peeking import WINDOW, length_of_run
from w2vray.text.fast.writing import FlatTexts
from w2vray.text.features import LABEL_PREFIX, LINE_END

__all__ = ["LABEL", "OFFSET", "WordsAhead", "find_words", "hashed", "look_up", "words_ahead"]

LABEL = -2
"""In place of the row of a label, which is no word; a word without a row has -1."""

OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_SIGN, _SIGNED = np.uint8(0x80), np.uint32(0xFFFFFF00)

_SPACES = read_only(np.isin(np.arange(256), [0, *range(9, 14), 32]))
"""Which bytes words end at."""

_OTHERS = tuple(map(np.uint8, (33, 222, 1, 7, 14, 17, 33, 222)))
"""The ranges of all other bytes, as ``length_of_run`` takes them."""

_TOGETHER = 64
"""Words that are found, and then looked up, together: what one waits for in memory is fetched for all at once."""

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
    places = np.empty((5, _TOGETHER), dtype=np.int64)
    numbers = np.empty((3, _TOGETHER), dtype=np.uint64)
    hashes, ends = np.empty(_TOGETHER, dtype=np.uint32), np.empty(_TOGETHER, dtype=np.bool_)
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
def _word_end(data: npt.NDArray[np.uint8], at: int, stop: int) -> int:
    """Return where the word ends that starts here, if any does."""
    last_window, length = len(data) - WINDOW, WINDOW
    while length == WINDOW and at < stop and at <= last_window:
        length = length_of_run(data, at, _OTHERS)
        at += length
    if length == WINDOW:
        while at < stop and not _SPACES[data[at]]:
            at += 1
    return min(at, stop)


@inlined
def find_words(
    texts: FlatTexts, text: int, at: int, lately: npt.NDArray[np.uint64], ahead: WordsAhead
) -> tuple[int, int, int]:
    """Find the next words of texts, and call for their places among the words met lately.

    Returns:
        How many are found, and the text and the byte to go on from.
    """
    data, offsets, texts_there = texts.data, texts.offsets, len(texts.offsets) - 1
    starts, stops, lows, highs, places, ends = (
        ahead.starts,
        ahead.stops,
        ahead.lows,
        ahead.highs,
        ahead.places,
        ahead.ends,
    )
    count = 0
    while count < len(starts) and text < texts_there:
        stop = offsets[text + 1]
        while at < stop and _SPACES[data[at]]:
            at += 1
        end = _word_end(data, at, stop)
        starts[count], stops[count] = at, end
        ends[count] = end == at or (end - at == len(_END) and _is(data, at, end, _END))
        if ends[count]:
            text, at, places[count] = text + 1, stop, 0
        else:
            low, high = as_numbers(data, at, end)
            place = np.int64((low * ODD_LOW ^ high * ODD_HIGH) >> LATELY_SHIFT)
            call_for(lately, 4 * place)
            lows[count], highs[count], places[count] = low, high, place
            at = end
        count += 1
    return count, text, at


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
        place = 4 * places[word]
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
            place = 4 * places[word]
            lately[place], lately[place + 1] = lows[word], highs[word]
            lately[place + 2], lately[place + 3] = np.uint64(row), np.uint64(hashes[word])


@inlined
def _is_label(labels: Index, value: int, data: npt.NDArray[np.uint8], start: int, stop: int) -> bool:
    index = labels.blob, labels.offsets, labels.slot_rows, labels.slot_tags
    return found_row(*index, value, data, start, stop, _AS_WRITTEN) >= 0
