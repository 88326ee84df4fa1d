"""Label columns to strings, and their order."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import CorpusError

__all__ = ["label_order", "label_strings"]


def label_strings(column: pa.Array, name: str) -> pa.StringArray:
    """Return labels as strings: booleans become ``false`` and ``true``; a missing label, or one of no characters, null.

    Raises:
        CorpusError: the column is of another type.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    castable = (pa.types.is_string_view, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_integer)
    if any(test(kind) for test in castable):
        column = column.cast(pa.string())
    elif pa.types.is_null(kind):
        column = pa.nulls(len(column), pa.string())
    elif not pa.types.is_string(kind):
        raise CorpusError(f"the label column {name!r} is {kind}; expected strings, integers or booleans")
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CorpusError(f"the label column {name!r} holds a label that is not UTF-8 ({error})") from error
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Put labels into the order of a model's outputs: whole numbers by value, otherwise by code point."""
    found = set(labels)
    numeric = all(label.lstrip("-").isdecimal() and label.count("-") <= 1 for label in found)
    return tuple(sorted(found, key=(lambda label: (int(label), label)) if numeric else (lambda label: (0, label))))
