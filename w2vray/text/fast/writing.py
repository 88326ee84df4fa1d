"""Texts that are not ASCII, written anew so that each byte says what it is (see ``alphabet.py``).

Most such texts hold only characters that can be prepared one by one, from a table. A text with others, such as
combining accents, is prepared by Python's own functions first; what it becomes is the same.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.text.fast.alphabet import BLANK_KIND, COMPLEX, EMOJI, EMOJI_KIND, MARK, PACKED, WORD_KIND, Characters
from w2vray.text.invisible import MOST_JOINED, MOST_TAGS

__all__ = ["AS_IT_IS", "BY_PYTHON", "BY_TABLE", "COUNTED", "FlatTexts", "decode", "ways_to_read", "write"]

AS_IT_IS, BY_TABLE, BY_PYTHON, COUNTED = 0, 1, 2, 3
"""How a text is written anew; of a text as it is, a byte is a character where it is ASCII, or is counted as one."""

_ASCII, _SPACE = 0x80, 0x20
_JOINER, _SELECTOR, _KEYCAP = 0x200D, 0xFE0F, 0x20E3
_FIRST_REGIONAL, _LAST_REGIONAL = 0x1F1E6, 0x1F1FF
_FIRST_TONE, _LAST_TONE = 0x1F3FB, 0x1F3FF
_FIRST_TAG, _LAST_TAG, _END_OF_TAGS = 0xE0020, 0xE007E, 0xE007F
_NONE = (0, 0)


class FlatTexts(NamedTuple):
    """Texts as Arrow holds them: text i is ``data[offsets[i] : offsets[i + 1]]``."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]  # [N + 1]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "FlatTexts":
        """Lay strings out flat."""
        encoded = [text.encode() for text in texts]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    @classmethod
    def viewed(cls, texts: pa.LargeStringArray) -> "FlatTexts":
        """View an array without nulls, copying nothing."""
        _, offsets, data = texts.buffers()
        bytes_ = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
        if offsets is None or not len(texts):
            return cls(read_only(bytes_), read_only(np.zeros(1, dtype=np.int64)))
        starts = np.frombuffer(offsets, dtype=np.int64, count=len(texts) + 1, offset=8 * texts.offset)
        return cls(read_only(bytes_), read_only(starts))


@inlined
def decode(data: npt.NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Return the code point at a place, and how many bytes it has; the bytes are valid UTF-8."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(data[at + 1]) & 0x3F, 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | np.int64(data[at + 2]) & 0x3F, 3
    high = (first & 0x07) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12
    return high | (np.int64(data[at + 2]) & 0x3F) << 6 | np.int64(data[at + 3]) & 0x3F, 4


@inlined
def _encode(point: int, out: npt.NDArray[np.uint8], at: int) -> int:
    """Write a code point as UTF-8 and return where it ends."""
    if point < 0x80:
        out[at] = point
        return at + 1
    if point < 0x800:
        out[at] = 0xC0 | point >> 6
        out[at + 1] = 0x80 | point & 0x3F
        return at + 2
    if point < 0x10000:
        out[at] = 0xE0 | point >> 12
        out[at + 1] = 0x80 | point >> 6 & 0x3F
        out[at + 2] = 0x80 | point & 0x3F
        return at + 3
    out[at] = 0xF0 | point >> 18
    out[at + 1] = 0x80 | point >> 12 & 0x3F
    out[at + 2] = 0x80 | point >> 6 & 0x3F
    out[at + 3] = 0x80 | point & 0x3F
    return at + 4


@inlined
def _next(data: npt.NDArray[np.uint8], at: int, stop: int) -> tuple[int, int]:
    """Return the code point at a place and how many bytes it has; zeros where the text ends."""
    return decode(data, at) if at < stop else _NONE


@inlined
def _symbol_end(data: npt.NDArray[np.uint8], at: int, stop: int, kinds: npt.NDArray[np.uint8]) -> int:
    """Return where a symbol ends with its tags, or its selector and skin tone; ``at`` itself where none is."""
    point, size = _next(data, at, stop)
    if not size or kinds[point] != EMOJI_KIND:
        return at
    end = tag = at + size
    for _ in range(MOST_TAGS + 1):
        point, size = _next(data, tag, stop)
        tag += size
        if point == _END_OF_TAGS and tag - size > end:
            return tag
        if not _FIRST_TAG <= point <= _LAST_TAG:
            break
    selector, tone = False, False  # each once, in either order
    for _ in range(2):
        point, size = _next(data, end, stop)
        if point == _SELECTOR and not selector:
            selector = True
        elif _FIRST_TONE <= point <= _LAST_TONE and not tone:
            tone = True
        else:
            break
        end += size
    return end


@inlined
def _emoji_end(data: npt.NDArray[np.uint8], at: int, stop: int, kinds: npt.NDArray[np.uint8], alone: bool) -> int:
    """Return where an emoji ends, read as the expression of ``invisible.py`` reads it; ``at`` itself where none is.

    ``alone`` says that nothing, or a blank, stands before it.
    """
    first, size = decode(data, at)
    if first < _ASCII:
        if not alone or not (0x30 <= first <= 0x39 or first in (0x23, 0x2A)):
            return at
        end = at + size
        point, size = _next(data, end, stop)
        if point == _SELECTOR:
            end += size
            point, size = _next(data, end, stop)
        if point != _KEYCAP:
            return at
        end += size
        point, size = _next(data, end, stop)
        return end if not size or kinds[point] == BLANK_KIND else at
    if _FIRST_REGIONAL <= first <= _LAST_REGIONAL:
        point, more = _next(data, at + size, stop)
        return at + size + more if _FIRST_REGIONAL <= point <= _LAST_REGIONAL else at
    end = _symbol_end(data, at, stop, kinds)
    if end > at:
        for _ in range(MOST_JOINED):
            point, size = _next(data, end, stop)
            if point != _JOINER:
                break
            more = _symbol_end(data, end + size, stop, kinds)
            if more == end + size:
                break
            end = more
    return end


@kernel
def ways_to_read(texts: FlatTexts, written: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Tell of each text how it is to be written: as it is, from the table of characters, or by Python."""
    data, offsets = texts.data, texts.offsets
    ways_N = np.zeros(len(offsets) - 1, dtype=np.uint8)
    for text in range(len(ways_N)):
        at, stop = offsets[text], offsets[text + 1]
        seen = np.uint8(0)
        for byte in data[at:stop]:  # of a slice: many bytes at once
            seen |= byte
        if seen < _ASCII:
            continue
        ways_N[text] = BY_TABLE
        while at < stop:
            if data[at] < _ASCII:
                at += 1
                continue
            point, size = decode(data, at)
            if point >= len(written) or written[point] == COMPLEX:
                ways_N[text] = BY_PYTHON
                break
            at += size
    return ways_N


@kernel
def write(texts: FlatTexts, ways_N: npt.NDArray[np.uint8], prepared: FlatTexts, characters: Characters) -> FlatTexts:
    """Write texts anew; those that Python has prepared are taken from the M texts of ``prepared``."""
    bytes_in = texts.offsets[-1] - texts.offsets[0] + prepared.offsets[-1]
    out = np.empty(2 * bytes_in, dtype=np.uint8)  # two bytes may become a mark and three: no character grows more
    offsets = np.zeros(len(texts.offsets), dtype=np.int64)
    end = 0
    taken = 0
    text = 0
    while text < len(ways_N):
        if ways_N[text] == AS_IT_IS:
            at = texts.offsets[text]
            moved = end - at
            while text < len(ways_N) and ways_N[text] == AS_IT_IS:
                offsets[text + 1] = texts.offsets[text + 1] + moved
                text += 1
            stop = texts.offsets[text]
            out[end : stop + moved] = texts.data[at:stop]  # all that stand together: a copy each would take longer
            end = stop + moved
            continue
        if ways_N[text] == BY_PYTHON:
            source, at, stop = prepared.data, prepared.offsets[taken], prepared.offsets[taken + 1]
            taken += 1
        else:
            source, at, stop = texts.data, texts.offsets[text], texts.offsets[text + 1]
        emoji = characters.emoji and ways_N[text] == BY_PYTHON  # of several characters: the table has no part of one
        alone = True
        while at < stop:
            if emoji:
                bytes_ = _emoji_end(source, at, stop, characters.kinds, alone) - at
                if bytes_ > decode(source, at)[1]:
                    out[end], out[end + 1] = EMOJI, bytes_
                    out[end + 2 : end + 2 + bytes_] = source[at : at + bytes_]
                    end += bytes_ + 2
                    at += bytes_
                    alone = False
                    continue
                alone = characters.kinds[decode(source, at)[0]] == BLANK_KIND
            if source[at] < _ASCII:
                out[end] = source[at]
                end += 1
                at += 1
                continue
            point, size = decode(source, at)
            at += size
            if ways_N[text] == BY_TABLE:
                point = np.int64(characters.written[point])
                if point >= PACKED:
                    for shift in (16, 8, 0):
                        if point >> shift & 0xFF:
                            out[end] = point >> shift & 0xFF
                            end += 1
                    continue
            kind = characters.kinds[point]
            if point >= _ASCII and kind != WORD_KIND:
                is_token = characters.punctuation and kind != BLANK_KIND
                out[end] = MARK if is_token else _SPACE
                end += 1
                if not is_token:
                    continue
            end = _encode(point, out, end)
        offsets[text + 1] = end
        text += 1
    return FlatTexts(out[:end], offsets)
