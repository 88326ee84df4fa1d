"""Texts as ``scan`` reads them: written anew where they are not ASCII, by the tables of a family.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import read_only
from w2vray.text.fast.alphabet import Alphabet, Characters
from w2vray.text.fast.index import Index
from w2vray.text.fast.misses import Misses
from w2vray.text.fast.scanning import scan
from w2vray.text.fast.writing import BY_PYTHON, FlatTexts, ways_to_read, write
from w2vray.text.rules import TokenRules
from w2vray.text.tokens import prepared
from w2vray.text.vocabulary import Vocabulary

__all__ = ["WordReader"]

_NO_TABLE = read_only(np.empty(0, dtype=np.uint32))


class WordReader:
    """Reads the tokens of texts by the rules of a family."""

    remembered, remembered_bytes = 1 << 18, 1 << 23

    def __init__(self, rules: TokenRules, vocabulary: Vocabulary) -> None:
        self._rules = rules
        self._alphabet = Alphabet.of(rules)
        self._characters: Characters | None = None
        self._index = Index.of(vocabulary)

    def scan(
        self,
        texts: FlatTexts,
        text: int,
        at: int,
        misses: Misses,
        count: int,
        lately: npt.NDArray[np.uint64],
        codes: npt.NDArray[np.int32],
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
    ) -> tuple[int, int, int, int]:
        """Look up tokens, from a text and a byte on; see ``scanning.scan``."""
        read: tuple[int, int, int, int] = scan(
            texts, text, at, self._alphabet, self._index, misses, count, lately, codes, starts, ends
        )
        return read

    @property
    def characters(self) -> Characters | None:
        """What each character becomes where a text is written anew; None as long as none was."""
        return self._characters

    def prepared(self, texts: FlatTexts) -> tuple[FlatTexts, npt.NDArray[np.uint8]]:
        """Write texts anew where any is not ASCII; tell how each was."""
        rules = self._rules
        ways_N = ways_to_read(texts, _NO_TABLE if self._characters is None else self._characters.written)
        if not ways_N.any():
            return texts, ways_N
        if self._characters is None:
            self._characters = Characters.of(rules)
            ways_N = ways_to_read(texts, self._characters.written)
        characters = self._characters
        by_python = [
            prepared(rules, texts.data[texts.offsets[text] : texts.offsets[text + 1]].tobytes().decode())
            for text in np.flatnonzero(ways_N == BY_PYTHON)
        ]
        if any(ord(max(text, default="\0")) >= len(characters.kinds) for text in by_python):
            self._characters = characters = characters.with_all_kinds(rules)
        anew = write(texts, ways_N, FlatTexts.of(by_python), characters)
        return FlatTexts(read_only(anew.data), read_only(anew.offsets)), ways_N  # one kind of texts: one kernel
