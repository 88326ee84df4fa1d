import hashlib
import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from w2vray.cluster.parts import (
    PartFooter,
    UnitRecord,
    part_name,
    read_footer,
    serialise_part,
    serialise_table,
    unit_of,
)

DAMAGED = (OSError, ValueError, KeyError, TypeError, struct.error, pa.ArrowException)
RECORD = UnitRecord(
    unit="0123456789abcdef0123",
    rows_read=7,
    rows_in=5,
    rows_scored=4,
    rows_rejected=1,
    rows_abstained=2,
    run="f" * 64,
    profile={"device": "cpu", "scoring_version": 1},
    rejected_sha256="e" * 64,
)
SCORES = pa.table(
    {
        "source_file": ["a.parquet"] * 4,
        "source_row": pa.array([0, 2, 3, 4], pa.int64()),
        "label": ["yes", "no", None, "yes"],
        "score": pa.array([0.5, 0.75, None, 1.0], pa.float32()),
    }
)


def sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def footer_of(data: bytes) -> PartFooter:
    return read_footer(pa.BufferReader(data))


@pytest.mark.parametrize("scores", [SCORES, SCORES[:0]], ids=["rows", "no rows"])
def test_a_parts_footer_carries_its_units_record(tmp_path: Path, scores: pa.Table) -> None:
    data, written = serialise_part(RECORD, scores)
    (tmp_path / "part.parquet").write_bytes(data)

    with fs.LocalFileSystem().open_input_file(str(tmp_path / "part.parquet")) as handle:
        footer = read_footer(handle)

    assert footer.record == written
    assert replace(written, data_sha256="", data_bytes=0) == RECORD
    assert pq.read_table(tmp_path / "part.parquet").equals(scores)


def test_the_two_hashes_are_of_the_rows_and_of_the_footer_and_leave_no_byte_out() -> None:
    data, written = serialise_part(RECORD, SCORES)

    assert written.data_sha256 == sha256(data[: written.data_bytes])
    assert footer_of(bytes(data)).footer_sha256 == sha256(data[written.data_bytes :])
    (length,) = struct.unpack("<I", data[-8:-4])
    assert written.data_bytes + length + 8 == len(data)


def test_a_record_without_rejected_rows_says_none() -> None:
    data, _ = serialise_part(replace(RECORD, rejected_sha256=None), SCORES)

    assert footer_of(bytes(data)).record.rejected_sha256 is None


def test_the_same_unit_gives_the_same_bytes() -> None:
    first, _ = serialise_part(RECORD, SCORES)
    again, _ = serialise_part(RECORD, SCORES)

    assert bytes(first) == bytes(again)


def test_other_scores_give_another_hash() -> None:
    _, written = serialise_part(RECORD, SCORES)
    other = SCORES.set_column(3, "score", pa.array([0.5, 0.75, None, 0.99], pa.float32()))

    _, with_other_scores = serialise_part(RECORD, other)

    assert with_other_scores.data_sha256 != written.data_sha256


def test_any_flipped_byte_is_noticed_by_comparing_hashes() -> None:
    data, written = serialise_part(RECORD, SCORES)
    intact = bytes(data)
    footer = footer_of(intact)

    for place in range(len(intact)):
        damaged = intact[:place] + bytes([intact[place] ^ 0x10]) + intact[place + 1 :]
        try:
            found: PartFooter | None = footer_of(damaged)
        except DAMAGED:
            found = None
        same_rows = sha256(damaged[: written.data_bytes]) == footer.record.data_sha256
        assert not (found == footer and same_rows), f"byte {place}"


def test_a_truncated_part_is_damaged_wherever_it_ends() -> None:
    data = bytes(serialise_part(RECORD, SCORES)[0])

    for length in range(len(data)):
        with pytest.raises(DAMAGED):
            footer_of(data[:length])


def test_a_parquet_file_that_is_no_part_is_damaged() -> None:
    with pytest.raises(DAMAGED):
        footer_of(bytes(serialise_table(SCORES)))


@pytest.mark.parametrize("write", [serialise_table, lambda table: serialise_part(RECORD, table)[0]])
def test_pages_carry_checksums_that_a_reader_can_check(write: Any) -> None:
    random = pa.table({"label": [sha256(str(row).encode()) for row in range(200)]})  # nothing to compress
    data = bytearray(write(random))
    assert pq.read_table(io.BytesIO(data), page_checksum_verification=True).equals(random)

    data[len(data) // 4] ^= 1

    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(io.BytesIO(data), page_checksum_verification=True)


def test_a_part_of_many_rows_is_cut_into_row_groups() -> None:
    rows = (1 << 17) + 5
    many = pa.table({"source_row": pa.array(range(rows), pa.int64())})

    data, written = serialise_part(RECORD, many)

    metadata = pq.read_metadata(io.BytesIO(data))
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [1 << 17, 5]
    assert footer_of(bytes(data)).record == written


def test_a_parts_name_tells_its_unit() -> None:
    assert part_name("0123abcd") == "part-0123abcd.parquet"
    assert unit_of(part_name("0123abcd")) == "0123abcd"


@pytest.mark.parametrize(
    "name",
    ["0123.parquet", "part-0123", "part-0123.parquet.tmp", "_SUCCESS", ".part-0123.parquet", "part-0123.parquet.crc"],
)
def test_other_names_are_no_units(name: str) -> None:
    assert unit_of(name) is None
