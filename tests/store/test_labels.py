from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import CorpusError
from w2vray.store.labels import (
    holds_lists,
    label_lists,
    label_matrix,
    label_order,
    label_strings,
    require_label_type,
)

WORDS: list[str | None] = ["yes", None, "nö", ""]
NUMBERS: list[int | None] = [1, None, 0, 12]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(pa.array(WORDS, pa.string()), ["yes", None, "nö", None], id="string"),
        pytest.param(pa.array(WORDS, pa.large_string()), ["yes", None, "nö", None], id="large_string"),
        pytest.param(pa.array(WORDS).cast(pa.binary()), ["yes", None, "nö", None], id="UTF-8 bytes"),
        pytest.param(pa.array(WORDS, pa.string_view()), ["yes", None, "nö", None], id="string_view"),
        pytest.param(pa.array(WORDS).dictionary_encode(), ["yes", None, "nö", None], id="dictionary of strings"),
        pytest.param(
            pa.array(NUMBERS, pa.int64()).dictionary_encode(), ["1", None, "0", "12"], id="dictionary of integers"
        ),
        pytest.param(pa.array(NUMBERS, pa.int8()), ["1", None, "0", "12"], id="int8"),
        pytest.param(pa.array([-1, 2**63 - 1], pa.int64()), ["-1", "9223372036854775807"], id="int64"),
        pytest.param(pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"], id="uint64"),
        pytest.param(pa.array([True, None, False]), ["true", None, "false"], id="bool"),
        pytest.param(pa.array([1.0, None, float("nan"), -0.0, -3.0]), ["1", None, None, "0", "-3"], id="double"),
        pytest.param(pa.array([1.0, 2.0**24, None], pa.float32()), ["1", "16777216", None], id="float"),
        pytest.param(pa.array(np.array([2048, 0], np.float16)), ["2048", "0"], id="halffloat"),
        pytest.param(pa.array([2.0**53, -(2.0**53)]), ["9007199254740992", "-9007199254740992"], id="large doubles"),
        pytest.param(pa.array([2.0, None]).dictionary_encode(), ["2", None], id="dictionary of doubles"),
        pytest.param(pa.array([Decimal(12), None]), ["12", None], id="decimal"),
        pytest.param(pa.array([Decimal("1.00"), Decimal("-20.00")]), ["1", "-20"], id="decimal, whole"),
        pytest.param(pa.array([Decimal("7.0")], pa.decimal256(70, 1)), ["7"], id="decimal256"),
        pytest.param(pa.array([Decimal(1200)]).cast(pa.decimal128(5, -2)), ["1200"], id="decimal of hundreds"),
        pytest.param(pa.nulls(2), [None, None], id="null"),
        pytest.param(pa.array([], pa.int32()), [], id="no rows"),
    ],
)
def test_labels_become_strings_and_missing_ones_null(column: pa.Array, expected: list[str | None]) -> None:
    require_label_type(column.type, "label")
    strings = label_strings(column, "label")

    assert strings.type == pa.string()
    assert strings.to_pylist() == expected


def test_labels_of_a_slice_are_those_of_its_rows() -> None:
    assert label_strings(pa.array(["a", "", "b", "c"])[1:3], "label").to_pylist() == [None, "b"]


def test_a_label_of_spaces_is_a_label() -> None:
    assert label_strings(pa.array([" ", ""]), "label").to_pylist() == [" ", None]


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.array([[["yes"]]]), id="list of lists"),
        pytest.param(pa.array([0], pa.timestamp("s")).dictionary_encode(), id="dictionary of timestamps"),
        pytest.param(pa.array([0], pa.timestamp("s")), id="timestamp"),
    ],
)
def test_labels_of_another_type_are_refused_naming_column_and_type(column: pa.Array) -> None:
    allowed = "strings, UTF-8 bytes, whole numbers or booleans, or lists of them"
    expected = f"the label column 'verdict' is {column.type}; expected {allowed}"

    for refuse in (lambda: label_strings(column, "verdict"), lambda: require_label_type(column.type, "verdict")):
        with pytest.raises(CorpusError) as refused:
            refuse()
        assert str(refused.value) == expected


WHOLE = "labels that are numbers have to be whole. Write labels as text"


@pytest.mark.parametrize(
    ("column", "told"),
    [
        pytest.param(pa.array([1.0, None, 1.5, 2.5]), f"1.5; {WHOLE}", id="double"),
        pytest.param(pa.array([1.0, float("nan"), float("inf")]), f"inf; {WHOLE}", id="infinity"),
        pytest.param(pa.array([1.0, None, 0.5]).dictionary_encode(), f"0.5; {WHOLE}", id="dictionary"),
        pytest.param(pa.array([Decimal("1.00"), None, Decimal("2.50")]), f"2.50; {WHOLE}", id="decimal"),
        pytest.param(
            pa.array([1.0, 2.0, 2.0**25], pa.float32()),
            "33554432.0; above 16,777,216, float does not tell each whole number from the next. Write labels as text",
            id="large float",
        ),
        pytest.param(
            pa.array(np.array([1, 2, 4096], np.float16)),
            "4096.0; above 2,048, halffloat does not tell each whole number from the next. Write labels as text",
            id="large half",
        ),
    ],
)
def test_a_number_that_is_not_whole_is_refused_with_its_row_and_value(column: pa.Array, told: str) -> None:
    with pytest.raises(CorpusError) as refused:
        label_strings(column, "verdict", lambda row: f"row {row + 100} of a.parquet")

    assert str(refused.value) == f"row 102 of a.parquet: the label in column 'verdict' is {told}"


def test_a_number_in_a_list_that_is_not_whole_is_refused_with_the_row_of_its_list() -> None:
    with pytest.raises(CorpusError, match=r"^row 2: the label in column 'n' is 0\.5"):
        label_lists(pa.array([[1.0, 2.0], None, [3.0, 0.5]]), "n")


@given(st.lists(st.none() | st.integers(-(2**53), 2**53)))
def test_floats_and_decimals_have_the_labels_of_the_integers_that_they_are(numbers: list[int | None]) -> None:
    integers = label_strings(pa.array(numbers, pa.int64()), "n")

    assert label_strings(pa.array(numbers, pa.float64()), "n") == integers
    assert label_strings(pa.array(numbers, pa.int64()).cast(pa.decimal128(25, 3)), "n") == integers


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_label_that_is_not_utf8_is_refused_naming_the_column(kind: pa.DataType) -> None:
    width = "int64" if kind == pa.large_string() else "int32"
    offsets = pa.array([0, 2], getattr(pa, width)()).buffers()[1]
    column = pa.Array.from_buffers(kind, 1, [None, offsets, pa.py_buffer(b"\xff\xfe")])

    with pytest.raises(CorpusError, match="'verdict' holds a label that is not UTF-8"):
        label_strings(column, "verdict")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(["10", "9", "-1", "0"], ("-1", "0", "9", "10"), id="whole numbers by value"),
        pytest.param(["1", "01", "2"], ("01", "1", "2"), id="equal values by their spelling"),
        pytest.param(["10", "9", "many"], ("10", "9", "many"), id="one word among numbers"),
        pytest.param(["b", "B", "a", "ä"], ("B", "a", "b", "ä"), id="words by code point"),
        pytest.param(["true", "false"], ("false", "true"), id="booleans"),
        pytest.param(["-", "2", "1-0"], ("-", "1-0", "2"), id="dashes are not numbers"),
        pytest.param(["--1", "0"], ("--1", "0"), id="two dashes"),
        pytest.param(["1.5", "10", "9"], ("1.5", "10", "9"), id="fractions are not whole"),
        pytest.param(["2" * 5000, "10", "9"], ("10", "2" * 5000, "9"), id="a number too long to be one"),
        pytest.param(["a", "a"], ("a",), id="each once"),
        pytest.param([], (), id="none"),
    ],
)
def test_the_order_of_labels(labels: list[str], expected: tuple[str, ...]) -> None:
    assert label_order(labels) == expected


@given(data=st.data(), labels=st.sets(st.text(min_size=1, max_size=4) | st.integers(-99, 99).map(str), max_size=8))
def test_the_order_does_not_depend_on_the_order_in_which_labels_are_found(data: Any, labels: set[str]) -> None:
    shuffled = data.draw(st.permutations(sorted(labels)))

    ordered = label_order(shuffled)

    assert ordered == label_order(labels)
    assert set(ordered) == labels
    assert len(ordered) == len(labels)


LISTS: list[list[str | None] | None] = [["b", "a"], None, [], ["a", None, "", "a"], ["c"]]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.list_(pa.string()), id="list"),
        pytest.param(pa.large_list(pa.large_string()), id="large_list"),
        pytest.param(pa.list_(pa.dictionary(pa.int32(), pa.string())), id="list of a dictionary"),
    ],
)
def test_lists_of_labels_keep_each_label_once_and_tell_no_list_from_no_label(kind: pa.DataType) -> None:
    """Sorted within a row; a missing label in a list is none."""
    column = pa.array(LISTS, kind)
    require_label_type(column.type, "label")

    assert holds_lists(column.type)
    lists = label_lists(column, "label")
    assert lists.type == pa.list_(pa.string())
    assert lists.to_pylist() == [["a", "b"], None, [], ["a"], ["c"]]
    assert label_lists(column.slice(2, 2), "label").to_pylist() == [[], ["a"]]


def test_a_column_of_no_lists_gives_none() -> None:
    """A unit may be empty, or without labels."""
    assert label_lists(pa.array([], pa.list_(pa.string())), "label").to_pylist() == []
    assert label_lists(pa.array([None, []], pa.list_(pa.int64())), "label").to_pylist() == [None, []]


def test_lists_of_numbers_are_lists_of_their_strings() -> None:
    """As single labels are."""
    assert label_lists(pa.array([[3, 1], [2]], pa.list_(pa.int64(), -1)), "n").to_pylist() == [["1", "3"], ["2"]]
    assert label_lists(pa.array([[3.0, 1.0], [None]]), "n").to_pylist() == [["1", "3"], []]
    assert label_lists(pa.array([[3, 1], [2, 2]], pa.list_(pa.int64(), 2)), "n").to_pylist() == [["1", "3"], ["2"]]


def test_lists_of_something_else_are_refused_by_name() -> None:
    with pytest.raises(CorpusError, match=r"'label' is list<.*date32.*>; expected strings, .* or lists of them"):
        require_label_type(pa.list_(pa.date32()), "label")


def test_a_matrix_marks_the_labels_that_are_known_and_counts_the_others() -> None:
    """The golden case; a row without a list has no marks."""
    lists = label_lists(pa.array(LISTS, pa.list_(pa.string())), "label")

    true_NC, unknown_N = label_matrix(lists, ["a", "b"])

    assert true_NC.tolist() == [[True, True], [False, False], [False, False], [True, False], [False, False]]
    assert unknown_N.tolist() == [0, 0, 0, 0, 1]
