"""Texts as the publishers of Twitter's GloVe vectors wrote them: what is not a word is a placeholder (``<user>``).

A placeholder is one character of Unicode's private use until its row is looked for, so that every way to split a text
keeps it whole; ``spelled`` says how tables write it. A text's own characters there become spaces. Placeholders that a
text has already (``<url>``) are placeholders.

Source: ``preprocess-twitter.rb`` beside the vectors. It is followed but for what it plainly did not mean: digits
inside of words stay (``b4``), a full stop behind a number is one, ``(:`` is a smile and ``):`` is not. The time is in
proportion to a text's length.
"""

import re
from collections.abc import Callable

from w2vray.text.tracing import T, substituted

__all__ = ["PLACEHOLDERS", "spelled", "with_placeholders", "with_words"]

_WRITTEN = {
    "user": ("<user>", "<username>", "<mention>"),
    "url": ("<url>", "<link>"),
    "hashtag": ("<hashtag>",),
    "number": ("<number>", "<num>"),
    "repeat": ("<repeat>", "<repeated>"),
    "elong": ("<elong>", "<elongated>"),
    "allcaps": ("<allcaps>",),
    "smile": ("<smile>", "<happy>"),
    "lolface": ("<lolface>", "<tong>"),
    "sadface": ("<sadface>", "<sad>"),
    "neutralface": ("<neutralface>", "<annoyed>"),
    "heart": ("<heart>",),
}
_FIRST = 0xEFA0
_CHARACTER = {name: chr(_FIRST + number) for number, name in enumerate(_WRITTEN)}
_SPELLED = {_CHARACTER[name]: spellings for name, spellings in _WRITTEN.items()}
PLACEHOLDERS = frozenset(_SPELLED)

_OWN = str.maketrans(dict.fromkeys(PLACEHOLDERS, " "))
_WORDS = str.maketrans({character: spellings[0] for character, spellings in _SPELLED.items()})
_LITERAL = re.compile(f"<({'|'.join(_WRITTEN)})>", re.IGNORECASE)
_INSIDE_NAMES = re.compile("(?<=[^A-Z])(?=[A-Z])")
_HASHTAG = re.compile(r"#([^\s#]+)")
_REPEATED = re.compile(r"([!?.])\1+")
_ELONGATED = re.compile(r"([^\W\d_])\1{2,}(?!\w)")
_CAPITALS = re.compile(r"(?<!\w)[A-Z]{2,}(?!\w)")
_EYES, _NOSE = "[8:=;]", "['`-]?"


def _put(name: str) -> str:
    return f" {_CHARACTER[name]} "


def _hashtag(found: re.Match[str]) -> str:
    body = found[1]
    return _put("hashtag") + _INSIDE_NAMES.sub(" ", body)


_RULES: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (_LITERAL, lambda found: _put(found[1].lower())),
    (re.compile(r"https?://\S+|(?<!\w)www\.\S+", re.IGNORECASE), _put("url")),
    (re.compile(r"(?<!\w)@\w+"), _put("user")),
    (re.compile(rf"(?<!\w){_EYES}{_NOSE}[)dD]+(?!\w)|(?<![\w(])\(+{_NOSE}{_EYES}(?!\w)"), _put("smile")),
    (re.compile(rf"(?<!\w){_EYES}{_NOSE}[pP]+(?!\w)"), _put("lolface")),
    (re.compile(rf"(?<!\w){_EYES}{_NOSE}\(+|(?<![\w)])\)+{_NOSE}{_EYES}(?!\w)"), _put("sadface")),
    (re.compile(rf"(?<!\w){_EYES}{_NOSE}[/|l*](?!\w)"), _put("neutralface")),
    (re.compile(r"<3(?!\w)"), _put("heart")),
    (re.compile(r"(?<!\w)(?<!\d[.,:])[-+]?\d++(?:[.,:]\d++)*+(?!\w)"), _put("number")),
    (_HASHTAG, _hashtag),
    (_REPEATED, lambda found: f" {found[1]}{_put('repeat')}"),
    (_ELONGATED, lambda found: found[1] + _put("elong")),
    (_CAPITALS, lambda found: found[0] + _put("allcaps")),
]


def with_placeholders(text: T) -> T:
    """Return a text with placeholders, each a character of private use.

    Example:
        >>> with_words(with_placeholders("@bob SO sweeeet yesss!! http://t.co/x")).split()
        ['<user>', 'SO', '<allcaps>', 'sweeeet', 'yes', '<elong>', '!', '<repeat>', '<url>']
    """
    text = text.translate(_OWN)
    for pattern, put in _RULES:
        text = substituted(pattern, put, text, "letters" if pattern is _HASHTAG else "whole")
    return text


def with_words(text: str) -> str:
    """Return a text in which placeholders are written as the published vectors write them."""
    return text.translate(_WORDS)


def spelled(token: str) -> tuple[str, ...]:
    """Return how tables write a placeholder, the likeliest first; nothing for another token."""
    return _SPELLED.get(token, ())
