"""The texts that somebody gives in Python: any number of them, in whatever holds them one after another."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import pyarrow as pa

from w2vray.errors import UnusableInputError

__all__ = ["given_texts"]

_EXPECTED = "give several texts one after another: a list, a tuple, a generator, a pandas Series, an array"


def given_texts(texts: Iterable[str]) -> pa.LargeStringArray:
    """Return texts as an Arrow array without nulls.

    Args:
        texts: a list, tuple, generator or other iterable of str; a pandas Series, a numpy array of one axis, or an
            Arrow array, chunked or not, of strings.

    Raises:
        UnusableInputError: they are one str, or have no order, or one of them is not a str of Unicode characters.
    """
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        return _of_arrow(texts)
    _require_several(texts)
    listed = list(texts)
    for index, text in enumerate(listed):
        if not isinstance(text, str):
            raise UnusableInputError(f"text {index} is a {type(text).__name__}; expected a str")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise UnusableInputError(f"text {index} holds a lone surrogate at {error.start}") from error
    return pa.array([str(text) for text in listed], pa.large_string())


def _require_several(texts: Any) -> None:
    """Refuse what would be iterated over, but not text by text.

    Raises:
        UnusableInputError: it would be.
    """
    kind = type(texts).__name__
    if isinstance(texts, str):
        raise UnusableInputError(f"texts is one str; {_EXPECTED}. For one text give [text]")
    if isinstance(texts, bytes | bytearray | memoryview):
        raise UnusableInputError(f"texts is a {kind}; decode it to a str, and give it in a list")
    if isinstance(texts, Mapping):
        raise UnusableInputError(f"texts is a {kind}, which would be read by its keys; give list(texts.values())")
    if isinstance(texts, AbstractSet):
        raise UnusableInputError(f"texts is a {kind}, which has no order for the answers to be in; give a list")
    if isinstance(texts, pa.Table | pa.RecordBatch) or hasattr(texts, "columns"):
        raise UnusableInputError(f"texts is a {kind}, a table; give one column of it, such as texts['text']")
    if isinstance(texts, np.ndarray) and texts.ndim != 1:
        raise UnusableInputError(f"texts is an array of {texts.ndim} axes; expected one: {_EXPECTED}")
    if not isinstance(texts, Iterable):
        raise UnusableInputError(f"texts is a {kind}; {_EXPECTED}")


def _of_arrow(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    kind = texts.type.value_type if pa.types.is_dictionary(texts.type) else texts.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)) and len(texts):
        raise UnusableInputError(f"texts is an Arrow array of {texts.type}; expected one of strings")
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    parts = [_plain(chunk) for chunk in chunks]
    for part in parts:
        try:
            part.validate(full=True)
        except pa.ArrowInvalid as error:
            raise UnusableInputError(f"texts is an Arrow array that holds what is not UTF-8: {error}") from error
    plain = pa.concat_arrays([pa.array([], pa.large_string()), *parts])
    if plain.null_count:  # of a dictionary, a value may be null, too
        first = int(np.flatnonzero(plain.is_null().to_numpy(zero_copy_only=False))[0])
        raise UnusableInputError(f"text {first} is null; expected a str")
    return plain


def _plain(chunk: pa.Array) -> pa.LargeStringArray:
    if pa.types.is_dictionary(chunk.type):
        chunk = pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(pa.large_string()))
        chunk = chunk.dictionary_decode()
    return chunk.cast(pa.large_string())
