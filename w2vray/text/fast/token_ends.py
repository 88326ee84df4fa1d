"""Where a token ends, byte by byte: ``token_end`` reads what the expression of ``tokens.py`` reads, choice by choice.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined
from w2vray.text.fast.alphabet import DIGIT, EMOJI, JOINER, LETTER, MARK, NUMBER_JOINER, TOKEN, WORD

__all__ = ["APOSTROPHE", "stands_alone", "token_end", "word_end"]

APOSTROPHE = 0x27
_SMALL = 0x20  # set in a letter of ASCII, and only there makes one


@inlined
def word_end(data: npt.NDArray[np.uint8], at: int, stop: int, bits: npt.NDArray[np.uint8]) -> int:
    """Return where the run of bytes of words ends that starts here, if any does."""
    while at < stop and bits[data[at]] & WORD:
        at += 1
    return at


@inlined
def _is(data: npt.NDArray[np.uint8], at: int, stop: int, character: int) -> bool:
    return at < stop and data[at] == character


@inlined
def _clitic_end(data: npt.NDArray[np.uint8], at: int, stop: int, bits: npt.NDArray[np.uint8]) -> int:
    """Return where s, m, d, re, ve or ll ends, in any case, that starts here and no longer word follows, or -1."""
    if at >= stop:
        return -1
    first = data[at] | _SMALL
    end = at + 1
    second = data[end] | _SMALL if end < stop else 0
    if (first in (0x72, 0x76) and second == 0x65) or (first == 0x6C and second == 0x6C):  # re ve ll
        end += 1
    elif first not in (0x73, 0x6D, 0x64):  # s m d
        return -1
    return -1 if end < stop and bits[data[end]] & WORD else end


@inlined
def _goes_on(
    data: npt.NDArray[np.uint8], at: int, stop: int, bits: npt.NDArray[np.uint8], apostrophe: bool, acronyms: bool
) -> bool:
    """Tell whether a mark that may stand inside a word is here, and a word character behind it."""
    if at + 1 >= stop or not bits[data[at + 1]] & WORD:
        return False
    mark = data[at]
    return bits[mark] & JOINER != 0 or (apostrophe and mark == APOSTROPHE) or (acronyms and mark == 0x2E)


@inlined
def _negation_follows(
    data: npt.NDArray[np.uint8], at: int, stop: int, bits: npt.NDArray[np.uint8], lower: npt.NDArray[np.uint8]
) -> bool:
    """Tell whether n't starts here, and no longer word."""
    return (
        at + 2 < stop
        and lower[data[at]] == 0x6E
        and data[at + 1] == 0x27
        and lower[data[at + 2]] == 0x74
        and not (at + 3 < stop and bits[data[at + 3]] & WORD)
    )


@inlined
def _mark_end(data: npt.NDArray[np.uint8], at: int, stop: int) -> int:
    """Return where a mark ends: three full stops, two of - ' `, or one character, which may be an emoji of several."""
    first = data[at]
    if first == EMOJI:
        return at + 2 + np.int64(data[at + 1])
    if first == MARK:
        lead = data[at + 1]
        return at + (3 if lead < 0xE0 else 4 if lead < 0xF0 else 5)
    if first == 0x2E and _is(data, at + 1, stop, first) and _is(data, at + 2, stop, first):
        return at + 3
    if first in (0x2D, 0x27, 0x60) and _is(data, at + 1, stop, first):
        return at + 2
    return at + 1


@inlined
def stands_alone(data: npt.NDArray[np.uint8], at: int, stop: int) -> bool:
    """Tell whether a mark is surely a token of one byte: ASCII, no apostrophe, and another byte follows."""
    return data[at] not in (MARK, EMOJI, APOSTROPHE) and not _is(data, at + 1, stop, data[at])


@inlined
def token_end(
    data: npt.NDArray[np.uint8],
    at: int,
    stop: int,
    bits: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint8],
    rules: tuple[bool, bool, bool, bool, bool],
) -> int:
    """Return where the token that starts here ends; ``at`` itself where none does."""
    apostrophe, marks, clitics, lone_clitics, acronyms = rules
    kind = bits[data[at]]
    if not kind & WORD:
        if (clitics or lone_clitics) and data[at] == 0x27:
            end = _clitic_end(data, at + 1, stop, bits)
            if end >= 0 and (clitics or not _goes_on(data, end, stop, bits, apostrophe, acronyms)):
                return end
        if not kind & TOKEN:
            return at
        return _mark_end(data, at, stop) if marks or data[at] == EMOJI else at + 1
    if acronyms and kind & LETTER and _is(data, at + 1, stop, 0x2E):
        end = at + 2
        while end + 1 < stop and bits[data[end]] & LETTER and data[end + 1] == 0x2E:
            end += 2
        if end > at + 2:
            return end
    end = word_end(data, at, stop, bits)
    if clitics and _is(data, end, stop, 0x27) and _negation_follows(data, end - 1, stop, bits, lower):
        return end - 1 if end - 1 > at else end + 2
    while end + 1 < stop and bits[data[end + 1]] & WORD:
        joiner = data[end]
        if joiner == 0x27:
            joins = apostrophe and not (clitics and _clitic_end(data, end + 1, stop, bits) >= 0)
        else:
            joins = bits[joiner] & JOINER != 0
        if not joins and bits[joiner] & NUMBER_JOINER:
            joins = bits[data[end - 1]] & DIGIT != 0 and bits[data[end + 1]] & DIGIT != 0
        if not joins:
            break
        end = word_end(data, end + 1, stop, bits)
    return end
