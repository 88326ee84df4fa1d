"""Iceberg's files of metadata: which of them counts, whatever they are called, and damaged ones."""

import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table import Table

from tests.fixtures.table_rows import MakeTable, ids_of, texts
from tests.fixtures.tables import newest_metadata
from w2vray.errors import CorpusError
from w2vray.store.corpus import find_corpus


@pytest.fixture
def table(make_iceberg: MakeTable) -> tuple[Table, Path]:
    """Snapshots in turn: ids 0-9; 100-104 instead; 200-202 too; without 101."""
    made, place = make_iceberg(texts(0, 10))
    made.overwrite(texts(100, 105))
    made.append(texts(200, 203))
    made.delete("id = 101")
    return made, place


NOW = [100, 102, 103, 104, 200, 201, 202]


def test_a_file_of_metadata_names_the_table_as_it_was(table: tuple[Table, Path]) -> None:
    made, place = table
    logged = [Path(str(entry.metadata_file).removeprefix("file://")) for entry in made.metadata.metadata_log]

    assert ids_of(logged[1]) == list(range(10))
    assert ids_of(Path(made.metadata_location.removeprefix("file://"))) == NOW
    assert find_corpus([str(logged[1])]).roots == (str(place),)


def test_the_hint_of_who_writes_without_a_catalog_is_followed_and_may_be_late(table: tuple[Table, Path]) -> None:
    made, place = table
    for number, entry in enumerate(made.metadata.metadata_log, 1):
        shutil.copy(str(entry.metadata_file).removeprefix("file://"), place / "metadata" / f"v{number}.metadata.json")
    for file in place.glob("metadata/0*.metadata.json"):
        file.unlink()
    (place / "metadata" / "v9.metadata.json").write_text("{}")
    (place / "metadata" / "version-hint.text").write_text("1")

    expected = ids_of(place / "metadata" / f"v{len(made.metadata.metadata_log)}.metadata.json")
    assert expected
    assert ids_of(place) == expected
    newest = place / "metadata" / f"v{len(made.metadata.metadata_log)}.metadata.json"
    (place / "metadata" / newest.name.replace(".", ".gz.", 1)).write_bytes(gzip.compress(newest.read_bytes()))
    newest.unlink()
    assert ids_of(place) == expected
    (place / "metadata" / "version-hint.text").write_text("77")
    with pytest.raises(CorpusError, match=r"its version-hint.text says '77', and there are no such metadata"):
        ids_of(place)


def test_two_newest_metadata_are_refused_and_one_of_them_can_be_named(table: tuple[Table, Path]) -> None:
    made, place = table
    last = Path(made.metadata_location.removeprefix("file://"))
    other = last.with_name(last.name.partition("-")[0] + "-lost.metadata.json")
    shutil.copy(last, other)

    with pytest.raises(CorpusError, match="are both the newest of its metadata, and only its catalog knows"):
        ids_of(place)
    assert ids_of(last) == NOW


def test_a_manifest_that_is_gone_refuses_the_table(table: tuple[Table, Path]) -> None:
    for file in table[1].glob("metadata/*-m0.avro"):
        file.unlink()

    with pytest.raises(CorpusError, match="is an Iceberg table that cannot be read"):
        ids_of(table[1])


@pytest.mark.parametrize("pattern", ["snap-*.avro", "*-m0.avro", "0*.metadata.json"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda data: data[::-1]])
def test_damaged_metadata_refuse_the_table(
    table: tuple[Table, Path], pattern: str, damage: Callable[[bytes], bytes]
) -> None:
    for file in table[1].glob(f"metadata/{pattern}"):
        file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(CorpusError, match="t is an Iceberg table that cannot be read"):
        ids_of(table[1])


def test_what_is_wrong_with_a_file_of_metadata_is_told(table: tuple[Table, Path]) -> None:
    newest_metadata(table[1]).write_text('{"format-version": 9}')

    with pytest.raises(CorpusError, match="cannot be read: the format-version of its metadata is not 1, 2 or 3"):
        ids_of(table[1])


@pytest.mark.parametrize("content", ["{}", '{"format-version": 9}', '{"location": "x"}'])
def test_metadata_without_a_version_that_is_known_are_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "table" / "metadata").mkdir(parents=True)
    (tmp_path / "table" / "metadata" / "v1.metadata.json").write_text(content)
    with pytest.raises(CorpusError, match=r"that cannot be read: the format-version of its metadata is not 1, 2 or 3"):
        find_corpus([str(tmp_path / "table")])


def renamed(table: tuple[Table, Path], names: Sequence[str]) -> list[Path]:
    """Give a table's files of metadata other names, in their order; those that say .gz are packed."""
    _, place = table
    files = sorted(place.glob("metadata/0*.metadata.json"))
    data = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    named = [place / "metadata" / name for name in names]
    for file, each in zip(named, data[-len(named) :], strict=True):
        file.write_bytes(gzip.compress(each) if ".gz" in file.name else each)
    return named


@pytest.mark.parametrize("ending", [".metadata.json.gz", ".gz.metadata.json"])
@pytest.mark.parametrize("hint", [False, True])
def test_packed_metadata_are_metadata_however_their_ending_is_spelled(
    table: tuple[Table, Path], ending: str, hint: bool
) -> None:
    made, place = table
    named = renamed(table, [f"v{number}{ending}" for number in range(1, len(made.metadata.metadata_log) + 2)])
    if hint:
        (place / "metadata" / "version-hint.text").write_text("2")

    assert ids_of(place) == NOW
    assert ids_of(named[-1]) == NOW
    assert ids_of(named[1]) == list(range(10))
    for inside in (place / "data", place.parent):
        with pytest.raises(CorpusError, match="t is an Iceberg table: its log says"):
            ids_of(inside)


@pytest.mark.parametrize(
    "names",
    [
        ["v1.metadata.json", "00000-4f1c.metadata.json"],
        ["00000-4f1c.metadata.json", "current.metadata.json"],
        ["9abc-1.metadata.json", "5fde-2.metadata.json"],
        ["current.metadata.json", "former.metadata.json"],
    ],
    ids=lambda names: names[0],
)
def test_metadata_that_are_not_numbered_in_one_way_are_refused_and_one_of_them_can_be_named(
    table: tuple[Table, Path], names: list[str]
) -> None:
    named = renamed(table, names)

    with pytest.raises(CorpusError, match=r"are not numbered in one way, and only its catalog knows .*: name the file"):
        ids_of(table[1])
    assert ids_of(named[-1]) == NOW


def test_the_only_metadata_are_the_newest_whatever_they_are_called(table: tuple[Table, Path]) -> None:
    renamed(table, ["current.metadata.json"])

    assert ids_of(table[1]) == NOW


def test_a_hint_that_names_an_older_file_of_a_catalog_is_refused(table: tuple[Table, Path]) -> None:
    made, place = table
    newest = Path(made.metadata_location.removeprefix("file://"))
    hint = place / "metadata" / "version-hint.text"
    hint.write_text(newest.name)
    assert ids_of(place) == NOW

    hint.write_text(Path(str(made.metadata.metadata_log[0].metadata_file)).name)

    with pytest.raises(CorpusError, match=f"and {newest.name} is newer by its number, and only its catalog knows"):
        ids_of(place)


@pytest.mark.parametrize("change", [{"sort-orders": [{"order-id": 0, "fields": [None]}]}, {"schemas": [None]}], ids=str)
def test_metadata_of_another_shape_refuse_the_table(table: tuple[Table, Path], change: dict[str, Any]) -> None:
    last = newest_metadata(table[1])
    last.write_text(json.dumps(json.loads(last.read_text()) | change))

    with pytest.raises(CorpusError, match="t is an Iceberg table that cannot be read"):
        ids_of(table[1])


def test_a_snapshot_whose_columns_are_lost_is_refused(table: tuple[Table, Path]) -> None:
    last = newest_metadata(table[1])
    stated = json.loads(last.read_text())
    stated["snapshots"][0]["schema-id"] = 99
    last.write_text(json.dumps(stated))

    assert ids_of(table[1]) == NOW
    with pytest.raises(CorpusError, match="cannot be read: its metadata do not have schema 99, that of snapshot"):
        ids_of(table[1], version=stated["snapshots"][0]["snapshot-id"])
