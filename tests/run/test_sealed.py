"""A sealed file says of itself whether it is as it was written, before Arrow parses it."""

import io
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import W2vrayError
from w2vray.run.sealed import SealedWriter, check_rows, read_seal, read_sealed, seal

TABLE = pa.table({"text": ["a", None, '"footer_sha256": "' + "0" * 64], "row": [1, 2, 3]})
SEALED = bytes(seal(TABLE, {"rows": 3})[0])


def handle_of(data: bytes) -> pa.PythonFile:
    return pa.PythonFile(io.BytesIO(data), mode="r")


def test_a_sealed_file_is_a_parquet_file_that_carries_a_record() -> None:
    assert pq.read_table(io.BytesIO(SEALED)).equals(TABLE)
    assert read_seal(handle_of(SEALED)).record == {"rows": 3}
    assert read_sealed(SEALED).equals(TABLE)


def test_the_two_hashes_are_of_the_rows_and_of_the_footer_and_leave_no_byte_out() -> None:
    found = read_seal(handle_of(SEALED)).seal

    assert found.data_sha256 == sha256(SEALED[: found.data_bytes]).hexdigest()
    footer = SEALED[found.data_bytes :]
    assert found.footer_sha256 == sha256(footer.replace(found.footer_sha256.encode(), b"0" * 64)).hexdigest()


def test_any_flipped_bit_is_noticed() -> None:
    for place in range(len(SEALED)):
        damaged = bytearray(SEALED)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(W2vrayError):
            read_sealed(bytes(damaged))


def test_any_shorter_file_is_noticed() -> None:
    for length in range(len(SEALED)):
        with pytest.raises(W2vrayError):
            read_sealed(SEALED[:length])


@given(garbage=st.binary(max_size=200), place=st.integers(0, len(SEALED)))
def test_bytes_put_in_anywhere_are_noticed(garbage: bytes, place: int) -> None:
    changed = SEALED[:place] + garbage + SEALED[place:]
    if changed != SEALED:
        with pytest.raises(W2vrayError):
            read_sealed(changed)


def test_a_flipped_bit_of_the_rows_is_noticed_without_reading_them_at_once() -> None:
    rows = seal(pa.table({"text": [sha256(str(row).encode()).hexdigest() for row in range(60_000)]}))[0]
    damaged = bytearray(rows)
    damaged[2_000_000] ^= 1  # behind the first piece that is hashed
    found = read_seal(handle_of(bytes(damaged))).seal

    check_rows(handle_of(bytes(rows)), found)
    with pytest.raises(W2vrayError, match="not those that were written"):
        check_rows(handle_of(bytes(damaged)), found)


def test_it_is_read_without_other_threads(tmp_path: Path) -> None:
    """One that still held the bytes when the process ends would abort it."""
    (tmp_path / "sealed").write_bytes(SEALED)
    program = """if True:
        import os, sys
        from pathlib import Path
        from w2vray.run.sealed import read_sealed
        data, before = Path(sys.argv[1]).read_bytes(), len(os.listdir("/proc/self/task"))
        for _ in range(5):
            read_sealed(data)
        print(len(os.listdir("/proc/self/task")) - before)
    """
    command = [sys.executable, "-c", program, str(tmp_path / "sealed")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"


def test_a_parquet_file_without_a_seal_is_refused() -> None:
    buffer = io.BytesIO()
    pq.write_table(TABLE[:2], buffer)
    with pytest.raises(W2vrayError, match="carries no seal"):
        read_sealed(buffer.getvalue())


def test_pages_carry_checksums_that_any_reader_can_check() -> None:
    random = pa.table({"label": [sha256(str(row).encode()).hexdigest() for row in range(200)]})  # nothing to compress
    data = bytearray(seal(random)[0])
    assert pq.read_table(io.BytesIO(data), page_checksum_verification=True).equals(random)
    data[len(data) // 4] ^= 1
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(io.BytesIO(data), page_checksum_verification=True)


def test_many_rows_are_cut_into_row_groups() -> None:
    rows = (1 << 17) + 5
    data, _ = seal(pa.table({"source_row": pa.array(range(rows), pa.int64())}))
    metadata = pq.read_metadata(io.BytesIO(data))
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [1 << 17, 5]


@given(
    rows=st.lists(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=9), max_size=9),
    row_group=st.integers(1, 20),
    row_group_bytes=st.integers(1, 300),
)
def test_a_file_that_is_written_batch_by_batch_holds_the_rows_of_all(
    rows: list[list[str | None]], row_group: int, row_group_bytes: int
) -> None:
    batches = [pa.record_batch({"text": pa.array(texts, pa.string())}) for texts in rows]
    schema = pa.schema([("text", pa.string())])
    buffer = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("w2vray.run.sealed._ROW_GROUP", row_group)
        patch.setattr("w2vray.run.sealed._ROW_GROUP_BYTES", row_group_bytes)
        writer = SealedWriter(buffer, schema)
        for batch in batches:
            writer.write(batch)
        writer.close({"batches": len(batches)})
    written = buffer.getvalue()
    assert read_sealed(written).equals(pa.Table.from_batches(batches, schema))
    assert read_seal(handle_of(written)).record == {"batches": len(batches)}
    assert writer.file_sha256 == sha256(written).hexdigest()


def test_a_row_group_ends_where_its_rows_take_much_memory() -> None:
    batch = pa.record_batch({"html": ["x" * 100_000] * 100})  # 10 MB
    buffer, sizes = io.BytesIO(), []
    writer = SealedWriter(buffer, batch.schema)
    for _ in range(7):
        writer.write(batch)
        sizes.append(buffer.tell() > 4)
    writer.close()
    metadata = pq.read_metadata(io.BytesIO(buffer.getvalue()))
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [400, 300]
    assert sizes == [False] * 3 + [True] * 4, "the first rows leave memory with the fourth batch"


def test_a_writer_that_is_given_up_writes_nothing_more() -> None:
    buffer = io.BytesIO()
    writer = SealedWriter(buffer, TABLE.schema)
    writer.write(TABLE)
    before = buffer.tell()
    writer.abandon()
    assert buffer.tell() == before
