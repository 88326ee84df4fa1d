"""A value of JSON Lines as its column's kind has it."""

import re
from collections.abc import Callable
from typing import Any

from w2vray.store.plain.json_kinds import EXACT, HIGH, LOW, UNSIGNED, Kind
from w2vray.store.plain.json_objects import Number

__all__ = ["UnfitError", "read_value"]

_SURROGATE = re.compile("[\ud800-\udfff]")


class UnfitError(ValueError):
    """A value is not of its column's kind."""


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
    if not (isinstance(value, Number) and value.whole and len(value) <= 20):
        return None
    return number if low <= (number := int(value)) <= high else None


def _read_float(value: Any, _: str) -> float | None:
    if isinstance(value, float):
        return value
    if not isinstance(value, Number):
        return None
    number = float(value)
    return number if abs(number) < float("inf") and _is_exact(value, number) else None


_READ: dict[str, Callable[[Any, str], Any]] = {
    "null": lambda _, __: None,
    "bool": _read_bool,
    "int64": lambda value, _: _read_whole(value, LOW, HIGH),
    "uint64": lambda value, _: _read_whole(value, 0, UNSIGNED),
    "float64": _read_float,
    "string": _read_text,
    "text": _read_text,
    "json": _read_json,
}
"""How values are read; None of one that is not of the kind."""


def _is_exact(written: Number, number: float) -> bool:
    """Tell whether a float is the whole number that is written; fractions are rounded, as everywhere."""
    return not written.whole or abs(number) < EXACT or (len(written) <= 400 and int(number) == int(written))


def _text(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):  # the constants that Python writes
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, Number) and value == "-0":
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
        case Number() | float():
            return f"the number {value}" if len(str(value)) <= 40 else "a number"
        case str():
            return "a string"
        case list():
            return "a list"
    return "an object"
