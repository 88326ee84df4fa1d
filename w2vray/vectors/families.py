"""Which token rules word vectors were made with, where nobody says: their words tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from w2vray.text.rules import family
from w2vray.text.scripts import has_unspaced

__all__ = ["FIRST_WORDS", "FamilyGuess", "guess_family"]

FIRST_WORDS = 10_000
"""Words that are looked at: files list the commonest first."""

_CASED = 0.05  # share of words with a capital; the 8,000 commonest of GoogleNews that have a meaning have 0.087
_ENDS_IN_COMMA = 0.01  # share of words like "said,"; GloVe has none, two of fastText's vocabularies 0.027 and 0.17
_UNSPACED = 0.05  # share of words in scripts without spaces
_MASKED = 0.001  # share of words like "####"
_DECIDING = 1000  # so many words, none of them a mark, tell that marks were dropped
_CLITICS = ("'s", "n't")
_MARKS = frozenset([*',.!?():;"', "\u3002", "\uff0c", "\u3001", "\u060c", "\u061f", "\u0964"])
_PLACEHOLDERS = frozenset({"<user>", "<url>", "<hashtag>", "<number>", "<repeat>", "<allcaps>", "<elong>"})
_FEW = 3  # words that a reason names


@dataclass(frozen=True)
class FamilyGuess:
    """A family, and what it was guessed from: part of a sentence, after "because"."""

    family: str
    why: str


def guess_family(words: Sequence[str], otherwise: str | None = None) -> FamilyGuess:
    """Guess from the commonest words of some vectors; ``otherwise`` is what their format or name speaks for.

    ``twitter`` where words are placeholders such as ``<user>``. ``fasttext`` where commas are left at words: only
    splitting at white space leaves them. ``cased`` where words are of a script without spaces, or where marks are
    words of their own and case was kept; without case ``glove``, or ``uncased`` where clitics are not split off as in
    GloVe. Without marks, ``googlenews`` where case was kept or digits are masked, and ``plain`` where they are not.
    Where there are too few words to tell that, ``otherwise`` decides, if it reads texts in the case that words have.
    """
    placeholders = [word for word in words if word in _PLACEHOLDERS]
    if len(placeholders) > 1:
        return FamilyGuess("twitter", f"placeholders of tweets are words ({_some(placeholders)})")
    commas = [word for word in words if word[-1:] == "," and word[-2:-1].isalpha()]
    if len(commas) > _ENDS_IN_COMMA * len(words):
        return FamilyGuess("fasttext", f"commas are left at {_share(commas, words)}")
    unspaced = [word for word in words if has_unspaced(word)]
    if len(unspaced) > _UNSPACED * len(words):
        return FamilyGuess("cased", f"{_share(unspaced, words)} are of a script that is written without spaces")
    cased = [word for word in words if word != word.lower()]
    cased = cased if len(cased) > _CASED * len(words) else []
    marks = [word for word in words if word in _MARKS]
    if len(marks) > 1:
        return _with_marks(words, marks, cased)
    if otherwise is not None and len(words) < _DECIDING:
        return _of_few(words, cased, otherwise)
    return _without_marks(words, cased)


def _of_few(words: Sequence[str], cased: Sequence[str], otherwise: str) -> FamilyGuess:
    """Guess where there are too few words to tell."""
    if cased and family(otherwise).lowercase:
        return FamilyGuess("cased", f"{_share(cased, words)} have capitals, which {otherwise} would never find")
    return FamilyGuess(otherwise, "its format or its name says so, and it has too few words to tell")


def _without_marks(words: Sequence[str], cased: Sequence[str]) -> FamilyGuess:
    """Guess where marks are no words; ``cased`` are those with capitals, none where they are few."""
    masked = [word for word in words if "##" in word]
    if len(masked) > _MASKED * len(words):
        return FamilyGuess("googlenews", f"digits are masked in {_share(masked, words)}")
    if cased:
        return FamilyGuess("googlenews", f"marks are not words, and {_share(cased, words)} have capitals")
    return FamilyGuess("plain", "the words have no capitals, and marks are not among them")


def _with_marks(words: Sequence[str], marks: Sequence[str], cased: Sequence[str]) -> FamilyGuess:
    """Guess where marks are words of their own."""
    seen = f"marks are words of their own ({_some(marks)})"
    if cased:
        return FamilyGuess("cased", f"{seen}, and {_share(cased, words)} have capitals")
    if set(_CLITICS).issubset(words):
        return FamilyGuess("glove", f"{seen}, and so are {' and '.join(_CLITICS)}, without capitals")
    return FamilyGuess("uncased", f"{seen}, without capitals")


def _share(some: Sequence[str], words: Sequence[str]) -> str:
    """Say how many of the words that were looked at are such, and name a few."""
    return f"{len(some):,} of the first {len(words):,} words ({_some(some)})"


def _some(words: Sequence[str]) -> str:
    return " ".join(words[:_FEW])
