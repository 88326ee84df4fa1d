import datetime as dt
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import ConfigError
from w2vray.store.filters import parse_where

PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def chosen(text: str, values: pa.Array, **others: pa.Array) -> list[Any]:
    """The values of a column ``x`` for which a condition holds."""
    batch = pa.record_batch({"x": values, **others})
    found: list[Any] = parse_where(text).fitted(batch.schema).rows(batch).column("x").to_pylist()
    return found


# A plain twin: Python compares numbers exactly

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.integers(-300, 300).map(lambda n: n / 4)


@given(kind=st.sampled_from(["int8", "uint8", "int64", "uint64"]), constant=NUMBERS, data=st.data())
def test_whole_numbers_are_compared_as_python_compares_them(kind: str, constant: Any, data: Any) -> None:
    low, high = (int(limit) for limit in (np.iinfo(kind).min, np.iinfo(kind).max))
    near = st.sampled_from([n for n in (low, -1, 0, 1, high - 1, high) if low <= n <= high])
    values = data.draw(st.lists(st.none() | near | st.integers(low, high), max_size=8))

    for written, plain in PLAIN.items():
        expected = [value for value in values if value is not None and plain(value, constant)]
        assert chosen(f"x {written} {constant!r}".replace("inf", "1e999"), pa.array(values, kind)) == expected


@given(constant=st.decimals(-2000, 2000, places=3).map(float) | st.integers(-2000, 2000), data=st.data())
@pytest.mark.parametrize("kind", [pa.decimal32(5, 2), pa.decimal128(5, 2), pa.decimal256(60, 2)], ids=str)
def test_decimals_are_compared_as_they_are_written(kind: pa.DataType, constant: Any, data: Any) -> None:
    values = data.draw(st.lists(st.none() | st.decimals(-999, 999, places=2), max_size=8))

    for written, plain in PLAIN.items():
        expected = [value for value in values if value is not None and plain(value, Decimal(repr(constant)))]
        assert chosen(f"x {written} {constant!r}", pa.array(values, kind)) == expected


@given(constant=st.floats(width=32) | st.floats(-1e4, 1e4) | st.integers(-(2**70), 2**70), data=st.data())
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_are_compared_with_the_nearest_of_their_kind_and_with_whole_numbers_as_they_are(
    kind: str, constant: Any, data: Any
) -> None:
    if constant != constant:  # noqa: PLR0124 - NaN cannot be written
        return
    most = float(np.finfo(kind).max)
    of_kind = st.floats(allow_nan=False).filter(lambda x: abs(x) <= most).map(np.dtype(kind).type).map(float)
    values = data.draw(st.lists(st.none() | of_kind, max_size=8))
    is_fraction = isinstance(constant, float) and not constant.is_integer()
    with np.errstate(over="ignore"):
        nearest = float(np.dtype(kind).type(constant)) if is_fraction else constant
    if is_fraction and nearest == 0:
        nearest = constant  # nothing but zero is zero

    for written, plain in PLAIN.items():
        expected = [value for value in values if value is not None and plain(value, nearest)]
        text = f"x {written} {constant!r}".replace("inf", "1e999")
        assert chosen(text, pa.array(np.array(values, object), kind)) == expected


@given(
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    instant=st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(1970, 1, 2)) | st.datetimes(),
    values=st.lists(st.none() | st.integers(-5, 5) | st.integers(-(2**62), 2**62), max_size=8),
)
def test_times_are_compared_in_whatever_unit(unit: str, instant: dt.datetime, values: list[int | None]) -> None:
    seconds = Fraction((instant - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1), 10**6)
    in_units = seconds * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    batch = pa.record_batch({"x": pa.array(values, pa.timestamp(unit)), "n": pa.array(values, pa.int64())})

    for written, plain in PLAIN.items():
        found = parse_where(f"x {written} '{instant}'").fitted(batch.schema).rows(batch)["n"].to_pylist()
        assert found == [value for value in values if value is not None and plain(value, in_units)]


@given(values=st.lists(st.none() | st.integers(-3, 3), max_size=8), wanted=st.lists(NUMBERS, min_size=1, max_size=4))
@pytest.mark.parametrize("kind", [pa.int8(), pa.decimal128(4, 1), pa.float32(), pa.float16()], ids=str)
def test_membership_is_equality_with_one_of_the_list(
    kind: pa.DataType, values: list[int | None], wanted: list[Any]
) -> None:
    column = pa.array(np.array(values, object), kind) if pa.types.is_floating(kind) else pa.array(values, pa.int8())
    column = column.cast(kind)
    written = [repr(value).replace("inf", "1e999") for value in wanted]
    equal = " or ".join(f"x == {value}" for value in written)

    assert chosen(f"x in [{', '.join(written)}]", column) == chosen(equal, column)
    assert chosen(f"x not in [{', '.join(written)}]", column) == chosen(f"not ({equal})", column)


# Cases as people write them


@pytest.mark.parametrize(
    ("text", "values", "rows"),
    [
        ("x == 0.1", pa.array([0.1, 0.2], pa.float32()), [0]),
        ("x > 0.1", pa.array([0.1, 0.2], pa.float32()), [1]),
        ("x in [0.1]", pa.array([0.1, 0.2], pa.float32()), [0]),
        ("x == 0.1", pa.array([0.1, 0.2], pa.float16()), [0]),
        ("x == 16777217", pa.array([2.0**24], pa.float32()), []),
        ("x >= 0.1", pa.array([Decimal("0.10"), Decimal("0.09")]), [0]),
        ("x == 0.125", pa.array([Decimal("0.12"), Decimal("0.13")]), []),
        ("x > -1", pa.array([0, 2**64 - 1], pa.uint64()), [0, 1]),
        ("x < -1", pa.array([0, 2**64 - 1], pa.uint64()), []),
        ("x != -1", pa.array([0, None], pa.uint64()), [0]),
        ("x == 18446744073709551615", pa.array([0, 2**64 - 1], pa.uint64()), [1]),
        ("x > 9007199254740992.0", pa.array([2**53, 2**53 + 1]), [1]),
        ("x == 2.5", pa.array([2, 3, None]), []),
        ("x != 2.5", pa.array([2, 3, None]), [0, 1]),
        ("not x == 2.5", pa.array([2, 3, None]), [0, 1]),
        ("x > 2.5", pa.array([2, 3, None]), [1]),
        ("x > 1", pa.array([float("nan"), 2.0]), [1]),
        ("x != 1", pa.array([float("nan"), 2.0]), [0, 1]),
        ("x == x", pa.array([float("nan"), 2.0]), [1]),
        ("x == True", pa.array([True, False]).dictionary_encode(), [0]),
        ("x > 1", pa.array([1, 2]).dictionary_encode(), [1]),
        ("x == 0.1", pa.array([0.1], pa.float32()).dictionary_encode(), [0]),
        ("x == 'b'", pa.array(["a", "b"], pa.large_string()), [1]),
        ("x in ['b']", pa.array(["a", "b"]).dictionary_encode(), [1]),
        ("x == 'é'", pa.array(["é".encode(), b"e"]), [0]),
        ("x in ['é', 'x']", pa.array(["é".encode(), b"ee"], pa.binary(2)), [0]),
        ("x > 'a'", pa.array([b"a", b"b"], pa.binary(1)), [1]),
        ("x == 1", pa.nulls(2), []),
        ("x in ['a']", pa.nulls(2), []),
        ("x is None", pa.array([[1], None]), [1]),
        ("x > '1500-01-01'", pa.array([0], pa.timestamp("ns")), [0]),
        ("x == '1970-01-01 00:00:00.5'", pa.array([0, 1], pa.timestamp("s")), []),
        ("x > '1970-01-01 00:00:00.5'", pa.array([0, 1], pa.timestamp("s")), [1]),
        ("x == '1970-01-02'", pa.array([0, 86_400_000], pa.date64()), [1]),
        ("x > '00:00:01.5'", pa.array([1, 2], pa.time32("s")), [1]),
        ("x >= '1970-01-01 01:00:00'", pa.array([0, 3600], pa.timestamp("s", "Europe/Berlin")), [1]),
    ],
    ids=str,
)
def test_a_column_of_each_type_is_compared_as_its_own_type(text: str, values: pa.Array, rows: list[int]) -> None:
    batch = pa.record_batch({"x": values, "row": pa.array(range(len(values)))})

    assert parse_where(text).fitted(batch.schema).rows(batch)["row"].to_pylist() == rows


@pytest.mark.parametrize(
    ("x", "y", "equal"),
    [
        (pa.array([2**24 + 1, 2**24]), pa.array([2.0**24] * 2, pa.float32()), [2**24]),
        (pa.array([2**64 - 1, 3], pa.uint64()), pa.array([-1, 3]), [3]),
        (pa.array([1, 2], pa.int8()), pa.array([1, 3], pa.int64()), [1]),
        (pa.array([0.5, 1], pa.float16()), pa.array([0.5, 2], pa.float16()), [0.5]),
        (pa.array(["a", "b"]).dictionary_encode(), pa.array(["a", "c"], pa.large_string()), ["a"]),
    ],
    ids=str,
)
def test_two_columns_are_compared_exactly(x: pa.Array, y: pa.Array, equal: list[Any]) -> None:
    assert chosen("x == y", x, y=y) == equal


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("x > 5", pa.string(), "column 'x' is string, and 5 is a number; write a text, such as x == '2020'"),
        ("x > 5", pa.binary(), "column 'x' is binary, and 5 is a number; write a text"),
        ("x > '5'", pa.duration("s"), "column 'x' is duration[s], and '5' is a text; of such a column a condition can"),
        ("x > 90", pa.duration("s"), "only say `x is None` or `x is not None`"),
        ("x == 1", pa.list_(pa.int64()), "column 'x' is list<item: int64>, and 1 is a number; of such a column"),
        ("x == 'a'", pa.struct([("a", pa.string())]), "of such a column a condition can only say"),
        ("x == 'a'", pa.uuid(), "of such a column a condition can only say"),
        ("x == 1", pa.month_day_nano_interval(), "of such a column a condition can only say"),
        ("x == 1", pa.bool_(), "column 'x' is bool, and 1 is a number; write x == True"),
        ("x == 1", pa.dictionary(pa.int8(), pa.string()), "and 1 is a number; write a text"),
        (
            "x in ['2024-01-01', 'x']",
            pa.date32(),
            "column 'x' is date32[day], and 'x' cannot be a value of it; write a date",
        ),
        ("x > '2024-01-01 00:00+01:00'", pa.timestamp("s"), "cannot be a value of it; write a time"),
        ("x in [1, 'a']", pa.int8(), "a list has values of one kind, not a number and a text"),
        ("y == 1", pa.int8(), "no column 'y'; there are x"),
    ],
)
def test_what_no_value_of_a_column_can_be_compared_with_is_refused(text: str, kind: pa.DataType, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_where(text).fitted(pa.schema([("x", kind)]))

    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["x > '2024-01-31'", "'06' <= x", "x >= '-1'"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_that_texts_are_compared_letter_by_letter_is_told_where_they_may_be_taken_for_more(
    text: str, kind: pa.DataType
) -> None:
    (note,) = parse_where(text).fitted(pa.schema([("x", kind)])).notes

    assert note.startswith(f"column 'x' is {kind}: --where compares its texts with '")


@pytest.mark.parametrize(("text", "kind"), [("x == '2024-01-31'", "string"), ("x > 'm'", "string"), ("x > 3", "int8")])
def test_nothing_is_told_where_there_is_no_doubt(text: str, kind: str) -> None:
    assert parse_where(text).fitted(pa.schema([("x", kind)])).notes == ()
