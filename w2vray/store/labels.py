"""Label columns to strings, and their order. A column of lists gives each row any number of labels.

Whole numbers may be stored as floats or decimals: pandas makes floats of integers where one is missing. Their labels
are those of the integers.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import CorpusError

__all__ = ["holds_lists", "label_lists", "label_matrix", "label_order", "label_strings", "require_label_type"]

Place = Callable[[int], str]
"""Says, for a person, where a row of a column comes from."""

_WHOLE = re.compile(r"-?\d+")
_LONGEST_NUMBER = 18
"""Digits of a label that is taken for a number: a longer one names something, and Python reads no more than 4,300."""

_EXACT_BELOW = {16: 2**11, 32: 2**24, 64: 2**53}
"""Up to here a float of so many bits holds every whole number: from here on, several labels may have become one."""


def holds_lists(kind: pa.DataType) -> bool:
    """Tell whether a column of this type gives a row any number of labels."""
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def require_label_type(kind: pa.DataType, name: str) -> None:
    """Check that a column can hold labels.

    Raises:
        CorpusError: it is of another type.
    """
    _require_plain(kind.value_type if holds_lists(kind) else kind, kind, name)


def _require_plain(plain: pa.DataType, kind: pa.DataType, name: str) -> None:
    plain = plain.value_type if pa.types.is_dictionary(plain) else plain
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    if not any(test(plain) for test in tests):
        allowed = "strings, UTF-8 bytes, whole numbers or booleans, or lists of them"
        raise CorpusError(f"the label column {name!r} is {kind}; expected {allowed}")


def _nth(row: int) -> str:
    return f"row {row}"


def label_strings(column: pa.Array, name: str, place: Place = _nth) -> pa.StringArray:
    """Return labels as strings: booleans become ``false`` and ``true``, the numbers 1 and 1.0 become ``1``.

    A missing label, one of no characters and NaN are null.

    Args:
        column: labels, or missing ones.
        name: of the column.
        place: says where a row is.

    Raises:
        CorpusError: the column is of another type, or a label is not UTF-8 or not a whole number.
    """
    _require_plain(column.type, column.type, name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        column = _whole_numbers(column, name, place)
    try:
        labels = pa.nulls(len(column), pa.string()) if pa.types.is_null(column.type) else column.cast(pa.string())
        labels.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CorpusError(f"the label column {name!r} holds a label that is not UTF-8: {error}") from error
    return pc.if_else(pc.equal(labels, ""), pa.scalar(None, pa.string()), labels)


def _whole_numbers(column: pa.Array, name: str, place: Place) -> pa.Array:
    """Return numbers as integers, NaN as null.

    Raises:
        CorpusError: one is not whole, or too large for its type to tell it from the next.
    """
    if pa.types.is_decimal(column.type):
        exact = column.cast(pa.decimal256(76, max(column.type.scale, 0)))  # of the smaller ones Arrow rounds none
        is_whole = pc.equal(exact, pc.floor(exact))
        whole, most = pc.floor(exact).cast(pa.decimal256(76, 0)), None
    else:
        most = _EXACT_BELOW[column.type.bit_width]
        exact = column.cast(pa.float64())
        exact = pc.if_else(pc.is_nan(exact), pa.scalar(None, pa.float64()), exact)
        is_whole = pc.and_(pc.equal(exact, pc.floor(exact)), pc.less_equal(pc.abs(exact), float(most)))
        whole = pc.if_else(is_whole, exact, pa.scalar(None, pa.float64())).cast(pa.int64())
    wrong = np.flatnonzero(~is_whole.fill_null(True).to_numpy(zero_copy_only=False))
    if len(wrong):
        row, value = int(wrong[0]), exact[int(wrong[0])].as_py()
        what = "labels that are numbers have to be whole"
        if most is not None and most < abs(value) < float("inf"):
            what = f"above {most:,}, {column.type} does not tell each whole number from the next"
        raise CorpusError(f"{place(row)}: the label in column {name!r} is {value}; {what}. Write labels as text")
    return whole


def label_lists(column: pa.Array, name: str, place: Place = _nth) -> pa.ListArray:
    """Return each row's labels as a list of strings, null where the row has no list; missing labels are left out.

    A label that is there twice in a row is kept once. A list of no labels says that none applies.

    Args:
        column: lists of labels.
        name: of the column.
        place: says where a row is.

    Raises:
        CorpusError: as ``label_strings``.
    """
    if pa.types.is_null(column.type):  # a file whose writer saw no label
        return pa.nulls(len(column), pa.list_(pa.string()))
    rows_Y = pc.list_parent_indices(column).to_numpy()
    labels_Y = label_strings(pc.list_flatten(column), name, lambda label: place(int(rows_Y[label])))
    pairs = pa.table({"row": rows_Y, "label": labels_Y}).filter(labels_Y.is_valid()).group_by(["row", "label"])
    kept = pairs.aggregate([]).sort_by([("row", "ascending"), ("label", "ascending")]).combine_chunks()
    counts_N = np.bincount(kept["row"].to_numpy(), minlength=len(column))
    offsets_N1 = pa.array(np.concatenate(([0], np.cumsum(counts_N))).astype(np.int32))
    values = pa.concat_arrays([pa.array([], pa.string()), *kept["label"].chunks])
    return pa.ListArray.from_arrays(offsets_N1, values, mask=column.is_null())


def label_matrix(lists: pa.ListArray, labels: Sequence[str]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return true_NC, and unknown_N: how many labels of each row are none of ``labels``."""
    classes_Y = pc.index_in(lists.flatten(), pa.array(labels, pa.string())).fill_null(-1).to_numpy()
    rows_Y = pc.list_parent_indices(lists).to_numpy()
    true_NC = np.zeros((len(lists), len(labels)), dtype=np.bool_)
    known_Y = classes_Y >= 0
    true_NC[rows_Y[known_Y], classes_Y[known_Y]] = True
    return true_NC, np.bincount(rows_Y[~known_Y], minlength=len(lists)).astype(np.int64)


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Put labels into the order of a model's outputs: whole numbers by value, otherwise by code point."""
    found = set(labels)
    numeric = all(len(label) <= _LONGEST_NUMBER and _WHOLE.fullmatch(label) for label in found)
    return tuple(sorted(found, key=(lambda label: (int(label), label)) if numeric else (lambda label: (0, label))))
