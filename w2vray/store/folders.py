"""``key=value`` folders as columns: what Hive, Spark and others write between a store's root and its files.

Keys and values are percent-decoded where that gives UTF-8, and are as they are written elsewhere. A column holds whole
numbers, numbers, dates or times if every value in the store is written as one, otherwise strings. ``01`` is a string:
the number 1 is written otherwise.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["folder_types", "folder_values", "is_comparable", "planned_type", "repeated_keys", "row_that_differs"]

_FOLDERS_KEPT = 1024
"""Folders whose values are remembered: the files of a folder come one after the other."""

_NULL = "__HIVE_DEFAULT_PARTITION__"

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def folder_values(name: str) -> dict[str, str | None]:
    """Return the values of the ``key=value`` folders in a file's path below its root; null where a folder says so."""
    return dict(_pairs(name.rpartition("/")[0]))


def repeated_keys(name: str) -> set[str]:
    """Return the keys that a path gives several values."""
    values: dict[str, set[str | None]] = {}
    for key, value in _pairs(name.rpartition("/")[0]):
        values.setdefault(key, set()).add(value)
    return {key for key, found in values.items() if len(found) > 1}


@lru_cache(_FOLDERS_KEPT)
def _pairs(folders: str) -> tuple[tuple[str, str | None], ...]:
    """Return keys and values from the root on; ``=value`` is a plain folder, for a column has a name."""
    pairs = (folder.partition("=") for folder in folders.split("/"))
    return tuple(
        (_decoded(key), None if value == _NULL else _decoded(value)) for key, equals, value in pairs if key and equals
    )


def _decoded(written: str) -> str:
    """Return what is percent-encoded; as it is written where the bytes are not UTF-8: ``%E9`` and ``%E8`` are two."""
    try:
        return unquote(written, errors="strict")
    except UnicodeDecodeError:
        return written


def folder_types(names: Iterable[str]) -> dict[str, pa.DataType]:
    """Return the type of each folder column of a store, from the paths of all its files."""
    values: dict[str, set[str | None]] = {}
    for folders in {name.rpartition("/")[0] for name in names}:
        for key, value in dict(_pairs(folders)).items():
            values.setdefault(key, set()).add(value)
    return {key: _type_of(found - {None}) for key, found in values.items()}


def planned_type(value: str | None, planned: pa.DataType) -> pa.DataType:
    """Return the type of a folder column in a file that came later: the planned one if the value is written as one."""
    if value is None or pa.types.is_string(planned) or pa.types.is_large_string(planned):
        return planned
    kind = _type_of([value])
    return planned if kind == planned or (pa.types.is_floating(planned) and pa.types.is_integer(kind)) else kind


def is_comparable(kind: pa.DataType) -> bool:
    """Tell whether the values of a file's column can be held against the name of its folder."""
    return _reader_of(kind) is not None


def row_that_differs(column: pa.Array, value: str | None) -> int | None:
    """Return the first row of a file's column that has another value than its folder has, None where there is none.

    The folder's value is read as the column's type, so that ``month=01`` is the number 1.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())  # Arrow compares no smaller ones
    read = _reader_of(column.type)
    if read is None:
        return None
    try:
        wanted = pa.scalar(None if value is None else read(value), column.type)
    except (KeyError, ValueError, InvalidOperation, OverflowError, pa.ArrowException):
        return 0 if len(column) else None  # no value of that type is written so
    same = pc.equal(column, wanted).fill_null(False) if value is not None else column.is_null()
    differing = np.flatnonzero(~same.to_numpy(zero_copy_only=False))
    return int(differing[0]) if len(differing) else None


def _reader_of(kind: pa.DataType) -> Callable[[str], Any] | None:
    """Return what reads a folder's value as a type; None for a type whose values are not written in folders."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return next((read for is_of, read in _READERS.items() if is_of(kind)), None)


def _truth(text: str) -> bool:
    return _TRUTHS[text.lower()]


_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_READERS: Mapping[Callable[[pa.DataType], bool], Callable[[str], Any]] = {
    pa.types.is_string: str,
    pa.types.is_large_string: str,
    pa.types.is_string_view: str,
    pa.types.is_integer: int,
    pa.types.is_floating: float,
    pa.types.is_decimal: Decimal,
    pa.types.is_boolean: _truth,
    pa.types.is_date: dt.date.fromisoformat,
}


def _type_of(values: Iterable[str | None]) -> pa.DataType:
    texts = [value for value in values if value is not None]
    for kind, is_one in _KINDS:
        if texts and all(is_one(text) for text in texts):
            return kind
    return pa.string()


def _is_whole(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and repr(float(text)) in {text, f"{text}.0"}


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _reads(text)


def _is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None and _reads(text)


def _reads(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_KINDS = (
    (pa.int64(), _is_whole),
    (pa.float64(), _is_number),
    (pa.date32(), _is_date),
    (pa.timestamp("us"), _is_time),
)
