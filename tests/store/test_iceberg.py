"""Iceberg tables are read by their metadata: the same rows as if they were written as Parquet, and no others."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import Table

from tests.fixtures.table_rows import MakeTable, ids_of, rows_of, texts
from tests.fixtures.tables import delete_iceberg_rows, files_of
from w2vray.errors import CorpusError
from w2vray.store.corpus import find_corpus
from w2vray.store.reading import ROW_COLUMN


@pytest.fixture
def table(make_iceberg: MakeTable) -> tuple[Table, Path]:
    """Snapshots in turn: ids 0-9; 100-104 instead; 200-202 too; without 101."""
    made, place = make_iceberg(texts(0, 10))
    made.overwrite(texts(100, 105))
    made.append(texts(200, 203))
    made.delete("id = 101")
    return made, place


NOW = [100, 102, 103, 104, 200, 201, 202]


def test_the_rows_of_the_current_snapshot_are_read(table: tuple[Table, Path]) -> None:
    assert ids_of(table[1]) == NOW
    assert ids_of(f"file://{table[1]}") == NOW


def test_earlier_snapshots_are_read_by_their_id_or_sequence_number(table: tuple[Table, Path]) -> None:
    made, place = table
    snapshots = [made.metadata.snapshots[number] for number in (0, 2, 3, 4)]  # an overwriting deletes first

    found = [ids_of(place, version=one.snapshot_id) for one in snapshots]

    assert found == [list(range(10)), list(range(100, 105)), [*range(100, 105), 200, 201, 202], NOW]
    assert found == [ids_of(place, version=one.sequence_number) for one in snapshots if one.sequence_number is not None]


def test_a_snapshot_that_does_not_exist_is_refused_with_those_that_do(table: tuple[Table, Path]) -> None:
    made, place = table
    newest = made.metadata.snapshots[-1]

    with pytest.raises(CorpusError, match=rf"has no snapshot 77, or not one only; it has {newest.snapshot_id} \(seq"):
        ids_of(place, version=77)


def test_a_copied_table_is_refused_by_name(table: tuple[Table, Path]) -> None:
    _, place = table
    shutil.copytree(place, place.parent / "copy")

    with pytest.raises(CorpusError, match=rf"copy is an Iceberg table that was copied .* files in file://{place}"):
        ids_of(place.parent / "copy")
    (place.parent / "link").symlink_to(place)
    assert ids_of(place.parent / "link") == NOW


# Deleted rows


@pytest.mark.parametrize("spelling", ["file://{}", "file:{}", "{}"])
def test_rows_that_position_deletes_delete_are_not_read(make_iceberg: MakeTable, spelling: str) -> None:
    made, place = make_iceberg(texts(0, 100))
    made.append(texts(100, 150))
    before = made.metadata.snapshots[-1].snapshot_id
    large, small = (spelling.format(files_of(made)[rows].removeprefix("file://")) for rows in (100, 50))
    delete_iceberg_rows(made, place, [(large, 99), (large, 0), (small, 1), (large, 5), (f"{large}-gone", 7)])

    assert ids_of(place) == [row for row in range(150) if row not in {0, 5, 99, 101}]
    assert ids_of(place, version=before) == list(range(150))
    assert [row[ROW_COLUMN] for row in rows_of(place, places=True) if row["id"] in {1, 6, 98, 102}] == [1, 2, 6, 98]


def test_a_file_that_deletes_may_spell_one_place_in_several_ways(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 10))
    file = files_of(made)[10]
    delete_iceberg_rows(made, place, [(file, 3), (file.removeprefix("file://"), 5), (file.replace("///", "/"), 7)])

    assert ids_of(place) == [0, 1, 2, 4, 6, 8, 9]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"content": DataFileContent.EQUALITY_DELETES}, "it has equality deletes, which w2vray cannot read; rewrite"),
        ({"kind": FileFormat.PUFFIN}, "rows are deleted by deletion vectors, which w2vray cannot read"),
        ({"kind": FileFormat.AVRO}, "rows are deleted by files of AVRO, which w2vray cannot read"),
    ],
)
def test_other_deletes_are_refused_by_name(make_iceberg: MakeTable, options: dict[str, Any], what: str) -> None:
    made, place = make_iceberg(texts(0, 10))
    delete_iceberg_rows(made, place, [(files_of(made)[10], 3)], **options)

    with pytest.raises(CorpusError, match=what):
        ids_of(place)


def test_a_delete_of_a_row_that_is_not_there_is_refused(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 10))
    delete_iceberg_rows(made, place, [(files_of(made)[10], 10)])

    with pytest.raises(CorpusError, match=r"deletes a row which .* does not have"):
        ids_of(place)


# What is not there, and what is not known


def test_a_file_that_was_removed_is_named_as_that(table: tuple[Table, Path]) -> None:
    made, place = table
    first = made.metadata.snapshots[0].snapshot_id
    for task in made.scan(snapshot_id=first).plan_files():
        Path(task.file.file_path.removeprefix("file://")).unlink()

    assert ids_of(place) == NOW
    with pytest.raises(
        CorpusError, match=rf"is a file of version {first} of the Iceberg table .* is not there any more"
    ):
        ids_of(place, version=first)


def test_what_lies_in_a_table_is_refused(table: tuple[Table, Path]) -> None:
    made, place = table
    file = next(iter(files_of(made).values())).removeprefix("file://")

    for inside in (file, f"{place}/data", f"{place}/metadata", f"{place}/data/*.parquet"):
        with pytest.raises(CorpusError, match="t is an Iceberg table: its log says"):
            find_corpus([inside])
    with pytest.raises(CorpusError, match="t is an Iceberg table: its log says"):
        find_corpus([str(place), file])
    with pytest.raises(CorpusError, match="is in both"):
        find_corpus([str(place), str(place)])


def test_an_empty_table_is_refused(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 2))
    made.delete("id >= 0")

    with pytest.raises(CorpusError, match=r"of the Iceberg table .* has no file"):
        ids_of(place)


def test_without_the_library_the_refusal_says_what_to_install(
    table: tuple[Table, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyiceberg.table", None)

    with pytest.raises(CorpusError, match=r"t is an Iceberg table: .*; pip install 'w2vray\[tables\]'"):
        find_corpus([str(table[1])])
