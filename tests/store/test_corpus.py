"""The files that arguments name are listed, each once; what is hidden is left out."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from tests.fixtures.listed import FILES, names
from w2vray.errors import CorpusError
from w2vray.store.corpus import Corpus, SourceFile, find_corpus, shared_files
from w2vray.store.globs import names_what_is_in
from w2vray.store.listing import list_folder

SEEN = sorted(name for name in FILES if not any(part.startswith((".", "_")) for part in name.split("/")))


def test_a_directory_is_all_files_below_it_but_hidden_ones(folder: Path) -> None:
    found = find_corpus([str(folder)])

    assert [file.name for file in found.files] == SEEN
    assert found.roots == (str(folder),)


def test_the_identity_of_a_file_is_its_name_size_and_time(folder: Path) -> None:
    os.utime(folder / "a.parquet", ns=(1, 1_700_000_000_000_000_123))

    first = find_corpus([str(folder)]).files[0]

    assert first == SourceFile(0, "a.parquet", len("a.parquet"), 1_700_000_000_000_000_123)


def test_a_file_is_itself_and_its_folder_is_the_root(folder: Path) -> None:
    found = find_corpus([str(folder / "lang=en" / "1.parquet")])

    assert found.roots == (str(folder / "lang=en"),)
    assert [(file.name, file.size) for file in found.files] == [("1.parquet", len("lang=en/1.parquet"))]


def test_a_file_that_is_named_itself_may_be_hidden(folder: Path) -> None:
    assert names(str(folder / "_SUCCESS")) == ["_SUCCESS"]


def test_a_hidden_directory_that_is_named_itself_is_searched(folder: Path) -> None:
    assert names(str(folder / "_temporary")) == ["x.parquet"]


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_slashes_behind_a_directory_make_no_difference(folder: Path, ending: str) -> None:
    found = find_corpus([f"{folder}{ending}"])

    assert found.roots == (str(folder),)
    assert [file.name for file in found.files] == SEEN


def test_a_relative_path_is_made_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)

    found = find_corpus(["store/lang=en"])

    assert found.roots == (str(folder / "lang=en"),)
    assert names("store/a*.parquet") == ["a.parquet", "axb.parquet"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.parquet", ["a.parquet", "axb.parquet"]),
        ("?.parquet", ["a.parquet"]),
        ("a?b.parquet", ["axb.parquet"]),
        ("a[xy]b.parquet", ["axb.parquet"]),
        ("a[!y]b.parquet", ["axb.parquet"]),
        ("[ab].*", ["a.parquet", "b.txt"]),
        ("lang=*/1.parquet", ["lang=en/1.parquet"]),
        ("lang=en/*.parquet", ["1.parquet", "2.parquet"]),
        ("*/*.parquet", ["a/b.parquet", "lang=en/1.parquet", "lang=en/2.parquet"]),
        ("lang=*", ["lang=de/year=2020/1.parquet", "lang=en/1.parquet", "lang=en/2.parquet"]),
        ("lang=*/", ["lang=de/year=2020/1.parquet", "lang=en/1.parquet", "lang=en/2.parquet"]),
        ("*/year=*", ["lang=de/year=2020/1.parquet"]),
        ("**/1.parquet", ["lang=de/year=2020/1.parquet", "lang=en/1.parquet"]),
        ("**/*.parquet", [name for name in SEEN if name.endswith(".parquet")]),
        ("**/still/*", ["deep/er/still/x.parquet"]),
        ("deep/**/x.parquet", ["er/still/x.parquet"]),
        ("lang=*/**/1.parquet", ["lang=de/year=2020/1.parquet", "lang=en/1.parquet"]),
        ("**/lang=*/**/*.parquet", ["lang=de/year=2020/1.parquet", "lang=en/1.parquet", "lang=en/2.parquet"]),
        ("**", SEEN),
        ("*", SEEN),
    ],
)
def test_a_glob_is_matched_folder_by_folder(folder: Path, pattern: str, expected: list[str]) -> None:
    assert names(f"{folder}/{pattern}") == expected


@pytest.mark.parametrize(
    "pattern", ["*.PARQUET", "x*", "a?b?c", "_*", ".h*", "**/_delta_log/*", "a[!x]b.parquet", "a.*/*"]
)
def test_a_glob_that_matches_nothing_is_refused_by_what_was_typed(folder: Path, pattern: str) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([f"{folder}/{pattern}"])

    assert str(refused.value).startswith(f"{folder}/{pattern} holds no file")


def test_the_root_of_a_glob_is_the_folder_before_the_first_wildcard(folder: Path) -> None:
    assert find_corpus([f"{folder}/lang=en/*.parquet"]).roots == (f"{folder}/lang=en",)
    assert find_corpus([f"{folder}/lang=*/1.parquet"]).roots == (str(folder),)


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/x.parquet", "nowhere/*.parquet"])
def test_a_path_that_is_not_there_is_refused_by_its_name(folder: Path, missing: str) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([str(folder), f"{folder}/{missing}"])

    assert str(refused.value) == f"{folder}/{missing} is not there"


@pytest.mark.parametrize("content", [(), ("_SUCCESS", ".hidden", "_x/a.parquet")], ids=["nothing", "only hidden"])
def test_a_directory_without_files_is_refused(tmp_path: Path, content: tuple[str, ...]) -> None:
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    for name in content:
        (tmp_path / "empty" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "empty" / name).write_bytes(b"x")

    with pytest.raises(CorpusError, match=r"empty holds no file; (it is empty|. files? not read: hidden)"):
        find_corpus([str(tmp_path / "empty")])


def test_several_arguments_are_several_roots_in_their_order(folder: Path) -> None:
    found = find_corpus([f"{folder}/lang=en", f"{folder}/a.parquet", f"{folder}/deep/*"])

    assert found.roots == (f"{folder}/lang=en", str(folder), f"{folder}/deep")
    assert [(file.root, file.name) for file in found.files] == [
        (0, "1.parquet"),
        (0, "2.parquet"),
        (1, "a.parquet"),
        (2, "er/still/x.parquet"),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("lang=en", "lang=en/1.parquet", id="folder and its file"),
        pytest.param("lang=en", "lang=en", id="the same folder"),
        pytest.param("lang=en/*", "lang=en/1*", id="two globs"),
        pytest.param(".", "lang=en", id="a folder and one in it"),
        pytest.param("lang=en", "lang=de/../lang=en", id="a path that goes up and down again"),
    ],
)
def test_a_file_that_two_arguments_name_is_refused_naming_both(folder: Path, first: str, second: str) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([f"{folder}/{first}", f"{folder}/{second}"])

    both = f"{folder}/{first} and {folder}/{second}"
    assert str(refused.value).endswith(
        f"1.parquet is in both {both}: its rows would be read twice; leave out one of them"
    )


def test_two_files_of_the_same_relative_name_are_refused(folder: Path) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([f"{folder}/lang=en", f"{folder}/lang=de/year=2020"])

    assert str(refused.value).startswith("1.parquet is in ")
    assert "rows could not be told apart" in str(refused.value)


def test_a_key_value_folder_may_begin_with_an_underscore_and_what_is_hidden_is_counted(tmp_path: Path) -> None:
    for name in ("lang=en/_batch=1/x.parquet", "_temporary/y.parquet", "_SUCCESS", ".x.crc", "_x=1.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    found = find_corpus([str(tmp_path)])

    assert [file.name for file in found.files] == ["_x=1.parquet", "lang=en/_batch=1/x.parquet"]
    assert list(found.ignored.files.values()) == [3]


def test_the_order_of_files_and_the_fingerprint_do_not_depend_on_the_listing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = find_corpus([str(folder)])
    listed = list_folder
    monkeypatch.setattr("w2vray.store.corpus.list_folder", lambda *arguments: list(listed(*arguments))[::-1])

    after = find_corpus([str(folder)])

    assert after == before
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize("change", ["size", "time", "new", "gone", "renamed"])
def test_the_fingerprint_changes_with_the_files(folder: Path, change: str) -> None:
    file = folder / "a.parquet"
    before = find_corpus([str(folder)]).fingerprint

    match change:
        case "size":
            time = file.stat().st_mtime_ns
            file.write_bytes(b"longer than before")
            os.utime(file, ns=(time, time))
        case "time":
            os.utime(file, ns=(1, 1))
        case "new":
            (folder / "new.parquet").write_bytes(b"x")
        case "gone":
            file.unlink()
        case "renamed":
            file.rename(folder / "c.parquet")

    assert find_corpus([str(folder)]).fingerprint != before


def test_the_fingerprint_does_not_depend_on_where_the_store_is(folder: Path) -> None:
    before = find_corpus([str(folder)]).fingerprint

    moved = folder.rename(folder.parent / "moved")

    assert find_corpus([str(moved)]).fingerprint == before


def test_pipes_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe.parquet")

    assert names(str(folder)) == SEEN


# Folders that are columns


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", {}),
        ("lang=en/a.parquet", {"lang": "en"}),
        ("x/lang=en/y/year=2020/a.parquet", {"lang": "en", "year": "2020"}),
        ("lang=en%20us%2Fx%3D1/a.parquet", {"lang": "en us/x=1"}),
        ("lang=gr%C3%B6%C3%9Fe/a.parquet", {"lang": "größe"}),
        ("formula=a=b/a.parquet", {"formula": "a=b"}),
        ("empty=/a.parquet", {"empty": ""}),
        ("lang=en/year=2020.parquet", {"lang": "en"}),
        ("lang=__HIVE_DEFAULT_PARTITION__/x.parquet", {"lang": None}),
        ("a%20key=pt%20BR/x.parquet", {"a key": "pt BR"}),
        ("lang=a%2Fb/x.parquet", {"lang": "a/b"}),
    ],
)
def test_key_value_folders_are_columns_with_decoded_values(name: str, expected: dict[str, str | None]) -> None:
    assert SourceFile(0, name, 1, None).partition_values == expected


@pytest.mark.parametrize("make", [str, lambda folder: f"file://{folder}"], ids=["path", "URI"])
def test_the_place_of_a_file_can_be_read_by_a_person(folder: Path, make: Callable[[Path], str]) -> None:
    found = find_corpus([make(folder)])

    assert isinstance(found, Corpus)
    assert found.place(found.files[0]) == f"{make(folder)}/a.parquet"


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("store", True),
        ("store/*", True),
        ("store/../store", True),
        ("store/*/scores/*", True),
        ("store/r*/scores/part-*", True),
        ("store/*.parquet", False),
        ("store/x*/**", False),
        ("store/run/scores", False),  # the run is above it
        ("other", False),
    ],
)
def test_an_argument_names_what_will_be_in_a_folder_below_its_own(argument: str, named: bool, tmp_path: Path) -> None:
    place = str(tmp_path / argument)
    found = names_what_is_in(place, fs.LocalFileSystem(), str(tmp_path / "store" / "run"), ["scores/part-0.parquet"])
    assert found is named


def test_stores_that_share_a_file_are_told_by_where_it_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.parquet").symlink_to(folder / "lang=en" / "1.parquet")
    store, link = find_corpus([str(folder)]), find_corpus([str(tmp_path / "link.parquet")])
    other = find_corpus([str(folder / "lang=de")])

    assert shared_files(store, link) == [f"{folder}/lang=en/1.parquet"]
    assert shared_files(link, other) == []
