"""The values of JSON Lines: of what kind a column is, by the lines that were looked at, and a value as that kind.

A number, a string and a truth value have a kind each. Where a column has several, or numbers that no type of 64 bits
holds, it is text: strings as they are, all else as it is written. A list of values of such kinds is a list. Anything
else, objects above all, is kept as the JSON that is written.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

__all__ = [
    "Kind",
    "NotAnObjectError",
    "UnfitError",
    "end_of_nested",
    "kind_named",
    "kind_of",
    "kind_of_type",
    "merged",
    "read_object",
    "read_value",
]

_LOW, _HIGH, _UNSIGNED, _EXACT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1, 1 << 53
_CLOSING = {"{": "}", "[": "]"}
_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TYPES = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "text": pa.string(),
    "json": pa.string(),
}


class NotAnObjectError(ValueError):
    """A line is not one JSON object, or has a wanted key twice."""


class UnfitError(ValueError):
    """A value is not of its column's kind."""


class _Number(str):
    """A number as it is written."""

    __slots__ = ()

    @property
    def whole(self) -> bool:
        """It has neither a fraction nor an exponent."""
        return not {".", "e", "E"} & set(self)


_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=float)


@dataclass(frozen=True)
class Kind:
    """A column's kind; ``low`` and ``high`` are the least and the largest of its whole numbers, as far as seen."""

    name: str  # one of _TYPES, or list
    low: int = 0
    high: int = 0
    of: "Kind | None" = None  # a list's values

    @property
    def type(self) -> pa.DataType:
        """The type that its values have in Arrow."""
        return pa.list_(self.of.type) if self.of else _TYPES[self.name]

    @property
    def parsed_by_arrow(self) -> bool:
        """Arrow's reader gives these values as ``read_value`` does."""
        return self.of.parsed_by_arrow if self.of else self.name not in {"text", "json"}

    @property
    def as_text(self) -> "Kind":
        """The kind of the same values as strings; fractions, which may be written in many ways, stay numbers."""
        if self.of:
            return replace(self, of=self.of.as_text)
        return self if self.name in {"json", "float64"} else Kind("text")

    def __str__(self) -> str:
        return f"list<{self.of}>" if self.of else self.name


def kind_named(name: str) -> Kind:
    """Return the kind that ``str`` gave the name of."""
    return Kind("list", of=kind_named(name[5:-1])) if name.startswith("list<") else Kind(name)


def kind_of_type(kind: pa.DataType) -> Kind | None:
    """Return the kind whose values have a type, None where there is none."""
    if pa.types.is_list(kind):
        of = kind_of_type(kind.value_type)
        return None if of is None else Kind("list", of=of)
    return next((Kind(name) for name, of_kind in _TYPES.items() if of_kind == kind), None)


def kind_of(value: Any) -> Kind:
    """Return the kind of a value that ``read_object`` gave."""
    if isinstance(value, _Number):
        return _kind_of_number(value)
    if isinstance(value, list):
        of = Kind("null")
        for item in value:
            of = merged(of, kind_of(item))
        return _list_of(of)
    names = {type(None): "null", bool: "bool", float: "float64", str: "string"}
    return Kind(names.get(type(value), "json"))


def _list_of(kind: Kind) -> Kind:
    """Return the kind of lists of a kind."""
    return Kind("json") if kind.name in {"list", "json"} else Kind("list", of=kind)


def _kind_of_number(number: _Number) -> Kind:
    if not number.whole:
        return Kind("float64") if abs(float(number)) < float("inf") else Kind("text")
    return _whole(int(number), int(number)) if len(number) <= 20 else Kind("text")


def _whole(low: int, high: int) -> Kind:
    if low >= _LOW and high <= _HIGH:
        return Kind("int64", low, high)
    return Kind("uint64", low, high) if low >= 0 and high <= _UNSIGNED else Kind("text")


def merged(one: Kind, other: Kind) -> Kind:
    """Return the kind that holds the values of both as they are."""
    names = {one.name, other.name}
    if "null" in names:
        return other if one.name == "null" else one
    if one.of and other.of:
        return _list_of(merged(one.of, other.of))
    if names & {"json", "list"}:
        return Kind("json")
    return one if names in ({"bool"}, {"string"}, {"float64"}) else _merged_scalars(one, other, names)


def _merged_scalars(one: Kind, other: Kind, names: set[str]) -> Kind:
    if names <= {"int64", "uint64"}:
        return _whole(min(one.low, other.low), max(one.high, other.high))
    if names == {"int64", "float64"}:
        numbers = one if one.name == "int64" else other
        return Kind("float64") if max(-numbers.low, numbers.high) <= _EXACT else Kind("text")
    return Kind("text")


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


def read_value(value: Any, written: str, kind: Kind) -> Any:
    """Return a value as its column's kind has it.

    Raises:
        UnfitError: it is of another kind.
        UnicodeEncodeError: it is a string that holds half a surrogate pair, which no UTF-8 has.
    """
    if value is None:
        return None
    if kind.of is not None:
        if not isinstance(value, list):
            raise UnfitError(_told(value))
        return [read_value(item, "", kind.of) for item in value]
    read = _READ[kind.name](value, written)
    if read is None:
        raise UnfitError(_told(value))
    return read


def _read_json(_: Any, written: str) -> str:
    return _encodable(written)


def _read_text(value: Any, _: str) -> str | None:
    return _encodable(_text(value)) if isinstance(value, str | bool | float) else None


def _read_bool(value: Any, _: str) -> bool | None:
    return value if isinstance(value, bool) else None


def _read_whole(value: Any, low: int, high: int) -> int | None:
    if not (isinstance(value, _Number) and value.whole and len(value) <= 20):
        return None
    return number if low <= (number := int(value)) <= high else None


def _read_float(value: Any, _: str) -> float | None:
    if isinstance(value, float):
        return value
    if not isinstance(value, _Number):
        return None
    number = float(value)
    return number if abs(number) < float("inf") and _is_exact(value, number) else None


_READ: dict[str, Callable[[Any, str], Any]] = {
    "null": lambda _, __: None,
    "bool": _read_bool,
    "int64": lambda value, _: _read_whole(value, _LOW, _HIGH),
    "uint64": lambda value, _: _read_whole(value, 0, _UNSIGNED),
    "float64": _read_float,
    "string": _read_text,
    "text": _read_text,
    "json": _read_json,
}
"""How values are read; None of one that is not of the kind."""


def _is_exact(written: _Number, number: float) -> bool:
    """Tell whether a float is the whole number that is written; fractions are rounded, as everywhere."""
    return not written.whole or abs(number) < _EXACT or (len(written) <= 400 and int(number) == int(written))


def _text(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):  # the constants that Python writes
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, _Number) and value == "-0":
        return "0"
    return str(value)


def _encodable(text: str) -> str:
    if _SURROGATE.search(text):
        text.encode()  # raises
    return text


def _told(value: Any) -> str:
    """Say what a value is."""
    match value:
        case bool():
            return "a truth value"
        case _Number() | float():
            return f"the number {value}" if len(str(value)) <= 40 else "a number"
        case str():
            return "a string"
        case list():
            return "a list"
    return "an object"
