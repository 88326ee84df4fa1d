import io
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from w2vray.run.parts import CommittedPart, UnitRecord, part_name, read_part, unit_of
from w2vray.run.sealed import seal

RECORD = UnitRecord(
    unit="0123456789abcdef0123",
    rows_read=7,
    rows_in=5,
    rows_scored=4,
    rows_rejected=1,
    rows_abstained=2,
    rows_truncated=1,
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


def footer_of(data: bytes | memoryview) -> CommittedPart:
    return read_part(pa.PythonFile(io.BytesIO(data), mode="r"))


@pytest.mark.parametrize("scores", [SCORES, SCORES[:0]], ids=["rows", "no rows"])
def test_a_parts_footer_carries_its_units_record(tmp_path: Path, scores: pa.Table) -> None:
    data, made = seal(scores, asdict(RECORD))
    written = CommittedPart(RECORD, made)
    (tmp_path / "part.parquet").write_bytes(data)

    with fs.LocalFileSystem().open_input_file(str(tmp_path / "part.parquet")) as handle:
        footer = read_part(handle)

    assert footer == written
    assert footer.record == RECORD
    assert pq.read_table(tmp_path / "part.parquet").equals(scores)


def test_a_record_without_rejected_rows_says_none() -> None:
    data, _ = seal(SCORES, asdict(replace(RECORD, rejected_sha256=None)))

    assert footer_of(data).record.rejected_sha256 is None


def test_the_same_unit_gives_the_same_bytes() -> None:
    first, _ = seal(SCORES, asdict(RECORD))
    again, _ = seal(SCORES, asdict(RECORD))

    assert bytes(first) == bytes(again)


def test_a_sealed_file_that_is_no_part_is_refused() -> None:
    data, _ = seal(SCORES, {**asdict(RECORD), "colour": "red"})

    with pytest.raises(TypeError, match="colour"):
        footer_of(data)


def test_a_parts_name_tells_its_unit() -> None:
    assert part_name("0123abcd") == "part-0123abcd.parquet"
    assert unit_of(part_name("0123abcd")) == "0123abcd"


@pytest.mark.parametrize(
    "name",
    ["0123.parquet", "part-0123", "part-0123.parquet.tmp", "_SUCCESS", ".part-0123.parquet", "part-0123.parquet.crc"],
)
def test_other_names_are_no_units(name: str) -> None:
    assert unit_of(name) is None
