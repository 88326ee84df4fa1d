"""A place is what it is, however it is spelled: characters of globs and of URIs, percent signs, secrets."""

import re
import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from tests.fixtures.listed import names
from w2vray.errors import CorpusError
from w2vray.places.uris import absolute, open_store
from w2vray.store import corpus as corpus_module
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files


@pytest.mark.parametrize("name", ["run[1]", "only[2024]", "what?", "a*b", "run[1"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_path_that_is_there_is_that_path_whatever_its_characters(tmp_path: Path, name: str, scheme: str) -> None:
    if scheme and "?" in name:
        pytest.skip("a question mark begins the options of a URI")
    for folder in (name, "run1", "only2", "what1", "axb"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"of {folder}.parquet").write_bytes(b"x")

    assert names(f"{scheme}{tmp_path}/{name}") == [f"of {name}.parquet"]
    assert names(f"{scheme}{tmp_path}/{name}/*.parquet") == [f"of {name}.parquet"]


def test_brackets_are_a_glob_where_no_such_name_is_there(tmp_path: Path) -> None:
    for folder in ("run1", "run2", "run3"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.parquet").write_bytes(b"x")

    assert names(f"{tmp_path}/run[12]") == ["run1/run1.parquet", "run2/run2.parquet"]


@pytest.mark.parametrize("folder", ["my folder", "100%", "a#b", "größe"])
def test_a_uri_may_be_written_as_its_path_is_read(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "x.parquet").write_bytes(b"x")

    assert names(f"file://{tmp_path}/{folder}") == ["x.parquet"]


@pytest.mark.parametrize(
    ("argument", "root", "expected"),
    [
        ("lang=en", "lang=en", ["1.parquet", "2.parquet"]),
        ("lang=en/", "lang=en", ["1.parquet", "2.parquet"]),
        ("lang=en/1.parquet", "lang=en", ["1.parquet"]),
        ("lang=*/1.parquet", "", ["lang=en/1.parquet"]),
        ("lang=*/", "", ["lang=de/year=2020/1.parquet", "lang=en/1.parquet", "lang=en/2.parquet"]),
    ],
)
@pytest.mark.parametrize("query", ["", "?use_mmap=true"], ids=["plain", "with options"])
def test_a_uri_is_what_its_path_is_and_keeps_its_options(
    folder: Path, argument: str, root: str, expected: list[str], query: str
) -> None:
    found = find_corpus([f"file://{folder}/{argument}{query}"])

    assert found.roots == (f"file://{folder}/{root}".rstrip("/") + query,)
    assert [file.name for file in found.files] == expected
    assert open_store(found.roots[0])[1] == f"{folder}/{root}".rstrip("/")


def test_a_file_behind_a_percent_encoded_uri_is_found_by_its_real_name(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a folder" / "a file.parquet")

    found = find_corpus([f"file://{tmp_path}/a%20folder/a%20file.parquet"])

    assert [file.name for file in found.files] == ["a file.parquet"]
    files, bad = describe_files(found, found.files, ["text"])
    assert (len(files), bad) == (1, {})


@pytest.mark.parametrize(
    "argument",
    [
        "s4://user:s3cr3t@bucket/data?token=s3cr3t",
        "s4://s3cr3t@bucket/*.parquet?token=s3cr3t",
        "file://s3cr3t@host/data?token=s3cr3t",
    ],
)
def test_a_uri_that_cannot_be_opened_is_refused_without_its_secrets(argument: str) -> None:
    with pytest.raises(CorpusError, match="cannot be opened") as refused:
        find_corpus([argument])

    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))
    assert re.split("[@/]", argument)[3] in str(refused.value)


def test_the_secrets_of_a_uri_are_in_no_message_and_no_place(folder: Path) -> None:
    found = find_corpus([f"file://{folder}/lang=en?token=s3cr3t"])
    assert "s3cr3t" in found.roots[0], "workers need it"

    assert found.place(found.files[0]) == f"file://{folder}/lang=en/1.parquet"
    for argument in ("nowhere?token=s3cr3t", "x*?token=s3cr3t"):
        with pytest.raises(CorpusError) as refused:
            find_corpus([f"file://{folder}/{argument}"])
        assert "s3cr3t" not in str(refused.value)
    with pytest.raises(CorpusError, match="its rows would be read twice") as refused:
        find_corpus([found.roots[0], found.roots[0]])
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("argument", "root", "expected"),
    [
        ("/one.parquet", "/", ["one.parquet"]),
        ("/", "/", ["folder/two.parquet", "one.parquet"]),
        ("/*.parquet", "/", ["one.parquet"]),
    ],
)
def test_a_store_may_lie_in_the_filesystems_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, root: str, expected: list[str]
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("one.parquet", "folder/two.parquet"):
        pq.write_table(pa.table({"text": ["a"]}), tmp_path / name)
    inside = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(corpus_module, "open_store", lambda place: (inside, absolute(place)))

    found = find_corpus([argument])

    assert found.roots == (root,)
    assert [file.name for file in found.files] == expected


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(CorpusError, match="holds a character of value zero"):
        find_corpus(["/tmp/a\0b"])
