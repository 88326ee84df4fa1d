from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.store.common_types import common_type

S, L = pa.string(), pa.large_string()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.uint8(), pa.int8(), pa.int16()),
        (pa.uint32(), pa.int8(), pa.int64()),
        (pa.uint64(), pa.int64(), pa.decimal128(20, 0)),
        (pa.int16(), pa.float32(), pa.float32()),
        (pa.int32(), pa.float32(), pa.float64()),
        (pa.int64(), pa.float64(), None),
        (pa.float16(), pa.float64(), pa.float64()),
        (pa.decimal128(5, 2), pa.decimal128(10, 0), pa.decimal128(12, 2)),
        (pa.decimal128(38, 0), pa.decimal128(38, 30), pa.decimal256(68, 30)),
        (pa.decimal256(76, 0), pa.decimal256(76, 76), None),
        (pa.int64(), pa.decimal128(4, 2), pa.decimal128(22, 2)),
        (S, L, L),
        (pa.string_view(), S, L),
        (pa.dictionary(pa.int32(), S), S, S),
        (pa.dictionary(pa.int8(), S), pa.dictionary(pa.int32(), L), L),
        (S, pa.binary(), None),
        (S, pa.int64(), None),
        (pa.binary(4), pa.binary(8), pa.large_binary()),
        (pa.null(), pa.struct([("a", S)]), pa.struct([("a", S)])),
        (pa.bool_(), pa.int8(), None),
        (pa.date32(), pa.date64(), pa.date64()),
        (pa.date32(), pa.timestamp("us"), None),
        (pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.timestamp("s", "UTC"), pa.timestamp("ms", "UTC"), pa.timestamp("ms", "UTC")),
        (pa.timestamp("s", "Europe/Berlin"), pa.timestamp("s", "UTC"), pa.timestamp("s", "UTC")),
        (pa.timestamp("s", "UTC"), pa.timestamp("s"), None),
        (pa.time32("s"), pa.time64("us"), pa.time64("us")),
        (pa.duration("s"), pa.duration("us"), pa.duration("us")),
        (pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.large_list(pa.field("item", pa.int64()))),
        (pa.list_(pa.int32(), 3), pa.list_(pa.int32(), 4), pa.list_(pa.int32())),
        (pa.list_(pa.field("item", S, nullable=False)), pa.list_(S), pa.list_(S)),
        (pa.list_(S), S, None),
        (
            pa.struct([pa.field("a", pa.int32(), nullable=False)]),
            pa.struct([pa.field("a", pa.int64(), nullable=False), pa.field("b", S, nullable=False)]),
            pa.struct([pa.field("a", pa.int64(), nullable=False), pa.field("b", S)]),
        ),
        (pa.struct([("a", S)]), pa.struct([("a", pa.int8())]), None),
        (pa.map_(S, pa.int32()), pa.map_(S, pa.int64()), pa.map_(S, pa.int64())),
    ],
    ids=str,
)
def test_types_have_the_common_type_that_was_worked_out_by_hand(
    one: pa.DataType, other: pa.DataType, expected: pa.DataType | None
) -> None:
    assert common_type(one, other) == expected
    assert common_type(other, one) == expected


PLAIN: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.uint8(): st.integers(0, 255),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.decimal128(7, 2): st.decimals("-99999", "99999", places=2),
    pa.string(): st.text(),
    pa.large_string(): st.text(),
    pa.dictionary(pa.int32(), pa.string()): st.text(),
    pa.binary(): st.binary(),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("s"): st.integers(-(10**9), 10**9),
    pa.timestamp("us"): st.integers(-(10**15), 10**15),
    pa.null(): st.none(),
}


@given(
    kinds=st.lists(st.sampled_from(list(PLAIN)), min_size=2, max_size=2),
    inside=st.sampled_from(["", "list", "struct"]),
    data=st.data(),
)
def test_a_value_is_the_same_in_the_common_type(kinds: list[pa.DataType], inside: str, data: st.DataObject) -> None:
    plain = kinds
    if inside == "list":
        kinds = [pa.list_(kind) for kind in plain]
    elif inside == "struct":
        kinds = [pa.struct([("a", kind), (f"only {number}", pa.int8())]) for number, kind in enumerate(plain)]
    common = common_type(*kinds)
    if common is None:
        return
    for kind, inner in zip(kinds, plain, strict=True):
        values = pa.array(data.draw(st.lists(st.none() | PLAIN[inner], max_size=4)), inner)
        column = values
        if inside == "list":
            column = pa.ListArray.from_arrays(list(range(len(values) + 1)), values)
        elif inside == "struct":
            column = pa.StructArray.from_arrays([values, pa.nulls(len(values), pa.int8())], fields=list(kind))
        cast = column.cast(common)
        found = cast.to_pylist()
        if inside == "struct":
            found = [item["a"] for item in found]
        elif inside == "list":
            found = [item[0] for item in found]
        assert found == values.to_pylist()


@given(kinds=st.permutations(list(PLAIN)).map(lambda kinds: kinds[:3]))
def test_the_common_type_of_three_holds_each_of_them_in_whatever_order(kinds: list[pa.DataType]) -> None:
    """It may be a wider one than another order gives: int32 and uint32 are int64 together, and fewer digits apart."""
    for first, second, third in permutations(kinds):
        of_two = common_type(first, second)
        found = None if of_two is None else common_type(of_two, third)
        if found is not None:
            assert [common_type(kind, found) for kind in kinds] == [found] * 3
