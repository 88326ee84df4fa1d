"""Text to tokens, as the rules of a family say (``rules.py``): the plain model of every faster way.

A text is written anew where the rules ask for it (``rewriter``), then prepared (``prepared``: composed, without what
nobody sees, in lower case), and then an expression that is made of the rules finds its tokens (``tokenizer``).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import chain

from w2vray.text.invisible import JOINERS, emoji_sequence, ranges, visible, with_chillus
from w2vray.text.markup import without_markup
from w2vray.text.rules import TokenRules
from w2vray.text.tracing import T, Traced, normalized
from w2vray.text.tweets import with_placeholders

__all__ = [
    "placed_tokens",
    "prepared",
    "rewriter",
    "rewritten",
    "straightened",
    "tokenizer",
    "word_character",
]

_STRAIGHT_APOSTROPHES = {0x2018: "'", 0x2019: "'", 0x02BC: "'"}
_STRAIGHT_MARKS = {
    **dict.fromkeys((0x201C, 0x201D, 0x201E, 0x2033), '"'),  # double quotes
    **dict.fromkeys((0x201A, 0x201B, 0x2032), "'"),  # more single ones
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),  # hyphens, en dash, minus
    **dict.fromkeys((0x2014, 0x2015), "--"),  # em dash: it parts words
    0x2026: "...",
}
_NOT_WHITESPACE = r"[^ \t\n\v\f\r\0]"  # what fastText's reader does not part words at
_NO_BREAK_SPACE = "\u00a0"
_CLITICS = "(?:[sSmMdD]|[rRvV][eE]|[lL][lL])"


@cache
def _marks() -> str:
    """Return the combining marks as the inside of a character class: ``re`` counts them to no word."""
    some = chain(range(0x300, 0x20000), range(0xE0100, 0xE01F0))  # what lies between are ideographs, or not given yet
    return ranges(point for point in some if unicodedata.category(chr(point))[0] == "M")


def word_character(rules: TokenRules, *, ascii_only: bool) -> str:
    """Return the expression for one character that words are made of."""
    if rules.whitespace_only:
        return _NOT_WHITESPACE
    if ascii_only:
        return "[a-zA-Z0-9]"
    return rf"(?:[^\W_]|[{_marks()}{JOINERS if rules.drop_invisible else ''}])"


@cache
def _pattern(rules: TokenRules, *, ascii_only: bool) -> re.Pattern[str]:
    """Build the expression that finds the tokens in a prepared text, longest rule first."""
    W = word_character(rules, ascii_only=ascii_only)
    if rules.whitespace_only:
        return re.compile(f"{W}+")
    joiners = re.escape(rules.joiners.replace("'", ""))
    inner = [f"[{joiners}]"] if joiners else []
    if "'" in rules.joiners:
        inner.append(f"'(?!{_CLITICS}(?!{W}))" if rules.clitics else "'")
    if rules.number_joiners:
        inner.append(rf"(?<=[0-9])[{re.escape(rules.number_joiners)}](?=[0-9])")
    word = f"{W}+(?:(?:{'|'.join(inner)}){W}+)*" if inner else f"{W}+"
    choices = [emoji_sequence()] if rules.emoji and not ascii_only else []
    if rules.acronyms:
        choices.append(r"(?:[a-zA-Z]\.){2,}")
    if rules.clitics:
        choices += [f"{W}+?(?=n't(?!{W}))", f"n't(?!{W})", f"'{_CLITICS}(?!{W})"]
    if rules.lone_clitics:
        choices.append(f"'{_CLITICS}(?!{_going_on(rules)}{W})")
    choices.append(word)
    if rules.punctuation:
        choices += [r"\.{3}", "--", "''", "``", r"[^\s]"]
    elif rules.kept_marks:
        choices.append(f"[{re.escape(rules.kept_marks)}]")
    return re.compile("|".join(choices))


def _going_on(rules: TokenRules) -> str:
    """Return the expression for the mark, or none, over which what looks like a clitic may be more than that.

    So ``'re-elected'``, ``'D.C.'`` and ``'d've`` are read as they are without the apostrophe before them.
    """
    return f"[{re.escape(rules.joiners + '.' * rules.acronyms)}]?" if rules.joiners or rules.acronyms else ""


@cache
def tokenizer(rules: TokenRules) -> Callable[[str], list[str]]:
    """Return the function that splits a text by these rules; the plain model of every faster path.

    Example:
        >>> from w2vray.text.rules import family
        >>> tokenizer(family("glove"))("The U.S. don't e-mail.")
        ['the', 'u.s.', 'do', "n't", 'e-mail', '.']
    """
    if (rewrite := rewriter(rules)) is not None:
        split = tokenizer(replace(rules, strip_html=False, tweets=False))
        return lambda text: split(rewrite(text))
    find_ascii = _pattern(rules, ascii_only=True).findall
    find_any: Callable[[str], list[str]] | None = None

    def tokenize(text: str) -> list[str]:
        nonlocal find_any
        if text.isascii():
            return find_ascii(prepared(rules, text))
        if find_any is None:
            find_any = _pattern(rules, ascii_only=False).findall
        return find_any(prepared(rules, text))

    return tokenize


def placed_tokens(rules: TokenRules, text: str) -> tuple[Traced, list[tuple[int, int]]]:
    """Return a text as it is split, traced to how it was written, and where in it each token starts and ends.

    Example:
        >>> from w2vray.text.rules import family
        >>> text, (first, second) = placed_tokens(family("plain", strip_html=True), "A&amp;B")
        >>> text.text[slice(*second)], text.span(*second)
        ('b', (6, 7))
    """
    traced = rewritten(rules, Traced.of(text))
    pattern = _pattern(rules, ascii_only=traced.isascii())
    traced = prepared(rules, traced)
    return traced, [found.span() for found in pattern.finditer(traced.text)]


def rewriter(rules: TokenRules) -> Callable[[str], str] | None:
    """Return what the rules do to a text before all else; None where that is nothing."""
    return (lambda text: rewritten(rules, text)) if rules.strip_html or rules.tweets else None


def rewritten(rules: TokenRules, text: T) -> T:
    """Do to a text what ``rewriter`` does."""
    if rules.strip_html:
        text = without_markup(text)
    return with_placeholders(_seen(rules, text)) if rules.tweets else text


def _seen(rules: TokenRules, text: T) -> T:
    """Return a text normalised, and without its invisible characters where the rules drop them."""
    if text.isascii():
        return text
    text = normalized(rules.normalization, text)
    if rules.chillus:
        text = with_chillus(text)
    if rules.drop_invisible:
        text = visible(text, emoji=rules.emoji, apart=not rules.whitespace_only)
        text = normalized(rules.normalization, text)
    return text


def prepared(rules: TokenRules, text: T) -> T:
    """Return a text as the rules read it, before it is split; what ``rewriter`` does is done to it already."""
    if text.isascii():
        return text.lower() if rules.lowercase else text
    text = _seen(rules, text)
    if rules.whitespace_only:
        text = text.replace(_NO_BREAK_SPACE, " ")
    if rules.straighten_apostrophes:
        text = text.translate(_STRAIGHT_APOSTROPHES)
    if rules.straighten_marks:
        text = text.translate(_STRAIGHT_MARKS)
    if rules.lowercase:  # J and a caron are one character as a small letter only: normalise again
        text = normalized(rules.normalization, text.lower())
    return text


def straightened(text: str) -> str:
    """Return a text with plain apostrophes, quotes and dashes."""
    return text.translate(_STRAIGHT_APOSTROPHES).translate(_STRAIGHT_MARKS)
