"""Rows of Parquet files in batches of bounded memory, whatever their columns decode to.

A footer says how many bytes a column takes as it is stored. It may decode to far more: a dictionary holds a long text
once, and each of its rows only names it; and among many short texts, some neighbours may be long. So a few rows are
decoded at a time, and are put together until they make up a batch.

Columns that Arrow gives as dictionaries, as pandas writes categories, are not decoded here. They are only cut.
"""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.store.decoded_sizes import bytes_of_all, holds_dictionary
from w2vray.store.parquet_sizes import Opened, rows_at_a_step

__all__ = ["LARGEST_BATCH", "Steps", "bounded_batches"]

LARGEST_BATCH = 64 << 20
"""Decoded bytes of a batch at most, unless a single row has more."""


def bounded_batches(
    opened: Opened, groups: Sequence[int], columns: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of row groups in batches of at most ``rows`` rows and ``LARGEST_BATCH`` decoded bytes.

    Where batches of ``rows`` rows are no larger, they are what ``ParquetFile.iter_batches`` yields.
    """
    with opened() as parquet, opened() as other:
        encoded = [name for name in columns if holds_dictionary(parquet.schema_arrow.field(name).type)]
        decoded = [name for name in columns if name not in encoded]
        if not decoded:
            for batch in parquet.iter_batches(rows, row_groups=groups, columns=encoded):
                yield from (piece for piece, _ in _cut(batch))
            return
        steps = Steps(_in_steps(opened, parquet, groups, decoded, rows))
        if not encoded:
            while not steps.ended:
                yield from _together(steps.take(rows))
            return
        for batch in other.iter_batches(rows, row_groups=groups, columns=encoded):
            yield from _together(_beside(steps.take(len(batch)), batch, columns))


def _in_steps(
    opened: Opened, parquet: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield rows, so few at a time as they may have to be; row groups are looked at when they are reached."""
    for some in _runs(parquet, groups, rows):
        step = rows_at_a_step(opened, some, columns, rows, LARGEST_BATCH)
        few = step < rows  # then handing columns to threads takes longer than reading them
        yield from parquet.iter_batches(step, row_groups=some, columns=columns, use_threads=not few)


def _runs(parquet: pq.ParquetFile, groups: Sequence[int], rows: int) -> Iterator[list[int]]:
    """Part row groups into runs that have so many rows at least, but for the last."""
    run, have = list[int](), 0
    for group in groups:
        run.append(group)
        have += parquet.metadata.row_group(group).num_rows
        if have >= rows:
            yield run
            run, have = [], 0
    if run:
        yield run


class Steps:
    """Batches of which any number of rows can be taken."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left = next(batches, None)

    @property
    def ended(self) -> bool:
        """Tell whether all rows are taken."""
        return self._left is None

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the next rows, fewer at the end."""
        while rows and self._left is not None:
            taken = self._left
            if len(taken) > rows:
                taken, self._left = taken.slice(0, rows), taken.slice(rows)
            else:
                self._left = next(self._batches, None)
            rows -= len(taken)
            yield taken


def _beside(parts: Iterable[pa.RecordBatch], whole: pa.RecordBatch, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Put the columns of one batch beside those of its parts."""
    start = 0
    for part in parts:
        beside = whole.slice(start, len(part))
        start += len(part)
        of = {name: batch.column(name) for batch in (part, beside) for name in batch.schema.names}
        yield pa.RecordBatch.from_arrays([of[name] for name in columns], names=list(columns))


def _together(parts: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put parts together to batches that are as large as they may be."""
    waiting: list[pa.RecordBatch] = []
    total = 0
    for part in parts:
        for piece, size in _cut(part):
            if waiting and total + size > LARGEST_BATCH:
                yield _joined(waiting)
                waiting, total = [], 0
            waiting.append(piece)
            total += size
    if waiting:
        yield _joined(waiting)


def _joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _cut(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield a batch in halves of halves that are each as small as they have to be, and the bytes of each."""
    size = bytes_of_all(batch)
    if len(batch) < 2 or size <= LARGEST_BATCH:
        yield batch, size
        return
    half = len(batch) // 2
    yield from _cut(batch.slice(0, half))
    yield from _cut(batch.slice(half))
