"""Where tokens end, and which row of the table each one has: one pass over the bytes of a block.

``token_end`` reads what the expression of ``tokens.py`` reads, choice by choice. A token's bytes are hashed and looked
for in the vocabulary's index as they lie; only words that have no row are kept, each once (``Misses``), for
``Lookup`` to resolve. Most tokens are common words of up to 16 bytes: those are found, as two whole numbers, in a small
table of words met lately, and are neither hashed byte by byte nor compared.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel
from w2vray.text.fast.alphabet import DIGIT, EMOJI, JOINER, LETTER, MARK, NUMBER_JOINER, PARTS, TOKEN, WORD, Alphabet
from w2vray.text.fast.index import Index, found_row
from w2vray.text.fast.misses import (
    BUT_ONE,
    BYTE,
    LATELY_BYTES,
    LATELY_SHIFT,
    ODD_HIGH,
    ODD_LOW,
    Misses,
    hash_bytes,
    last_bytes,
    number_of_miss,
)
from w2vray.text.fast.writing import FlatTexts

__all__ = ["scan"]

_APOSTROPHE = 0x27
_SMALL = 0x20  # set in a letter of ASCII, and only there makes one


@inlined
def _word_end(data: npt.NDArray[np.uint8], at: int, stop: int, bits: npt.NDArray[np.uint8]) -> int:
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
    return bits[mark] & JOINER != 0 or (apostrophe and mark == _APOSTROPHE) or (acronyms and mark == 0x2E)


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
def _stands_alone(data: npt.NDArray[np.uint8], at: int, stop: int) -> bool:
    """Tell whether a mark is surely a token of one byte: ASCII, no apostrophe, and another byte follows."""
    return data[at] not in (MARK, EMOJI, _APOSTROPHE) and not _is(data, at + 1, stop, data[at])


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
    end = _word_end(data, at, stop, bits)
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
        end = _word_end(data, end + 1, stop, bits)
    return end


@kernel
def scan(
    texts: FlatTexts,
    first_text: int,
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
        first_text: where to begin,
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
    bits, lower = alphabet.bits, alphabet.lower
    rules = (alphabet.apostrophe, alphabet.marks, alphabet.clitics, alphabet.lone_clitics, alphabet.acronyms)
    data, offsets = texts.data, texts.offsets
    words, word_offsets, slot_rows, slot_tags = index.blob, index.offsets, index.slot_rows, index.slot_tags
    noting = len(starts) > 0
    token = 0
    for text in range(first_text, len(ends)):
        stop = offsets[text + 1]
        if text > first_text:
            at = offsets[text]
        while at < stop:
            start = end = at
            low = high = np.uint64(0)
            kind = PARTS
            while end < stop:
                kind = bits[data[end]]
                if not kind & WORD:
                    break
                high = high << BYTE | low >> BUT_ONE
                low = low << BYTE | np.uint64(lower[data[end]])
                end += 1
            if end == at and not kind & TOKEN and data[at] != _APOSTROPHE:
                at += 1
                continue
            if end == at and kind & TOKEN and _stands_alone(data, at, stop):
                end = at + 1
                low = np.uint64(data[at])
            elif end == at or not (kind & PARTS or end + 1 >= stop or not bits[data[end + 1]] & WORD):
                end = token_end(data, at, stop, bits, lower, rules)
                if end == at:
                    at += 1
                    continue
                start = at + (1 if data[at] == MARK else 2 if data[at] == EMOJI else 0)
                low, high = last_bytes(data, start, end, lower)
            if token == len(codes):
                return text, at, token, count
            if noting:
                starts[token] = start
            place = (low * ODD_LOW ^ high * ODD_HIGH) >> LATELY_SHIFT
            if lately[place, 0] == low and lately[place, 1] == high and end - start <= LATELY_BYTES:
                codes[token] = np.int64(lately[place, 2])
                token += 1
                at = end
                continue
            value = hash_bytes(data, start, end, lower)
            code = found_row(words, word_offsets, slot_rows, slot_tags, value, data, start, end, lower)
            if code < 0:
                if count + 1 == len(misses.ends) or misses.ends[count] + end - start > len(misses.blob):
                    return text, at, token, count
                number = number_of_miss(misses, count, value, data, start, end, lower)
                count += number == count
                code = -1 - number
            if end - start <= LATELY_BYTES:
                lately[place, 0], lately[place, 1], lately[place, 2] = low, high, np.uint64(code)
            codes[token] = code
            token += 1
            at = end
        ends[text] = token
    return len(ends), 0, token, count
