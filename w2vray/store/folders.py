"""``key=value`` folders as columns: what Hive, Spark and others write between a store's root and its files.

Keys and values are percent-decoded. A column holds whole numbers, numbers, dates or times if every value in the store
is written as one, otherwise strings. ``01`` is a string: the number 1 is written otherwise.
"""

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote

import pyarrow as pa

__all__ = ["folder_types", "folder_values", "planned_type"]

_NULL = "__HIVE_DEFAULT_PARTITION__"

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def folder_values(name: str) -> dict[str, str | None]:
    """Return the values of the ``key=value`` folders in a file's path below its root; null where a folder says so."""
    pairs = (folder.partition("=") for folder in PurePosixPath(name).parts[:-1] if "=" in folder)
    return {unquote(key): None if value == _NULL else unquote(value) for key, _, value in pairs}


def folder_types(names: Iterable[str]) -> dict[str, pa.DataType]:
    """Return the type of each folder column of a store, from the paths of all its files."""
    values: dict[str, set[str | None]] = {}
    for name in names:
        for key, value in folder_values(name).items():
            values.setdefault(key, set()).add(value)
    return {key: _type_of(found - {None}) for key, found in values.items()}


def planned_type(value: str | None, planned: pa.DataType) -> pa.DataType:
    """Return the type of a folder column in a file that came later: the planned one if the value is written as one."""
    if value is None or pa.types.is_string(planned) or pa.types.is_large_string(planned):
        return planned
    kind = _type_of([value])
    return planned if kind == planned or (pa.types.is_floating(planned) and pa.types.is_integer(kind)) else kind


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
