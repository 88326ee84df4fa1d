"""Two columns of a condition: each pair of types is compared exactly, or refused before a row is read."""

import datetime as dt
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.errors import ConfigError
from w2vray.store.filters import parse_where

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
BOUNDS = [0, 2**24, 2**31, 2**53, 2**63, 2**64]
FLOATS = [0.5, float("inf"), float("-inf"), float("nan"), 1e300, 2.0**63 - 1024, *map(float, BOUNDS)]


def chosen(text: str, a: pa.Array, b: pa.Array) -> list[int]:
    """Return the rows for which a condition holds."""
    batch = pa.record_batch({"a": a, "b": b, "row": pa.array(range(len(a)))})
    rows: list[int] = parse_where(text).fitted(batch.schema).rows(batch)["row"].to_pylist()
    return rows


@st.composite
def whole_numbers(draw: st.DrawFn, kind: pa.DataType) -> list[int | None]:
    low, high = (0, 2**kind.bit_width - 1) if str(kind).startswith("u") else (-(2**63), 2**63 - 1)
    near = st.builds(lambda bound, step, sign: sign * bound + step, st.sampled_from(BOUNDS), st.integers(-2, 2), ONE)
    values = st.one_of(st.none(), near.filter(lambda value: low <= value <= high), st.integers(low, high))
    return draw(st.lists(values, min_size=8, max_size=8))


ONE = st.sampled_from([-1, 1])


@settings(max_examples=25)
@given(st.data(), st.sampled_from([pa.int64(), pa.uint64()]), st.sampled_from([pa.float64(), pa.float32()]))
def test_whole_numbers_and_floats_are_compared_as_python_compares_them(
    data: st.DataObject, kind: pa.DataType, floating: pa.DataType
) -> None:
    whole = data.draw(whole_numbers(kind))
    given_floats = st.builds(operator.mul, st.sampled_from(FLOATS), ONE)
    with np.errstate(over="ignore"):
        floats = [
            value if value is None else float(np.dtype(floating.to_pandas_dtype()).type(value))
            for value in data.draw(st.lists(st.one_of(st.none(), given_floats), min_size=8, max_size=8))
        ]
    pairs = list(zip(whole, floats, strict=True))
    for written, compare in COMPARISONS.items():
        both = [(row, one, other) for row, (one, other) in enumerate(pairs) if one is not None and other is not None]
        a, b = pa.array(whole, kind), pa.array(floats, floating)
        assert chosen(f"a {written} b", a, b) == [row for row, one, other in both if compare(one, other)]
        assert chosen(f"b {written} a", a, b) == [row for row, one, other in both if compare(other, one)]


NEW_YEAR = dt.datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("text", "a", "b", "rows"),
    [
        (
            "a > b",  # the year 9999 is no value of the other unit
            pa.array([dt.datetime(9999, 1, 1), NEW_YEAR], pa.timestamp("s")),
            pa.array([NEW_YEAR] * 2, pa.timestamp("ns")),
            [0],
        ),
        (
            "a == b",  # instants of two zones
            pa.array([NEW_YEAR] * 2, pa.timestamp("s", "UTC")),
            pa.array([NEW_YEAR, None], pa.timestamp("ns", "Asia/Tokyo")),
            [0],
        ),
        (
            "a < b",  # a date begins at midnight
            pa.array([dt.date(9999, 1, 1), dt.date(2020, 1, 1)]),
            pa.array([NEW_YEAR, NEW_YEAR + dt.timedelta(hours=1)], pa.timestamp("ns")),
            [1],
        ),
        ("a == b", pa.array([dt.date(1, 1, 1)], pa.date32()), pa.array([dt.date(1, 1, 1)], pa.date64()), [0]),
        ("a < b", pa.array([1, 10**18], pa.duration("s")), pa.array([10**9 + 1, 5], pa.duration("ns")), [0]),
        ("a < b", pa.array([dt.time(1)], pa.time32("s")), pa.array([dt.time(1, 0, 1)], pa.time64("ns")), [0]),
        ("a == b", pa.array([Decimal("0.1")] * 2), pa.array([0.1, 0.2]), [0]),
        ("a < b", pa.array([Decimal(1)] * 2, pa.decimal128(38, 30)), pa.array([2**64 - 1, 1], pa.uint64()), [0]),
        ("a == b", pa.array([b"a", b"b"], pa.binary(1)), pa.array(["a", "c"]), [0]),
        ("a == b", pa.array([1, 2**60]).dictionary_encode(), pa.array([1.0, 2.0]), [0]),
        ("a == b", pa.nulls(2), pa.array([1, 2]), []),
    ],
    ids=str,
)
def test_columns_of_other_types_are_compared_by_their_values(
    text: str, a: pa.Array, b: pa.Array, rows: list[int]
) -> None:
    assert chosen(text, a, b) == rows


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (pa.timestamp("s", "UTC"), pa.timestamp("s"), "one is an instant, and the other has no zone"),
        (pa.date32(), pa.timestamp("s", "UTC"), "one is an instant, and the other has no zone"),
        (pa.time32("s"), pa.date32(), "one is a time of day, and the other has a date"),
        (pa.decimal128(38, 2), pa.float64(), "float64 does not tell all decimals of 38 digits from one another"),
        (pa.float32(), pa.decimal128(16, 0), "float64 does not tell all decimals of 16 digits from one another"),
        (pa.string(), pa.int64(), "values of the two are not compared with one another"),
        (pa.list_(pa.int8()), pa.list_(pa.int8()), "values of the two are not compared with one another"),
        (pa.duration("s"), pa.time32("s"), "values of the two are not compared with one another"),
    ],
    ids=str,
)
def test_columns_that_cannot_be_compared_are_refused_with_both_types(a: pa.DataType, b: pa.DataType, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_where("a < b").fitted(pa.schema([("a", a), ("b", b)]))

    assert f"'a' is {a}, 'b' is {b}; {why}" in str(refused.value)
