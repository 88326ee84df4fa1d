"""Delta Lake tables are read by their log: the same rows as if they were written as Parquet, and no others."""

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from tests.fixtures.tables import commit, delete_delta_rows
from w2vray.errors import CorpusError
from w2vray.store.corpus import Corpus, find_corpus, shared_files
from w2vray.store.corpus_texts import corpus_texts
from w2vray.store.filters import parse_where
from w2vray.store.labelled import labelled_units
from w2vray.store.preflight import Columns, Found, whole_store
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN, read_unit
from w2vray.store.units import plan_units


def rows_of(
    table: Path | str,
    columns: Sequence[str] = ("id",),
    *,
    where: str | None = None,
    version: int | None = None,
    places: bool = False,
) -> list[dict[str, Any]]:
    """Read all rows of a store as a run does, sorted by their first column."""
    condition = None if where is None else parse_where(where)
    asked = Columns(("text",), (*columns, *(condition.columns if condition else ())))
    corpus, found = whole_store([str(table)], asked, where=condition, table_version=version)
    fitted = condition.fitted(found.schema) if condition else None
    rows = []
    for unit in plan_units(found.files):
        for batch in read_unit(unit, corpus.roots, ["text", *columns], fitted, found.schema):
            rows += batch.select([*([FILE_COLUMN, ROW_COLUMN] if places else []), *columns]).to_pylist()
    return sorted(rows, key=lambda row: str(row[columns[0]]))


def ids_of(table: Path | str, **options: Any) -> list[int]:
    """Return the ids of all rows that are read."""
    return sorted(row["id"] for row in rows_of(table, **options))


def texts(first: int, last: int, **columns: Any) -> pa.Table:
    """Make rows with ids and texts."""
    return pa.table({"id": range(first, last), "text": [f"text {row}" for row in range(first, last)], **columns})


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


def test_partition_columns_are_what_the_log_says(tmp_path: Path) -> None:
    columns = {
        "lang": ["en", None, "a b%/ü", "d=e"],
        "day": [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2), dt.date(2024, 1, 1)],
        "n": pa.array([1, 2, None, 4], pa.int16()),
        "at": pa.array([dt.datetime(2024, 1, 1, 12, 30, 0, 5), None, None, None], pa.timestamp("us", "UTC")),
        "part": pa.array([Decimal("1.20"), None, Decimal(2), Decimal(3)], pa.decimal128(10, 2)),
        "yes": [True, False, None, True],
        "code": ["01", "1", "1.0", "2024-01-01"],
    }
    names = [*columns]
    write_deltalake(tmp_path / "t", texts(0, 4, **columns), partition_by=names)

    found = rows_of(tmp_path / "t", ["id", *names])

    expected = texts(0, 4, **columns).drop_columns("text").to_pylist()
    assert found == expected


def test_a_partition_of_bytes_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 2, key=[b"a", b"b"]), partition_by=["key"])

    assert ids_of(tmp_path / "t") == [0, 1]
    with pytest.raises(CorpusError, match="column 'key' is a partition column of bytes"):
        rows_of(tmp_path / "t", ["id", "key"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("lang == 'en'", [0, 1]),
        ("lang is None", [4, 5]),
        ("lang != 'en'", [2, 3]),
        ("lang == 'en' and id > 0", [1]),
        ("lang == 'en' or id == 3", [0, 1, 3]),
        ("not lang == 'en' and id is not None", [2, 3]),
        ("lang in ['en', 'de'] and day >= '2024-01-02'", [2, 3]),
        ("lang == 'fr'", []),
    ],
)
def test_conditions_on_partition_columns_choose_rows(tmp_path: Path, where: str, expected: list[int]) -> None:
    day = [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 2), None, None]
    columns = {"lang": ["en", "en", "de", "de", None, None], "day": day}
    write_deltalake(tmp_path / "t", texts(0, 6, **columns), partition_by=["lang", "day"])

    assert ids_of(tmp_path / "t", where=where) == expected


def test_files_that_a_condition_excludes_are_not_opened(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 4, lang=["en", "de", "fr", None]), partition_by=["lang"])
    for file in tmp_path.glob("t/lang=[df]*/*.parquet"):
        file.write_bytes(b"x" * file.stat().st_size)

    columns = Columns(("text",), ("lang",))
    corpus, found = whole_store([str(tmp_path / "t")], columns, where=parse_where("lang == 'en' and text != ''"))

    assert [described.rows for described in found.files] == [1]
    assert corpus.ignored.files == {"--where leaves out all of its rows, by the table's log": 3}


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


def test_a_deletion_vector_that_cannot_be_read_refuses_the_table(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 100), configuration={"delta.enableDeletionVectors": "true"})
    delete_delta_rows(tmp_path / "t", 100, [1])
    (file,) = (tmp_path / "t").glob("*.bin")
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(CorpusError, match=r"cannot be read: .*Deletion Vector error: CRC32 checksum mismatch"):
        ids_of(tmp_path / "t")


@pytest.mark.parametrize("mode", ["name", "id"])
def test_mapped_columns_are_found_by_what_the_log_says(tmp_path: Path, mode: str) -> None:
    table = tmp_path / "t"
    columns = {"lang": ["en", None, "de"], "old": [1.5, None, 2.5], "nested": [{"x": 1}] * 3}
    options: Any = {"configuration": {"delta.columnMapping.mode": mode}, "partition_by": ["lang"]}
    write_deltalake(table, texts(0, 3, **columns), **options)
    rename(table, "old", "new")

    assert rows_of(table, ["id", "lang", "new"]) == [
        {"id": 0, "lang": "en", "new": 1.5},
        {"id": 1, "lang": None, "new": None},
        {"id": 2, "lang": "de", "new": 2.5},
    ]
    with pytest.raises(CorpusError, match="no column 'old' in the store; its columns are id, text, lang, new, nested"):
        rows_of(table, ["id", "old"])
    with pytest.raises(CorpusError, match="column 'nested' holds fields, whose names in the files are others"):
        rows_of(table, ["id", "nested"])


def rename(table: Path, old: str, new: str) -> None:
    """Rename a column as a mapping lets one do: the files stay as they are."""
    first = (table / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    (found,) = (json.loads(line) for line in first if "metaData" in line)
    schema = json.loads(found["metaData"]["schemaString"])
    for field in schema["fields"]:
        field["name"] = new if field["name"] == old else field["name"]
    found["metaData"]["schemaString"] = json.dumps(schema)
    commit(table, found)


def test_a_file_without_numbers_is_refused_where_columns_are_known_by_number(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 3), configuration={"delta.columnMapping.mode": "id"})
    (file,) = DeltaTable(tmp_path / "t").file_uris()
    pq.write_table(texts(0, 3), file)
    resize(tmp_path / "t", Path(file).stat().st_size)

    with pytest.raises(CorpusError, match="its columns have no numbers, by which the table knows them"):
        ids_of(tmp_path / "t")


def resize(table: Path, size: int) -> None:
    """Write into the first version that its file has another size."""
    log = table / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["size"] = size
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def test_columns_that_came_later_are_null_and_wider_types_are_read(tmp_path: Path) -> None:
    table = tmp_path / "t"
    write_deltalake(table, texts(0, 2, n=pa.array([1, 2], pa.int32())))
    write_deltalake(
        table, texts(2, 4, n=pa.array([3, 4], pa.int32()), f=[0.5, 1.5]), mode="append", schema_mode="merge"
    )
    _, found = found_in(table, "n", "f")

    assert found.schema == pa.schema([("n", pa.int32()), ("f", pa.float64())])
    assert [row["f"] for row in rows_of(table, ["id", "f"])] == [None, None, 0.5, 1.5]
    (note,) = found.notes
    assert note.startswith("column 'f' is null for the rows of part-")


def found_in(table: Path, *columns: str) -> tuple[Corpus, Found]:
    """Describe a table."""
    return whole_store([str(table)], Columns(("text",), columns))


@pytest.mark.parametrize(
    ("narrow", "wide", "name"),
    [
        (pa.array([1, 2], pa.int32()), pa.int64(), "long"),
        (pa.array([0.5, 1.5], pa.float32()), pa.float64(), "double"),
        (pa.array([1, 2], pa.int16()), pa.float64(), "double"),
        (pa.array([Decimal("1.5")] * 2, pa.decimal128(4, 1)), pa.decimal128(12, 2), "decimal(12,2)"),
    ],
)
def test_a_column_that_was_widened_has_the_tables_type(
    tmp_path: Path, narrow: pa.Array, wide: pa.DataType, name: str
) -> None:
    write_deltalake(tmp_path / "t", texts(0, 2, n=narrow))
    retype(tmp_path / "t", "n", name)
    _, found = found_in(tmp_path / "t", "n")

    assert found.schema == pa.schema([("n", wide)])
    assert [row["n"] for row in rows_of(tmp_path / "t", ["id", "n"])] == narrow.cast(wide).to_pylist()


def test_a_type_that_does_not_hold_a_files_values_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 2, n=["a", "b"]))
    retype(tmp_path / "t", "n", "long")

    with pytest.raises(CorpusError, match="column 'n' is string; the table says int64"):
        rows_of(tmp_path / "t", ["id", "n"])
    assert ids_of(tmp_path / "t") == [0, 1]


def retype(table: Path, column: str, kind: str) -> None:
    """Say in the log that a column has another type."""
    first = (table / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    (found,) = (json.loads(line) for line in first if "metaData" in line)
    schema = json.loads(found["metaData"]["schemaString"])
    for field in schema["fields"]:
        field["type"] = kind if field["name"] == column else field["type"]
    found["metaData"]["schemaString"] = json.dumps(schema)
    commit(table, found)


def test_instants_that_spark_wrote_as_int96_are_in_utc(tmp_path: Path) -> None:
    at = pa.array([dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC"))
    write_deltalake(tmp_path / "t", texts(0, 2, at=at))
    (file,) = DeltaTable(tmp_path / "t").file_uris()
    pq.write_table(texts(0, 2, at=at.cast(pa.timestamp("us"))), file, use_deprecated_int96_timestamps=True)
    resize(tmp_path / "t", Path(file).stat().st_size)

    assert [row["at"] for row in rows_of(tmp_path / "t", ["id", "at"])] == at.to_pylist()


def test_names_are_found_in_whatever_case_a_file_has_them(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", texts(0, 2))
    (file,) = DeltaTable(tmp_path / "t").file_uris()
    pq.write_table(texts(0, 2).rename_columns(["ID", "Text"]), file)
    resize(tmp_path / "t", Path(file).stat().st_size)

    assert ids_of(tmp_path / "t") == [0, 1]


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
        with pytest.raises(CorpusError, match="is not a table; leave out --table-version 1"):
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
