"""The compiled twin of ``text/segmentation.py``: runs of scripts without spaces, split by the words of a vocabulary.

The time for a run is in proportion to its length. A table tells how long a word may be that begins with certain two
characters, so that few pieces are looked for that no word is like.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.text.fast.index import FNV_OFFSET, FNV_PRIME, Index, found_row, mixed
from w2vray.text.fast.writing import FlatTexts, decode
from w2vray.text.scripts import UNSPACED
from w2vray.text.segmentation import FIRST_RANK, LONGEST, PIECE_COST, STACKING, UNKNOWN_COST, continues
from w2vray.text.vocabulary import Vocabulary

__all__ = ["segment"]

_IN_RUNS, _CONTINUES, _STACKS = 1, 2, 4
_STARTS = 1 << 16
_TABLED = 0x40000
_AS_IT_IS = read_only(np.arange(256).astype(np.uint8))


class Pieces(NamedTuple):
    """Ends of the pieces of all words, one word after another, and how many each word has."""

    ends: npt.NDArray[np.int64]
    counts_N: npt.NDArray[np.int64]


@cache
def _flags(*, stacked: bool) -> npt.NDArray[np.uint8]:
    """Return of each character whether its script has no spaces, and whether it stays with the one before or behind."""
    flags = np.zeros(_TABLED, dtype=np.uint8)
    for first, last in UNSPACED:
        flags[first : last + 1] |= _IN_RUNS
    marks = [point for point in range(0x300, 0x20000) if not 0xD800 <= point < 0xE000 and continues(chr(point))]
    flags[marks] |= _CONTINUES
    if stacked:
        flags[[ord(sign) for sign in STACKING]] |= _STACKS
    return read_only(flags)


@inlined
def _flag(flags: npt.NDArray[np.uint8], point: int) -> int:
    return flags[point] if point < len(flags) else np.uint8(0)


@inlined
def _start(first: int, second: int) -> int:
    """Return the place of two characters in the table of starts."""
    return (first * 0x9E3779B1 + second * 0x85EBCA6B >> 7) & (_STARTS - 1)


@inlined
def _parts(before: int, after: int) -> bool:
    """Tell by the flags of two characters whether a unit ends between them."""
    return not after & _CONTINUES and not before & _STACKS and (before | after) & _IN_RUNS != 0


@kernel
def _longest_words(index: Index, flags: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the units of the longest word for each start of two characters; of words with such a script alone."""
    longest = np.zeros(_STARTS, dtype=np.uint8)
    for row in range(len(index.offsets) - 1):
        at, stop = index.offsets[row], index.offsets[row + 1]
        first = second = before = -1
        units, unspaced = 0, False
        while at < stop:
            point, size = decode(index.blob, at)
            flag = _flag(flags, point)
            unspaced |= flag & _IN_RUNS != 0
            units += before < 0 or _parts(before, flag)
            if first < 0:
                first = point
            elif second < 0:
                second = point
            before = np.int64(flag)
            at += size
        if unspaced and second >= 0 and units <= LONGEST:
            place = _start(first, second)
            longest[place] = max(longest[place], units)
    return longest


@kernel
def _segmented(texts: FlatTexts, index: Index, flags: npt.NDArray[np.uint8], longest: npt.NDArray[np.uint8]) -> Pieces:
    """Split N words into pieces, whose ends count from the first byte of all."""
    data, offsets_N1 = texts.data, texts.offsets
    ends = np.empty(len(data), dtype=np.int64)
    counts_N = np.zeros(len(offsets_N1) - 1, dtype=np.int64)
    most = 0
    for text in range(len(counts_N)):
        most = max(most, offsets_N1[text + 1] - offsets_N1[text])
    places = np.empty(most + 1, dtype=np.int64)
    limits = np.empty(most + 1, dtype=np.int64)  # units of the longest word that may begin here
    in_runs = np.empty(most + 1, dtype=np.bool_)
    costs = np.empty(most + 1, dtype=np.int64)
    starts = np.empty(most + 1, dtype=np.int64)
    known = np.empty(most + 1, dtype=np.bool_)
    written = 0
    for text in range(len(counts_N)):
        at, stop = offsets_N1[text], offsets_N1[text + 1]
        units = 0
        before = previous = -1
        while at < stop:
            point, size = decode(data, at)
            flag = _flag(flags, point)
            if units and limits[units - 1] == 0:  # the second character of what begins here
                limits[units - 1] = max(1, longest[_start(previous, point)])
            if before < 0 or _parts(before, flag):
                places[units], in_runs[units], limits[units] = at, flag & _IN_RUNS != 0, 0
                units += 1
                previous = point
            before = np.int64(flag)
            at += size
        if units and limits[units - 1] == 0:
            limits[units - 1] = 1
        places[units] = stop
        costs[0] = 0
        for unit in range(1, units + 1):
            costs[unit] = units * UNKNOWN_COST + 1
        for first in range(units):
            value = FNV_OFFSET
            for last in range(first + 1, min(first + limits[first], units) + 1):
                for byte in range(places[last - 1], places[last]):
                    value = (value ^ np.uint64(data[byte])) * FNV_PRIME
                row = found_row(
                    index.blob,
                    index.offsets,
                    index.slot_rows,
                    index.slot_tags,
                    mixed(value),
                    data,
                    places[first],
                    places[last],
                    _AS_IT_IS,
                )
                if row < 0 and last > first + 1:
                    continue
                cost = costs[first] + (UNKNOWN_COST if row < 0 else _word_cost(row))
                if cost < costs[last]:
                    costs[last], starts[last], known[last] = cost, first, row >= 0
        count = 0
        last, joinable = units, False
        while last:
            first = starts[last]
            joins = not known[last] and in_runs[first]
            if not (joins and joinable):
                ends[written + count] = places[last]
                count += 1
            joinable = joins
            last = first
        ends[written : written + count] = ends[written : written + count][::-1].copy()
        written += count
        counts_N[text] = count
    return Pieces(ends[:written], counts_N)


@inlined
def _word_cost(row: int) -> int:
    rank = np.int64(row) + FIRST_RANK
    exponent = 0
    while rank >> (exponent + 1):
        exponent += 1
    return PIECE_COST + (exponent << 8) + ((rank << 8 >> exponent) - 256)


_longest: WeakKeyDictionary[object, dict[bool, npt.NDArray[np.uint8]]] = WeakKeyDictionary()


def segment(vocabulary: Vocabulary, words: Sequence[str], *, stacked: bool) -> list[list[str]]:
    """Split words as ``segmentation.segment`` does."""
    if not words:
        return []
    index, flags = Index.of(vocabulary), _flags(stacked=stacked)
    of_vocabulary = _longest.setdefault(vocabulary, {})
    if stacked not in of_vocabulary:
        of_vocabulary[stacked] = read_only(_longest_words(index, flags))
    longest = of_vocabulary[stacked]
    texts = FlatTexts.of(words)
    pieces = _segmented(FlatTexts(read_only(texts.data), read_only(texts.offsets)), index, flags, longest)
    data = texts.data.tobytes()
    starts = np.concatenate(([0], pieces.ends)).tolist()
    flat = [data[start:end].decode() for start, end in pairwise(starts)]
    bounds = np.concatenate(([0], np.cumsum(pieces.counts_N))).tolist()
    return [flat[start:stop] for start, stop in pairwise(bounds)]
