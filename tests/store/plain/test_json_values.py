"""Values of JSON that are nested deeper than Python follows: the reader without recursion takes what Python's takes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from w2vray.store.plain.json_objects import NotAnObjectError, end_of_nested, read_object

VALUES = st.recursive(
    st.sampled_from(["1", "-2.5e3", "null", "true", '"a"', '"]}"', "01", "x", "'a'", ""]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=3).map(lambda items: "{" + ", ".join(f'"k" :{item}' for item in items) + "}"),
    ),
    max_leaves=8,
)


@given(VALUES, st.integers(0, 40), st.sampled_from(["", "]", "}", ",", ":", " "]))
def test_the_end_of_a_nested_value_is_where_pythons_reader_finds_it(text: str, at: int, put: str) -> None:
    text = f"[{text[:at]}{put}{text[at:]}] , {{"
    try:
        expected: int | None = json.JSONDecoder().raw_decode(text)[1]
    except json.JSONDecodeError:
        expected = None

    try:
        found: int | None = end_of_nested(text, 0)
    except (NotAnObjectError, json.JSONDecodeError):
        found = None

    assert found == expected


def test_a_value_that_is_nested_deep_is_an_object_or_a_list_as_it_is_written() -> None:
    deep = "[" * 9000 + "1" + "]" * 9000

    found = read_object(f'{{"a": {deep}, "b": {{"k": {deep}}} , "c": 1}}')

    assert found["a"] == ([[]], deep)
    assert found["b"] == ({}, f'{{"k": {deep}}}')
    assert found["c"] == ("1", "1")
