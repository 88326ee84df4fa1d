"""A few of a store's texts, from all over it."""

from collections.abc import Iterator, Sequence

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
        left = most_bytes // len(chosen)
        try:
            for batch in read_unit(unit, roots, list(text_columns), where, schema):
                texts = pc.utf8_slice_codeunits(read_texts(batch, text_columns).values, 0, _LONGEST)
                ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False))
                few = texts[: int(np.searchsorted(ends, left)) + 1]
                yield few
                left -= int(ends[len(few) - 1]) if len(few) else 0
                if left <= 0:
                    break
        except FileError:
            continue
