"""Characters that nobody sees: what a text is without them, and which words of a table are the same but for them.

Unicode names them ``Default_Ignorable_Code_Point``: soft hyphens, zero-width spaces and joiners, direction marks, byte
order marks, variation selectors, tags, Hangul fillers. Such a character is not a word and not a part of one, so a text
reads as it does without it. It stays in four places, where it says something:

- In an emoji of several characters, where a family reads emoji: the selector, the joiners and the tags.
- U+200C and U+200D between two letters of the Arabic or an Indic script, or one like it: published vectors have words
  with them inside. Such a word is looked for as it is written, then without them (``spellings``).
- U+200D behind a letter and its virama, where Malayalam (chillu) and Bengali (khanda ta) wrote so what is a letter of
  its own since Unicode 5.1 and 4.1: both spellings are that letter (``with_chillus``), and a table may have either.
- U+200B between two letters of Thai, Lao, Burmese or Khmer, where people write it to part words: it becomes a space.

Source: Unicode 15.1, DerivedCoreProperties.txt; emoji as in Unicode Technical Standard 51, section 1.4.9.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import chain

from w2vray.text.tracing import T, substituted

__all__ = [
    "IGNORABLE",
    "IN_CONTEXT",
    "JOINERS",
    "KEYCAP",
    "MOST_JOINED",
    "MOST_TAGS",
    "REGIONAL",
    "SELECTOR",
    "SKIN_TONES",
    "emoji_bases",
    "emoji_sequence",
    "ranges",
    "spellings",
    "visible",
    "with_chillus",
]

IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""The characters, as the inside of a character class; so are the other names in capitals."""

JOINERS, SELECTOR, KEYCAP = "\u200c\u200d", "\ufe0f", "\u20e3"
REGIONAL, SKIN_TONES = "\U0001f1e6-\U0001f1ff", "\U0001f3fb-\U0001f3ff"
_ZERO_WIDTH_SPACE, _JOINER, _NON_JOINER = "\u200b", "\u200d", "\u200c"
_TAGS, _LAST_TAG = "\U000e0020-\U000e007e", "\U000e007f"
_OF_EMOJI = SELECTOR + _JOINER + _TAGS + _LAST_TAG

IN_CONTEXT = _ZERO_WIDTH_SPACE + JOINERS
"""What becomes of these depends on their neighbours, in every family."""

MOST_JOINED, MOST_TAGS = 6, 6
"""Symbols that an emoji may add to its first, and tags of each: so the longest emoji has less than 256 bytes."""

# Blocks whose symbols are emoji, or may become some, and single ones elsewhere.
_EMOJI_BLOCKS = (
    *((0x2190, 0x21FF), (0x2300, 0x23FF), (0x25A0, 0x25FF), (0x2600, 0x27BF), (0x2900, 0x297F), (0x2B00, 0x2BFF)),
    (0x1F000, 0x1FAFF),
    *((point, point) for point in (0xA9, 0xAE, 0x203C, 0x2049, 0x2122, 0x3030, 0x303D, 0x3297, 0x3299)),
)
_JOINING_BLOCKS = ((0x0600, 0x08FF), (0x0900, 0x0DFF), (0x1000, 0x109F), (0x1780, 0x17D3), (0x1800, 0x18AF))
_UNSPACED_BLOCKS = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x1AAF), (0xA9E0, 0xAADF))


def ranges(points: Iterable[int]) -> str:
    """Return ascending characters as the inside of a character class."""
    found: list[list[int]] = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


def _letters(blocks: Iterable[tuple[int, int]]) -> str:
    """Return the letters and marks of some blocks that anybody sees."""
    unseen = re.compile(f"[{IGNORABLE}]")
    points = sorted(set(chain.from_iterable(range(first, last + 1) for first, last in blocks)))
    return ranges(p for p in points if unicodedata.category(chr(p))[0] in "LM" and not unseen.match(chr(p)))


@cache
def emoji_bases() -> str:
    """Return the symbols that an emoji of several characters may begin with."""
    parts_of_others = re.compile(f"[{REGIONAL}{SKIN_TONES}]")
    points = sorted(set(chain.from_iterable(range(first, last + 1) for first, last in _EMOJI_BLOCKS)))
    characters = [chr(point) for point in points if unicodedata.category(chr(point)) in {"So", "Sm", "Po", "Pd", "Cn"}]
    symbols = [c for c in characters if not c.isalnum() and c.lower() == c and not parts_of_others.match(c)]
    return ranges(map(ord, symbols))


@cache
def emoji_sequence() -> str:
    """Return the expression for an emoji of several characters: symbols with what is theirs, a flag, or a keycap.

    A keycap stands by itself: its digit would be part of a number otherwise.
    """
    tags = f"[{_TAGS}]{{1,{MOST_TAGS}}}{_LAST_TAG}"
    look = f"{SELECTOR}[{SKIN_TONES}]?|[{SKIN_TONES}]{SELECTOR}?"
    more = f"[{emoji_bases()}](?:{tags}|{look})"
    one = f"{more}?"
    keycap = rf"(?<!\S)[0-9#*]{SELECTOR}?{KEYCAP}(?!\S)"
    return f"(?:{one}(?:{_JOINER}{one}){{1,{MOST_JOINED}}}|{more}|[{REGIONAL}]{{2}}|{keycap})"


@cache
def _never(*, emoji: bool) -> re.Pattern[str]:
    """Return the expression for what a text never keeps; the cap of a key goes too where no emoji is read."""
    kept = IN_CONTEXT + (_OF_EMOJI if emoji else "")
    return re.compile(f"(?![{kept}])[{IGNORABLE}{'' if emoji else KEYCAP}]")


@cache
def _between() -> re.Pattern[str]:
    """Return the expression for joiners and zero-width spaces, and for those among them that say something."""
    joining, unspaced = _letters(_JOINING_BLOCKS), _letters(_UNSPACED_BLOCKS)
    inside = f"(?<=[{joining}])(?P<joiner>[{JOINERS}])[{JOINERS}]*(?=[{joining}])"
    parting = f"(?<=[{unspaced}])(?P<parting>{_ZERO_WIDTH_SPACE}+)(?=[{unspaced}])"
    return re.compile(f"{inside}|{parting}|[{IN_CONTEXT}]")


@cache
def _emoji_or_rest() -> re.Pattern[str]:
    """Return the expression for emoji, for joiners between letters, and for what is left of what only emoji have."""
    joining = _letters(_JOINING_BLOCKS)
    keycap = rf"(?P<keycap>[0-9#*]{SELECTOR}?{KEYCAP})"
    return re.compile(f"(?P<kept>{emoji_sequence()}|(?<=[{joining}]){_JOINER}(?=[{joining}]))|{keycap}|[{_OF_EMOJI}]")


def visible(text: T, *, emoji: bool, apart: bool = False) -> T:
    """Return a text without its invisible characters.

    Args:
        text: composed (NFC).
        emoji: whether those of emoji stay.
        apart: whether a keycap is set apart from what it touches.

    Example:
        >>> visible("aw\N{SOFT HYPHEN}ful", emoji=False)
        'awful'
    """
    text = substituted(_never(emoji=emoji), "", text)
    if not emoji:
        return substituted(_between(), _said, text)
    text = substituted(_between(), lambda found: _said(found) or (_JOINER if found[0] == _JOINER else ""), text)
    return substituted(_emoji_or_rest(), lambda found: _emoji(found, apart=apart), text)


_CHILLUS = {
    "\u0d23\u0d4d\u200d": "\u0d7a",
    "\u0d28\u0d4d\u200d": "\u0d7b",
    "\u0d30\u0d4d\u200d": "\u0d7c",
    "\u0d32\u0d4d\u200d": "\u0d7d",
    "\u0d33\u0d4d\u200d": "\u0d7e",
    "\u0d15\u0d4d\u200d": "\u0d7f",
    "\u09a4\u09cd\u200d": "\u09ce",
}
_OLD_CHILLU = re.compile("|".join(_CHILLUS))
_AS_BEFORE = str.maketrans({letter: old for old, letter in _CHILLUS.items()})


def with_chillus(text: T) -> T:
    """Return a text with a chillu, or a khanda ta, as one letter where it is written as letter, virama and joiner."""
    return substituted(_OLD_CHILLU, lambda found: _CHILLUS[found[0]], text)


def _said(found: re.Match[str]) -> str:
    return found["joiner"] or (" " if found["parting"] else "")


def _emoji(found: re.Match[str], *, apart: bool) -> str:
    if found["keycap"]:
        return f" {found[0]} " if apart else found[0]
    return found["kept"] or ""


@cache
def _whole_emoji() -> re.Pattern[str]:
    return re.compile(emoji_sequence())


_ONLY_TONES = re.compile(f"[{SKIN_TONES}]")
_AFTER_BASE = re.compile(f"[{_JOINER}{_TAGS}{_LAST_TAG}{KEYCAP}].*", re.DOTALL)
_UNSEEN_INSIDE = str.maketrans(dict.fromkeys(JOINERS + SELECTOR))


def spellings(word: str, *, chillus: bool = True) -> list[str]:
    """Return what else a word may be in a table, the likeliest first; a word of ASCII is nothing else.

    An emoji is looked for without its selector, without its skin tones, and by the symbol it begins with; another word
    without what is invisible in it, with chillus as they were once written (with the joiner, and as tables have it that
    have lost it), and then with its accents as characters of their own (NFD).

    Example:
        >>> spellings("1" + SELECTOR + KEYCAP) == ["1" + KEYCAP, "1"]
        True
    """
    if word.isascii():
        return []
    if _whole_emoji().fullmatch(word):
        plain = word.replace(SELECTOR, "")
        toneless = _ONLY_TONES.sub("", plain)
        tried = [plain, toneless, _AFTER_BASE.sub("", toneless)]
    else:
        seen = word.translate(_UNSEEN_INSIDE)
        before = word.translate(_AS_BEFORE) if chillus else word
        tried = [
            seen,
            before,
            before.translate(_UNSEEN_INSIDE),
            unicodedata.normalize("NFD", word),
            unicodedata.normalize("NFD", seen),
        ]
    return [spelling for spelling in dict.fromkeys(tried) if spelling and spelling != word]
