"""Where a text may be cut so that a tokenizer finds the same pieces in the parts as in the whole.

A cut stands before a run of blanks; the blanks belong to what follows. Where the tokenizer drops white space, and
changes no character by its neighbours, a cut also stands beside a mark that it parts from words, and beside a
Chinese character that it reads alone::

    parts by words    A fine film, really.   ->   A|fine|film|,|really|.
    marks of spaces   A fine film, really.   ->   A| fine| film,| really.

``tokenizer_cuts.py`` says which characters are of which kind for a tokenizer.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["ALONE", "BLANK", "GLUED", "HELD", "HOLDS", "MARK", "TABLED", "WORD", "Cuts"]

GLUED, BLANK, WORD, MARK, ALONE, HOLDS, HELD = range(7)
"""What a character is: never cut beside; a cut is before a run of it; of words; a mark; cut on both sides; no cut
between it and blanks behind it; nor before it."""

TABLED = 0x20000
"""Characters from here on are GLUED."""


@dataclass(frozen=True, eq=False)
class Cuts:
    """The places where texts may be cut. Where every character is GLUED there is none."""

    kinds: npt.NDArray[np.uint8]  # [TABLED] of each character
    drops_blanks: bool  # blanks before a word, a mark or what stands alone are left out
    marks_apart: bool  # two marks are two words

    def __call__(self, text: str) -> list[str]:
        """Cut a text: the plain model of the compiled one."""
        return [text[start:end] for start, end in self.spans(text)]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each part of a text starts and ends."""
        found: list[tuple[int, int]] = []
        end = 0
        for cut in self._places.split(text):
            end += len(cut)
            if part := self._dropped.sub("", cut):
                found.append((end - len(part), end))
        return found

    @cached_property
    def _places(self) -> re.Pattern[str]:
        kinds = (BLANK, HOLDS, HELD, WORD, MARK, ALONE)
        blank, holds, held, word, mark, alone = map(self._class, kinds)
        none_after = f"(?:[\\x00-\\x7f{blank}{holds}{word}{mark}{alone}]|\\Z)"  # no accent, or the like
        if not blank:
            return re.compile(r"(?!)")
        places = [f"(?<![{blank}{holds}{held}])(?=[{blank}]+(?![{blank}{held}]))"]
        if mark:
            after = mark + word if self.marks_apart else word
            places.append(f"(?<=[{word}])(?=[{mark}]{none_after})|(?<=[{mark}])(?=[{after}]{none_after})")
        if alone:
            others = word + mark + alone
            places.append(f"(?<=[{others}])(?=[{alone}]{none_after})|(?<=[{alone}])(?=[{others}]{none_after})")
        return re.compile("|".join(places))

    @cached_property
    def _dropped(self) -> re.Pattern[str]:
        if not self.drops_blanks:
            return re.compile(r"(?!)")
        blank, *others = (self._class(kind) for kind in (BLANK, WORD, MARK, ALONE))
        return re.compile(f"\\A[{blank}]+(?=[{''.join(others)}]|\\Z)")

    def _class(self, kind: int) -> str:
        """Return the characters of a kind as the inside of a character class."""
        points = np.flatnonzero(self.kinds == kind)
        if not len(points):
            return ""
        ends = np.flatnonzero(np.diff(points) != 1)
        firsts, lasts = points[[0, *(ends + 1)]], points[[*ends, len(points) - 1]]
        pairs = zip(firsts.tolist(), lasts.tolist(), strict=True)
        return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in pairs)
