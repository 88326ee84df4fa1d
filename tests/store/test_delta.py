"""Delta Lake tables are read by their log: the same rows as if they were written as Parquet, and no others."""

import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from tests.fixtures.table_rows import ids_of, rows_of, texts, values_of
from tests.fixtures.tables import commit, delete_delta_rows
from w2vray.errors import CorpusError
from w2vray.store.corpus import find_corpus, shared_files
from w2vray.store.corpus_texts import corpus_texts
from w2vray.store.filters import parse_where
from w2vray.store.labelled import labelled_units
from w2vray.store.preflight import Columns, whole_store
from w2vray.store.reading import ROW_COLUMN, read_unit


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Versions 0: ids 0-9; 1: 100-104 instead; 2: 200-202 too; 3: without 101."""
    place = tmp_path / "lake" / "table"
    write_deltalake(place, texts(0, 10))
    write_deltalake(place, texts(100, 105), mode="overwrite")
    write_deltalake(place, texts(200, 203), mode="append")
    DeltaTable(place).delete("id = 101")
    return place


NOW = [100, 102, 103, 104, 200, 201, 202]


def test_the_rows_of_the_current_version_are_read(table: Path) -> None:
    assert ids_of(table) == NOW


@pytest.mark.parametrize(
    ("version", "expected"),
    [(0, list(range(10))), (1, list(range(100, 105))), (2, [*range(100, 105), 200, 201, 202]), (3, NOW)],
)
def test_an_earlier_version_is_read_by_its_number(table: Path, version: int, expected: list[int]) -> None:
    assert ids_of(table, version=version) == expected


def test_a_version_that_does_not_exist_is_refused_with_those_that_do(table: Path) -> None:
    with pytest.raises(CorpusError, match=r"table has no version 4; its log has 0 to 3$"):
        ids_of(table, version=4)


def test_versions_before_the_first_checkpoint_are_gone_where_the_log_was_cleaned(table: Path) -> None:
    DeltaTable(table).create_checkpoint()
    write_deltalake(table, texts(300, 301), mode="append")
    for version in range(3):
        (table / "_delta_log" / f"{version:020}.json").unlink()

    assert ids_of(table) == [*NOW, 300]
    assert ids_of(table, version=3) == NOW
    with pytest.raises(CorpusError, match=r"has no version 1; its log has 3 to 4$"):
        ids_of(table, version=1)


def test_a_log_with_a_gap_is_refused(table: Path) -> None:
    (table / "_delta_log" / f"{2:020}.json").unlink()

    with pytest.raises(CorpusError, match=r"is a Delta Lake table that cannot be read: .*gap"):
        ids_of(table)


@pytest.mark.parametrize("place", ["table", "a table", "50% of it", "t[1]", "tä=b"])
@pytest.mark.parametrize("spelled", ["{}", "{}/", "{}/."])
def test_a_table_is_found_whatever_its_folder_is_called(table: Path, place: str, spelled: str) -> None:
    moved = table.rename(table.parent / place)

    assert ids_of(spelled.format(moved)) == NOW


def test_a_folder_that_the_library_would_take_for_another_is_refused(table: Path) -> None:
    write_deltalake(table.parent / "50% of it", texts(0, 1))
    moved = table.rename(table.parent / "50%25 of it")

    with pytest.raises(CorpusError, match="in a folder whose name is percent-encoded; rename the folder"):
        ids_of(moved)


def test_a_table_is_read_by_a_uri_and_by_a_link(table: Path) -> None:
    link = table.parent / "link"
    link.symlink_to(table)

    assert ids_of(f"file://{table}") == NOW
    assert ids_of(link) == NOW


def test_a_copied_table_is_read_where_it_is_now(table: Path) -> None:
    copy = table.parent / "copy"
    shutil.copytree(table, copy)
    shutil.rmtree(table)

    assert ids_of(copy) == NOW


@pytest.mark.parametrize("inline", [True, False])
def test_rows_that_a_deletion_vector_deletes_are_not_read(tmp_path: Path, inline: bool) -> None:
    table = tmp_path / "t"
    write_deltalake(table, texts(0, 100), configuration={"delta.enableDeletionVectors": "true"})
    write_deltalake(table, texts(100, 150), mode="append")
    delete_delta_rows(table, 100, [0, 5, 99], inline=inline)
    before = ids_of(table)
    delete_delta_rows(table, 50, range(50), inline=inline)

    assert before == [row for row in range(150) if row not in {0, 5, 99}]
    assert ids_of(table) == [row for row in range(100) if row not in {0, 5, 99}]
    assert ids_of(table, version=1) == [*range(150)]
    assert [row[ROW_COLUMN] for row in rows_of(table, places=True) if row["id"] in {1, 6, 98}] == [1, 6, 98]


@pytest.mark.parametrize("inline", [True, False])
def test_rows_are_deleted_from_partitions_of_any_name_and_again(tmp_path: Path, inline: bool) -> None:
    table = tmp_path / "a table of 50%"
    keys = ["a b%/ü"] * 3 + ["x=1"] * 2 + [None]
    write_deltalake(
        table, texts(0, 6, k=keys), partition_by=["k"], configuration={"delta.enableDeletionVectors": "true"}
    )
    for number, rows in ((3, [1]), (2, [0]), (1, [0]), (3, [1, 2])):
        delete_delta_rows(table, number, rows, inline=inline)

    assert values_of(table, "k") == [("a b%/ü",), ("x=1",)]
    assert ids_of(table) == [0, 4]
    assert ids_of(table, version=3) == [0, 2, 4]


def test_a_deletion_vector_that_cannot_be_read_refuses_the_table(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 100), configuration={"delta.enableDeletionVectors": "true"})
    delete_delta_rows(tmp_path / "t", 100, [1])
    (file,) = (tmp_path / "t").glob("*.bin")
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(CorpusError, match=r"cannot be read: .*Deletion Vector error: CRC32 checksum mismatch"):
        ids_of(tmp_path / "t")


def test_a_file_that_was_vacuumed_is_named_as_that(table: Path) -> None:
    for file in DeltaTable(table, version=1).file_uris():
        Path(file).unlink()

    assert ids_of(table) == NOW
    with pytest.raises(
        CorpusError, match=r"is a file of version 1 of the Delta Lake table .*table, and is not there any more"
    ):
        ids_of(table, version=1)


def test_a_file_of_another_size_than_the_log_says_is_refused(table: Path) -> None:
    file = Path(DeltaTable(table).file_uris()[0])
    with file.open("ab") as handle:
        handle.write(b"x")

    with pytest.raises(CorpusError, match=r"it has [\d,]+ bytes; by the log of version 3 of the Delta Lake table"):
        ids_of(table)


def test_a_log_at_which_the_library_panics_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 100), configuration={"delta.enableDeletionVectors": "true"})
    delete_delta_rows(tmp_path / "t", 100, [1], inline=True)
    log = tmp_path / "t" / "_delta_log" / f"{1:020}.json"
    log.write_text(re.sub('"pathOrInlineDv": "[^"]*"', '"pathOrInlineDv": ""', log.read_text()))

    with pytest.raises(CorpusError, match=r"t is a Delta Lake table that cannot be read: its log is damaged \("):
        ids_of(tmp_path / "t")


def test_a_file_that_no_path_can_name_is_refused(table: Path) -> None:
    commit(
        table, {"add": {"path": "a%00b", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}}
    )

    with pytest.raises(CorpusError, match="has a file whose name holds a character of value zero"):
        ids_of(table)


@pytest.mark.parametrize(
    ("protocol", "what"),
    [
        (
            {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["fooBar"], "writerFeatures": ["fooBar"]},
            "fooBar",
        ),
        (
            {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["catalogManaged"],
                "writerFeatures": ["catalogManaged", "inCommitTimestamp"],
            },
            "[Cc]atalog version",
        ),
        ({"minReaderVersion": 9, "minWriterVersion": 9}, "version 9|protocol"),
    ],
)
def test_what_a_table_asks_of_readers_and_is_not_known_is_refused_by_name(
    table: Path, protocol: dict[str, Any], what: str
) -> None:
    commit(table, {"protocol": protocol})

    with pytest.raises(CorpusError, match=what):
        ids_of(table)


def test_files_in_another_place_are_refused(table: Path) -> None:
    actions = pa.table(DeltaTable(table).get_add_actions()).to_pylist()
    copied = table.parent / "elsewhere.parquet"
    pq.write_table(texts(0, 1), copied)
    path = f"file://{copied}"
    commit(table, {"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}})

    assert len(actions) == 2
    with pytest.raises(CorpusError, match=r"files in another place \(a shallow clone\): file:"):
        ids_of(table)


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 2))
    DeltaTable(tmp_path / "t").delete()

    with pytest.raises(CorpusError, match=r"version 1 of the Delta Lake table .* has no file"):
        ids_of(tmp_path / "t")


def test_a_table_and_files_of_it_are_refused_together(table: Path) -> None:
    file = DeltaTable(table).file_uris()[0]
    for other in (file, str(table), f"file://{table}", str(table.parent)):
        with pytest.raises(CorpusError, match=r"is in both|is a Delta Lake table"):
            find_corpus([str(table), other])


def test_two_versions_of_a_table_share_files(table: Path) -> None:
    one, other = find_corpus([str(table)], {0: 2}), find_corpus([str(table)], {0: 1})

    assert [Path(file).parent for file in shared_files(one, other)] == [table]
    assert one.fingerprint != find_corpus([str(table)], {0: 3}).fingerprint


def test_a_version_is_refused_of_what_is_not_one_table(table: Path, tmp_path: Path) -> None:
    pq.write_table(texts(0, 2), tmp_path / "a.parquet")

    for place in (tmp_path / "a.parquet", tmp_path / "*.parquet"):
        with pytest.raises(CorpusError, match="is not a table, and so has no version 1; name the table"):
            ids_of(place, version=1)
    with pytest.raises(CorpusError, match="--table-version 1 is for one table, and 2 places are named"):
        whole_store([str(table), str(tmp_path / "a.parquet")], Columns(("text",)), table_version=1)
    assert len(find_corpus([str(table), str(tmp_path / "a.parquet")]).files) == 3


def test_without_the_library_the_refusal_says_what_to_install(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)

    with pytest.raises(CorpusError, match=r"table is a Delta Lake table: .*; pip install 'w2vray\[tables\]'"):
        find_corpus([str(table)])


def test_features_that_tables_have_in_the_wild_are_known(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 2))
    table = DeltaTable(tmp_path / "t")
    features = [TableFeatures.DeletionVectors, TableFeatures.TimestampWithoutTimezone, TableFeatures.V2Checkpoint]
    table.alter.add_feature(features, allow_protocol_versions_increase=True)

    assert ids_of(tmp_path / "t") == [0, 1]


def test_labelled_sets_and_texts_are_read_without_deleted_rows(tmp_path: Path) -> None:
    table = tmp_path / "t"
    rows = texts(0, 10, label=["a", "b"] * 5, lang=["en", "de"] * 5)
    write_deltalake(table, rows, configuration={"delta.enableDeletionVectors": "true"})
    delete_delta_rows(table, 10, [2, 3])

    labelled = labelled_units([str(table)], ("text",), "label", "lang == 'en'")
    found = corpus_texts([str(table)], ("text",))
    where = parse_where("lang == 'en'").fitted(labelled.schema)
    read = [
        row["label"]
        for unit in labelled.units
        for batch in read_unit(unit, labelled.corpus.roots, ["text", "label"], where, labelled.schema)
        for row in batch.to_pylist()
    ]

    assert read == ["a"] * 4
    assert found.rows == 8
    assert [text for batch in found for text in batch.to_pylist()] == [f"text {row}" for row in (0, 1, *range(4, 10))]
    assert f"{table}: Delta Lake table, read at version 1" in [*labelled.notes, *found.notes]
    assert corpus_texts([str(table)], ("text",), table_version=0).rows == 10


def test_a_table_that_is_iceberg_too_is_read_by_delta_lakes_log(table: Path) -> None:
    (table / "metadata").mkdir()
    (table / "metadata" / "00001-x.metadata.json").write_text("{}")

    assert ids_of(table) == NOW
