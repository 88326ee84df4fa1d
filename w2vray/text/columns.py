"""Arrow columns to texts: what a row says, or why it cannot be read.

A text column may be string, large_string, string_view, binary, large_binary, binary_view, fixed-size binary, or any of
these dictionary-encoded. Bytes are taken as UTF-8; string columns can hold invalid UTF-8 too and are checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import CorpusError
from w2vray.schema import DAMAGE_COLUMN, Reason

__all__ = [
    "BATCH_ROWS",
    "BLOCK_BYTES",
    "BLOCK_ROWS",
    "SMALL_BLOCK_BYTES",
    "RejectedRow",
    "TextLimits",
    "Texts",
    "blocks",
    "is_text_type",
    "read_texts",
]

BLOCK_ROWS = 4096
BLOCK_BYTES = 1 << 24
"""Texts are looked up and scored in blocks of at most this many rows and, but for a single longer text, bytes.

Part of the scoring version: which texts are in a batch together follows from it.
"""

SMALL_BLOCK_BYTES = 1 << 22
"""What is read together, and looked up and scored together by models that go through a block once: what one step writes
is still in a cache when the next one reads it. Others are quicker on larger blocks."""

BATCH_ROWS = 8 * BLOCK_ROWS
"""Rows that are read together at most; whole blocks, so that the cut into blocks stays the same."""


@dataclass(frozen=True, kw_only=True)
class TextLimits:
    """What becomes of texts that are very long, or missing.

    Texts of more than ``max_bytes`` bytes (None: any number) are rejected, or, with ``truncate``, cut before the
    character that goes beyond. With ``null_as_empty`` a null is an empty text.
    """

    max_bytes: int | None = None
    truncate: bool = False
    null_as_empty: bool = False


NO_LIMITS = TextLimits()


@dataclass(frozen=True)
class RejectedRow:
    """A row whose text cannot be read; ``row`` counts from the start of the batch."""

    row: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Texts:
    """The texts of a batch of rows.

    ``values`` are the N readable ones, valid UTF-8 without nulls; ``rows_N`` says which row of the batch each one is.
    ``truncated`` of them were cut.
    """

    values: pa.LargeStringArray
    rows_N: npt.NDArray[np.int64]
    rejected: list[RejectedRow]
    truncated: int = 0


def is_text_type(kind: pa.DataType) -> bool:
    """Tell whether a column of this type can be read as text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
        pa.types.is_null,  # what a writer makes of a column in which it has seen no value
    )
    return any(test(kind) for test in tests)


def read_texts(batch: pa.RecordBatch | pa.Table, columns: Sequence[str], limits: TextLimits = NO_LIMITS) -> Texts:
    """Read the text of each row: the columns joined by a newline, a null one left out.

    Raises:
        CorpusError: a column is not of a text type.
    """
    parts = [_as_bytes(batch, name) for name in columns]
    joined = parts[0] if len(parts) == 1 else _join(parts)
    damaged = _damaged(batch)
    if limits.null_as_empty and joined.null_count:
        joined = pc.fill_null(joined, pa.scalar(b"", pa.large_binary()))
    if damaged:
        joined = pc.if_else(batch.column(DAMAGE_COLUMN).is_null(), joined, pa.scalar(None, joined.type))
    rejected, rows, present = [], np.arange(len(joined)), joined
    if joined.null_count:
        null_N = joined.is_null().to_numpy(zero_copy_only=False)
        null = Reason.NULL_TEXT, f"null in {', '.join(columns)}"
        rejected = [RejectedRow(row, *damaged.get(row, null)) for row in np.flatnonzero(null_N).tolist()]
        rows, present = np.flatnonzero(~null_N), joined.drop_null()
    texts = _as_text(present)
    bad = _bad_texts(present, limits, valid=texts is not None)
    if bad:
        rejected += [RejectedRow(int(rows[index]), reason, detail) for index, (reason, detail) in bad.items()]
        rejected.sort(key=lambda item: item.row)
        good = np.ones(len(present), dtype=bool)
        good[list(bad)] = False
        present, rows, texts = present.filter(pa.array(good)), rows[good], None
    present, truncated = _cut(present, limits)
    if texts is None or truncated:
        texts = present.cast(pa.large_string())
    return Texts(texts, rows, rejected, truncated)


def _damaged(batch: pa.RecordBatch | pa.Table) -> dict[int, tuple[Reason, str]]:
    """Return the rows of a batch that their file does not let be read, with reason and detail."""
    if DAMAGE_COLUMN not in batch.schema.names:
        return {}
    told = enumerate(batch.column(DAMAGE_COLUMN).to_pylist())
    return {row: (Reason(item["reason"]), item["detail"]) for row, item in told if item is not None}


def _as_text(values: pa.LargeBinaryArray) -> pa.LargeStringArray | None:
    """Return the values as text, None where one of them is not UTF-8."""
    try:
        return values.cast(pa.large_string())
    except pa.ArrowInvalid:
        return None


def _bad_texts(present: pa.LargeBinaryArray, limits: TextLimits, *, valid: bool) -> dict[int, tuple[Reason, str]]:
    """Find the texts that are too long, or not UTF-8, with reason and detail."""
    bad: dict[int, tuple[Reason, str]] = {}
    if limits.max_bytes is not None and not limits.truncate:
        lengths_N = _lengths(present)
        for index in np.flatnonzero(lengths_N > limits.max_bytes).tolist():
            detail = f"{lengths_N[index]:,} bytes; --max-bytes allows {limits.max_bytes:,}"
            bad[index] = Reason.TOO_LONG, detail
    for index, value in enumerate([] if valid else present):
        try:
            value.as_py().decode()
        except UnicodeDecodeError as error:
            detail = f"byte {error.start} of {len(error.object)}: {error.reason}"
            bad.setdefault(index, (Reason.INVALID_UTF8, detail))
    return bad


def _lengths(texts: pa.LargeBinaryArray) -> npt.NDArray[np.int64]:
    return np.asarray(pc.binary_length(texts).to_numpy(zero_copy_only=False), dtype=np.int64)


def _cut(texts: pa.LargeBinaryArray, limits: TextLimits) -> tuple[pa.LargeBinaryArray, int]:
    """Cut texts to ``max_bytes`` without cutting a character in two, and count those that were cut."""
    if limits.max_bytes is None or not limits.truncate:
        return texts, 0
    too_long = np.flatnonzero(_lengths(texts) > limits.max_bytes)
    if not len(too_long):
        return texts, 0
    cut = [_first_bytes(texts[int(index)].as_buffer(), limits.max_bytes) for index in too_long]
    mask = np.zeros(len(texts), dtype=bool)
    mask[too_long] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(cut, pa.large_binary())), len(cut)


def _first_bytes(text: pa.Buffer, most: int) -> bytes:
    while most and text[most] & 0xC0 == 0x80:  # inside of a character
        most -= 1
    return bytes(text.slice(0, most))


def _as_bytes(batch: pa.RecordBatch | pa.Table, name: str) -> pa.LargeBinaryArray:
    column = batch.column(name)
    if not is_text_type(column.type):
        raise CorpusError(f"column {name!r} is {column.type}; expected a column of strings or of UTF-8 bytes")
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    # Each on its own first: neither dictionaries with nulls nor more than 2 GB of strings can be put together.
    parts = [_chunk_as_bytes(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else pa.chunked_array(parts, pa.large_binary()).combine_chunks()


def _chunk_as_bytes(column: pa.Array) -> pa.LargeBinaryArray:
    if pa.types.is_dictionary(column.type):
        values = _chunk_as_bytes(column.dictionary)  # first: Arrow cannot decode a dictionary of views
        return pa.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
    if pa.types.is_string_view(column.type) or pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary_view() if pa.types.is_string_view(column.type) else pa.binary())
    return column.cast(pa.large_binary())


def _join(parts: list[pa.LargeBinaryArray]) -> pa.LargeBinaryArray:
    present = parts[0].is_valid()
    for part in parts[1:]:
        present = pc.or_(present, part.is_valid())
    # Arrow 26 leaves a row out of the result where all of its values are null, so none may be.
    filled = pc.if_else(present, parts[0], pa.scalar(b"", pa.large_binary()))
    separator = pa.scalar(b"\n", pa.large_binary())
    joined = pc.binary_join_element_wise(filled, *parts[1:], separator, null_handling="skip")
    return pc.if_else(present, joined, pa.scalar(None, pa.large_binary()))


def blocks(texts: pa.LargeStringArray) -> list[pa.LargeStringArray]:
    """Cut texts into blocks of at most ``BLOCK_ROWS`` rows and ``BLOCK_BYTES`` bytes; the cut depends on them alone."""
    if not len(texts):
        return []
    ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False))
    cuts = [0]
    while cuts[-1] < len(texts):
        start = cuts[-1]
        before = ends[start - 1] if start else 0
        fitting = int(np.searchsorted(ends, before + BLOCK_BYTES, side="right"))
        cuts.append(min(max(fitting, start + 1), start + BLOCK_ROWS, len(texts)))
    return [texts[start:stop] for start, stop in pairwise(cuts)]
