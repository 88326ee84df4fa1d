import os
import re
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.store import corpus as corpus_module
from w2vray.store.corpus import Corpus, SourceFile, find_corpus, shared_files
from w2vray.store.describing import describe_files
from w2vray.store.failures import Failure
from w2vray.store.globs import names_what_is_in
from w2vray.store.listing import list_folder
from w2vray.store.places import absolute, open_store

FILES = (
    "a.parquet",
    "axb.parquet",
    "b.txt",
    "a/b.parquet",
    "lang=en/1.parquet",
    "lang=en/2.parquet",
    "lang=de/year=2020/1.parquet",
    "deep/er/still/x.parquet",
    ".hidden.parquet",
    "_SUCCESS",
    "_temporary/x.parquet",
    ".cache/x.parquet",
    "deep/_delta_log/x.parquet",
    "deep/.tmp/er/x.parquet",
)
SEEN = sorted(name for name in FILES if not any(part.startswith((".", "_")) for part in name.split("/")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree of small files: their names are what counts."""
    for name in FILES:
        file = tmp_path / "store" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return tmp_path / "store"


def names(*arguments: str) -> list[str]:
    """The names of the files that arguments stand for."""
    return [file.name for file in find_corpus(arguments).files]


# Which files


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


def test_a_file_that_an_argument_and_a_link_name_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "lang=en", target_is_directory=True)

    with pytest.raises(CorpusError, match="its rows would be read twice"):
        find_corpus([str(folder), str(tmp_path / "link")])


def test_two_files_of_the_same_relative_name_are_refused(folder: Path) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([f"{folder}/lang=en", f"{folder}/lang=de/year=2020"])

    assert str(refused.value).startswith("1.parquet is in ")
    assert "rows could not be told apart" in str(refused.value)


@pytest.mark.parametrize(
    ("link", "target", "kept"),
    [
        ("snapshots/abc/train.parquet", "../../blobs/0f3c", "blobs/0f3c"),
        ("aaa.parquet", "blobs/0f3c", "blobs/0f3c"),
        ("lang=en/train.parquet", "../blobs/0f3c", "lang=en/train.parquet"),
    ],
    ids=["link in another folder", "link that comes first", "link that says more"],
)
def test_a_file_is_taken_once_whatever_links_lead_to_it(tmp_path: Path, link: str, target: str, kept: str) -> None:
    for file in (tmp_path / "blobs" / "0f3c", tmp_path / link):
        file.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "blobs" / "0f3c").write_bytes(b"x")
    (tmp_path / link).symlink_to(target)

    found = find_corpus([str(tmp_path)])

    assert [file.name for file in found.files] == [kept]
    assert found.ignored.files == {"another way to a file that is read": 1}


def test_a_folder_reached_by_two_ways_is_taken_once_and_the_other_way_is_counted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.parquet").write_bytes(b"x")
    (tmp_path / "again").symlink_to("real", target_is_directory=True)

    found = find_corpus([str(tmp_path)])

    assert [file.name for file in found.files] == ["real/x.parquet"]
    assert found.ignored.lines() == ["1 file not read: another way to a file that is read (again/x.parquet)"]


def test_a_folder_that_a_hidden_name_holds_too_is_read_by_its_other_name(tmp_path: Path) -> None:
    (tmp_path / "store" / ".blobs").mkdir(parents=True)
    (tmp_path / "store" / ".blobs" / "x.parquet").write_bytes(b"x")
    (tmp_path / "store" / "data").symlink_to(".blobs", target_is_directory=True)

    assert names(str(tmp_path / "store")) == ["data/x.parquet"]


def test_a_glob_finds_what_a_link_leads_to_though_the_folder_itself_is_beside_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.parquet").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)

    assert names(f"{tmp_path}/li*/*.parquet") == ["link/x.parquet"]


def test_links_that_put_a_file_into_two_folders_of_one_key_are_refused(tmp_path: Path) -> None:
    for folder in ("lang=en", "lang=de"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lang=en" / "x.parquet").write_bytes(b"x")
    (tmp_path / "lang=de" / "x.parquet").symlink_to("../lang=en/x.parquet")

    with pytest.raises(CorpusError, match="are one file, and lang cannot be both; remove one of the links"):
        find_corpus([str(tmp_path)])


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


# Links


def test_linked_files_and_folders_are_searched_under_the_links_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "en").symlink_to(folder / "lang=en")
    (tmp_path / "links" / "one.parquet").symlink_to(folder / "a.parquet")

    found = find_corpus([str(tmp_path / "links")])

    assert [(file.name, file.size) for file in found.files] == [
        ("en/1.parquet", len("lang=en/1.parquet")),
        ("en/2.parquet", len("lang=en/2.parquet")),
        ("one.parquet", len("a.parquet")),
    ]


def test_links_that_go_round_in_circles_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "store" / "inner").mkdir(parents=True)
    (tmp_path / "store" / "inner" / "a.parquet").write_bytes(b"a")
    (tmp_path / "store" / "inner" / "up").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "itself").symlink_to(tmp_path / "store")

    assert names(str(tmp_path / "store")) == ["inner/a.parquet"]


def test_a_link_to_nothing_is_listed_and_told_as_a_bad_file(folder: Path) -> None:
    (folder / "gone.parquet").symlink_to(folder / "nowhere.parquet")
    found = find_corpus([f"{folder}/gone*"])

    _, bad = describe_files(found, found.files, ["text"])

    assert [file.name for file in bad] == ["gone.parquet"]


def test_pipes_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe.parquet")

    assert names(str(folder)) == SEEN


# URIs


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


# Footers


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


def test_a_hard_link_is_another_way_to_a_file(tmp_path: Path) -> None:
    for folder in ("store", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "store" / "a.parquet").write_bytes(b"x")
    for link in ("store/b.parquet", "other/c.parquet"):
        (tmp_path / link).hardlink_to(tmp_path / "store" / "a.parquet")
    found = find_corpus([str(tmp_path / "store")])

    assert [file.name for file in found.files] == ["a.parquet"]
    assert found.ignored.files == {"another way to a file that is read": 1}
    assert shared_files(found, find_corpus([str(tmp_path / "other")])) == [f"{tmp_path}/store/a.parquet"]


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(CorpusError, match="holds a character of value zero"):
        find_corpus(["/tmp/a\0b"])
