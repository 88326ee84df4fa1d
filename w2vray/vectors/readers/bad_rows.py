"""Rows of a file that cannot be used: each is an error by default, or is left out and counted by its reason."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2vray.errors import VectorsError

__all__ = ["BadRows", "Reason", "checked_word", "control_in", "shown"]

_NAMED = 3
_SHOWN = 40
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Reason:
    """Why a row cannot be used: the words that count such rows."""

    COLUMNS = "names of columns"
    CONTROL = "control character in the word"
    DAMAGED = "damaged row"
    DUPLICATE = "word that was there before"
    EMPTY = "empty word"
    LABEL = "label"
    NOT_FINITE = "number that is not finite"
    NOT_NUMBER = "not a number"
    NOT_UTF8 = "not UTF-8"
    SHIFTED = "space in a word of a binary file"
    SIZE = "number far beyond the others"
    WIDTH = "another number of numbers"


@dataclass
class BadRows:
    """What is done with bad rows, and those that were left out: how many for each reason, and the first few."""

    path: Path
    skip: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[str]] = field(default_factory=dict)

    def found(self, row: int, reason: str, message: str, named: str = "") -> None:
        """Leave a row out, or raise: ``message`` says what is wrong with it, ``named`` is its word.

        Raises:
            VectorsError: rows are not to be left out.
        """
        if not self.skip:
            raise VectorsError(f"{self.path}, row {row}{message}. --on-bad skip leaves such rows out")
        self.left_out(row, reason, named)

    def left_out(self, row: int | None, reason: str, named: str, count: int = 1) -> None:
        """Count a row that is left out whatever the option says."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        first = self.first.setdefault(reason, [])
        if len(first) < _NAMED:
            first.append(named if row is None else f"row {row:,} {named}".rstrip())

    def as_dict(self) -> Mapping[str, Any]:
        """Return counts and first rows by reason, for vectors.json."""
        return {reason: {"rows": count, "first": self.first[reason]} for reason, count in self.counts.items()}


def shown(text: bytes | str) -> str:
    """Quote a piece of a file for a message: cut short, on one line, and readable whatever is in it."""
    if isinstance(text, bytes):
        try:
            text = text[: _SHOWN * 4].decode()
        except UnicodeDecodeError as error:
            cut = bytes(error.object)
            return repr(cut[:_SHOWN]) if error.start < _SHOWN else shown(cut[: error.start])
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def control_in(word: bytes) -> int | None:
    """Return the first ASCII control character of a word, None where it has none."""
    found = _CONTROL.search(word)
    return None if found is None else word[found.start()]


_NAMES = {0: "a NUL", 9: "a tab", 10: "a line break", 13: "a carriage return"}


def checked_word(word: bytes) -> tuple[str, str]:
    """Return what is wrong with a word, as a reason and a message, or two empty strings."""
    if not word:
        return Reason.EMPTY, ": the word is empty; expected at least one character"
    if (control := control_in(word)) is not None:
        what = _NAMES.get(control, f"the control character 0x{control:02x}")
        return Reason.CONTROL, f": the word {shown(word)} holds {what}"
    try:
        word.decode()
    except UnicodeDecodeError:
        latin = word.decode("latin-1")
        hint = f" (in Latin-1 it is {shown(latin)})" if latin.isalpha() else ""
        return Reason.NOT_UTF8, f": the word {word[:_SHOWN]!r} is not UTF-8{hint}; convert the file to UTF-8"
    return "", ""
