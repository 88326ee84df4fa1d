"""The objects of JSON Lines: each value with how it is written, whatever it is and however deep it is nested."""

import json
import re
from collections.abc import Collection
from typing import Any

__all__ = ["NotAnObjectError", "Number", "end_of_nested", "read_object"]

_CLOSING = {"{": "}", "[": "]"}


_SPACE = re.compile(r"[ \t\n\r]*")


class NotAnObjectError(ValueError):
    """A line is not one JSON object, or has a wanted key twice."""


class Number(str):
    """A number as it is written."""

    __slots__ = ()

    @property
    def whole(self) -> bool:
        """It has neither a fraction nor an exponent."""
        return not {".", "e", "E"} & set(self)


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=float)


def read_object(text: str, wanted: Collection[str] | None = None) -> dict[str, tuple[Any, str]]:
    """Read a line: the values of the wanted keys, or of all, each with how it is written.

    Raises:
        NotAnObjectError: it is not one JSON object, or has a wanted key twice.
    """
    found: dict[str, tuple[Any, str]] = {}
    try:
        at = _skip(text, _expect(text, _skip(text, 0), "{"))
        while text[at : at + 1] != "}":
            if text[at : at + 1] != '"':
                raise NotAnObjectError(f"a key is expected at character {at + 1}")
            key, at = _DECODER.raw_decode(text, at)
            start = _skip(text, _expect(text, _skip(text, at), ":"))
            value, at = _value(text, start)
            if wanted is None or key in wanted:
                if key in found:
                    raise NotAnObjectError(f"the key {key!r} is there twice")
                found[key] = value, text[start:at]
            at = _skip(text, at)
            if text[at : at + 1] != "}":
                at = _skip(text, _expect(text, at, ","))
                if text[at : at + 1] == "}":
                    raise NotAnObjectError(f"a key is expected at character {at + 1}")
        if (end := _skip(text, at + 1)) != len(text):
            raise NotAnObjectError(f"the object ends, and more follows at character {end + 1}")
    except json.JSONDecodeError as error:
        raise NotAnObjectError(f"{error.msg[0].lower()}{error.msg[1:]}, at character {error.pos + 1}") from error
    return found


def _value(text: str, start: int) -> tuple[Any, int]:
    """Read a value, and return where it ends; of one that is nested too deep for Python, only what it is."""
    try:
        return _DECODER.raw_decode(text, start)
    except RecursionError:
        return {"{": {}, "[": [[]]}[text[start]], end_of_nested(text, start)


def end_of_nested(text: str, start: int) -> int:
    """Return where an object or a list ends, without recursion.

    Raises:
        NotAnObjectError: it is not JSON.
        JSONDecodeError: a string or number in it is not.
    """
    closing: list[str] = []
    at = start
    while True:
        mark = text[at : at + 1]
        if mark in _CLOSING:
            closing.append(_CLOSING[mark])
            at = _skip(text, at + 1)
            if text[at : at + 1] != closing[-1]:
                at = _skip_key(text, at, closing[-1])
                continue
        else:
            at = _skip(text, _DECODER.raw_decode(text, at)[1])
        while closing and text[at : at + 1] == closing[-1]:
            closing.pop()
            if not closing:
                return at + 1
            at = _skip(text, at + 1)
        at = _skip_key(text, _skip(text, _expect(text, at, ",")), closing[-1])


def _skip_key(text: str, at: int, closing: str) -> int:
    """Go on from where an item begins to its value: in an object, behind its key."""
    if closing == "]":
        return at
    if text[at : at + 1] != '"':
        raise NotAnObjectError(f"a key is expected at character {at + 1}")
    return _skip(text, _expect(text, _skip(text, _DECODER.raw_decode(text, at)[1]), ":"))


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        found = f"found {text[at]!r}" if at < len(text) else "the line ends"
        raise NotAnObjectError(f"{mark!r} is expected at character {at + 1}, {found}")
    return at + 1
