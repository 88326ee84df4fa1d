"""Whether words of imported vectors can be words of texts, as the first of them show.

Programs write more than the word at times: Python its bytes (``b'the'``), ConceptNet the language (``/c/en/the``),
taggers the part of speech (``the_DET``). No text would find such words, and a model on them would know none. Where
letters were decoded in the wrong way (``cafÃ©``), no text would find those words; the others are as they should be.
"""

import re
from collections.abc import Sequence

from w2vray.errors import VectorsError

__all__ = ["TELLING", "misread_letters", "require_bare_words"]

TELLING = 20
"""Rows that tell something: of fewer, all may be alike by chance."""

_TAG = re.compile(r".+[_/|#][A-Z]{1,6}")
_TAGGED = 0.9
_LEAST_MISREAD, _MISREAD = 5, 0.5


def require_bare_words(origin: object, words: Sequence[str]) -> None:
    """Check that nothing stands at each word that is not part of it.

    Raises:
        VectorsError: it does; the message says what.
    """
    if len(words) < TELLING:
        return
    tagged = [word for word in words if _TAG.fullmatch(word)]
    if len(tagged) >= _TAGGED * len(words):
        found = f"{len(tagged):,} of the first {len(words):,} words end in a tag, as {tagged[0]!r} does"
    elif before := _shared(words):
        found = f"each of the first {len(words):,} words begins with {before!r}, as {words[0]!r} does"
    elif behind := _shared([word[::-1] for word in words])[::-1]:
        found = f"each of the first {len(words):,} words ends with {behind!r}, as {words[0]!r} does"
    else:
        return
    raise VectorsError(
        f"{origin}: {found}: no text would find them. Write the words alone; name the format with --format if it is "
        "meant so"
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


def _read_again(word: str) -> str | None:
    for wrong in ("cp1252", "latin-1"):
        try:
            return word.encode(wrong).decode()
        except UnicodeError:
            continue
    return None
