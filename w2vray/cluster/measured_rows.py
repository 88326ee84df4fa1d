"""``rows.parquet``: each labelled row with what was true and what was predicted; workers send their rows as bytes."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.schema import POSITION, SOURCE_FILE, SOURCE_ROW
from w2vray.scoring.answers import Answer, Scores
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN
from w2vray.text.columns import Texts

__all__ = ["ROWS", "MeasuredRows", "rows_as_bytes", "rows_of_batch", "rows_schema"]

ROWS = "rows.parquet"

_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


def rows_schema(models: int, *, multi_label: bool) -> pa.Schema:
    """Return the columns of the file: those of the second model have a 2 behind their names, and so on."""
    label = pa.list_(pa.string()) if multi_label else pa.string()
    score = pa.list_(pa.float32()) if multi_label else pa.float32()
    kinds = {"predicted": label, "score": score, "token_count": pa.int32(), "coverage": pa.float32()}
    answers = [pa.field(f"{name}{_behind(model)}", kind) for model in range(models) for name, kind in kinds.items()]
    return pa.schema([*POSITION, pa.field("text", pa.large_string()), pa.field("true", label), *answers])


def _behind(model: int) -> str:
    return "" if model == 0 else f"_{model + 1}"


def rows_of_batch(
    batch: pa.RecordBatch, texts: Texts, true: pa.Array, answers: Sequence[tuple[Scores, npt.NDArray[np.int64]]]
) -> pa.Table:
    """Return the rows of a batch: text and answers are null where a row has none.

    Args:
        batch: what was read.
        texts: its texts, as the first model reads them.
        true: its labels.
        answers: of each model, to the texts that can be read, and the rows that those are in.
    """
    multi_label = answers[0][0].multi_label
    columns = {SOURCE_FILE: batch.column(FILE_COLUMN), SOURCE_ROW: batch.column(ROW_COLUMN)}
    columns["text"] = texts.values.take(_places(texts.rows_N, len(batch)))
    columns["true"] = true
    for model, (scores, rows_N) in enumerate(answers):
        answer = Answer(multi_label=multi_label).columns(scores)
        names = {"predicted": "labels", "score": "scores"} if multi_label else {"predicted": "label", "score": "score"}
        for name, of_answer in {**names, "token_count": "token_count", "coverage": "coverage"}.items():
            columns[f"{name}{_behind(model)}"] = answer[of_answer].take(_places(rows_N, len(batch)))
    schema = rows_schema(len(answers), multi_label=multi_label)
    return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


def _places(rows_N: npt.NDArray[np.int64], rows: int) -> pa.Array:
    """Return where each of all rows is among those at hand, null for one that is not."""
    places = np.zeros(rows, dtype=np.int64)
    missing = np.ones(rows, dtype=np.bool_)
    places[rows_N], missing[rows_N] = np.arange(len(rows_N)), False
    return pa.array(places, mask=missing)


def rows_as_bytes(tables: Sequence[pa.Table]) -> bytes:
    """Return rows as bytes, in which they go from a worker to who writes the file."""
    if not tables:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, tables[0].schema, options=_PACKED) as writer:
        for table in tables:
            writer.write_table(table)
    return bytes(sink.getvalue())


class MeasuredRows:
    """Writes the file as units come, whole or not at all; an error is kept until somebody closes it.

    So what was measured can be told although the disk is full.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = folder, schema
        self.partial = folder / f".{ROWS}.{uuid.uuid4().hex[:8]}"
        self.writer: pq.ParquetWriter | None = None
        self.failed: OSError | None = None

    def add(self, rows: bytes) -> None:
        """Take the rows of a unit."""
        if self.failed is not None or not rows:
            return
        try:
            with pa.ipc.open_stream(rows) as reader:
                self._open().write_table(reader.read_all())
        except OSError as error:
            self.failed = error

    def _open(self) -> pq.ParquetWriter:
        if self.writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.writer = pq.ParquetWriter(self.partial, self.schema)
        return self.writer

    def publish(self) -> None:
        """Give the file its name.

        Raises:
            OSError: it could not be written.
        """
        if self.failed is not None:
            raise self.failed
        self._open().close()
        self.writer = None
        self.partial.replace(self.folder / ROWS)

    def clear(self) -> None:
        """Remove what was not published."""
        with suppress(OSError):
            if self.writer is not None:
                self.writer.close()
            self.partial.unlink(missing_ok=True)
