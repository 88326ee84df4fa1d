"""Parquet files that prove themselves: a hash of the rows and a hash of the footer lie in the footer.

Both are checked before Arrow parses anything: a damaged file ends in an error that names it, whatever was damaged.
The footer's own hash is taken with 64 zeros in its place.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.errors import W2vrayError
from w2vray.schema import SOURCE_ROW
from w2vray.store.parquet import footer_metadata, read_tail

__all__ = ["Seal", "SealedFooter", "check_rows", "read_seal", "read_sealed", "seal"]

_KEY = b"w2vray.seal"
_MARK = b'"footer_sha256": "'
_ZEROS = b"0" * 64
_ROW_GROUP = 1 << 17
_CHUNK = 1 << 20
_SCORE = pa.float32()
_COMPRESSION = "zstd"
_STEPS = "DELTA_BINARY_PACKED"
"""How ``source_row`` is written: each is the one before plus one, as a rule. With a dictionary for the other columns
but the probabilities, which hardly repeat, a part takes half the bytes, and half the time, of Arrow's defaults."""


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


class _HashingBuffer(io.BytesIO):
    """A buffer that knows the hash of all that was written to it so far."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return super().write(data)


def seal(table: pa.Table, record: Mapping[str, Any] | None = None) -> tuple[memoryview, Seal]:
    """Return a table as the bytes of a sealed Parquet file whose pages carry checksums, and its seal."""
    buffer = _HashingBuffer()
    steps = [name for name in table.schema.names if name == SOURCE_ROW]
    repeating = [name for name in table.schema.names if name != SOURCE_ROW and table.schema.field(name).type != _SCORE]
    writer = pq.ParquetWriter(
        buffer,
        table.schema,
        compression=_COMPRESSION,
        write_page_checksum=True,
        use_dictionary=repeating,
        column_encoding=dict.fromkeys(steps, _STEPS),
    )
    writer.write_table(table, row_group_size=_ROW_GROUP)
    data_bytes, data_sha256 = buffer.tell(), buffer.digest.hexdigest()
    sealed = {"record": dict(record or {}), "data_bytes": data_bytes, "data_sha256": data_sha256}
    writer.add_key_value_metadata({_KEY: json.dumps({**sealed, "footer_sha256": _ZEROS.decode()})})
    writer.close()
    content = buffer.getbuffer()
    footer = bytes(content[data_bytes:])
    digest = hashlib.sha256(footer).hexdigest()
    place = data_bytes + _hash_place(footer)
    content[place : place + 64] = digest.encode()
    return content, Seal(data_bytes=data_bytes, data_sha256=data_sha256, footer_sha256=digest)


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
