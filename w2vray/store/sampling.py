"""A few of a store's texts, from all over it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import FileError
from w2vray.store.filters import Where
from w2vray.store.reading import NO_COLUMNS, read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import read_texts

__all__ = ["sample_texts"]

_UNITS = 16
_LONGEST = 10_000  # characters of a text
_BYTES = 1 << 19
_FEW_ROWS = 512


def sample_texts(
    units: Sequence[Unit],
    roots: Sequence[str],
    text_columns: Sequence[str],
    where: Where | None = None,
    schema: pa.Schema = NO_COLUMNS,
    *,
    most_bytes: int = _BYTES,
) -> Iterator[pa.LargeStringArray]:
    """Yield the beginnings of some units, about ``most_bytes`` of text in all; unreadable files are passed over.

    Long texts are cut, so that one of them is not the whole sample.
    """
    chosen = [units[index] for index in np.unique(np.linspace(0, len(units) - 1, _UNITS).astype(int))] if units else []
    for unit in chosen:
        most, few = most_bytes // len(chosen), _beginning(unit)
        read = partial(_texts_of, most_bytes=most, roots=roots, columns=text_columns, where=where, schema=schema)
        if few != unit:
            with suppress(FileError):  # what can be read before the damage, the whole unit yields
                first = list(read(few))
                if sum(map(_bytes, first)) >= most:
                    yield from first
                    continue
        with suppress(FileError):
            yield from read(unit)


def _beginning(unit: Unit) -> Unit:
    """Return the first rows of a unit: mostly they are enough, and cost less to read than a whole batch."""
    first, *_ = unit.pieces
    if first.deleted is not None:
        return unit
    return Unit((replace(first, rows=min(first.rows, _FEW_ROWS)),))


def _texts_of(
    unit: Unit,
    *,
    most_bytes: int,
    roots: Sequence[str],
    columns: Sequence[str],
    where: Where | None,
    schema: pa.Schema,
) -> Iterator[pa.LargeStringArray]:
    """Yield a unit's first texts, until they have so many bytes."""
    left = most_bytes
    for batch in read_unit(unit, roots, list(columns), where, schema):
        texts = pc.utf8_slice_codeunits(read_texts(batch, columns).values, 0, _LONGEST)
        ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False))
        few = texts[: int(np.searchsorted(ends, left)) + 1]
        yield few
        left -= _bytes(few)
        if left <= 0:
            break


def _bytes(texts: pa.LargeStringArray) -> int:
    return int(pc.sum(pc.binary_length(texts), min_count=0).as_py())
