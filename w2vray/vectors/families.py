"""Which token rules word vectors were made with, where nobody says: their words tell."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FIRST_WORDS", "FamilyGuess", "guess_family"]

FIRST_WORDS = 10_000
"""Words that are looked at: files list the commonest first."""

_CASED = 0.05  # share of words with a capital; the 8,000 commonest of GoogleNews that have a meaning have 0.087
_ENDS_IN_COMMA = 0.01  # share of words like "said,"; GloVe has none, two of fastText's vocabularies 0.027 and 0.17
_SPLIT_AS_GLOVE = {"'s", "n't", ",", "."}


@dataclass(frozen=True)
class FamilyGuess:
    """A family, and what speaks for it: the end of a sentence that begins with "family NAME, because"."""

    family: str
    why: str


def guess_family(words: Sequence[str]) -> FamilyGuess:
    """Guess from the commonest words of some vectors.

    ``fasttext`` where commas are left at words: only splitting at white space leaves them. (Text that was split before
    has none, such as that of fastText's published vectors: their words do not tell.) ``googlenews`` where case was
    kept: every other family that splits text into words lower-cases it, and would never find the words with capitals.
    Otherwise ``glove`` where marks and clitics are words of their own, or else ``plain``.
    """
    if sum(word[-1:] == "," and word[-2:-1].isalpha() for word in words) > _ENDS_IN_COMMA * len(words):
        return FamilyGuess("fasttext", "words end in commas")
    cased = sum(word != word.lower() for word in words)
    if cased > _CASED * len(words):
        return FamilyGuess("googlenews", f"{cased / len(words):.0%} of the first {len(words):,} words have capitals")
    if _SPLIT_AS_GLOVE.issubset(words):
        return FamilyGuess("glove", "marks and 's are words of their own, and there are few capitals")
    return FamilyGuess("plain", "there are few capitals, and marks are not words of their own")
