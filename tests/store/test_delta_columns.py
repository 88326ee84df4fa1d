"""Columns of Delta Lake tables: partitions by the log, names by the mapping, types by the table."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.fixtures.table_rows import found_in, ids_of, rows_of, texts, values_of
from tests.fixtures.tables import commit
from w2vray.errors import CorpusError
from w2vray.store.filters import parse_where
from w2vray.store.preflight import Columns, whole_store


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


@pytest.mark.parametrize("mode", ["name", "id"])
def test_a_partition_column_keeps_its_values_when_it_is_renamed_and_another_gets_its_name(
    tmp_path: Path, mode: str
) -> None:
    options: Any = {"configuration": {"delta.columnMapping.mode": mode}, "partition_by": ["lang"]}
    write_deltalake(tmp_path / "t", texts(0, 3, lang=["en", None, "de"], n=[7, 8, 9]), **options)
    rename(tmp_path / "t", "lang", "tongue")
    rename(tmp_path / "t", "n", "lang")

    assert values_of(tmp_path / "t", "tongue", "lang") == [("en", 7), (None, 8), ("de", 9)]
    assert ids_of(tmp_path / "t", where="tongue == 'en'") == [0]
    assert values_of(tmp_path / "t", "lang", "n", version=0) == [("en", 7), (None, 8), ("de", 9)]


def test_partitions_that_only_a_log_can_tell_apart_are_what_it_says(tmp_path: Path) -> None:
    """An empty text is missing, by the protocol of the log, and so is the marker that folders have for null."""
    keys = ["", "__HIVE_DEFAULT_PARTITION__", "a/b", "x=y z%20", "ü😀\n", None]
    write_deltalake(tmp_path / "t", texts(0, 6, k=keys), partition_by=["k"])

    assert values_of(tmp_path / "t", "k") == [(None,), (None,), ("a/b",), ("x=y z%20",), ("ü😀\n",), (None,)]
    assert ids_of(tmp_path / "t", where="k is None") == [0, 1, 5]
    assert ids_of(tmp_path / "t", where="k == 'a/b'") == [2]


def rename(table: Path, old: str, new: str) -> None:
    """Rename a column as a mapping lets one do: the files stay as they are."""
    found = newest_schema(table)
    schema = json.loads(found["metaData"]["schemaString"])
    for field in schema["fields"]:
        field["name"] = new if field["name"] == old else field["name"]
    partitions = [new if name == old else name for name in found["metaData"]["partitionColumns"]]
    found["metaData"] |= {"schemaString": json.dumps(schema), "partitionColumns": partitions}
    commit(table, found)


def newest_schema(table: Path) -> dict[str, Any]:
    """Return the action of a log that says which columns a table has."""
    logs = sorted((table / "_delta_log").glob("*.json"))
    actions: list[dict[str, Any]] = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    return [action for action in actions if "metaData" in action][-1]


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
    found = newest_schema(table)
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
