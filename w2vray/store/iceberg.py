"""Iceberg: the files of a table's snapshot, by the library ``pyiceberg``, which reads metadata; no catalog is asked.

Metadata name files by whole paths. A table that was copied names those of the place that it came from, and is refused.
"""

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.places.uris import first_line, shown, without_secrets
from w2vray.store.avro import require_whole
from w2vray.store.iceberg_deletes import DeletedRows, without_scheme
from w2vray.store.iceberg_metadata import newest_metadata, read_metadata
from w2vray.store.table import NO_VALUES, Table, TableFile

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, StaticTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

__all__ = ["KIND", "read_iceberg"]

KIND = "Iceberg"
_DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    AssertionError,
    AttributeError,
    TypeError,
    ArithmeticError,
    NotImplementedError,
    zlib.error,
    pa.ArrowException,
)
"""What the library raises of metadata that are damaged, or that it does not know."""

_MOST_NAMED = 10


def read_iceberg(
    place: str, store: fs.FileSystem, path: str, version: int | None, metadata: str | None = None
) -> Table:
    """Read what a table's metadata say of a snapshot; of the current one, where none is given.

    Args:
        place: of the table, as a path or URI.
        store: the filesystem of it.
        path: of the table in there.
        version: id of the snapshot, or its sequence number.
        metadata: name of the file of metadata; None for the newest.

    Raises:
        ModuleNotFoundError: the library is not installed.
        CorpusError: there is no such snapshot, or it cannot be read for certain.
    """
    from pyiceberg.exceptions import NotInstalledError, ValidationError

    named, folder = shown(place), path.rstrip("/")
    try:
        table = _opened(store, folder, metadata or newest_metadata(named, store, folder))
        inside = _inside(named, store, folder, table.metadata.location)
        snapshot = _snapshot(named, table.metadata, version)
        schema = _schema(table.metadata, snapshot)
        tasks = list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files()) if snapshot else []
        deleted = DeletedRows(named, table.io)
        files = {
            inside(task.file.file_path): _file(named, task, table.metadata.specs(), schema, deleted)
            for task in sorted(tasks, key=lambda task: task.file.file_path)
        }
    except (*_DAMAGED, NotInstalledError, ValidationError) as error:
        reason = _first_reason(error).replace(place, named)
        if "equality deletes" in reason:
            reason = "it has equality deletes, which w2vray cannot read; rewrite its data files, and name it again"
        raise CorpusError(f"{named} is an {KIND} table that cannot be read: {reason}") from error
    if len(files) != len(tasks):
        raise CorpusError(f"{named} is an {KIND} table whose metadata name a file twice")
    columns = {column.name: column for column in schema.fields}
    mapping = table.metadata.name_mapping()
    return Table(
        kind=KIND,
        place=named,
        version=snapshot.snapshot_id if snapshot else 0,
        schema=_plain(schema.as_arrow()),
        ids={name: column.field_id for name, column in columns.items()},
        known_as=None if mapping is None else _known_as(columns, mapping),
        unusable=_unusable(table.metadata, schema),
        files=files,
    )


def _first_reason(error: Exception) -> str:
    """Return what an error says; of one that lists what is wrong with a file, the first of that, too."""
    if "format_version" in str(error) and "union_tag" in str(error):
        return "the format-version of its metadata is not 1, 2 or 3"
    line, *more = str(error).splitlines() or [""]
    return f"{line}: {' '.join(map(str.strip, more[:2]))}" if "validation error" in line and more else first_line(error)


def _opened(store: fs.FileSystem, folder: str, name: str) -> "StaticTable":
    """Open a table by a file of its metadata, on a filesystem of ours: whatever keys that has are used."""
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io import FileIO, InputFile, OutputFile
    from pyiceberg.io.pyarrow import PyArrowFile
    from pyiceberg.table import StaticTable

    class OneStore(FileIO):
        def new_input(self, location: str) -> InputFile:
            if location.endswith(".avro"):
                _require_whole(store, _path(store, location))
            return PyArrowFile(location, _path(store, location), store)

        def new_output(self, location: str) -> OutputFile:
            raise NotImplementedError(f"{location}: nothing is written")

        def delete(self, location: str | InputFile | OutputFile) -> None:
            raise NotImplementedError(f"{location}: nothing is deleted")

    io = OneStore()
    place = f"{folder}/metadata/{name}"
    return StaticTable(("table",), read_metadata(store, place), place, io, NoopCatalog("none"))


def _require_whole(store: fs.FileSystem, path: str) -> None:
    with store.open_input_file(path) as handle:
        try:
            require_whole(handle.read())
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error


def _inside(named: str, store: fs.FileSystem, folder: str, location: str) -> Callable[[str], str]:
    """Return what gives a file's name below the table's folder.

    Raises:
        CorpusError: the table is not where its metadata say that it is.
    """
    own = _path(store, location).rstrip("/")
    there = {own, os.path.realpath(own)} if isinstance(store, fs.LocalFileSystem) else {own}
    here = {folder, os.path.realpath(folder)} if isinstance(store, fs.LocalFileSystem) else {folder}
    if not there & here:
        raise CorpusError(
            f"{named} is an {KIND} table that was copied or moved: its metadata name files in "
            f"{without_secrets(location)}. Name it there, or register it anew where it is"
        )

    def inside(place: str) -> str:
        path = _path(store, place)
        if not path.startswith(own + "/"):
            raise CorpusError(
                f"{named} is an {KIND} table with files in another place: {without_secrets(place)}. "
                "Rewrite its data files into its own folder, and name it again"
            )
        return str(path.removeprefix(own + "/"))

    return inside


def _path(store: fs.FileSystem, location: str) -> str:
    """Return the path in a filesystem of what metadata name: a URI of one of several spellings, or a path."""
    if isinstance(store, fs.LocalFileSystem) and not location.startswith(("file:", "/")):
        raise CorpusError(f"{without_secrets(location)} is named by metadata on this machine, and is not a file on it")
    return re.sub("^/+", "/", without_scheme(location))


def _snapshot(named: str, metadata: "TableMetadata", version: int | None) -> "Snapshot | None":
    if version is None:
        return metadata.current_snapshot()
    found = [one for one in metadata.snapshots if one.snapshot_id == version]
    found = found or [one for one in metadata.snapshots if one.sequence_number == version]
    if len(found) != 1:
        newest = sorted(metadata.snapshots, key=lambda one: one.timestamp_ms, reverse=True)
        there = ", ".join(f"{one.snapshot_id} (sequence {one.sequence_number})" for one in newest[:_MOST_NAMED])
        more = f" and {len(newest) - _MOST_NAMED} older ones" if len(newest) > _MOST_NAMED else ""
        raise CorpusError(f"{named} has no snapshot {version}, or not one only; it has {there or 'none'}{more}")
    return found[0]


def _schema(metadata: "TableMetadata", snapshot: "Snapshot | None") -> "Schema":
    """Return the columns that a snapshot is read with: the table's of now, if it is the current one.

    Raises:
        ValueError: the metadata do not have them.
    """
    current = metadata.current_snapshot()
    if snapshot is None or snapshot.schema_id is None or (current and current.snapshot_id == snapshot.snapshot_id):
        return metadata.schema()
    found = [schema for schema in metadata.schemas if schema.schema_id == snapshot.schema_id]
    if not found:
        raise ValueError(
            f"its metadata do not have schema {snapshot.schema_id}, that of snapshot {snapshot.snapshot_id}"
        )
    return found[0]


def _unusable(metadata: "TableMetadata", schema: "Schema") -> dict[str, str]:
    """Say which columns cannot be read for certain, and why."""
    from pyiceberg.types import DateType, TimestampType, TimestamptzType

    dates = {field.field_id for each in metadata.schemas for field in each.fields if field.field_type == DateType()}
    unusable = {}
    for column in schema.fields:
        if column.initial_default is not None:
            unusable[column.name] = "has a default for files that were written without it, which w2vray cannot read"
        elif column.field_id in dates and isinstance(column.field_type, TimestampType | TimestamptzType):
            unusable[column.name] = "has times and had dates before, which w2vray cannot read as one column"
    return unusable


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return the library's types as files have them: it says large strings of all strings."""
    plain = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return pa.schema([pa.field(column.name, plain.get(column.type, column.type)) for column in schema])


def _known_as(columns: Mapping[str, Any], mapping: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    names = {field.field_id: tuple(field.names) for field in mapping}
    return {name: names.get(column.field_id, ()) for name, column in columns.items()}


def _file(
    named: str, task: "FileScanTask", specs: Mapping[int, "PartitionSpec"], schema: "Schema", deleted: DeletedRows
) -> TableFile:
    file = task.file
    if file.file_format.name != "PARQUET":
        raise CorpusError(
            f"{named} is an {KIND} table with files of {file.file_format.name}, of which Parquet alone is read"
        )
    columns = _constants(file, specs[file.spec_id], schema)
    uncertain = frozenset(name for name, value in columns.items() if pa.types.is_float64(value.type))
    if _doubles_are_exact():
        uncertain = frozenset()
    certain = {name: value for name, value in columns.items() if name not in uncertain}
    row = pa.RecordBatch.from_arrays(list(certain.values()), names=list(certain)) if certain else NO_VALUES
    deleted_N = deleted.rows(task)
    if deleted_N is not None and len(deleted_N) and deleted_N[-1] >= file.record_count:
        raise CorpusError(f"{named} is an {KIND} table that deletes a row which {file.file_path} does not have")
    return TableFile(file.file_size_in_bytes, row, deleted_N, uncertain)


@cache
def _doubles_are_exact() -> bool:
    """Tell whether the library reads float64 from metadata as it is written; pyiceberg 0.12 rounds it to float32."""
    from pyiceberg.avro.decoder import new_decoder

    return bool(new_decoder(struct.pack("<d", 0.1)).read_double() == 0.1)


def _constants(file: "DataFile", spec: "PartitionSpec", schema: "Schema") -> dict[str, pa.Array]:
    """Return the columns by whose very values a file's rows were put together, each with its value.

    A column is called what it is called in the snapshot that is read: it may have another name by now.
    """
    from pyiceberg.transforms import IdentityTransform

    kinds = _plain(schema.as_arrow()).types
    columns = {column.field_id: (column.name, kind) for column, kind in zip(schema.fields, kinds, strict=True)}
    return {
        columns[field.source_id][0]: _value(file.partition[place], columns[field.source_id][1])
        for place, field in enumerate(spec.fields)
        if field.source_id in columns and isinstance(field.transform, IdentityTransform)
    }


def _value(value: Any, kind: pa.DataType) -> pa.Array:
    """Return a value of a partition; metadata count days or microseconds."""
    if pa.types.is_temporal(kind) and isinstance(value, int):
        return pa.array([value], pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    return pa.array([value], kind)
