"""Iceberg tables are read by their metadata: the same rows as if they were written as Parquet, and no others."""

import datetime as dt
import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import DecimalType, DoubleType, LongType

from tests.fixtures.tables import delete_iceberg_rows, files_of, newest_metadata
from w2vray.errors import CorpusError
from w2vray.store.corpus import find_corpus
from w2vray.store.filters import parse_where
from w2vray.store.preflight import Columns, whole_store
from w2vray.store.reading import ROW_COLUMN, read_unit
from w2vray.store.units import plan_units


def rows_of(
    table: Path | str, columns: Sequence[str] = ("id",), *, where: str | None = None, version: int | None = None
) -> list[dict[str, Any]]:
    """Read all rows of a store as a run does, sorted by their first column."""
    condition = None if where is None else parse_where(where)
    asked = Columns(("text",), (*columns, *(condition.columns if condition else ())))
    corpus, found = whole_store([str(table)], asked, where=condition, table_version=version)
    fitted = condition.fitted(found.schema) if condition else None
    rows = []
    for unit in plan_units(found.files):
        for batch in read_unit(unit, corpus.roots, ["text", *columns], fitted, found.schema):
            rows += batch.select([ROW_COLUMN, *columns]).to_pylist()
    return sorted(rows, key=lambda row: str(row[columns[0]]))


def ids_of(table: Path | str, **options: Any) -> list[int]:
    """Return the ids of all rows that are read."""
    return sorted(row["id"] for row in rows_of(table, **options))


def values_of(table: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Return some columns of all rows, by their id."""
    return [tuple(row[name] for name in columns) for row in rows_of(table, ["id", *columns])]


def texts(first: int, last: int, **columns: Any) -> pa.Table:
    """Make rows with ids and texts."""
    return pa.table({"id": range(first, last), "text": [f"text {row}" for row in range(first, last)], **columns})


MakeTable = Callable[..., tuple[Table, Path]]


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """Make a table of some rows, partitioned as asked for; a catalog of this test knows it."""
    catalog = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/lake")
    catalog.create_namespace("n")

    def make(rows: pa.Table, name: str = "t", properties: Any = None, **partitions: Any) -> tuple[Table, Path]:
        table = catalog.create_table(f"n.{name}", rows.schema, properties=properties or {})
        with table.update_spec() as spec:
            for column, transform in partitions.items():
                spec.add_field(column, transform, f"by_{column}")
        table.append(rows)
        return table, tmp_path / "lake" / "n" / name

    return make


@pytest.fixture
def table(make_table: MakeTable) -> tuple[Table, Path]:
    """Snapshots in turn: ids 0-9; 100-104 instead; 200-202 too; without 101."""
    made, place = make_table(texts(0, 10))
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


def test_a_copied_table_is_refused_by_name(table: tuple[Table, Path]) -> None:
    _, place = table
    shutil.copytree(place, place.parent / "copy")

    with pytest.raises(CorpusError, match=rf"copy is an Iceberg table that was copied .* files in file://{place}"):
        ids_of(place.parent / "copy")
    (place.parent / "link").symlink_to(place)
    assert ids_of(place.parent / "link") == NOW


def test_identity_partitions_are_columns_with_the_metadatas_values(make_table: MakeTable) -> None:
    columns = {
        "lang": ["en", None, "a b%/ü", "d=e"],
        "day": [dt.date(2024, 1, 1), None, dt.date(1969, 12, 31), dt.date(2024, 1, 1)],
        "n": pa.array([1, 2, None, 4], pa.int32()),
        "at": pa.array([dt.datetime(2024, 1, 1, 12, 30, 0, 5), None, None, None], pa.timestamp("us", "UTC")),
        "part": pa.array([Decimal("1.20"), None, Decimal(2), Decimal(3)], pa.decimal128(10, 2)),
        "yes": [True, False, None, True],
    }
    _, place = make_table(texts(0, 4, **columns), **{name: IdentityTransform() for name in columns})
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
def test_conditions_on_partition_columns_choose_rows(make_table: MakeTable, where: str, expected: list[int]) -> None:
    day = [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 2), None, None]
    rows = texts(0, 6, lang=["en", "en", "de", "de", None, None], day=day)
    _, place = make_table(rows, lang=IdentityTransform(), day=DayTransform(), id=BucketTransform(2))

    assert ids_of(place, where=where) == expected


def test_files_that_a_condition_excludes_are_not_opened(make_table: MakeTable) -> None:
    _, place = make_table(texts(0, 4, lang=["en", "de", "fr", None]), lang=IdentityTransform())
    for file in place.glob("data/by_lang=[df]*/*.parquet"):
        file.write_bytes(b"x" * file.stat().st_size)

    corpus, found = whole_store([str(place)], Columns(("text",), ("lang",)), where=parse_where("lang == 'en'"))

    assert [described.rows for described in found.files] == [1]
    assert corpus.ignored.files == {"--where leaves out all of its rows, by the table's log": 3}


def test_columns_are_found_by_number_whatever_they_were_called(make_table: MakeTable) -> None:
    made, place = make_table(texts(0, 2, old=[1.5, None], other=["x", "y"], dropped=[1, 2]))
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


def test_columns_that_came_later_are_null_and_told(make_table: MakeTable) -> None:
    made, place = make_table(texts(0, 2))
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
    make_table: MakeTable, narrow: pa.Array, wider: Any, wide: pa.DataType, partitioned: bool
) -> None:
    made, place = make_table(texts(0, 2, n=narrow), **({"n": IdentityTransform()} if partitioned else {}))
    with made.update_schema() as change:
        change.update_column("n", wider)
    _, found = whole_store([str(place)], Columns(("text",), ("n",)))

    assert found.schema == pa.schema([("n", wide)])
    assert values_of(place, "n") == [(value,) for value in narrow.cast(wide).to_pylist()]


@pytest.mark.parametrize("rename", [False, True])
def test_nested_columns_are_read_where_their_fields_are_the_tables(make_table: MakeTable, rename: bool) -> None:
    made, place = make_table(texts(0, 2, s=[{"x": 1, "y": ["a"]}, None]))
    if rename:
        with made.update_schema() as change:
            change.rename_column("s.x", "z")
        with pytest.raises(CorpusError, match="column 's' has a field 'x' inside, and the table has not: leave the"):
            values_of(place, "s")
        assert ids_of(place) == [0, 1]
    else:
        assert values_of(place, "s") == [({"x": 1, "y": ["a"]},), (None,)]


# Deleted rows


@pytest.mark.parametrize("spelling", ["file://{}", "file:{}", "{}"])
def test_rows_that_position_deletes_delete_are_not_read(make_table: MakeTable, spelling: str) -> None:
    made, place = make_table(texts(0, 100))
    made.append(texts(100, 150))
    before = made.metadata.snapshots[-1].snapshot_id
    large, small = (spelling.format(files_of(made)[rows].removeprefix("file://")) for rows in (100, 50))
    delete_iceberg_rows(made, place, [(large, 99), (large, 0), (small, 1), (large, 5), (f"{large}-gone", 7)])

    assert ids_of(place) == [row for row in range(150) if row not in {0, 5, 99, 101}]
    assert ids_of(place, version=before) == list(range(150))
    assert [row[ROW_COLUMN] for row in rows_of(place) if row["id"] in {1, 6, 98, 102}] == [1, 2, 6, 98]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"content": DataFileContent.EQUALITY_DELETES}, "it has equality deletes, which w2vray cannot read; rewrite"),
        ({"kind": FileFormat.PUFFIN}, r"deleted by files of PUFFIN \(deletion vectors\), which w2vray cannot read"),
    ],
)
def test_other_deletes_are_refused_by_name(make_table: MakeTable, options: dict[str, Any], what: str) -> None:
    made, place = make_table(texts(0, 10))
    delete_iceberg_rows(made, place, [(files_of(made)[10], 3)], **options)

    with pytest.raises(CorpusError, match=what):
        ids_of(place)


def test_a_delete_of_a_row_that_is_not_there_is_refused(make_table: MakeTable) -> None:
    made, place = make_table(texts(0, 10))
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


def test_files_without_numbers_are_read_by_the_mapping_of_names_or_refused(make_table: MakeTable) -> None:
    made, place = make_table(texts(0, 2))
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


def test_an_empty_table_is_refused(make_table: MakeTable) -> None:
    made, place = make_table(texts(0, 2))
    made.delete("id >= 0")

    with pytest.raises(CorpusError, match=r"of the Iceberg table .* has no file"):
        ids_of(place)


def test_without_the_library_the_refusal_says_what_to_install(
    table: tuple[Table, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyiceberg.table", None)

    with pytest.raises(CorpusError, match=r"t is an Iceberg table: .*; pip install 'w2vray\[tables\]'"):
        find_corpus([str(table[1])])


@pytest.mark.parametrize("content", ["{}", '{"format-version": 9}', '{"location": "x"}'])
def test_metadata_without_a_version_that_is_known_are_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "table" / "metadata").mkdir(parents=True)
    (tmp_path / "table" / "metadata" / "v1.metadata.json").write_text(content)
    with pytest.raises(CorpusError, match=r"that cannot be read: the format-version of its metadata is not 1, 2 or 3"):
        find_corpus([str(tmp_path / "table")])
