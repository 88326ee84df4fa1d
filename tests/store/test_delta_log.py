"""Logs that the library does not take and that are plain all the same; what is not plain stays refused."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.errors import CorpusError
from w2vray.store.preflight import Columns, whole_store
from w2vray.store.reading import read_unit
from w2vray.store.units import plan_units

pytest.importorskip("deltalake", reason="deltalake is not installed")

NAMED = {
    "id": "1",
    "format": {"provider": "parquet"},
    "schemaString": "{}",
    "partitionColumns": [],
    "configuration": {},
}


def add(place: Path, name: str, first: int, **more: Any) -> dict[str, Any]:
    """Write a file of five rows and return the action that adds it."""
    pq.write_table(pa.table({"id": range(first, first + 5), "text": ["a text"] * 5}), place / name)
    size = (place / name).stat().st_size
    said = {"path": name.replace(" ", "%20"), "size": size, "modificationTime": 0, "dataChange": True}
    return {"add": {**said, "partitionValues": {}, **more}}


def remove(name: str) -> dict[str, Any]:
    return {"remove": {"path": name, "deletionTimestamp": 1, "dataChange": False}}


def commit(place: Path, version: int, *actions: dict[str, Any]) -> None:
    log = place / "_delta_log"
    log.mkdir(exist_ok=True)
    (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)))


def ids_of(place: Path, version: int | None = None) -> list[int]:
    corpus, found = whole_store([str(place)], Columns(("text",), ("id",)), table_version=version)
    ids: list[int] = []
    for unit in plan_units(found.files):
        for batch in read_unit(unit, corpus.roots, ["text", "id"], None, found.schema):
            ids += batch.column("id").to_pylist()
    return sorted(ids)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two files at first, then one with the rows of both, then one more; no schema and no protocol."""
    place = tmp_path / "table"
    place.mkdir()
    commit(place, 0, {"metaData": NAMED}, add(place, "a.parquet", 0), add(place, "b.parquet", 5))
    commit(place, 1, add(place, "c.parquet", 20), remove("a.parquet"))
    commit(place, 2, {"commitInfo": {"operation": "by hand"}}, add(place, "with space.parquet", 40))
    return place


def test_its_rows_are_those_of_the_files_that_the_log_has_kept(table: Path) -> None:
    assert ids_of(table) == [*range(5, 10), *range(20, 25), *range(40, 45)]


def test_each_version_has_its_own(table: Path) -> None:
    assert ids_of(table, 0) == list(range(10))
    assert ids_of(table, 1) == [*range(5, 10), *range(20, 25)]


@pytest.mark.parametrize(
    "action",
    [
        {"add": {"path": "d.parquet", "size": 9, "partitionValues": {"day": "1"}}},
        {"add": {"path": "d.parquet", "size": 9, "deletionVector": {"storageType": "u"}}},
        {"metaData": {**NAMED, "partitionColumns": ["id"]}},
        {"metaData": {**NAMED, "configuration": {"delta.columnMapping.mode": "name"}}},
        {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}},
        {"protocol": {"minReaderVersion": 1, "readerFeatures": ["newest"]}},
        {"domainMetadata": {"domain": "x"}},
        {"add": {"path": "s3://elsewhere/d.parquet", "size": 9}},
        {"add": {"path": "d.parquet"}},
    ],
    ids=lambda action: json.dumps(action)[:60],
)
def test_what_is_not_plain_is_refused_by_the_tables_name(table: Path, action: dict[str, Any]) -> None:
    commit(table, 3, action)
    with pytest.raises(CorpusError, match="is a Delta Lake table that cannot be read"):
        ids_of(table)


def test_a_commit_that_cannot_be_opened_is_refused(table: Path) -> None:
    """It is a folder: no program can read it as a file."""
    (table / "_delta_log" / f"{1:020}.json").unlink()
    (table / "_delta_log" / f"{1:020}.json").mkdir()
    with pytest.raises(CorpusError, match="is a Delta Lake table that cannot be read"):
        ids_of(table)


def test_a_log_with_a_commit_missing_is_refused(table: Path) -> None:
    (table / "_delta_log" / f"{1:020}.json").unlink()
    with pytest.raises(CorpusError, match="is a Delta Lake table that cannot be read"):
        ids_of(table)
