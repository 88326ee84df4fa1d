"""What the files of a store say of themselves is told, and what cannot be read stops nothing."""

import io
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.store import describing
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.description import ANY
from w2vray.store.failures import Failure


@pytest.fixture
def parquet_folder(tmp_path: Path) -> Path:
    """Two files of rows, and three that are none."""
    table = pa.table({"text": ["some text"] * 5, "title": ["a"] * 5, "n": range(5)})
    (tmp_path / "store").mkdir()
    pq.write_table(table, tmp_path / "store" / "a.parquet", row_group_size=2)
    pq.write_table(table[:0], tmp_path / "store" / "c.parquet")
    (tmp_path / "store" / "b.parquet").touch()
    (tmp_path / "store" / "d.parquet").write_text("this is a text and no Parquet file")
    data = (tmp_path / "store" / "a.parquet").read_bytes()
    (tmp_path / "store" / "e.parquet").write_bytes(data[: len(data) // 2])
    return tmp_path / "store"


def test_footers_tell_schema_and_rows_of_each_row_group(parquet_folder: Path) -> None:
    found = find_corpus([str(parquet_folder)])

    files, _ = describe_files(found, found.files, ["text"])

    assert [described.file.name for described in files] == ["a.parquet", "c.parquet"]
    assert [stretch.rows for stretch in files[0].stretches] == [2, 2, 1]
    assert files[1].rows == 0
    assert files[0].schema.names == ["text", "title", "n"]


def test_read_bytes_are_those_of_the_text_columns_only(parquet_folder: Path) -> None:
    found = find_corpus([str(parquet_folder / "a.parquet")])
    metadata = pq.read_metadata(parquet_folder / "a.parquet")

    def read_bytes(*columns: str) -> tuple[int, ...]:
        ((described,), _) = describe_files(found, found.files, columns)
        return tuple(stretch.read_bytes for stretch in described.stretches)

    sizes = [
        [metadata.row_group(group).column(column).total_uncompressed_size for column in range(3)] for group in range(3)
    ]
    assert read_bytes("text") == tuple(size[0] for size in sizes)
    assert read_bytes("text", "title") == tuple(size[0] + size[1] for size in sizes)
    assert read_bytes("nowhere") == (0, 0, 0)


def test_files_that_are_not_parquet_are_told_with_the_reason_and_stop_nothing(parquet_folder: Path) -> None:
    found = find_corpus([str(parquet_folder)])

    files, bad = describe_files(found, found.files, ["text"])

    assert {file.name for file in bad} == {"b.parquet", "d.parquet", "e.parquet"}
    assert all(isinstance(item, Failure) for item in bad.values())
    assert {file.name: item.reason for file, item in bad.items()} == {
        "b.parquet": "zero_bytes",
        "d.parquet": "unknown_format",
        "e.parquet": "truncated",
    }
    assert all("\n" not in item.detail for item in bad.values())
    assert len(files) + len(bad) == len(found.files)


def test_a_file_that_vanished_is_a_bad_file(parquet_folder: Path) -> None:
    found = find_corpus([str(parquet_folder / "a.parquet")])
    (parquet_folder / "a.parquet").unlink()

    files, bad = describe_files(found, found.files, ["text"])

    assert files == []
    assert [file.name for file in bad] == ["a.parquet"]


def test_a_column_name_that_is_not_utf8_makes_a_bad_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "größe": [1]}), tmp_path / "a.parquet", store_schema=False)
    data = (tmp_path / "a.parquet").read_bytes()
    assert data.count("größe".encode()) >= 1
    (tmp_path / "a.parquet").write_bytes(data.replace("größe".encode(), b"gr\xff\xff\xff\xffe"[:7]))
    found = find_corpus([str(tmp_path)])

    files, bad = describe_files(found, found.files, ["text"])

    assert files == []
    assert [file.name for file in bad] == ["a.parquet"]


def test_only_the_files_asked_for_are_read(parquet_folder: Path) -> None:
    found = find_corpus([str(parquet_folder)])

    files, bad = describe_files(found, found.files[:1], ["text"])

    assert [described.file.name for described in files] == ["a.parquet"]
    assert bad == {}


def test_files_are_described_where_no_thread_can_be_started(
    parquet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    corpus = find_corpus([str(parquet_folder)])
    request: dict[str, Any] = {"roots": corpus.roots, "columns": ["text"], "read_as": asdict(ANY), "named": []}
    request["files"] = [[file.root, file.name, file.size, file.mtime_ns] for file in corpus.files]
    expected, output = io.BytesIO(), io.BytesIO()
    describing._answer(request, expected)
    monkeypatch.setattr(threading.Thread, "start", full)
    describing._answer(request, output)
    assert sorted(output.getvalue().splitlines()) == sorted(expected.getvalue().splitlines())
