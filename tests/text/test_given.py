from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from w2vray.errors import UnusableInputError
from w2vray.text.given import given_texts

pd: Any = pytest.importorskip("pandas")
TEXTS = ["good film", "Caf\u00e9 \U0001f600", ""]


@pytest.mark.parametrize(
    "hold",
    [
        list,
        tuple,
        iter,
        lambda texts: (text for text in texts),
        lambda texts: dict.fromkeys(texts, 1).keys().__iter__(),
        pd.Series,
        lambda texts: pd.Series(texts, index=[7, 8, 9], dtype="category"),
        np.array,
        lambda texts: np.array(texts, dtype=object),
        pa.array,
        lambda texts: pa.array(texts, pa.string_view()),
        lambda texts: pa.array(["x", *texts], pa.large_string())[1:],
        lambda texts: pa.array(texts).dictionary_encode(),
        lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
        lambda texts: pa.chunked_array(
            [pa.array(texts).dictionary_encode(), pa.array([], pa.string()).dictionary_encode()]
        ),
    ],
)
def test_whatever_holds_texts_one_after_another_is_read(hold: Callable[[list[str]], Iterable[str]]) -> None:
    """In its order."""
    given = given_texts(hold(TEXTS))
    assert given.type == pa.large_string()
    assert given.to_pylist() == TEXTS


@pytest.mark.parametrize("none", [[], (), iter([]), pa.array([]), pa.chunked_array([], pa.string()), np.array([])])
def test_no_texts_are_no_texts(none: Any) -> None:
    assert given_texts(none).to_pylist() == []


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        pytest.param("a text", "texts is one str; give several texts one after another: a list, a tuple", id="str"),
        pytest.param(np.str_("a"), "texts is one str; give several", id="str-of-numpy"),
        pytest.param(b"ab", "texts is a bytes; decode it to a str, and give it in a list", id="bytes"),
        pytest.param({"a": "b"}, "read by its keys; give list(texts.values())", id="dict"),
        pytest.param({"a", "b"}, "texts is a set, which has no order", id="set"),
        pytest.param({"a": 1}.keys(), "which has no order", id="keys"),
        pytest.param(pd.DataFrame({"text": ["a"]}), "texts is a DataFrame, a table; give one column", id="frame"),
        pytest.param(pa.table({"text": ["a"]}), "texts is a Table, a table; give one column", id="table"),
        pytest.param(np.array([["a", "b"]]), "texts is an array of 2 axes; expected one", id="matrix"),
        pytest.param(5, "texts is a int; give several texts", id="number"),
        pytest.param(None, "texts is a NoneType; give several texts", id="None"),
        pytest.param(pa.array(["a", None]), "text 1 is null; expected a str", id="null"),
        pytest.param(
            pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None])),
            "text 1 is null; expected a str",
            id="null-in-a-dictionary",
        ),
        pytest.param(pa.array([1, 2]), "an Arrow array of int64; expected one of strings", id="numbers"),
        pytest.param(pd.Series(["a", None], dtype=object), "text 1 is a NoneType; expected a str", id="missing"),
        pytest.param(pd.Series(["a", float("nan")], dtype=object), "text 1 is a float; expected a str", id="NaN"),
        pytest.param(["a", ["b"]], "text 1 is a list; expected a str", id="lists"),
        pytest.param(
            pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 3], np.int32)), pa.py_buffer(b"\xed\xa0\x80")),
            "holds what is not UTF-8",
            id="surrogate-in-Arrow",
        ),
    ],
)
def test_what_is_not_several_texts_is_refused(texts: Any, reason: str) -> None:
    """Nothing is scored character by character, or by its keys."""
    with pytest.raises(UnusableInputError) as refused:
        given_texts(texts)
    assert reason in str(refused.value)
