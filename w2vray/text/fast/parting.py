"""Where the parts of texts end that pieces are found in, and which number each part has: one pass over a block.

The compiled twin of ``text.cutting``: a part's bytes are looked for among those that came before; a new one is kept,
once, for ``Lookup`` to split into pieces.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.text.cutting import ALONE, BLANK, GLUED, HELD, HOLDS, MARK, TABLED, WORD, Cuts
from w2vray.text.fast.misses import (
    BUT_ONE,
    BYTE,
    LATELY_BYTES,
    Misses,
    hash_bytes,
    number_of_miss,
    place_of,
)
from w2vray.text.fast.writing import COUNTED, FlatTexts, decode

__all__ = ["PartReader"]

_ASCII = 0x80
_AS_IT_IS = read_only(np.arange(256).astype(np.uint8))


class Cutting(NamedTuple):
    """``Cuts`` as compiled code reads them."""

    kinds: npt.NDArray[np.uint8]  # [TABLED]
    drops_blanks: bool
    marks_apart: bool


@inlined
def _kind(data: npt.NDArray[np.uint8], at: int, kinds: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return what the character at a place is, and how many bytes it has."""
    if data[at] < _ASCII:
        return kinds[data[at]], 1
    point, size = decode(data, at)
    return kinds[point] if point < TABLED else GLUED, size


@inlined
def _accent_follows(data: npt.NDArray[np.uint8], at: int, stop: int, kinds: npt.NDArray[np.uint8]) -> bool:
    """Tell whether what is here may belong to the character before."""
    if at >= stop or data[at] < _ASCII:
        return False
    kind, _ = _kind(data, at, kinds)
    return kind in (GLUED, HELD)


@inlined
def _are_two(first: int, second: int, marks_apart: bool) -> bool:
    """Tell whether a cut may be between two characters, neither of them a blank."""
    if first == MARK:
        return second in (WORD, ALONE) or (second == MARK and marks_apart)
    if first == WORD:
        return second in (MARK, ALONE)
    return first == ALONE and second in (WORD, MARK, ALONE)


@inlined
def _part_end(
    data: npt.NDArray[np.uint8], at: int, stop: int, before: int, kinds: npt.NDArray[np.uint8], marks_apart: bool
) -> int:
    """Return where a part ends of which a character of the kind ``before`` ends here."""
    while at < stop:
        kind, size = _kind(data, at, kinds)
        if kind == BLANK:
            behind = at + 1
            while behind < stop and kinds[data[behind]] == BLANK and data[behind] < _ASCII:
                behind += 1
            if before not in (HOLDS, HELD) and not (behind < stop and _kind(data, behind, kinds)[0] == HELD):
                return at
            at = behind
        else:
            if _are_two(before, kind, marks_apart) and not _accent_follows(data, at + size, stop, kinds):
                return at
            at += size
        before = kind
    return at


@kernel
def scan_parts(
    texts: FlatTexts,
    first_text: int,
    at: int,
    cutting: Cutting,
    as_it_is: npt.NDArray[np.uint8],
    misses: Misses,
    count: int,
    lately: npt.NDArray[np.uint64],
    codes: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> tuple[int, int, int, int]:
    """Number the parts of texts, as ``scanning.scan`` does tokens: -1 less the number of the part among ``misses``."""
    data, offsets, kinds = texts.data, texts.offsets, cutting.kinds
    token = 0
    for text in range(first_text, len(ends)):
        stop = offsets[text + 1]
        if text > first_text:
            at = offsets[text]
        while at < stop:
            start = end = at
            while end < stop and data[end] < _ASCII and kinds[data[end]] == BLANK:
                end += 1
            if end < stop:
                kind, size = _kind(data, end, kinds)
                if cutting.drops_blanks and kind in (WORD, MARK, ALONE):
                    start = end
                end += size
                if kind == WORD:
                    while end < stop and data[end] < _ASCII and kinds[data[end]] == WORD:
                        end += 1
                end = _part_end(data, end, stop, kind, kinds, cutting.marks_apart)
            elif cutting.drops_blanks:
                at = stop
                continue
            if token == len(codes):
                return text, at, token, count
            if len(starts):
                starts[token] = start
            short = end - start <= LATELY_BYTES and data[start] != 0  # a zero in front would be lost
            low = high = np.uint64(0)
            place = 0
            if short:
                for byte in range(start, end):
                    high = high << BYTE | low >> BUT_ONE
                    low = low << BYTE | np.uint64(data[byte])
                place = place_of(low, high)
                if lately[place] == low and lately[place + 1] == high:
                    codes[token] = np.int64(lately[place + 2])
                    token += 1
                    at = end
                    continue
            if count + 1 == len(misses.ends) or misses.ends[count] + end - start > len(misses.blob):
                return text, at, token, count
            value = hash_bytes(data, start, end, as_it_is)
            number = number_of_miss(misses, count, value, data, start, end, as_it_is)
            count += number == count
            if short:
                lately[place], lately[place + 1], lately[place + 2] = low, high, np.uint64(-1 - number)
            codes[token] = -1 - number
            token += 1
            at = end
        ends[text] = token
    return len(ends), 0, token, count


class PartReader:
    """Reads the parts of texts of a tokenizer."""

    remembered, remembered_bytes = 1 << 19, 1 << 24

    def __init__(self, cuts: Cuts) -> None:
        self._cutting = Cutting(read_only(cuts.kinds), cuts.drops_blanks, cuts.marks_apart)

    def prepared(self, texts: FlatTexts) -> tuple[FlatTexts, npt.NDArray[np.uint8]]:
        """Return the texts as ``scan`` reads them, which is as they are, and how each was written anew: not at all."""
        return texts, np.full(len(texts.offsets) - 1, COUNTED, dtype=np.uint8)

    def scan(
        self,
        texts: FlatTexts,
        text: int,
        at: int,
        misses: Misses,
        count: int,
        lately: npt.NDArray[np.uint64],
        codes: npt.NDArray[np.int32],
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
    ) -> tuple[int, int, int, int]:
        """Number parts, from a text and a byte on; see ``scanning.scan``."""
        read: tuple[int, int, int, int] = scan_parts(
            texts, text, at, self._cutting, _AS_IT_IS, misses, count, lately, codes, starts, ends
        )
        return read
