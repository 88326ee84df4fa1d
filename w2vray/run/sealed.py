"""Parquet files that prove themselves: a hash of the rows and a hash of the footer lie in the footer.

Both are checked before Arrow parses anything: a damaged file ends in an error that names it, whatever was damaged.
The footer's own hash is taken with 64 zeros in its place.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.errors import W2vrayError
from w2vray.schema import EVIDENCE, SOURCE_ROW
from w2vray.store.parquet import footer_metadata, read_tail

__all__ = ["Seal", "SealedFooter", "SealedWriter", "Sink", "check_rows", "read_seal", "read_sealed", "seal"]

_KEY = b"w2vray.seal"
_MARK = b'"footer_sha256": "'
_ZEROS = b"0" * 64
_ROW_GROUP = 1 << 17
_ROW_GROUP_BYTES = 32 << 20
"""Of rows in memory, where long texts are kept: a row group ends then, whatever it has of rows."""

_CHUNK = 1 << 20
_SCORE = pa.float32()
_COMPRESSION = "zstd"
_STEPS = "DELTA_BINARY_PACKED"
_IN_STEPS = frozenset({SOURCE_ROW, f"{EVIDENCE}.list.element.start", f"{EVIDENCE}.list.element.end"})
"""Columns whose numbers are written as differences from the one before: a row is the next one, as a rule, and places in
a text are small. With a dictionary for the others but the probabilities and weights, which hardly repeat, a part takes
half the bytes, and half the time, of Arrow's defaults. Nobody looks for the least or the greatest piece of evidence."""

_AS_THEY_ARE = frozenset({f"{EVIDENCE}.list.element.text"})
"""Columns without a dictionary: of phrases it has as many entries as there are values, and takes a quarter longer."""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """Hashes of a file: of its first ``data_bytes`` bytes, which hold the rows, and of the rest, the footer."""

    data_bytes: int
    data_sha256: str
    footer_sha256: str


@dataclass(frozen=True)
class SealedFooter:
    """A footer that is as it was written, and the record that was put into it."""

    seal: Seal
    record: Mapping[str, Any]
    metadata: pq.FileMetaData


class Sink(Protocol):
    """Where the bytes of a file go."""

    def write(self, data: Any, /) -> int:
        """Take all of these bytes, in order."""


class _HashingSink(io.RawIOBase):
    """Hands on what is written and knows its hash; from ``hold`` on, it keeps what comes: the footer."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self.size = 0
        self.held: bytearray | None = None
        self._sink: Sink | None = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.held is not None:
            self.held += data
        elif self._sink is not None:
            self.digest.update(data)
            self._sink.write(data)
        self.size += size
        return size

    def hold(self) -> None:
        self.held = bytearray()

    def abandon(self) -> None:
        self._sink = None


class SealedWriter:
    """Writes a sealed Parquet file whose pages carry checksums, batch by batch.

    At most ``_ROW_GROUP_BYTES`` of rows wait in memory to be written, and one batch. How rows are cut into row groups
    depends on the batches alone.
    """

    def __init__(self, sink: Sink, schema: pa.Schema) -> None:
        columns = dict(leaf for field in schema for leaf in _leaves(field.name, field.type))
        self._sink = sink
        self._out = _HashingSink(sink)
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(
            self._out,
            schema,
            compression=_COMPRESSION,
            write_page_checksum=True,
            use_dictionary=[
                name for name, type_ in columns.items() if name not in _IN_STEPS | _AS_THEY_ARE and type_ != _SCORE
            ],
            column_encoding={name: _STEPS for name in columns if name in _IN_STEPS},
            write_statistics=[name for name in columns if not name.startswith(f"{EVIDENCE}.")],
        )
        self.file_sha256 = ""
        """Of the whole file, as soon as it is closed."""

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append rows of the schema."""
        table = pa.Table.from_batches([rows], self._schema) if isinstance(rows, pa.RecordBatch) else rows
        while len(table):
            part = table.slice(0, _ROW_GROUP - self._rows)
            table = table.slice(len(part))
            self._waiting.append(part)
            self._rows, self._bytes = self._rows + len(part), self._bytes + part.nbytes
            if self._rows >= _ROW_GROUP or self._bytes >= _ROW_GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=_ROW_GROUP)
        self._waiting, self._rows, self._bytes = [], 0, 0

    def close(self, record: Mapping[str, Any] | None = None) -> Seal:
        """Write what is left, then the footer, with a record in it."""
        self._flush()
        data_bytes, data_sha256 = self._out.size, self._out.digest.hexdigest()
        sealed = {"record": dict(record or {}), "data_bytes": data_bytes, "data_sha256": data_sha256}
        self._writer.add_key_value_metadata({_KEY: json.dumps({**sealed, "footer_sha256": _ZEROS.decode()})})
        self._out.hold()
        self._writer.close()
        footer = self._out.held
        assert footer is not None
        digest = hashlib.sha256(footer).hexdigest()
        place = _hash_place(bytes(footer))
        footer[place : place + 64] = digest.encode()
        self._sink.write(bytes(footer))
        self._out.digest.update(footer)
        self.file_sha256 = self._out.digest.hexdigest()
        return Seal(data_bytes=data_bytes, data_sha256=data_sha256, footer_sha256=digest)

    def abandon(self) -> None:
        """Give up: nothing more is written, and Arrow's writer, which must be closed, keeps nothing."""
        self._waiting = []
        self._out.abandon()
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


def _leaves(path: str, type_: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """Return the columns that Parquet makes of one of Arrow's, and their types."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        yield from _leaves(f"{path}.list.element", type_.value_type)
    elif pa.types.is_struct(type_):
        for field in type_:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path, type_


def seal(table: pa.Table, record: Mapping[str, Any] | None = None) -> tuple[memoryview, Seal]:
    """Return a table as the bytes of a sealed Parquet file, and its seal."""
    buffer = io.BytesIO()
    writer = SealedWriter(buffer, table.schema)
    writer.write(table)
    made = writer.close(record)
    return buffer.getbuffer(), made


def _hash_place(footer: bytes) -> int:
    """Return where a footer's own hash starts; what a column holds comes before it, and what comes after is base64."""
    place = footer.rfind(_MARK) + len(_MARK)
    if place < len(_MARK) or place + 64 > len(footer):
        raise W2vrayError("it carries no seal")
    return place


def read_seal(handle: Any) -> SealedFooter:
    """Read and check the footer of an opened file; its rows are not read.

    Raises:
        W2vrayError: the footer is not as it was written.
    """
    tail = read_tail(handle)
    place = _hash_place(tail)
    found = hashlib.sha256(tail[:place] + _ZEROS + tail[place + 64 :]).hexdigest()
    if found.encode() != tail[place : place + 64]:
        raise W2vrayError("its footer is not the one that was written (checksum)")
    metadata = footer_metadata(tail)
    stored = json.loads(metadata.metadata[_KEY])
    record = stored.pop("record")
    if stored["data_bytes"] + len(tail) != handle.size():
        raise W2vrayError(f"it has {handle.size():,} bytes; {stored['data_bytes'] + len(tail):,} were written")
    return SealedFooter(Seal(**stored), record, metadata)


def check_rows(handle: Any, expected: Seal) -> None:
    """Hash all of an opened file but its footer, a piece at a time.

    Raises:
        W2vrayError: the bytes are not those that were written.
    """
    digest, left = hashlib.sha256(), expected.data_bytes
    handle.seek(0)
    while left and (piece := handle.read(min(left, _CHUNK))):
        digest.update(piece)
        left -= len(piece)
    if digest.hexdigest() != expected.data_sha256:
        raise W2vrayError("its bytes are not those that were written (checksum)")


def read_sealed(data: bytes) -> pa.Table:
    """Read the rows of a whole sealed file, in this thread.

    Arrow's own threads would hold ``data`` a moment longer than the reading takes; one that gives it back while the
    interpreter is ending brings the process down.

    Raises:
        W2vrayError: it is not as it was written.
    """
    handle = pa.PythonFile(io.BytesIO(data), mode="r")
    footer = read_seal(handle)
    check_rows(handle, footer.seal)
    with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as parquet:
        return parquet.read(use_threads=False)
