"""Logs of Delta Lake that were summed up in checkpoints of every kind, broken off, or cleaned; and what lies beside."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from tests.fixtures.table_rows import ids_of, texts, values_of
from tests.fixtures.tables import commit
from w2vray.errors import CorpusError

NOW = [0, 1, 2, 3, 5]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Versions 0 to 3: ids 0-2; the same, with V2 checkpoints allowed; 0-5; without 4. A checkpoint of version 3."""
    place = tmp_path / "lake" / "table"
    write_deltalake(place, texts(0, 3))
    DeltaTable(place).alter.add_feature([TableFeatures.V2Checkpoint], allow_protocol_versions_increase=True)
    write_deltalake(place, texts(3, 6), mode="append")
    DeltaTable(place).delete("id = 4")
    DeltaTable(place).create_checkpoint()
    return place


def log(table: Path, name: str) -> Path:
    return table / "_delta_log" / name


def take_checkpoint(table: Path) -> pa.Table:
    """Return what the checkpoint says, and remove it with all commits before it."""
    (file,) = table.glob("_delta_log/*.checkpoint.parquet")
    said = pq.read_table(file)
    for each in (file, *table.glob("_delta_log/0*.json")):
        each.unlink()
    return said


def in_parts(table: Path) -> list[Path]:
    """Write a checkpoint as two files, as Spark does for large tables; return them."""
    said = take_checkpoint(table)
    half = len(said) // 2
    parts = [log(table, f"{3:020}.checkpoint.{number:010}.{2:010}.parquet") for number in (1, 2)]
    pq.write_table(said.slice(0, half), parts[0])
    pq.write_table(said.slice(half), parts[1])
    log(table, "_last_checkpoint").write_text(json.dumps({"version": 3, "size": len(said), "parts": 2}))
    return parts


def plain(value: Any) -> Any:
    """Return a value of Parquet as JSON has it: maps as objects, nothing that is null."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    return dict(value) if isinstance(value, list) and value and isinstance(value[0], tuple) else value


def with_sidecar(table: Path) -> list[Path]:
    """Write a checkpoint of version 2, a file of JSON that names another of Parquet; return both."""
    said = take_checkpoint(table)
    sidecar = log(table, "_sidecars/3a0d65cd-4056-49b8-937b-95f9e3ee90e5.parquet")
    sidecar.parent.mkdir()
    pq.write_table(said.filter(pc.or_(pc.is_valid(said["add"]), pc.is_valid(said["remove"]))), sidecar)
    kept: list[dict[str, Any]] = [
        {name: plain(row[name])} for row in said.to_pylist() for name in ("protocol", "metaData") if row[name]
    ]
    for action in kept:
        action.get("metaData", {}).update(configuration={}, format={"provider": "parquet", "options": {}})
    size = {"sizeInBytes": sidecar.stat().st_size, "modificationTime": 1, "tags": {}}
    actions = [{"checkpointMetadata": {"version": 3}}, *kept, {"sidecar": {"path": sidecar.name, **size}}]
    checkpoint = log(table, f"{3:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json")
    checkpoint.write_text("\n".join(map(json.dumps, actions)))
    log(table, "_last_checkpoint").unlink()
    return [checkpoint, sidecar]


@pytest.mark.parametrize("write", [in_parts, with_sidecar])
def test_a_checkpoint_of_several_files_is_read_and_refused_where_one_of_them_is_gone(table: Path, write: Any) -> None:
    *_, last = write(table)

    assert ids_of(table) == ids_of(table, version=3) == NOW
    with pytest.raises(CorpusError, match=r"has no version 2; its log has 3 only$"):
        ids_of(table, version=2)
    last.unlink()
    with pytest.raises(CorpusError, match="table is a Delta Lake table that cannot be read"):
        ids_of(table)


def test_a_log_whose_checkpoint_is_gone_is_refused(table: Path) -> None:
    take_checkpoint(table)
    commit_by_hand = log(table, f"{4:020}.json")
    commit_by_hand.write_text(json.dumps({"commitInfo": {}}))

    with pytest.raises(CorpusError, match="table is a Delta Lake table that cannot be read"):
        ids_of(table)


def test_a_commit_that_is_cut_short_or_empty_is_refused_and_what_came_before_it_is_read(table: Path) -> None:
    """A program that was killed leaves an empty file; to the library, that is a version in which nothing changed."""
    write_deltalake(table, texts(10, 12), mode="append")
    whole = log(table, f"{4:020}.json").read_text()
    log(table, f"{4:020}.json").write_text(whole[:-20])
    with pytest.raises(CorpusError, match="table is a Delta Lake table that cannot be read"):
        ids_of(table)

    log(table, f"{4:020}.json").write_text("")

    with pytest.raises(CorpusError, match=f"log is damaged: {4:020}.json is an empty file, .* what version 4 changed"):
        ids_of(table)
    assert ids_of(table, version=3) == NOW
    log(table, f"{4:020}.json").write_text(whole)
    DeltaTable(table).create_checkpoint()
    log(table, f"{4:020}.json").write_text("")
    assert ids_of(table) == [*NOW, 10, 11]


@pytest.mark.parametrize("beside", [[], [".s3-optimization-0"], [f"{0:020}.crc"]])
def test_a_log_without_a_version_is_refused_with_what_to_do(tmp_path: Path, beside: list[str]) -> None:
    log(tmp_path, "").mkdir()
    pq.write_table(texts(0, 2), tmp_path / "a.parquet")
    for name in beside:
        log(tmp_path, name).write_text("")

    with pytest.raises(CorpusError, match=r"whose log has no version, .* read as they are, remove its folder _delta_l"):
        ids_of(tmp_path)
    for name in beside:
        log(tmp_path, name).unlink()
    log(tmp_path, "").rmdir()
    assert ids_of(tmp_path) == [0, 1]


@pytest.mark.parametrize("path", ["../other.parquet", "a/../../other.parquet", ".."])
def test_files_beside_the_table_are_files_in_another_place(table: Path, path: str) -> None:
    pq.write_table(texts(7, 8), table.parent / "other.parquet")
    size = (table.parent / "other.parquet").stat().st_size
    commit(
        table, {"add": {"path": path, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": True}}
    )

    with pytest.raises(CorpusError, match="with files in another place"):
        ids_of(table)


def test_files_of_changes_are_no_rows_of_the_table(tmp_path: Path) -> None:
    table = tmp_path / "t"
    write_deltalake(table, texts(0, 6), configuration={"delta.enableChangeDataFeed": "true"})
    DeltaTable(table).update(updates={"text": "'new'"}, predicate="id = 2")
    DeltaTable(table).delete("id = 3")

    assert list(table.glob("_change_data/*.parquet"))
    assert values_of(table, "text") == [("text 0",), ("text 1",), ("new",), ("text 4",), ("text 5",)]
    for place in (table / "_change_data", f"{table}/*.parquet"):
        with pytest.raises(CorpusError, match="t is a Delta Lake table: its log says"):
            ids_of(place)
