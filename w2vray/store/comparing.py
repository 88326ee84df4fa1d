"""Columns compared with constants, exactly: as the column's own type, with nothing rounded or wrapped around.

Arrow brings both sides to a common type first, in which 0.1 is no value of a float32 column and 2**53 + 1 is 2**53.
Here a constant is put between the values that the column's type has. So ``n > 2.5`` is ``n >= 3`` for whole numbers,
and always true for a number that is below all of them. Of floats, a constant with a fraction is the nearest value, as
the column's own values are.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["COMPARED", "UNKNOWN", "Constant", "advice", "among", "compared", "fits", "is_text", "is_time", "plain"]

Constant = str | float | bool  # a float may be an int
Comparison = Callable[[Any, Any], Any]

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_TIMES = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_time)

_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NANOSECONDS = re.compile(r"[.,][0-9]{7}")  # Python's own reading would leave the digits out


def _is(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(test(kind) for test in tests)


def is_text(kind: pa.DataType) -> bool:
    """Tell whether the values of a type are texts, or bytes, which are compared letter by letter."""
    return _is(plain(kind), (*_TEXTS, *_BYTES))


def is_time(kind: pa.DataType) -> bool:
    """Tell whether the values of a type are dates, times or instants."""
    return _is(kind, _TIMES)


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values: of a dictionary's, not of the numbers that stand for them."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def fits(value: Constant, kind: pa.DataType) -> bool:
    """Tell whether a constant may be a value of a column; a column of nulls has none, and is compared with any."""
    kind = plain(kind)
    if _is(kind, _NUMBERS):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    return pa.types.is_null(kind) or (isinstance(value, str) and _is(kind, (*_TEXTS, *_BYTES, *_TIMES)))


def advice(name: str, kind: pa.DataType) -> str:
    """Show how a value of a type is written."""
    kind = plain(kind)
    if _is(kind, (*_TEXTS, *_BYTES)):
        return f"write a text, such as {name} == '2020'"
    if _is(kind, _NUMBERS):
        return f"write a number, such as {name} >= 2020"
    if pa.types.is_boolean(kind):
        return f"write {name} == True"
    if pa.types.is_date(kind):
        return f"write a date, such as {name} >= '2024-01-31'"
    if _is(kind, _TIMES):
        return f"write a time, such as {name} >= '{'2024-01-31 ' if pa.types.is_timestamp(kind) else ''}12:30:00'"
    return f"of such a column a condition can only say `{name} is None` or `{name} is not None`"


def compared(column: pc.Expression, kind: pa.DataType, comparison: str, value: Constant) -> pc.Expression:
    """Return the condition that a column's values compare so with a constant that ``fits``.

    Args:
        column: the column.
        kind: its type.
        comparison: ``==``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: the constant.

    Raises:
        ValueError: it is not written as the type's values are.
    """
    kind = plain(kind)
    if pa.types.is_null(kind):
        return _always(column, true=False)
    if _is(kind, (*_TEXTS, *_BYTES)) or pa.types.is_boolean(kind):
        return COMPARED[comparison](column, pc.scalar(_value(value, kind)))
    if pa.types.is_floating(kind):
        return _with_float(column, kind, comparison, value)
    return _with_grid(_comparable(column, kind), _grid(kind), comparison, _exact(value, kind))


def among(column: pc.Expression, kind: pa.DataType, values: Sequence[Constant]) -> pc.Expression:
    """Return the condition that a column's values are among constants that ``fit``; null where a value is missing.

    Raises:
        ValueError: one is not written as the type's values are.
    """
    kind = plain(kind)
    if pa.types.is_null(kind):
        return _always(column, true=False)
    if pa.types.is_floating(kind):
        found: list[Any] = [near for value in values if _is_near(near := _nearest(value, kind), value)]
        kind, column = (pa.float32(), column.cast(pa.float32())) if pa.types.is_float16(kind) else (kind, column)
    elif _is(kind, (*_NUMBERS, *_TIMES)):
        grid, column = _grid(kind), _comparable(column, kind)
        exact = [_exact(value, kind) for value in values]
        found = [grid.value(int(each)) for each in exact if _is_whole(each) and grid.low <= each <= grid.high]
        kind = grid.kind
    else:
        found = [_value(value, kind) for value in values]
        kind = pa.binary() if pa.types.is_fixed_size_binary(kind) else kind
    member = column.isin(pa.array(found, kind))
    return pc.if_else(column.is_valid(), member, UNKNOWN)


COMPARED: dict[str, Comparison] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
UNKNOWN = pc.scalar(pa.scalar(None, pa.bool_()))


def _always(column: pc.Expression, *, true: bool) -> pc.Expression:
    """Return what is the same for each value; of a missing one nothing is known."""
    return pc.if_else(column.is_valid(), pc.scalar(true), UNKNOWN)


def _value(value: Constant, kind: pa.DataType) -> pa.Scalar:
    if _is(kind, _BYTES):
        return pa.scalar(str(value).encode(), pa.binary())
    return pa.scalar(value)


# Numbers and times that lie at equal steps


@dataclass(frozen=True)
class _Grid:
    """Values of a type as whole numbers of its steps."""

    kind: pa.DataType
    low: int
    high: int
    scale: int = 0  # of a decimal

    def value(self, steps: int) -> int | Decimal:
        """Return what Arrow makes a value of the type of."""
        if not pa.types.is_decimal(self.kind):
            return steps
        return Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -self.scale))


def _grid(kind: pa.DataType) -> _Grid:
    if pa.types.is_decimal(kind):
        most = 10**kind.precision - 1
        wide = kind if kind.bit_width >= 128 else pa.decimal128(kind.precision, kind.scale)
        return _Grid(wide, -most, most, kind.scale)
    if pa.types.is_unsigned_integer(kind):
        return _Grid(kind, 0, 2**kind.bit_width - 1)
    if pa.types.is_date64(kind):  # of milliseconds, in whole days
        return _Grid(kind, -(2**63), 2**63 - 1)
    return _Grid(kind, -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)


def _comparable(column: pc.Expression, kind: pa.DataType) -> pc.Expression:
    """Return a column as a type that Arrow's comparisons know."""
    return column.cast(_grid(kind).kind) if pa.types.is_decimal(kind) and kind.bit_width < 128 else column


def _exact(value: Constant, kind: pa.DataType) -> Fraction | float:
    """Return a constant in steps of a type, as a fraction where it lies between two; infinity as it is."""
    if isinstance(value, str):
        return _steps(value, kind)
    if isinstance(value, float) and math.isinf(value):
        return value
    if not pa.types.is_decimal(kind):
        return Fraction(value)
    return Fraction(Decimal(repr(value))) * Fraction(10) ** int(kind.scale)


def _is_whole(exact: Fraction | float) -> bool:
    return isinstance(exact, Fraction) and exact.denominator == 1


def _with_grid(column: pc.Expression, grid: _Grid, comparison: str, exact: Fraction | float) -> pc.Expression:
    if isinstance(exact, float):  # infinity
        below = above = grid.high + 1 if exact > 0 else grid.low - 1
    else:
        below, above = math.floor(exact), math.ceil(exact)
    if comparison in {"==", "!="}:
        if below != above or not grid.low <= below <= grid.high:
            return _always(column, true=comparison == "!=")
        steps = below
    else:
        steps = below if comparison in {"<=", ">"} else above
        if not grid.low <= steps <= grid.high:
            return _always(column, true=(steps > grid.high) == comparison.startswith("<"))
    return COMPARED[comparison](column, pc.scalar(pa.scalar(grid.value(steps), grid.kind)))


def _steps(text: str, kind: pa.DataType) -> Fraction:
    """Read a date, a time or an instant; one without a zone is in UTC where the column has instants."""
    if pa.types.is_date(kind):
        days = (dt.date.fromisoformat(text) - _EPOCH.date()).days
        return Fraction(days if pa.types.is_date32(kind) else days * 86_400_000)
    if pa.types.is_timestamp(kind) and _NANOSECONDS.search(text):
        try:
            nanoseconds = pa.scalar(text).cast(pa.timestamp("ns", kind.tz)).value
        except pa.ArrowException as error:
            raise ValueError(str(error)) from error
        return Fraction(nanoseconds, 10**9) * _A_SECOND[kind.unit]
    if _NANOSECONDS.search(text):
        raise ValueError("it is finer than a microsecond")
    if pa.types.is_timestamp(kind):
        instant = dt.datetime.fromisoformat(text)
        if instant.tzinfo is not None and kind.tz is None:
            raise ValueError("it has a zone, and the column has none")
        passed = (instant if instant.tzinfo is not None else instant.replace(tzinfo=dt.UTC)) - _EPOCH
    else:
        time = dt.time.fromisoformat(text)
        if time.tzinfo is not None:
            raise ValueError("it has a zone, and the column has none")
        passed = dt.datetime.combine(_EPOCH.date(), time, dt.UTC) - _EPOCH
    return Fraction(passed // dt.timedelta(microseconds=1), 10**6) * _A_SECOND[kind.unit]


# Floats


def _nearest(value: Any, kind: pa.DataType) -> float:
    """Return the value of a floating-point type that is nearest to a number."""
    try:
        with np.errstate(over="ignore", under="ignore"):
            return float(np.dtype(kind.to_pandas_dtype()).type(float(value)))
    except OverflowError:  # of a whole number beyond all floats
        return math.inf if value > 0 else -math.inf


def _is_near(near: float, value: Any) -> bool:
    """Tell whether a number is taken for its nearest float: one with a fraction is, unless that is zero.

    A whole number is meant as it is written.
    """
    has_fraction = isinstance(value, float) and not value.is_integer()  # infinity has none
    return near != 0 if has_fraction else near == value


def _with_float(column: pc.Expression, kind: pa.DataType, comparison: str, value: Any) -> pc.Expression:
    near = _nearest(value, kind)
    wide = pa.float32() if pa.types.is_float16(kind) else kind  # Arrow compares no smaller ones
    column, scalar = (column.cast(wide) if wide != kind else column), pc.scalar(pa.scalar(near, wide))
    if _is_near(near, value):
        return COMPARED[comparison](column, scalar)
    if comparison in {"==", "!="}:
        return _always(column, true=comparison == "!=")
    if near > value:  # no value lies between the two
        return COMPARED["<" if comparison.startswith("<") else ">="](column, scalar)
    return COMPARED["<=" if comparison.startswith("<") else ">"](column, scalar)
