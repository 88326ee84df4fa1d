"""Text to tokens: the rules that a family of word vectors was made with.

The rules belong to the vectors, not to the corpus: a text is split the way the text was split that the vectors were
trained on. A family is a named set of rules; the whole set is stored with the vectors and with each model, so that a
model reads text in the same way for ever.

``plain``
    Lower-cased runs of letters, marks and digits, with apostrophes inside words; punctuation is dropped. For vectors
    trained here, and for vectors whose rules nobody remembers.
``glove``
    As the published GloVe vectors: lower-cased, every punctuation mark a token, ``'s`` and ``n't`` tokens of their own,
    ``u.s.``, ``1,000`` and ``e-mail`` whole.

Texts in scripts that are written without spaces (Chinese, Japanese, Thai) are not split into words.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Literal, Self

from w2vray.config import FAMILIES
from w2vray.errors import BundleError

__all__ = ["TokenRules", "family", "tokenizer"]

_STRAIGHT_APOSTROPHE = {0x2018: "'", 0x2019: "'", 0x02BC: "'"}
_CLITICS = "(?:s|m|d|re|ve|ll)"


@dataclass(frozen=True, kw_only=True)
class TokenRules:
    """The rules of a family, each one stated, none left to code that reads only the family's name."""

    family: str
    normalization: Literal["NFC"] = "NFC"
    lowercase: bool = True
    straighten_apostrophes: bool = True  # U+2018, U+2019 and U+02BC become '
    punctuation: bool  # each mark is a token; otherwise marks are dropped
    clitics: bool  # 's 'm 'd 're 've 'll n't are tokens of their own
    acronyms: bool  # u.s. is one token
    joiners: str  # marks that may stand inside a word
    number_joiners: str  # marks that may stand between digits
    split_unknown: str  # a word that has no vector is split at these marks (see lookup.py)

    def as_dict(self) -> dict[str, Any]:
        """Return the rules as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild stored rules.

        Raises:
            BundleError: a rule is missing, unknown or of another type, so that texts would be read differently.
        """
        expected = {item.name: item.type for item in fields(cls)}
        if not isinstance(stored, Mapping) or set(stored) != set(expected):
            raise BundleError(
                f"the stored token rules are {stored!r}; this version of w2vray knows exactly the rules "
                f"{', '.join(expected)}. Use the version that wrote them"
            )
        for name, declared in expected.items():
            kind = bool if declared in (bool, "bool") else str
            if not isinstance(stored[name], kind):
                raise BundleError(f"the stored token rule {name} is {stored[name]!r}; expected a {kind.__name__}")
        return cls(**stored)


_FAMILIES = {
    "plain": TokenRules(
        family="plain",
        punctuation=False,
        clitics=False,
        acronyms=False,
        joiners="'",
        number_joiners="",
        split_unknown="",
    ),
    "glove": TokenRules(
        family="glove",
        punctuation=True,
        clitics=True,
        acronyms=True,
        joiners="-/&'",
        number_joiners=".,:",
        split_unknown="-/&",
    ),
}
assert tuple(_FAMILIES) == FAMILIES


def family(name: str) -> TokenRules:
    """Return the rules of a named family."""
    return _FAMILIES[name]


@cache
def _marks() -> str:
    """Return the combining marks as the inside of a character class: ``re`` counts them to no word."""
    ranges: list[list[int]] = []
    for point in range(0x300, min(sys.maxunicode, 0xE01F0)):
        if point in range(0x20000, 0xE0100) or unicodedata.category(chr(point))[0] != "M":
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _word_character(*, ascii_only: bool) -> str:
    return "[a-zA-Z0-9]" if ascii_only else rf"(?:[^\W_]|[{_marks()}])"


def _pattern(rules: TokenRules, *, ascii_only: bool) -> re.Pattern[str]:
    """Build the expression that finds the tokens in a prepared text, longest rule first."""
    W = _word_character(ascii_only=ascii_only)
    joiners = re.escape(rules.joiners.replace("'", ""))
    inner = [f"[{joiners}]"] if joiners else []
    if "'" in rules.joiners:
        inner.append(f"'(?!{_CLITICS}(?!{W}))" if rules.clitics else "'")
    if rules.number_joiners:
        inner.append(rf"(?<=[0-9])[{re.escape(rules.number_joiners)}](?=[0-9])")
    word = f"{W}+(?:(?:{'|'.join(inner)}){W}+)*" if inner else f"{W}+"
    choices = []
    if rules.acronyms:
        choices.append(r"(?:[a-zA-Z]\.){2,}")
    if rules.clitics:
        choices += [f"{W}+?(?=n't(?!{W}))", f"n't(?!{W})", f"'{_CLITICS}(?!{W})"]
    choices.append(word)
    if rules.punctuation:
        choices += [r"\.{3}", "--", "''", "``", r"[^\s]"]
    return re.compile("|".join(choices))


@cache
def tokenizer(rules: TokenRules) -> Callable[[str], list[str]]:
    """Return the function that splits a text by these rules; the plain model of every faster path.

    Example:
        >>> tokenizer(family("glove"))("The U.S. don't e-mail.")
        ['the', 'u.s.', 'do', "n't", 'e-mail', '.']
    """
    find_ascii = _pattern(rules, ascii_only=True).findall
    find_any: Callable[[str], list[str]] | None = None

    def tokenize(text: str) -> list[str]:
        nonlocal find_any
        if text.isascii():
            return find_ascii(text.lower() if rules.lowercase else text)
        if find_any is None:
            find_any = _pattern(rules, ascii_only=False).findall
        text = unicodedata.normalize(rules.normalization, text)
        if rules.straighten_apostrophes:
            text = text.translate(_STRAIGHT_APOSTROPHE)
        if rules.lowercase:  # J and a caron are one character as a small letter only: normalise again
            text = unicodedata.normalize(rules.normalization, text.lower())
        return find_any(text)

    return tokenize
