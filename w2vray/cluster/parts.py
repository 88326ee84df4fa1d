"""A unit's part as a Parquet file, and the record in its footer that proves what the unit did."""

import hashlib
import io
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = [
    "PartFooter",
    "UnitRecord",
    "part_name",
    "read_footer",
    "serialise_part",
    "serialise_table",
    "unit_of",
]

_RECORD_KEY = "w2vray.unit"
_ROW_GROUP = 1 << 17
_COMPRESSION = "zstd"


@dataclass(frozen=True, kw_only=True)
class UnitRecord:
    """What a unit's part says of itself; ``data_sha256`` is of its first ``data_bytes`` bytes: all but the footer."""

    unit: str
    rows_read: int
    rows_in: int  # rows_read less those that --where left out
    rows_scored: int
    rows_rejected: int
    rows_abstained: int  # of the scored ones
    run: str  # fingerprint of the run's identity: model, vectors, options that change answers
    profile: Mapping[str, Any]
    rejected_sha256: str | None = None  # of the whole rejected part, None where there is none
    data_sha256: str = ""
    data_bytes: int = 0


@dataclass(frozen=True)
class PartFooter:
    """A finished unit's record, and the hash of the footer that carries it."""

    record: UnitRecord
    footer_sha256: str


def part_name(unit: str) -> str:
    """Return the file name of a unit's part."""
    return f"part-{unit}.parquet"


def unit_of(name: str) -> str | None:
    """Return the unit of a part by its file name, None where it is no part's name."""
    unit = name.removeprefix("part-").removesuffix(".parquet")
    return unit if name == part_name(unit) else None


class _HashingBuffer(io.BytesIO):
    """A buffer that knows the hash of all that was written to it so far."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return super().write(data)


def serialise_table(table: pa.Table) -> memoryview:
    """Return a table as the bytes of a Parquet file whose pages carry checksums."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression=_COMPRESSION, write_page_checksum=True)
    return buffer.getbuffer()


def serialise_part(record: UnitRecord, scores: pa.Table) -> tuple[memoryview, UnitRecord]:
    """Return a unit's scores as the bytes of a Parquet file, and the completed record that its footer carries."""
    buffer = _HashingBuffer()
    writer = pq.ParquetWriter(buffer, scores.schema, compression=_COMPRESSION, write_page_checksum=True)
    writer.write_table(scores, row_group_size=_ROW_GROUP)
    record = replace(record, data_sha256=buffer.digest.hexdigest(), data_bytes=buffer.tell())
    writer.add_key_value_metadata({_RECORD_KEY: json.dumps(asdict(record))})
    writer.close()
    return buffer.getbuffer(), record


def read_footer(handle: Any) -> PartFooter:
    """Read the record at the end of an opened part; its rows are not read.

    Raises:
        ValueError, KeyError, TypeError, struct.error, pyarrow.ArrowException: the part is damaged.
    """
    size = handle.size()
    handle.seek(max(size - 8, 0))
    (length,) = struct.unpack("<I4x", handle.read(8))
    handle.seek(max(size - 8 - length, 0))
    footer_sha256 = hashlib.sha256(handle.read()).hexdigest()
    metadata = pq.read_metadata(handle).metadata
    return PartFooter(UnitRecord(**json.loads(metadata[_RECORD_KEY.encode()])), footer_sha256)
