"""Label columns to strings, and their order."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import CorpusError

__all__ = ["label_order", "label_strings", "require_label_type"]


def require_label_type(kind: pa.DataType, name: str) -> None:
    """Check that a column can hold labels.

    Raises:
        CorpusError: it is of another type.
    """
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_null,
    )
    if not any(test(plain) for test in tests):
        raise CorpusError(f"the label column {name!r} is {kind}; expected strings, integers or booleans")


def label_strings(column: pa.Array, name: str) -> pa.StringArray:
    """Return labels as strings: booleans become ``false`` and ``true``; a missing label, or one of no characters, null.

    Raises:
        CorpusError: the column is of another type, or a label is not UTF-8.
    """
    require_label_type(column.type, name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    labels = pa.nulls(len(column), pa.string()) if pa.types.is_null(column.type) else column.cast(pa.string())
    try:
        labels.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CorpusError(f"the label column {name!r} holds a label that is not UTF-8: {error}") from error
    return pc.if_else(pc.equal(labels, ""), pa.scalar(None, pa.string()), labels)


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Put labels into the order of a model's outputs: whole numbers by value, otherwise by code point."""
    found = set(labels)
    numeric = all(label.lstrip("-").isdecimal() and label.count("-") <= 1 for label in found)
    return tuple(sorted(found, key=(lambda label: (int(label), label)) if numeric else (lambda label: (0, label))))
