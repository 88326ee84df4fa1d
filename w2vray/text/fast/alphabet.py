"""What each byte and each character is to a family's token rules, as tables that compiled code can read.

The tables are made by asking ``tokens.py`` about every character, so that nothing is told twice; that takes a quarter
of a second, and they are kept for the next process. A text that is not ASCII is first written anew (``writing.py``) so
that one byte says what it is: word characters stay UTF-8, blanks become a space, and any other character gets ``MARK``
in front of it, or becomes a space where the rules drop marks.
"""

import re
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import read_only
from w2vray.kernels.tables import kept_table, made_by
from w2vray.text.fast.peeking import RANGES
from w2vray.text.invisible import IN_CONTEXT, KEYCAP, REGIONAL, SELECTOR, SKIN_TONES, emoji_bases
from w2vray.text.rules import TokenRules
from w2vray.text.tokens import prepared, word_character

__all__ = ["COMPLEX", "EMOJI", "MARK", "PACKED", "Alphabet", "Characters"]

WORD, LETTER, DIGIT, BLANK, JOINER, NUMBER_JOINER, TOKEN, PARTS = 1, 2, 4, 8, 16, 32, 64, 128
"""What a byte may be, as bits: TOKEN is a mark that is a token by itself; before PARTS a word surely ends."""

MARK = 0xFF
"""Stands before a character that is a token by itself; no byte of UTF-8 is like it."""

EMOJI = 0xFE
"""Stands before an emoji of several characters, its length in bytes between them; no byte of UTF-8 is like it."""

OTHER_KIND, WORD_KIND, BLANK_KIND, EMOJI_KIND = 0, 1, 2, 3
"""What a character is; an emoji of several characters may begin with the last kind."""

COMPLEX = 0xFFFFFFFF
"""Written for a character that depends on its neighbours: Python's own functions prepare its text."""

PACKED = 0x80000000
"""Set where a character becomes up to three ASCII characters, or none; each in eight bits, the last one lowest."""

_TABLED = 0x20000
_SURROGATES = range(0xD800, 0xE000)
_FINAL_SIGMA = 0x3A3  # a capital sigma is another small letter at the end of a word
_JAMO = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))  # compose with the syllable before them
_ASCII = [chr(point) for point in range(128)]


class Alphabet(NamedTuple):
    """The bytes of a family, and which of its rules are in force."""

    bits: npt.NDArray[np.uint8]  # [256]
    lower: npt.NDArray[np.uint8]  # [256]; each byte itself where the family keeps case
    apostrophe: bool  # joins
    marks: bool  # ... -- '' and `` are tokens
    clitics: bool
    lone_clitics: bool
    acronyms: bool
    ranges: tuple[np.uint8, ...]  # that the bytes of words are in: of each the first one, and how many more there are

    @classmethod
    def of(cls, rules: TokenRules) -> "Alphabet":
        """Make the tables of a family."""
        bits = np.zeros(256, dtype=np.uint8)
        lower = np.arange(256, dtype=np.uint8)
        lower[:128] = [ord(prepared(rules, character)) for character in _ASCII]
        bits[0x80:] = WORD  # of what is not ASCII, only word characters come without a mark
        _set(bits, WORD, word_character(rules, ascii_only=True))
        if rules.whitespace_only:
            bits[bits & WORD == 0] |= PARTS
            return cls(read_only(bits), read_only(lower), False, False, False, False, False, _ranges(bits))
        bits[[MARK, EMOJI]] = TOKEN
        _set(bits, LETTER, "[a-zA-Z]")
        _set(bits, DIGIT, "[0-9]")
        _set(bits, BLANK, r"\s")
        for bit, characters in ((JOINER, rules.joiners.replace("'", "")), (NUMBER_JOINER, rules.number_joiners)):
            bits[[ord(character) for character in characters]] |= bit
        marks = bits & (WORD | BLANK) == 0
        marks[MARK] = rules.punctuation
        if rules.punctuation:
            bits[marks] |= TOKEN
        bits[[ord(character) for character in rules.kept_marks]] |= TOKEN
        going_on = [ord(character) for character in "'" + "." * rules.acronyms]
        parting = bits & (WORD | JOINER | NUMBER_JOINER) == 0
        parting[going_on] = False
        bits[parting] |= PARTS
        apostrophe, marks_together = "'" in rules.joiners, rules.punctuation
        in_force = (apostrophe, marks_together, rules.clitics, rules.lone_clitics, rules.acronyms)
        return cls(read_only(bits), read_only(lower), *in_force, _ranges(bits))


def _ranges(bits: npt.NDArray[np.uint8]) -> tuple[np.uint8, ...]:
    """Return the ranges of the bytes of words, one of them several times where there are fewer than ``RANGES``."""
    is_word = np.concatenate(([False], bits & WORD != 0, [False]))
    edges = np.flatnonzero(is_word[1:] != is_word[:-1])
    ranges = [(first, end - 1 - first) for first, end in zip(edges[::2], edges[1::2], strict=True)]
    assert 0 < len(ranges) <= RANGES, "compiled code knows no more"
    filled = ranges + ranges[:1] * (RANGES - len(ranges))
    return tuple(np.uint8(number) for pair in filled for number in pair)


def _set(bits: npt.NDArray[np.uint8], bit: int, pattern: str) -> None:
    bits[:128] |= np.array([bit if re.fullmatch(pattern, character) else 0 for character in _ASCII], dtype=np.uint8)


class Characters(NamedTuple):
    """The characters of a family: what each becomes, and what kind it is then."""

    written: npt.NDArray[np.uint32]  # [characters] code point, PACKED characters, or COMPLEX
    kinds: npt.NDArray[np.uint8]  # [characters, or all]
    punctuation: bool
    emoji: bool  # those of several characters are tokens

    @classmethod
    def of(cls, rules: TokenRules) -> "Characters":
        """Make the tables of a family: which takes a while, and is only done where a text is not ASCII."""
        emoji = rules.emoji and not rules.whitespace_only
        return cls(read_only(_written(rules)), read_only(_kinds(rules, _TABLED)), rules.punctuation, emoji)

    def with_all_kinds(self, rules: TokenRules) -> "Characters":
        """Return the tables with the kinds of all characters, rare ones too."""
        return self._replace(kinds=read_only(_kinds(rules, 0x110000)))


@cache
def _kinds(rules: TokenRules, stop: int) -> npt.NDArray[np.uint8]:
    name = f"kinds-{stop:x}-{_made_by(rules)}"
    return kept_table(name, stop, np.uint8, lambda: _made_kinds(rules, stop))


@cache
def _written(rules: TokenRules) -> npt.NDArray[np.uint32]:
    return kept_table(f"written-{_made_by(rules)}", _TABLED, np.uint32, lambda: _made_written(rules))


@cache
def _made_by(rules: TokenRules) -> str:
    """Return the name for the tables of a family: made by the rules, by this package, and by what Python knows."""
    here = Path(__file__).parent
    sources = [*here.parent.glob("*.py"), *here.glob("*.py")]
    return made_by(rules, sys.version_info, unicodedata.unidata_version, sources=sources)


def _made_kinds(rules: TokenRules, stop: int) -> npt.NDArray[np.uint8]:
    kinds = np.full(stop, OTHER_KIND, dtype=np.uint8)
    characters = _characters(stop)
    points = np.frombuffer(characters.encode("utf-32-le"), dtype=np.uint32)
    patterns = [(BLANK_KIND, r"\s+"), (WORD_KIND, f"(?:{word_character(rules, ascii_only=False)})+")]
    if rules.emoji and not rules.whitespace_only:
        patterns.append((EMOJI_KIND, f"[{emoji_bases()}]+"))
    for kind, pattern in patterns:
        for found in re.finditer(pattern, characters):
            kinds[points[found.start() : found.end()]] = kind
    return kinds


def _made_written(rules: TokenRules) -> npt.NDArray[np.uint32]:
    """Prepare each character by itself; those for which that is not the whole truth are COMPLEX."""
    characters = _characters(_TABLED)
    made = _each(prepared(rules, "\n".join(characters)), characters)
    normal = _each(unicodedata.normalize(rules.normalization, "\n".join(characters)), characters)
    free = np.ones(_TABLED, dtype=bool)  # characters that leave their neighbours alone
    free[[*_SURROGATES, *_JAMO, _FINAL_SIGMA]] = False
    written = np.arange(_TABLED, dtype=np.uint32)
    written[list(_SURROGATES)] = COMPLEX
    in_context = _in_context(rules)
    parts = (map(unicodedata.combining, characters), map(unicodedata.decomposition, characters))
    changed = [
        (character, result, itself)
        for character, result, itself, combines, decomposes in zip(characters, made, normal, *parts, strict=True)
        if combines or decomposes or not character == result == itself
    ]
    known = {character for character, _, _ in changed}
    changed += [(character, character, character) for character in in_context - known]
    for character, result, itself in changed:
        point = ord(character)
        if itself != character or unicodedata.combining(character):
            free[point] = False
        canonical = unicodedata.decomposition(character)
        if canonical and canonical[0] != "<":
            free[[int(part, 16) for part in canonical.split()[1:]]] = False
        if character in in_context:
            written[point] = COMPLEX
        elif len(result) == 1 and ord(result) < _TABLED:
            written[point] = ord(result)
        elif result.isascii() and len(result) <= 3:
            written[point] = PACKED | int.from_bytes(result.encode(), "big")
        else:
            written[point] = COMPLEX
    alone = free & (written < _TABLED)
    alone[alone] = free[written[alone]]
    packed = free & (written >= PACKED) & (written != COMPLEX)
    written[~(alone | packed)] = COMPLEX
    return written


def _in_context(rules: TokenRules) -> frozenset[str]:
    """Return the characters that stay or go, or are part of an emoji, as their neighbours say."""
    if not rules.drop_invisible:
        return frozenset()
    some = IN_CONTEXT + (SELECTOR + KEYCAP + REGIONAL + SKIN_TONES if rules.emoji else "")
    return frozenset(re.findall(f"[{some}]", _characters(_TABLED)))


def _each(text: str, characters: str) -> list[str]:
    """Split what became of characters that stood on lines of their own; the newline is one of them."""
    lines = text.split("\n")
    at = characters.index("\n")
    return [*lines[:at], "\n", *lines[at + 2 :]]


@cache
def _characters(stop: int) -> str:
    points = np.arange(stop, dtype="<u4")
    return np.delete(points, _SURROGATES).tobytes().decode("utf-32-le")
