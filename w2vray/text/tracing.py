r"""Texts of which each character knows where it was written, through all that is done to a text before it is split.

The functions that rewrite texts (``markup``, ``tweets``, ``invisible``, ``tokens``) take a ``str`` or a ``Traced``, and
do the same to both: there is one set of rules. A rule is made of ``substituted``, ``normalized`` and the few methods
that ``Traced`` has in common with ``str``.

A character that took the place of several stands for all of them; so does each of several that took the place of one::

    source     A w \u00ad f u l     \ufb01 l m       fi is one character, a ligature
    traced     a w f u l             f  i l m        f and i both stand for it
    starts     0 1 3 4 5             7  7 8 9
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

__all__ = ["Traced", "normalized", "respelt", "substituted"]

Put = str | Callable[[re.Match[str]], str]
Form = Literal["NFC", "NFKC"]
Spread = Literal["whole", "ends", "letters"]


@dataclass(frozen=True, eq=False)
class Traced:
    """A text, and for each of its characters where in the source it starts and ends."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, source: str) -> "Traced":
        """Begin with a text as it was written."""
        return cls(source, range(len(source)), range(1, len(source) + 1))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from ``start`` to ``end``, one at least, were written."""
        return self.starts[start], self.ends[end - 1]

    def __contains__(self, part: str) -> bool:
        return part in self.text

    def isascii(self) -> bool:
        """As that of ``str``."""
        return self.text.isascii()

    def lower(self) -> "Traced":
        """As that of ``str``: a capital may become two characters, and its neighbours decide about a sigma."""
        lowered = self.text.lower()
        if len(lowered) == len(self.text):
            return Traced(lowered, self.starts, self.ends)
        by_one = self._by_one(str.lower)
        return (
            Traced(lowered, by_one.starts, by_one.ends) if len(by_one.text) == len(lowered) else self.as_text(lowered)
        )

    def translate(self, table: Mapping[int, str]) -> "Traced":
        """As that of ``str``."""
        return self._by_one(lambda character: character.translate(table))

    def replace(self, old: str, new: str) -> "Traced":
        """As that of ``str``."""
        return substituted(re.compile(re.escape(old)), lambda _: new, self)

    def as_text(self, text: str) -> "Traced":
        """Return another text in place of this one: all that differs stands for all that differed."""
        return _changed(self, [(0, len(self.text), text, "ends")])

    def _by_one(self, change: Callable[[str], str]) -> "Traced":
        made = [change(character) for character in self.text]
        if all(len(each) == 1 for each in made):
            return Traced("".join(made), self.starts, self.ends)
        starts = [start for start, each in zip(self.starts, made, strict=True) for _ in each]
        ends = [end for end, each in zip(self.ends, made, strict=True) for _ in each]
        return Traced("".join(made), starts, ends)


T = TypeVar("T", str, Traced)


def substituted(pattern: re.Pattern[str], put: Put, text: T, spread: Spread = "whole") -> T:
    """Do what ``pattern.sub`` does; ``put`` is no template.

    Args:
        pattern: what is replaced.
        put: what is put there, or what makes it of what was found.
        text: the text.
        spread: what the new characters stand for. ``whole``: each for all that was found; ``ends``: those that are the
            same at both ends for themselves; ``letters``: each that comes next in what was found for itself.
    """
    make = put if callable(put) else lambda _: put
    if isinstance(text, str):
        return pattern.sub(make, text)
    changes: list[_Change] = []
    for found in pattern.finditer(text.text):
        new = make(found)
        if new != found[0]:
            changes.append((found.start(), found.end(), new, spread))
    return _changed(text, changes) if changes else text


def normalized(form: Form, text: T) -> T:
    """Do what ``unicodedata.normalize`` does."""
    if isinstance(text, str):
        return unicodedata.normalize(form, text)
    whole = unicodedata.normalize(form, text.text)
    return text if whole == text.text else respelt(text, whole, lambda part: unicodedata.normalize(form, part))


def respelt(text: Traced, whole: str, respell: Callable[[str], str]) -> Traced:
    """Return ``whole`` in place of a text, where ``respell`` makes it of characters with the marks upon them."""
    by_parts = substituted(_with_marks(), lambda found: respell(found[0]), text)
    return by_parts if by_parts.text == whole else text.as_text(whole)


@cache
def _with_marks() -> re.Pattern[str]:
    """Return the expression for a character with the marks, or the ends of a Hangul syllable, that may join it."""
    points = (point for point in range(0x300, 0x20000) if unicodedata.category(chr(point))[0] == "M")
    marks = "".join(map(chr, points)) + "\u1160-\u11ff\uff9e\uff9f"
    return re.compile(f"[^\\x00-\\x7f{marks}][{marks}]*|[\\x00-\\x7f]?[{marks}]+")


_Change = tuple[int, int, str, Spread]
"""From where to where a text is changed, what is put there, and what that stands for."""


def _changed(text: Traced, changes: Sequence[_Change]) -> Traced:
    """Return a text with what is put in the places of what was there."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for start, end, new, spread in changes:
        parts += (text.text[done:start], new)
        starts += text.starts[done:start]
        ends += text.ends[done:start]
        for first, last in _stood_for(text.text[start:end], new, spread):
            starts.append(_start(text, start + first))
            ends.append(_end(text, start + last))
        done = end
    return Traced("".join([*parts, text.text[done:]]), [*starts, *text.starts[done:]], [*ends, *text.ends[done:]])


def _start(text: Traced, at: int) -> int:
    return text.starts[at] if at < len(text.text) else text.ends[-1] if text.text else 0


def _end(text: Traced, at: int) -> int:
    return text.ends[at - 1] if at else text.starts[0] if text.text else 0


def _stood_for(old: str, new: str, spread: Spread) -> Iterator[tuple[int, int]]:
    """Yield from where to where in the old characters each new one stands for."""
    if spread == "letters":
        yield from _letters(old, new)
        return
    before = behind = 0
    if spread == "ends":
        most = min(len(old), len(new))
        while before < most and old[before] == new[before]:
            before += 1
        while behind < most - before and old[-1 - behind] == new[-1 - behind]:
            behind += 1
    for place in range(len(new)):
        if place < before:
            yield place, place + 1
        elif place >= len(new) - behind:
            at = place - len(new) + len(old)
            yield at, at + 1
        else:
            yield before, len(old) - behind


def _letters(old: str, new: str) -> Iterator[tuple[int, int]]:
    at = 0
    for character in new:
        found = old.find(character, at, at + 2)
        if found < 0:
            yield 0, len(old)
        else:
            yield found, found + 1
            at = found + 1
