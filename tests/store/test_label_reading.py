from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from w2vray.store.label_reading import LabelReading, mended


def read(values: list[Any], **options: Any) -> tuple[list[Any], dict[str, int]]:
    """The labels of rows, and how many rows each value of no label leaves out."""
    column = options.pop("column", None)
    batch = pa.record_batch({"label": pa.array(values) if column is None else column})
    found = LabelReading(column="label", **{"multi_label": False, **options})(batch, str)
    assert found.rows_without == found.values.null_count - sum(found.unlabelled.values())
    return found.values.to_pylist(), dict(found.unlabelled)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (" pos\n", "pos"),
        ("sci\u00a0\u2003fi", "sci fi"),
        ("p\u00ados\u200b\ufeff", "pos"),
        ("cafe\u0301", "caf\u00e9"),
        ("\uff30\uff2f\uff33", "POS"),
        ("Pos", "Pos"),
        ("\u200b \u00a0", ""),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
    ],
)
def test_a_label_is_mended_but_for_its_case(label: str, expected: str) -> None:
    """Spaces, invisible characters and Unicode form."""
    assert mended(label) == expected
    assert read([label, None], strip=True) == ([expected or None, None], {})
    assert read([label]) == ([label], {})


def test_values_that_stand_for_no_label_leave_rows_out_and_are_counted() -> None:
    """As strings, numbers, mended ones, and in lists."""
    assert read(["a", "unknown", "?", "unknown", None], unlabelled=("unknown", "?")) == (
        ["a", None, None, None, None],
        {"unknown": 2, "?": 1},
    )
    assert read([-1, 0, 1, -1], unlabelled=("-1",)) == ([None, "0", "1", None], {"-1": 2})
    assert read([-1.0, 0.0, None], unlabelled=("-1",)) == ([None, "0", None], {"-1": 1})
    assert read([" unknown", "a"], unlabelled=("unknown ",), strip=True) == ([None, "a"], {"unknown": 1})
    assert read(["", "a"], unlabelled=("",)) == ([None, "a"], {})
    assert read([["a", "unknown"], [], ["b"], None], unlabelled=("unknown",), multi_label=True) == (
        [None, [], ["b"], None],
        {"unknown": 1},
    )


def test_a_separator_makes_several_labels_of_a_string() -> None:
    """Without spaces around them, each once, in one order; a string of none says that none applies."""
    options = {"separator": ",", "multi_label": True}
    assert read(["pos, film", "film,pos,pos", "neg", ",", None, ""], **options) == (
        [["film", "pos"], ["film", "pos"], ["neg"], [], None, None],
        {},
    )
    assert read(["a||b", "a"], separator="||", multi_label=True) == ([["a", "b"], ["a"]], {})
    assert read(["a,unknown", "b"], unlabelled=("unknown",), **options) == ([None, ["b"]], {"unknown": 1})
    assert read(["a\u200b,b", "a , b\u00a0b"], strip=True, **options) == ([["a", "b"], ["a", "b b"]], {})
    assert read([], column=pa.nulls(2), **options) == ([None, None], {})


def test_lists_are_mended_too() -> None:
    """Two labels may become one."""
    assert read([["a ", "a"], ["\u200b"], None], strip=True, multi_label=True) == ([["a"], [], None], {})


def test_dictionaries_and_bytes_are_read_as_strings_are() -> None:
    """Whatever the store holds."""
    labels = pa.array([" a", "b", None, "u"]).dictionary_encode()
    assert read([], column=labels, strip=True, unlabelled=("u",)) == (["a", "b", None, None], {"u": 1})
    assert read([b"a,b"], separator=",", multi_label=True) == ([["a", "b"]], {})
    assert Counter(read(["x"] * 3)[0]) == {"x": 3}
