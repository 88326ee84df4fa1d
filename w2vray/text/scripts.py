"""Scripts that are written without spaces between words: which characters are theirs."""

import re

__all__ = ["UNSPACED", "has_unspaced"]

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3021, 0x3029),  # numerals
    (0x3031, 0x303C),  # repeat marks, more numerals
    (0x3040, 0x30FF),  # Hiragana and Katakana, with the marks of long vowels and of repeating
    (0x3100, 0x312F),  # Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),  # Katakana of Ainu
    (0x3400, 0x4DBF),  # ideographs
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),  # Myanmar
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),  # ideographs, for compatibility
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1AFF0, 0x1B16F),  # more Kana
    (0x20000, 0x3FFFF),  # more ideographs
)
"""First and last code points of stretches. Korean is not among them: it is written with spaces."""

_ANY = re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in UNSPACED) + "]")


def has_unspaced(word: str) -> bool:
    """Tell whether a character of a word is of a script that is written without spaces."""
    return not word.isascii() and _ANY.search(word) is not None
