"""Words to entries of a table: the other ways in which a word that has no row of its own is looked for.

The table decides: one written word may be another entry (``1999`` is ``####`` in GoogleNews, ``John's`` is ``John``),
or several. The ways are tried in one fixed order, each only for words that none before it found, and each only where
the token rules name it:

``exact``       as it is written
``form``        without what is invisible in it, an emoji without skin tones or as its first symbol, accents apart (NFD)
``number``      with each digit as ``#``, where there are two or more (``10th``: ``##th``; ``7`` and ``1st`` stay)
``case``        lower-cased, capitalised, upper-cased; a closed-class word never gets a capital (``and`` is not the
                headlines' ``And``, but ``The`` is ``the``)
``possessive``  without ``'s``
``joined``      with hyphens as the table writes them (``e-mail``: ``e_mail``)
``split``       in parts, each looked for in the ways before

``possessive``, ``joined`` and ``split`` look for what they make in the ways before them too (``PARIS's``: ``Paris``).

Shape letters: CONTRIBUTING.md.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from w2vray.text.invisible import spellings
from w2vray.text.tokens import TokenRules
from w2vray.text.vocabulary import MISSING, Vocabulary

__all__ = ["NOT_FOUND", "WAYS", "Resolution", "resolve"]

WAYS = ("exact", "form", "number", "case", "possessive", "joined", "split")
NOT_FOUND = -1
"""Way of an entry that no way found."""

_DIGIT = re.compile("[0-9]")


@dataclass(frozen=True, eq=False)
class Resolution:
    """The entries of W words, one word after another.

    ``entries`` are the words of the table that were found, and what has no row as it was looked for last: whole, or a
    part. ``rows_E`` are their rows, or ``MISSING``; ``ways_E`` index ``WAYS``.
    """

    entries: list[str]
    rows_E: npt.NDArray[np.int64]
    ways_E: npt.NDArray[np.int8]
    offsets_W1: npt.NDArray[np.int64]


def resolve(vocabulary: Vocabulary, rules: TokenRules, words: Sequence[str]) -> Resolution:
    """Find the entries of words.

    Example:
        >>> table = Vocabulary.build(["John", "e_mail", "film", "##th"])
        >>> from w2vray.text.tokens import family
        >>> resolve(table, family("googlenews"), ["John's", "E-mail", "10th", "film-maker"]).entries
        ['John', 'e_mail', '##th', 'film', 'maker']
    """
    whole = _whole(vocabulary, rules, words)
    split = {
        index: parts
        for index in np.flatnonzero(whole.rows_E == MISSING).tolist()
        if len(parts := _parts(rules, words[index])) > 1
    }
    if not split:
        return whole
    inside = _whole(vocabulary, rules, [part for parts in split.values() for part in parts])
    counts = np.ones(len(words), dtype=np.int64)
    counts[list(split)] = [len(parts) for parts in split.values()]
    part_of_split = np.repeat(np.isin(np.arange(len(words)), list(split)), counts)
    rows, ways = np.repeat(whole.rows_E, counts), np.repeat(whole.ways_E, counts)
    rows[part_of_split] = inside.rows_E
    ways[part_of_split] = np.where(inside.rows_E == MISSING, NOT_FOUND, WAYS.index("split"))
    entries: list[str] = []
    remaining = iter(inside.entries)
    for index, entry in enumerate(whole.entries):
        entries.extend([next(remaining) for _ in split[index]] if index in split else [entry])
    return Resolution(entries, rows, ways, np.concatenate(([0], np.cumsum(counts))))


def _whole(vocabulary: Vocabulary, rules: TokenRules, words: Sequence[str]) -> Resolution:
    """Look for words in every way but ``split``: one entry for each."""
    entries = list(words)
    rows_W = vocabulary.rows(words)
    ways_W = np.where(rows_W == MISSING, NOT_FOUND, WAYS.index("exact")).astype(np.int8)
    for way, respell in _ways(rules):
        tried = [
            (index, spelling)
            for index in np.flatnonzero(rows_W == MISSING).tolist()
            for spelling in respell(words[index])
        ]
        found_rows = vocabulary.rows([spelling for _, spelling in tried])
        for (index, spelling), row in zip(tried, found_rows.tolist(), strict=True):
            if row != MISSING and rows_W[index] == MISSING:  # of several spellings the first counts
                rows_W[index], ways_W[index], entries[index] = row, WAYS.index(way), spelling
    return Resolution(entries, rows_W, ways_W, np.arange(len(words) + 1))


def _parts(rules: TokenRules, word: str) -> list[str]:
    if not rules.split_unknown:
        return []
    return [part for part in re.split(f"[{re.escape(rules.split_unknown)}]", word) if part]


Respell = Callable[[str], list[str]]
"""A word to the spellings under which it may be in the table, the likeliest first."""


@cache
def _ways(rules: TokenRules) -> list[tuple[str, Respell]]:
    """Return the ways between ``exact`` and ``split`` that the rules name, in order."""
    closed = frozenset(rules.closed_class.split())

    def number(word: str) -> list[str]:
        return [_DIGIT.sub("#", word)] if rules.mask_digits and len(_DIGIT.findall(word)) > 1 else []

    def case(word: str) -> list[str]:
        if not rules.other_case:
            return []
        masked = (number(word) or [word])[0]
        lower = masked.lower()
        cases = [lower] if lower in closed else [lower, masked[:1].upper() + masked[1:].lower(), masked.upper()]
        return [spelling for spelling in cases if spelling != masked]

    def alike(word: str) -> list[str]:
        return [word, *number(word), *case(word)]

    def possessive(word: str) -> list[str]:
        return alike(stem) if (stem := _stem(word)) else []

    def joined(word: str) -> list[str]:
        if "-" not in word:
            return []
        spelled = word.replace("-", rules.hyphen_as)
        stem = _stem(spelled) if rules.strip_possessive else ""
        return alike(spelled) + (alike(stem) if stem else [])

    ways: list[tuple[str, Respell]] = []
    if rules.drop_invisible:
        ways.append(("form", spellings))
    if rules.mask_digits:
        ways.append(("number", number))
    if rules.other_case:
        ways.append(("case", case))
    if rules.strip_possessive:
        ways.append(("possessive", possessive))
    if rules.hyphen_as:
        ways.append(("joined", joined))
    return ways


def _stem(word: str) -> str:
    """Return a possessive without its 's; nothing where it is none."""
    return word[:-2] if word[-2:].lower() == "'s" else ""
