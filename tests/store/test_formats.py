"""A file's format is told by its name and its content; here with a second format beside Parquet."""

import hashlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.places.uris import open_store
from w2vray.schema import FileReason
from w2vray.store.corpus import Corpus, SourceFile, find_corpus
from w2vray.store.description import Description, ReadAs, Stretch
from w2vray.store.failures import Failure
from w2vray.store.formats import FORMATS, describe_file
from w2vray.store.reading import read_unit
from w2vray.store.units import Piece, plan_units

TABLE = pa.table({"text": [f"text {number}" for number in range(5)], "n": range(5)})


class ArrowFile:
    """Arrow's own files; their stretches are record batches, counted from 0."""

    name = "arrow"
    endings = frozenset(["arrow", "feather"])
    magic = b"ARROW1"
    damaged = FileReason.DAMAGED_DATA

    def describe(self, handle: Any, file: SourceFile, _: Sequence[str], __: ReadAs) -> Description:
        """Describe an opened file."""
        reader = pa.ipc.open_file(handle)
        batches = [reader.get_batch(index) for index in range(reader.num_record_batches)]
        return Description(
            file=file,
            format=self.name,
            schema=reader.schema,
            stretches=tuple(
                Stretch(index, index + 1, batch.num_rows, batch.nbytes) for index, batch in enumerate(batches)
            ),
            fingerprint=hashlib.sha256(reader.schema.serialize()).hexdigest(),
        )

    def read(
        self, handle: Any, piece: Piece, columns: Sequence[str], _: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file."""
        reader = pa.ipc.open_file(handle)
        for index in range(piece.start, piece.stop):
            yield reader.get_batch(index).select([name for name in columns if name in reader.schema.names])


@pytest.fixture
def arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stores have Arrow's files, too."""
    monkeypatch.setitem(FORMATS, "arrow", ArrowFile())


def write_arrow(path: Path, table: pa.Table = TABLE) -> None:
    """Write an Arrow file with two rows a batch."""
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def described(folder: Path) -> tuple[Corpus, dict[str, Description | Failure]]:
    """Each file of a folder, described in this process."""
    corpus = find_corpus([str(folder)])
    return corpus, {file.name: describe_file(*open_store(str(folder)), file, ["text"]) for file in corpus.files}


@pytest.mark.usefixtures("arrow")
def test_files_of_two_formats_are_one_store(tmp_path: Path) -> None:
    write_arrow(tmp_path / "a.arrow")
    pq.write_table(TABLE, tmp_path / "b.parquet", row_group_size=3)

    corpus, files = described(tmp_path)
    plan = plan_units([item for item in files.values() if isinstance(item, Description)])
    rows = [
        (row["w2vray.source_file"], row["w2vray.source_row"], row["text"], row["n"])
        for unit in plan
        for batch in read_unit(unit, corpus.roots, ("text", "n"))
        for row in batch.to_pylist()
    ]

    assert [(piece.file, piece.format, piece.start, piece.stop) for unit in plan for piece in unit.pieces] == [
        ("a.arrow", "arrow", 0, 3),
        ("b.parquet", "parquet", 0, 2),
    ]
    assert rows == [(name, row, f"text {row}", row) for name in ("a.arrow", "b.parquet") for row in range(5)]


@pytest.mark.usefixtures("arrow")
@pytest.mark.parametrize("name", ["x.arrow", "X.FEATHER", "x.parquet", "x.bin", "x"])
@pytest.mark.parametrize(
    ("written", "expected"), [(write_arrow, "arrow"), (lambda p: pq.write_table(TABLE, p), "parquet")]
)
def test_content_decides_whatever_the_name(tmp_path: Path, name: str, written: Any, expected: str) -> None:
    written(tmp_path / name)

    (found,) = described(tmp_path)[1].values()

    assert isinstance(found, Description)
    assert (found.format, found.rows, found.schema.names) == (expected, 5, ["text", "n"])


@pytest.mark.usefixtures("arrow")
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("x.parquet", b"PAR1 and no end", FileReason.TRUNCATED, id="half a Parquet file"),
        pytest.param("x.arrow", b"ARROW1 and no end", FileReason.DAMAGED_DATA, id="half an Arrow file"),
        pytest.param(
            "x.parquet", b"ARROW1 and no end", FileReason.DAMAGED_DATA, id="half an Arrow file by another name"
        ),
        pytest.param("x.arrow", b"id,text", FileReason.DAMAGED_DATA, id="CSV by another name"),
        pytest.param("x.orc", b"ORC", FileReason.UNKNOWN_FORMAT, id="ORC"),
        pytest.param("x.jsonl", b"id,text", FileReason.UNKNOWN_FORMAT, id="CSV by the name of JSON Lines"),
        pytest.param("x.txt", b"words", FileReason.NOT_DATA, id="a text"),
    ],
)
def test_a_file_of_no_format_has_a_reason(tmp_path: Path, name: str, content: bytes, reason: FileReason) -> None:
    """The reason comes from the format that the file starts as, or else from the one that its name tells."""
    (tmp_path / name).write_bytes(content)

    (found,) = described(tmp_path)[1].values()

    assert isinstance(found, Failure)
    assert found.reason == reason


@pytest.mark.usefixtures("arrow")
def test_what_is_no_data_is_told_which_formats_are_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"words")

    (found,) = described(tmp_path)[1].values()

    assert str(found) == (
        "not_data: neither its content nor its name is of a format that w2vray reads (parquet, jsonl, csv, fasttext, "
        "arrow); give --format if you know it"
    )


def test_a_new_formats_endings_are_those_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a file of that name is never left out as if it were a card or a checksum."""
    (tmp_path / "x.rows").write_bytes(b"")
    before = described(tmp_path)[1]["x.rows"]
    rows = ArrowFile()
    rows.endings = frozenset(["rows"])
    rows.damaged = FileReason.ZERO_BYTES  # one of the reasons that only a file with a name of data is left out for
    monkeypatch.setitem(FORMATS, "arrow", rows)

    after = described(tmp_path)[1]["x.rows"]

    assert [item.reason for item in (before, after) if isinstance(item, Failure)] == ["not_data", "zero_bytes"]
