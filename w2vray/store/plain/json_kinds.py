"""Of what kind a column of JSON Lines is, by the values that were looked at.

A number, a string and a truth value have a kind each. Where a column has several, or numbers that no type of 64 bits
holds, it is text: strings as they are, all else as it is written. A list of values of such kinds is a list. Anything
else, objects above all, is kept as the JSON that is written.
"""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from w2vray.store.plain.json_objects import Number

__all__ = ["EXACT", "HIGH", "LOW", "UNSIGNED", "Kind", "kind_named", "kind_of", "kind_of_type", "merged"]

LOW, HIGH, UNSIGNED, EXACT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1, 1 << 53
"""The least and the largest whole numbers of 64 bits, with a sign and without, and below what a float is exact."""

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
    if isinstance(value, Number):
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


def _kind_of_number(number: Number) -> Kind:
    if not number.whole:
        return Kind("float64") if abs(float(number)) < float("inf") else Kind("text")
    return _whole(int(number), int(number)) if len(number) <= 20 else Kind("text")


def _whole(low: int, high: int) -> Kind:
    if low >= LOW and high <= HIGH:
        return Kind("int64", low, high)
    return Kind("uint64", low, high) if low >= 0 and high <= UNSIGNED else Kind("text")


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
        return Kind("float64") if max(-numbers.low, numbers.high) <= EXACT else Kind("text")
    return Kind("text")
