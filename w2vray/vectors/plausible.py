"""Whether words of imported vectors can be words of texts, as the first of them show.

Programs write more than the word at times: Python its bytes (``b'the'``), ConceptNet the language (``/c/en/the``),
taggers the part of speech (``the_DET``). Tokenizers have pieces of words, with a mark where a word begins or goes on
(``▁the``, ``##ing``). No text would find such words, and a model on them would know none. Where
letters were decoded in the wrong way (``cafÃ©``), no text would find those words; the others are as they should be.
"""

import re
from collections.abc import Sequence

from w2vray.errors import VectorsError
from w2vray.text.invisible import visible

__all__ = ["TELLING", "misread_letters", "require_bare_words", "unseen_letters"]

TELLING = 20
"""Rows that tell something: of fewer, all may be alike by chance."""

_TAG = re.compile(r".+[_/|#]([A-Z]{1,6})|.+[-_/|#:]([a-z]{1,6})")
_TAGGED, _MOST_TAGS = 0.9, 20
_PIECES = {
    "begin with '▁'": re.compile("▁."),
    "begin with 'Ġ'": re.compile("Ġ[a-z]"),
    "begin with '##'": re.compile(r"##[^\W\d_]"),
    "end with '@@'": re.compile(r".+@@\Z"),
    "end with '</w>'": re.compile(r".+</w>\Z"),
}
_SPLIT = 0.05
_LEAST_MISREAD, _MISREAD = 5, 0.5
_LEAST_UNSEEN, _UNSEEN, _LOST = 5, 0.01, "\N{REPLACEMENT CHARACTER}"


def require_bare_words(origin: object, words: Sequence[str]) -> None:
    """Check that nothing stands at each word that is not part of it.

    Raises:
        VectorsError: it does; the message says what.
    """
    if len(words) < TELLING:
        return
    tagged = [word for word in words if _TAG.fullmatch(word)]
    tags = {word[max(word.rfind(mark) for mark in "-_/|#:") :] for word in tagged}
    if len(tagged) >= _TAGGED * len(words) and len(tags) <= _MOST_TAGS:
        found = f"{len(tagged):,} of the first {len(words):,} words end in a tag, as {tagged[0]!r} does"
    elif before := _shared(words):
        found = f"each of the first {len(words):,} words begins with {before!r}, as {words[0]!r} does"
    elif behind := _shared([word[::-1] for word in words])[::-1]:
        found = f"each of the first {len(words):,} words ends with {behind!r}, as {words[0]!r} does"
    else:
        _require_whole_words(origin, words)
        return
    raise VectorsError(
        f"{origin}: {found}: no text would find them. Write the words alone; name the format with --format if it is "
        "meant so"
    )


def _require_whole_words(origin: object, words: Sequence[str]) -> None:
    """Check that words are not pieces of a tokenizer.

    Raises:
        VectorsError: many of them are.
    """
    for how, pattern in _PIECES.items():
        pieces = list(filter(pattern.match, words))
        if len(pieces) > _SPLIT * len(words):
            raise VectorsError(
                f"{origin}: {len(pieces):,} of the first {len(words):,} words {how}, as {pieces[0]!r} does: they are "
                "pieces of a tokenizer, and no text would find them. Import the directory of their model, with its "
                "tokenizer.json, or vectors of whole words; name the format with --format if it is meant so"
            )


def _shared(words: Sequence[str]) -> str:
    """Return what all words begin with, as far as its last mark: words may share letters."""
    first, last = min(words), max(words)  # what these share, all between them have
    size = next((place for place, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), len(first))
    shared = first[:size]
    return shared[: max((place + 1 for place, each in enumerate(shared) if not each.isalnum()), default=0)]


def misread_letters(words: Sequence[str]) -> list[str]:
    """Return a note where most words beyond ASCII are UTF-8 that was read as Latin-1 and written again."""
    beyond = [word for word in words if not word.isascii()]
    misread = [(word, meant) for word in beyond if (meant := _read_again(word)) is not None]
    if len(misread) < _LEAST_MISREAD or len(misread) < _MISREAD * len(beyond):
        return []
    word, meant = misread[0]
    told = f"look as if UTF-8 was read as Latin-1: {word!r} for {meant!r}; no text will find them"
    return [f"{len(misread):,} of the {len(beyond):,} words beyond ASCII {told}"]


def unseen_letters(words: Sequence[str]) -> list[str]:
    """Return a note where words hold what no text is read with: characters that nobody sees, and lost letters.

    An emoji, or a joiner between two letters, is read as it is written.
    """
    kinds = {
        "hold invisible characters, which texts are read without": [
            word for word in words if not word.isascii() and visible(word, emoji=True) != word
        ],
        "hold U+FFFD, which stands for letters that were lost": [word for word in words if _LOST in word],
    }
    return [
        f"{len(some):,} of the first {len(words):,} words {what} ({some[0]!r}): no text will find them"
        for what, some in kinds.items()
        if len(some) >= max(_LEAST_UNSEEN, _UNSEEN * len(words))
    ]


def _read_again(word: str) -> str | None:
    for wrong in ("cp1252", "latin-1"):
        try:
            return word.encode(wrong).decode()
        except UnicodeError:
            continue
    return None
