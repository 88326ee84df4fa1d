"""What is left out by its name or its kind is counted: in the summary, in manifest.json and by ``verify --deep``."""

import bz2
import gzip
import io
import json
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.errors import CorpusError
from w2vray.run.verify import verify
from w2vray.settings.checks import VerifySettings
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.labelled import labelled_units
from w2vray.store.preflight import Columns, whole_store

Scored = Callable[..., tuple[Any, list[dict[str, Any]]]]

HIDDEN = "hidden, a name in the path begins with . or _"
NO_DATA = "neither content nor name says that it is data"
SPECIAL = "not a plain file"
NO_ROWS = "no rows in it"
UNFINISHED = "a temporary file or a backup, by its name"
PACKED = "packed, and may hold rows: unpack what does"
AGAIN = "another way to a file that is read"


def write(file: Path, *texts: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(texts, pa.string())}), file)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """One file of rows, and something of each kind that is not read."""
    folder = tmp_path / "store"
    write(folder / "a.parquet", "bab", "dab")
    write(folder / ".hidden.parquet", "bab")
    write(folder / "_temporary" / "0" / "b.parquet", "bab")
    write(folder / ".cache" / "c.parquet", "bab")
    write(folder / "empty.parquet")
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / ".a.parquet.crc").write_bytes(b"crc")
    for name in ("README.md", "LICENSE", "cover.png", "a.parquet.sha256", "notes.txt", "part-0_$folder$"):
        (folder / name).write_bytes(b"" if "$" in name else b"something")
    (folder / "images").mkdir()
    (folder / "images" / "x.JPG").write_bytes(b"\xff\xd8")
    (folder / "again.parquet").symlink_to(folder / "a.parquet")
    os.mkfifo(folder / "pipe.parquet")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path is short
        try:
            listening.bind("socket.parquet")
        finally:
            os.chdir(here)
    return folder


COUNTED = {HIDDEN: 5, AGAIN: 1, SPECIAL: 2, NO_DATA: 7, NO_ROWS: 1}


def test_each_is_counted_in_the_summary_in_the_manifest_and_by_verify(
    store: Path, scored: Scored, tmp_path: Path
) -> None:
    summary, rows = scored(store)

    assert (summary.exit_code, len(rows), summary.ignored) == (0, 2, COUNTED)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["ignored"] == COUNTED
    assert verify(VerifySettings(run=str(tmp_path / "run"), deep=True)).ignored == COUNTED
    assert "1 file not read: no rows in it (empty.parquet)" in summary.notes


def test_training_and_evaluation_count_them_too(store: Path) -> None:
    notes = "\n".join(labelled_units([str(store)], ("text",), "label").notes)

    for why, count in COUNTED.items():
        assert f"{count} {'file' if count == 1 else 'files'} not read: {why}" in notes


def test_so_does_a_store_that_vectors_are_trained_on(store: Path) -> None:
    corpus, found = whole_store([str(store)], Columns(("text",)))

    assert corpus.ignored.files == COUNTED
    assert sum(file.rows for file in found.files) == 2


def archive(kind: str) -> bytes:
    """A packed table, or the first bytes of one."""
    made = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=made, mode="w") as packed:
            packed.addfile(tarfile.TarInfo("a.csv"), io.BytesIO())
    elif kind == "zip":
        with zipfile.ZipFile(made, "w") as packed:
            packed.writestr("a.csv", "id,text")
    return made.getvalue() or {"7z": b"7z\xbc\xaf\x27\x1c\0\4", "rar": b"Rar!\x1a\x07\x01\0"}[kind]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("b.tar", archive("tar"), "a tar archive"),
        ("b.zip", archive("zip"), "a ZIP archive"),
        ("b.7z", archive("7z"), "a 7z archive"),
        ("b.rar", archive("rar"), "a RAR archive"),
        ("b.tgz", gzip.compress(archive("tar")), "packed with gzip"),
        ("b.gz", gzip.compress(b"some words"), "packed with gzip"),
        ("b.bz2", bz2.compress(b"id,text\n1,bab\n"), "packed with bzip2"),
        ("b.db", b"SQLite format 3\0...", "an SQLite database"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # bytes of gzip say when they were made
)
def test_what_is_packed_beside_data_is_named_with_its_kind(
    name: str, content: bytes, kind: str, scored: Scored, tmp_path: Path
) -> None:
    """Nobody knows what is in it: the run is complete, and says what it did not look into."""
    write(tmp_path / "store" / "a.parquet", "bab")
    (tmp_path / "store" / name).write_bytes(content)

    summary, rows = scored(tmp_path / "store")

    assert (summary.exit_code, len(rows), summary.ignored) == (0, 1, {PACKED: 1})
    assert f"1 file not read: {PACKED} ({name}: {kind})" in summary.notes


@pytest.mark.parametrize(
    ("content", "exit_code"),
    [
        ('[{"text": "dab"},\n {"text": "dab"}]', 3),
        ('[{"id": 1, "text" : "dab"}' + ", 1" * 200_000 + "]", 3),  # longer than what is looked at
        ('[{"name": "dab"}]', 0),
    ],
)
def test_a_json_array_beside_data_is_named_and_missing_where_it_has_the_columns(
    content: str, exit_code: int, scored: Scored, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.jsonl").write_text('{"text": "bab"}\n')
    (tmp_path / "store" / "b.json").write_text(content)

    summary, rows = scored(tmp_path / "store")

    assert (summary.exit_code, len(rows)) == (exit_code, 1)
    told = summary.left_out["b.json"] if exit_code else "\n".join(summary.notes)
    assert "it is one JSON array, and not an object on each line: convert it, as with `jq -c" in told


def test_an_archive_whose_name_says_that_it_holds_rows_is_missing(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", "bab")
    (tmp_path / "store" / "b.csv.zip").write_bytes(archive("zip"))

    summary, _ = scored(tmp_path / "store")

    assert summary.exit_code == 3
    assert "it is a ZIP archive" in summary.left_out["b.csv.zip"]


@pytest.mark.parametrize(
    "name",
    ["a.csv.tmp", "a.csv~", "~$a.csv", "a.csv.swp", "a.csv.bak", "#a.csv#", "a.csv.part", "part-0-0.inprogress.4d-2"],
)
def test_a_file_that_is_still_written_is_counted_and_not_read(name: str, scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for each in ("a.csv", name, ".#a.csv"):
        (tmp_path / "store" / each).write_text("id,text\n1,bab\n")
    (tmp_path / "store" / "_temporary" / "0").mkdir(parents=True)
    (tmp_path / "store" / "_temporary" / "0" / "b.csv").write_text("id,text\n2,bab\n")

    summary, rows = scored(tmp_path / "store")

    assert (summary.exit_code, [row["source_file"] for row in rows]) == (0, ["a.csv"])
    assert summary.ignored == {UNFINISHED: 1, HIDDEN: 2}
    assert f"1 file not read: {UNFINISHED} ({name})" in summary.notes


@pytest.mark.parametrize("name", ["a.old.csv", "tmp.csv", "a.tmp/b.csv", "pending.csv", "#1.csv"])
def test_a_name_that_only_has_such_a_word_in_it_is_data(name: str, scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store" / name).parent.mkdir(parents=True)
    (tmp_path / "store" / name).write_text("id,text\n1,bab\n")

    _, rows = scored(tmp_path / "store")

    assert [row["source_file"] for row in rows] == [name]


def test_a_file_that_somebody_names_is_read_whatever_its_name_is(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "a.csv.bak").write_text("id,text\n1,bab\n")

    _, rows = scored(tmp_path / "a.csv.bak")

    assert [row["source_file"] for row in rows] == ["a.csv.bak"]


@pytest.mark.parametrize("name", ["b.parquet", "deep/b.parquet"])
def test_a_link_to_nothing_is_told_and_not_left_out_in_silence(name: str, scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", "bab")
    (tmp_path / "store" / "deep").mkdir()
    (tmp_path / "store" / name).symlink_to(tmp_path / "nowhere")

    summary, rows = scored(tmp_path / "store")

    assert (summary.exit_code, len(rows)) == (3, 1)
    assert summary.left_out[name].startswith("vanished: ")


def test_zero_bytes_where_rows_are_expected_are_a_file_that_was_lost(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", "bab")
    (tmp_path / "store" / "b.parquet").write_bytes(b"")

    summary, _ = scored(tmp_path / "store")

    assert (summary.exit_code, summary.left_out) == (3, {"b.parquet": "zero_bytes: it has zero bytes"})


def test_a_folder_that_may_not_be_read_ends_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "store" / "a.parquet", "bab")
    write(tmp_path / "store" / "shut" / "b.parquet", "bab")
    scandir = os.scandir

    def refuse(place: Any) -> Any:
        if str(place).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(place))  # root may read it all the same
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(CorpusError, match=r"store cannot be listed .*Permission denied.*shut"):
        find_corpus([str(tmp_path / "store")])


def test_a_file_that_goes_between_listing_and_planning_is_told(tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", "bab")
    corpus = find_corpus([str(tmp_path / "store")])
    (tmp_path / "store" / "a.parquet").unlink()

    _, bad = describe_files(corpus, corpus.files, ["text"])

    assert [failure.reason for failure in bad.values()] == ["vanished"]


@pytest.mark.parametrize("name", ["empty.parquet", "notes.txt"])
def test_what_was_left_out_and_has_rows_now_is_a_problem(name: str, scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", "bab")
    write(tmp_path / "store" / "empty.parquet")
    (tmp_path / "store" / "notes.txt").write_text("notes")
    scored(tmp_path / "store")

    write(tmp_path / "store" / name, "bab", "dab")
    proof = verify(VerifySettings(run=str(tmp_path / "run"), deep=True))

    (problem,) = proof.problems
    assert problem.startswith(f"{name} was left out (")
    assert "and has changed since" in problem
