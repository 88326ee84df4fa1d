"""A file is one file, whatever links lead to it."""

from pathlib import Path

import pytest

from tests.fixtures.listed import names
from w2vray.errors import CorpusError
from w2vray.store.corpus import find_corpus, shared_files
from w2vray.store.describing import describe_files


def test_a_file_that_an_argument_and_a_link_name_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "lang=en", target_is_directory=True)

    with pytest.raises(CorpusError, match="its rows would be read twice"):
        find_corpus([str(folder), str(tmp_path / "link")])


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
