"""The type that columns of several files have in common: the least that holds every value of each without a loss.

Files of one store are written by different programs over years, so that a column may be int32 here and int64 there. A
type is common only if no value changes: int64 and float64 have none, for float64 does not hold every int64. Times are
the exception: seconds and nanoseconds give nanoseconds, which reach from 1677 to 2262, and a file with a time beyond
that is refused when it is read.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import pyarrow as pa

__all__ = ["common_field", "common_type", "stored_type"]

_UNITS = ("s", "ms", "us", "ns")
_MOST_DIGITS = 76  # of a decimal256
_DIGITS_OF_INTEGERS = {8: 3, 16: 5, 32: 10, 64: 20}
_EXACT_IN = {pa.float32(): 24, pa.float64(): 53}
"""Bits of the whole numbers that a floating-point type holds exactly."""


def common_field(fields: Sequence[pa.Field]) -> pa.Field | None:
    """Return the field that holds the values of all, None where there is none; nullable if one of them is."""
    kind = _reduced(fields[0].type, (field.type for field in fields[1:]))
    if kind is None:
        return None
    return pa.field(fields[0].name, kind, nullable=any(field.nullable for field in fields))


def _reduced(first: pa.DataType, others: Iterable[pa.DataType]) -> pa.DataType | None:
    def step(so_far: pa.DataType | None, kind: pa.DataType) -> pa.DataType | None:
        return None if so_far is None else common_type(so_far, kind)

    return reduce(step, others, first)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the least type that holds every value of both without a loss, None where there is none.

    The order of the two makes no difference.
    """
    if one == other:
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if pa.types.is_dictionary(one) or pa.types.is_dictionary(other):
        return common_type(_decoded(one), _decoded(other))
    stored = stored_type(one), stored_type(other)
    if stored != (one, other):
        return common_type(*stored)
    for rule in (_text, _bytes, _number, _time, _list, _struct, _map):
        if (found := rule(one, other)) is not None:
            return found
    return None


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def stored_type(kind: pa.DataType) -> pa.DataType:
    """Return what a type such as UUID or JSON is stored as; truth values of eight bits stay what they are."""
    is_other = isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.Bool8Type)
    return kind.storage_type if is_other else kind


def _is(kind: pa.DataType, *tests: Callable[[pa.DataType], bool]) -> bool:
    return any(test(kind) for test in tests)


_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARIES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


def _text(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    return pa.large_string() if _is(one, *_STRINGS) and _is(other, *_STRINGS) else None


def _bytes(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    return pa.large_binary() if _is(one, *_BINARIES) and _is(other, *_BINARIES) else None


def _number(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    integers = [kind for kind in (one, other) if pa.types.is_integer(kind)]
    floats = [kind for kind in (one, other) if pa.types.is_floating(kind)]
    decimals = [kind for kind in (one, other) if pa.types.is_decimal(kind)]
    if len(integers) == 2:
        return _integer(one, other)
    if len(floats) == 2:
        return max(floats, key=lambda kind: kind.bit_width)
    if integers and floats:
        return _float_of(integers[0], floats[0])
    if decimals and len(decimals) + len(integers) == 2:
        return _decimal([*decimals, *(pa.decimal128(_DIGITS_OF_INTEGERS[kind.bit_width], 0) for kind in integers)])
    return None


def _integer(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.types.is_signed_integer(one) == pa.types.is_signed_integer(other):
        return max((one, other), key=lambda kind: kind.bit_width)
    unsigned, signed = (other, one) if pa.types.is_signed_integer(one) else (one, other)
    width = max(signed.bit_width, 2 * unsigned.bit_width)
    return {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}.get(width, pa.decimal128(20, 0))


def _float_of(integer: pa.DataType, floating: pa.DataType) -> pa.DataType | None:
    wide_enough = (kind for kind, bits in _EXACT_IN.items() if integer.bit_width <= bits)
    return next((kind for kind in wide_enough if kind.bit_width >= floating.bit_width), None)


def _decimal(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    scale = max(kind.scale for kind in kinds)
    digits = max(kind.precision - kind.scale for kind in kinds) + scale
    if digits > _MOST_DIGITS:
        return None
    return pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)


def _time(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        if (one.tz is None) != (other.tz is None):
            return None  # a time of day somewhere, and an instant
        return pa.timestamp(_finer(one, other), one.tz if one.tz == other.tz else "UTC")
    if pa.types.is_duration(one) and pa.types.is_duration(other):
        return pa.duration(_finer(one, other))
    if pa.types.is_time(one) and pa.types.is_time(other):
        unit = _finer(one, other)
        return pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit)
    if pa.types.is_date(one) and pa.types.is_date(other):
        return pa.date64()
    return None


def _finer(one: pa.DataType, other: pa.DataType) -> str:
    return max(str(one.unit), str(other.unit), key=_UNITS.index)


def _list(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (_is(one, *_LISTS) and _is(other, *_LISTS)):
        return None
    value = common_field([one.value_field, other.value_field.with_name(one.value_field.name)])
    if value is None:
        return None
    of_one_length = pa.types.is_fixed_size_list(one) and pa.types.is_fixed_size_list(other)
    if of_one_length and one.list_size == other.list_size:
        return pa.list_(value, one.list_size)
    large = any(_is(kind, pa.types.is_large_list, pa.types.is_large_list_view) for kind in (one, other))
    return pa.large_list(value) if large else pa.list_(value)


def _struct(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return a struct with the fields of both; one that a file does not have is null there."""
    if not (pa.types.is_struct(one) and pa.types.is_struct(other)):
        return None
    sides = [{field.name: field for field in kind} for kind in (one, other)]
    if any(len(side) != kind.num_fields for side, kind in zip(sides, (one, other), strict=True)):
        return None  # a name that is there twice
    fields = []
    for name in sorted({**sides[0], **sides[1]}):
        found = [side[name] for side in sides if name in side]
        field = common_field(found)
        if field is None:
            return None
        fields.append(field if len(found) == 2 else field.with_nullable(True))
    return pa.struct(fields)


def _map(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pa.types.is_map(one) and pa.types.is_map(other)):
        return None
    key = common_field([one.key_field, other.key_field.with_name(one.key_field.name)])
    item = common_field([one.item_field, other.item_field.with_name(one.item_field.name)])
    return None if key is None or item is None else pa.map_(key, item)
