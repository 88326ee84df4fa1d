"""Two columns compared with one another, exactly, or refused before any row is read.

Arrow brings both sides to a common type first. Where that type does not hold a value of one of them, it rounds, or it
fails when it comes to the value, in the middle of a run. Here each pair of types is compared in a way that holds for
all of their values.
"""

import pyarrow as pa
import pyarrow.compute as pc

from w2vray.store.comparing import COMPARED, UNKNOWN, is_text, is_time, plain

__all__ = ["compared_columns"]

_IN_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DIGITS_OF_FLOATS = 15
"""Decimals of so many digits stay different from one another as float64."""


def compared_columns(
    comparison: str, one: pc.Expression, kind: pa.DataType, other: pc.Expression, other_kind: pa.DataType
) -> pc.Expression:
    """Return the condition that two columns' values compare so; null where one of them is missing.

    A decimal is compared with a float as the float that is nearest to it.

    Args:
        comparison: ``==``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        one: the first column.
        kind: its type.
        other: the second column.
        other_kind: its type.

    Raises:
        ValueError: their values cannot be compared; the message says why.
    """
    kinds = [plain(kind), plain(other_kind)]
    if any(map(pa.types.is_null, kinds)):
        return UNKNOWN
    if all(map(is_text, kinds)) or all(map(pa.types.is_boolean, kinds)):
        return COMPARED[comparison](one, other)
    if all(map(is_time, kinds)) or all(map(pa.types.is_duration, kinds)):
        return _with_times(comparison, one, kinds[0], other, kinds[1])
    if not all(map(_is_number, kinds)):
        raise ValueError("values of the two are not compared with one another")
    if any(map(pa.types.is_floating, kinds)):
        return _with_floats(comparison, one, kinds[0], other, kinds[1])
    if kinds[0] == kinds[1] and pa.types.is_integer(kinds[0]):
        return COMPARED[comparison](one, other)
    return COMPARED[comparison](one.cast(_decimal(kinds[0])), other.cast(_decimal(kinds[1])))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _decimal(kind: pa.DataType) -> pa.DataType:
    """Return a decimal type that holds the values of a decimal or whole number."""
    return pa.decimal256(kind.precision, kind.scale) if pa.types.is_decimal(kind) else pa.decimal256(20, 0)


def _with_times(
    comparison: str, one: pc.Expression, kind: pa.DataType, other: pc.Expression, other_kind: pa.DataType
) -> pc.Expression:
    """Compare counts of units: of the finer unit, as decimals, where both have not the same."""
    if pa.types.is_time(kind) != pa.types.is_time(other_kind):
        raise ValueError("one is a time of day, and the other has a date")
    if (_zone(kind) is None) != (_zone(other_kind) is None):
        raise ValueError("one is an instant, and the other has no zone")
    steps = [_steps_in_a_day(kind), _steps_in_a_day(other_kind)]
    sides = []
    for column, own, of_kind in ((one, steps[0], kind), (other, steps[1], other_kind)):
        count = column.cast(pa.int32() if of_kind.bit_width == 32 else pa.int64())
        factor = max(steps) // own
        sides.append(
            count
            if steps[0] == steps[1]
            else pc.multiply(count.cast(pa.decimal128(19, 0)), pa.scalar(factor, pa.decimal128(15, 0)))
        )
    return COMPARED[comparison](*sides)


def _zone(kind: pa.DataType) -> str | None:
    return kind.tz if pa.types.is_timestamp(kind) else None


def _steps_in_a_day(kind: pa.DataType) -> int:
    if pa.types.is_date(kind):
        return 1 if pa.types.is_date32(kind) else 86_400_000
    return 86_400 * _IN_A_SECOND[kind.unit]


def _with_floats(
    comparison: str, one: pc.Expression, kind: pa.DataType, other: pc.Expression, other_kind: pa.DataType
) -> pc.Expression:
    """Compare as float64, which holds every other float; of the wider integers, as the integers that they are."""
    if not pa.types.is_floating(other_kind):
        exchanged = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(comparison, comparison)
        return _with_floats(exchanged, other, other_kind, one, kind)
    floats = other.cast(pa.float32()).cast(pa.float64()) if pa.types.is_float16(other_kind) else other.cast("double")
    if pa.types.is_integer(kind) and kind.bit_width > 32:
        return _whole_with_floats(comparison, one, kind, floats)
    if pa.types.is_decimal(kind) and kind.precision > _DIGITS_OF_FLOATS:
        raise ValueError(f"float64 does not tell all decimals of {kind.precision} digits from one another")
    if pa.types.is_float16(kind):
        one = one.cast(pa.float32())
    return COMPARED[comparison](one.cast(pa.float64()), floats)


def _whole_with_floats(
    comparison: str, whole: pc.Expression, kind: pa.DataType, floats: pc.Expression
) -> pc.Expression:
    """Compare whole numbers of 64 bits with floats: with the whole number below or above, where such a one is held.

    Every whole number is below a larger float, and NaN is neither below nor above nor equal.
    """
    low, high = (0.0, 2.0**64) if pa.types.is_unsigned_integer(kind) else (-(2.0**63), 2.0**63)
    held = (floats >= pc.scalar(low)) & (floats < pc.scalar(high))
    near = pc.if_else(held, floats, pc.scalar(0.0))
    is_whole = pc.floor(near) == near
    if comparison in {"==", "!="}:
        found = held & is_whole & (whole == pc.floor(near).cast(kind))
        found = found if comparison == "==" else ~found
    else:
        rounded = (pc.floor if comparison in {"<=", ">"} else pc.ceil)(near).cast(kind)
        beyond = floats > pc.scalar(0.0) if comparison.startswith("<") else floats < pc.scalar(0.0)
        found = pc.if_else(held, COMPARED[comparison](whole, rounded), beyond)
    return pc.if_else(whole.is_valid() & floats.is_valid(), found, UNKNOWN)
