"""What a vectors directory holds, at a glance: enough to see whether the file was understood.

The commonest words are the first rows. The odd words are one of each unusual kind, from words that are spread evenly
over the table: somebody who misread a file sees it in those first.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2vray.vectors.directory import Vectors

__all__ = ["Overview", "overview"]

_FIRST = 10
_ODD = 5
_SAMPLE = 20_000


@dataclass(frozen=True)
class Overview:
    """The first words, and one word of each unusual kind that there is."""

    first_words: list[str]
    odd_words: Mapping[str, str]
    largest: Mapping[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {"first_words": self.first_words, "odd_words": dict(self.odd_words), "largest": self.largest}


def _has_marks(word: str) -> bool:
    return any(unicodedata.category(letter)[0] in "PS" for letter in word) and any(map(str.isalpha, word))


def _is_foreign(word: str) -> bool:
    return any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "LATIN") for letter in word)


_KINDS: Mapping[str, Callable[[str], bool]] = {
    "unprintable": lambda word: not word.isprintable(),
    "with a space": lambda word: any(map(str.isspace, word)),
    "not Latin": lambda word: not word.isascii() and _is_foreign(word),
    "with capitals": lambda word: word != word.lower(),
    "with digits": lambda word: any(map(str.isdigit, word)),
    "with marks": _has_marks,
    "marks alone": lambda word: not any(map(str.isalnum, word)),
    "not ASCII": lambda word: not word.isascii(),
}


def overview(vectors: Vectors) -> Overview:
    """Look into the words of some vectors; the largest number is known where the directory says it."""
    vocabulary = vectors.vocabulary
    first = [vocabulary.word(row) for row in range(min(_FIRST, len(vectors)))]
    longest = int(np.diff(vocabulary.offsets).argmax())
    odd = {"longest": vocabulary.word(longest)}
    missing = dict(_KINDS)
    for row in range(0, len(vectors), -(-len(vectors) // _SAMPLE)):
        word = vocabulary.word(row)
        if word in odd.values():
            continue
        kind = next((kind for kind, holds in missing.items() if holds(word)), None)
        if kind is not None:
            odd[kind] = word
            del missing[kind]
            if not missing:
                break
    order = ["longest", *_KINDS]
    chosen = sorted(odd, key=order.index)[:_ODD]
    return Overview(first, {kind: odd[kind] for kind in chosen}, vectors.source.get("largest"))
