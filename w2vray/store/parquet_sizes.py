"""What columns of a Parquet file may decode to, before they are decoded: by its footer, and a look at dictionaries."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

import pyarrow.parquet as pq

from w2vray.store.decoded_sizes import longest_named

__all__ = ["Opened", "is_of", "rows_at_a_step"]

STEP_BYTES, STEP_ROWS = 256 << 10, 512
"""Decoded together, on average and at most, where some rows may be much longer than most; each step costs 20 us."""

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_DICTIONARIES = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
_REPEATING = {*_DICTIONARIES, "DELTA_BYTE_ARRAY"}
"""Encodings in which a value, or a part of one, is written once and stands in many rows."""

_LOOK_ROWS, _LOOK_BUFFER = 1024, 1 << 16

Opened = Callable[..., pq.ParquetFile]
"""Opens a file; takes options of ``pyarrow.parquet.ParquetFile``."""


def is_of(path: str, columns: Iterable[str]) -> bool:
    """Tell whether a leaf of a file's schema is one of these columns, or inside one of them."""
    return any(path == name or path.startswith(f"{name}.") for name in columns)


def rows_at_a_step(opened: Opened, groups: Sequence[int], columns: Sequence[str], rows: int, largest: int) -> int:
    """Return how many rows may be decoded together.

    Args:
        opened: opens the file.
        groups: row groups that are read.
        columns: that are read.
        rows: as many as are wanted.
        largest: bytes that they should not exceed.

    Returns:
        ``rows``, if these cannot have more bytes, or half of them, and so on; else a few.
    """
    with opened() as parquet:
        metadata = parquet.metadata
        every = [_Leaf(opened, metadata, index, groups) for index in range(metadata.num_columns)]
        leaves = [leaf for leaf in every if is_of(leaf.path, columns)]
        rows_there: int = sum(metadata.row_group(group).num_rows for group in groups)
    if sum(leaf.most(min(rows, rows_there)) for leaf in leaves) <= largest:
        return rows
    usual = sum(leaf.stored for leaf in leaves) // max(rows_there, 1)
    longest = [leaf.longest() for leaf in leaves]
    step = max(STEP_BYTES // max(usual, 1), 16)
    few = int(max(1, min(rows, STEP_ROWS, step, largest // max(sum(longest), 1))))
    while rows > few:
        if sum(leaf.most_beside(rows, most) for leaf, most in zip(leaves, longest, strict=True)) <= largest:
            return rows
        rows //= 2
    return few


class _Leaf:
    """A column, or one of those inside it, in some row groups."""

    def __init__(self, opened: Opened, metadata: pq.FileMetaData, index: int, groups: Sequence[int]) -> None:
        column = metadata.schema.column(index)
        self.path: str = column.path
        self._opened, self._groups = opened, groups
        self._chunks = [metadata.row_group(group).column(index) for group in groups]
        self._rows = [metadata.row_group(group).num_rows for group in groups]
        self._width: int = _WIDTHS.get(column.physical_type, column.length)  # 0: values of any length
        self._in_lists = column.max_repetition_level > 0

    @property
    def stored(self) -> int:
        """Bytes, unpacked."""
        return int(sum(chunk.total_uncompressed_size for chunk in self._chunks))

    def most(self, rows: int) -> int:
        """Return bytes that ``rows`` rows do not exceed, by the footer alone."""
        values = sum(chunk.num_values for chunk in self._chunks)
        values = values if self._in_lists else min(values, rows)
        if self._width:
            return int(self._width * values)
        repeated = [chunk.total_uncompressed_size for chunk in self._chunks if _REPEATING.intersection(chunk.encodings)]
        return int(self.stored + values * max(repeated, default=0))

    def most_beside(self, rows: int, longest: int) -> float:
        """Return bytes that ``rows`` neighbouring rows do not exceed, where a row has at most ``longest``."""
        if self._in_lists or any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in self._chunks):
            return float("inf")  # nobody knows what a row has
        return rows * longest + (0 if self._width else self._stored_beside(rows))

    def _stored_beside(self, rows: int) -> int:
        """Return the bytes, unpacked, of the row groups that ``rows`` neighbouring rows may lie in, at most."""
        ends = list(accumulate(self._rows))
        stored = list(accumulate((chunk.total_uncompressed_size for chunk in self._chunks), initial=0))
        last = (min(bisect_left(ends, end + rows - 1), len(ends) - 1) for end in ends)
        return max((stored[stop + 1] - stored[start] for start, stop in enumerate(last)), default=0)

    def longest(self) -> int:
        """Return what a row may have, or, where that is not known, about what it has."""
        of_each = zip(self._chunks, self._groups, self._rows, strict=True)
        return max((self._longest(chunk, group, rows) for chunk, group, rows in of_each if rows), default=0)

    def _longest(self, chunk: pq.ColumnChunkMetaData, group: int, rows: int) -> int:
        values: int = -(-chunk.num_values // rows)  # of a row: more than one in lists
        stored: int = chunk.total_uncompressed_size
        if self._width:
            return values * self._width
        if _DICTIONARIES.intersection(chunk.encodings):
            return values * self._longest_in_dictionary(group)
        if _REPEATING.intersection(chunk.encodings):  # as long as all that is stored, at most
            return stored // 16
        return stored // rows

    def _longest_in_dictionary(self, group: int) -> int:
        return next((longest for rows in (1, _LOOK_ROWS) for longest in self._longest_named(group, rows)), 0)

    def _longest_named(self, group: int, rows: int) -> Iterator[int]:
        """Look at the dictionary behind the first row, which comes whole, or behind the first that has a value."""
        with self._opened(read_dictionary=[self.path], buffer_size=_LOOK_BUFFER) as parquet:
            for batch in parquet.iter_batches(rows, row_groups=[group], columns=[self.path], use_threads=False):
                if longest := longest_named(batch.column(0)):
                    yield longest
                if rows == 1:
                    return
