"""Columns of Iceberg tables: found by number, partitions by what the metadata say."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import DecimalType, DoubleType, LongType, StringType

from tests.fixtures.table_rows import MakeTable, ids_of, rows_of, texts, values_of
from tests.fixtures.tables import newest_metadata
from w2vray.errors import CorpusError
from w2vray.store.filters import parse_where
from w2vray.store.preflight import Columns, whole_store


def test_identity_partitions_are_columns_with_the_metadatas_values(make_iceberg: MakeTable) -> None:
    columns = {
        "lang": ["en", None, "a b%/ü", "d=e"],
        "day": [dt.date(2024, 1, 1), None, dt.date(1969, 12, 31), dt.date(2024, 1, 1)],
        "n": pa.array([1, 2, None, 4], pa.int32()),
        "at": pa.array([dt.datetime(2024, 1, 1, 12, 30, 0, 5), None, None, None], pa.timestamp("us", "UTC")),
        "part": pa.array([Decimal("1.20"), None, Decimal(2), Decimal(3)], pa.decimal128(10, 2)),
        "yes": [True, False, None, True],
    }
    _, place = make_iceberg(texts(0, 4, **columns), **{name: IdentityTransform() for name in columns})
    expected = list(zip(*texts(0, 4, **columns).select([*columns]).to_pydict().values(), strict=True))

    assert values_of(place, *columns) == expected
    for file in place.glob("data/**/*.parquet"):  # as of a folder that became a table: the files lack the columns
        kept = pq.read_table(file, partitioning=None).select(["id", "text"])
        write_with_size(kept, file, file.stat().st_size)
    assert values_of(place, *columns) == expected


def write_with_size(rows: pa.Table, file: Path, size: int) -> None:
    """Write rows into a file of so many bytes."""
    filler = 200
    while not file.exists() or file.stat().st_size != size or filler == 200:
        with pq.ParquetWriter(file, rows.schema) as writer:
            writer.write_table(rows)
            writer.add_key_value_metadata({"filler": "x" * filler})
        filler += size - file.stat().st_size


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("lang == 'en'", [0, 1]),
        ("lang is None", [4, 5]),
        ("lang == 'en' and id > 0", [1]),
        ("lang in ['en', 'de'] and day >= '2024-01-02'", [2, 3]),
        ("lang == 'fr'", []),
    ],
)
def test_conditions_on_partition_columns_choose_rows(make_iceberg: MakeTable, where: str, expected: list[int]) -> None:
    day = [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 2), None, None]
    rows = texts(0, 6, lang=["en", "en", "de", "de", None, None], day=day)
    _, place = make_iceberg(rows, lang=IdentityTransform(), day=DayTransform(), id=BucketTransform(2))

    assert ids_of(place, where=where) == expected


def test_files_that_a_condition_excludes_are_not_opened(make_iceberg: MakeTable) -> None:
    _, place = make_iceberg(texts(0, 4, lang=["en", "de", "fr", None]), lang=IdentityTransform())
    for file in place.glob("data/by_lang=[df]*/*.parquet"):
        file.write_bytes(b"x" * file.stat().st_size)

    corpus, found = whole_store([str(place)], Columns(("text",), ("lang",)), where=parse_where("lang == 'en'"))

    assert [described.rows for described in found.files] == [1]
    assert corpus.ignored.files == {"--where leaves out all of its rows, by the table's log": 3}


def test_columns_are_found_by_number_whatever_they_were_called(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 2, old=[1.5, None], other=["x", "y"], dropped=[1, 2]))
    with made.update_schema() as change:
        change.rename_column("old", "new")
        change.rename_column("other", "old")
        change.delete_column("dropped")
    with made.update_schema() as change:
        change.add_column("dropped", LongType())
    made.append(texts(2, 4, new=[2.5, 3.5], old=["z", None], dropped=[7, 8]))

    assert values_of(place, "new", "old", "dropped") == [
        (1.5, "x", None),
        (None, "y", None),
        (2.5, "z", 7),
        (3.5, None, 8),
    ]
    first = made.metadata.snapshots[0].snapshot_id
    assert [row["old"] for row in rows_of(place, ["id", "old"], version=first)] == [1.5, None]


def test_columns_that_came_later_are_null_and_told(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 2))
    with made.update_schema() as change:
        change.add_column("score", DoubleType())
    _, found = whole_store([str(place)], Columns(("text",), ("score",)))

    assert found.schema == pa.schema([("score", pa.float64())])
    assert found.notes[0].startswith("column 'score' is null for the rows of data/")
    assert values_of(place, "score") == [(None,), (None,)]


@pytest.mark.parametrize(
    ("narrow", "wider", "wide"),
    [
        (pa.array([1, 2], pa.int32()), LongType(), pa.int64()),
        (pa.array([0.5, 1.5], pa.float32()), DoubleType(), pa.float64()),
        (pa.array([Decimal("1.5")] * 2, pa.decimal128(4, 1)), DecimalType(12, 1), pa.decimal128(12, 1)),
    ],
)
@pytest.mark.parametrize("partitioned", [False, True])
def test_a_column_that_was_widened_has_the_tables_type(
    make_iceberg: MakeTable, narrow: pa.Array, wider: Any, wide: pa.DataType, partitioned: bool
) -> None:
    made, place = make_iceberg(texts(0, 2, n=narrow), **({"n": IdentityTransform()} if partitioned else {}))
    with made.update_schema() as change:
        change.update_column("n", wider)
    _, found = whole_store([str(place)], Columns(("text",), ("n",)))

    assert found.schema == pa.schema([("n", wide)])
    assert values_of(place, "n") == [(value,) for value in narrow.cast(wide).to_pylist()]


@pytest.mark.parametrize("rename", [False, True])
def test_nested_columns_are_read_where_their_fields_are_the_tables(make_iceberg: MakeTable, rename: bool) -> None:
    made, place = make_iceberg(texts(0, 2, s=[{"x": 1, "y": ["a"]}, None]))
    if rename:
        with made.update_schema() as change:
            change.rename_column("s.x", "z")
        with pytest.raises(CorpusError, match="column 's' has a field 'x' inside, and the table has not: leave the"):
            values_of(place, "s")
        assert ids_of(place) == [0, 1]
    else:
        assert values_of(place, "s") == [({"x": 1, "y": ["a"]},), (None,)]


def test_files_without_numbers_are_read_by_the_mapping_of_names_or_refused(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 2))
    file = place / "data" / "added.parquet"
    pq.write_table(texts(2, 4), file)
    made.add_files([f"file://{file}"])

    assert ids_of(place) == [0, 1, 2, 3]
    last = newest_metadata(place)
    stated = json.loads(last.read_text())
    del stated["properties"]["schema.name-mapping.default"]
    (last.parent / f"{int(last.name[:5]) + 1:05}-by-hand.metadata.json").write_text(json.dumps(stated))
    with pytest.raises(CorpusError, match="its columns have no numbers, by which the table knows them"):
        ids_of(place)


def test_an_earlier_snapshot_has_its_partitions_under_the_names_of_its_own_time(make_iceberg: MakeTable) -> None:
    """Two columns have exchanged their names since; one of them is what the folders are by."""
    made, place = make_iceberg(texts(0, 3, a=["x", "y", None], b=["1", "2", "3"]), a=IdentityTransform())
    first = made.metadata.snapshots[0].snapshot_id
    for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
        with made.update_schema() as change:
            change.rename_column(old, new)
    made.append(texts(3, 4, a=["new"], b=["part"]))

    assert values_of(place, "a", "b") == [("1", "x"), ("2", "y"), ("3", None), ("new", "part")]
    assert values_of(place, "a", "b", version=first) == [("x", "1"), ("y", "2"), (None, "3")]
    assert ids_of(place, version=first, where="b == '1'") == [0]
    assert ids_of(place, version=first, where="a is None") == [2]
    for file in place.glob("data/by_a=[xy]/*.parquet"):
        kept = pq.read_table(file, partitioning=None).select(["id", "text", "b"])
        write_with_size(kept, file, file.stat().st_size)
    assert values_of(place, "a", version=first) == [("x",), ("y",), (None,)]


def test_partitions_that_came_and_went_are_each_read_as_the_file_was_written(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(texts(0, 2, k=["x", "y"]), k=IdentityTransform())
    first = made.metadata.snapshots[0].snapshot_id
    with made.update_spec() as change:
        change.remove_field("by_k")
    made.append(texts(2, 4, k=["y", None]))
    before = made.metadata.snapshots[-1].snapshot_id
    with made.update_schema() as columns:
        columns.delete_column("k")
    with made.update_schema() as columns:
        columns.add_column("k", StringType())
    made.append(texts(4, 5, k=["again"]))

    assert values_of(place, "k") == [(None,), (None,), (None,), (None,), ("again",)]
    assert values_of(place, "k", version=before) == [("x",), ("y",), ("y",), (None,)]
    assert ids_of(place, version=before, where="k == 'y'") == [1, 2]
    assert ids_of(place, version=first, where="k == 'y'") == [1]
    assert ids_of(place, where="k is None") == [0, 1, 2, 3]


def test_a_partition_of_doubles_has_all_of_its_digits_or_is_refused(make_iceberg: MakeTable) -> None:
    """The library reads a double of metadata as a float; the file has the value, as long as it has the column."""
    _, place = make_iceberg(texts(0, 2, g=[0.1, 1e300]), g=IdentityTransform())

    assert values_of(place, "g") == [(0.1,), (1e300,)]
    assert ids_of(place, where="g == 0.1") == [0]
    for file in place.glob("data/by_g=0.1/*.parquet"):
        write_with_size(pq.read_table(file, partitioning=None).select(["id", "text"]), file, file.stat().st_size)
    assert ids_of(place) == [0, 1]
    with pytest.raises(CorpusError, match="no column 'g', and the table's log gives its value with too few digits"):
        values_of(place, "g")


def test_a_partition_of_dates_that_is_one_of_times_by_now_is_refused(make_iceberg: MakeTable) -> None:
    _, place = make_iceberg(texts(0, 1, d=[dt.date(2024, 1, 1)]), d=IdentityTransform())
    last = newest_metadata(place)
    stated = json.loads(last.read_text())
    changed = json.loads(json.dumps(stated["schemas"][-1])) | {"schema-id": 9}
    changed["fields"][-1]["type"] = "timestamp"
    stated |= {"schemas": [*stated["schemas"], changed], "current-schema-id": 9, "format-version": 3, "next-row-id": 1}
    last.write_text(json.dumps(stated))

    assert ids_of(place) == [0]
    with pytest.raises(CorpusError, match="column 'd' has times and had dates before"):
        values_of(place, "d")
