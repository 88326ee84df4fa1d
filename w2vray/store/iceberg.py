"""Iceberg: the files of a table's snapshot, by the library ``pyiceberg``, which reads metadata; no catalog is asked.

Metadata name files by whole paths. A table that was copied names those of the place that it came from, and is refused.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.store.avro import require_whole
from w2vray.store.opening import first_line
from w2vray.store.places import shown, without_secrets
from w2vray.store.table import Table, TableFile

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, StaticTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

__all__ = ["KIND", "METADATA", "read_iceberg"]

KIND = "Iceberg"
METADATA = re.compile(r"(?:v?([0-9]+))?.*\.metadata\.json")
"""What a file of metadata is called; the number says which is newer."""

_DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    AssertionError,
    TypeError,
    ArithmeticError,
    NotImplementedError,
    zlib.error,
    pa.ArrowException,
)
"""What the library raises of metadata that are damaged, or that it does not know."""

_HINT = "version-hint.text"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//)?")
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
        table = _opened(store, folder, metadata or _newest(named, store, folder))
        inside = _inside(named, store, folder, table.metadata.location)
        snapshot = _snapshot(named, table.metadata, version)
        tasks = list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files()) if snapshot else []
        deleted = _Deleted(named, table.io)
        files = {
            inside(task.file.file_path): _file(named, task, table.metadata, deleted)
            for task in sorted(tasks, key=lambda task: task.file.file_path)
        }
    except (*_DAMAGED, NotInstalledError, ValidationError) as error:
        reason = _first_reason(error).replace(place, named)
        if "equality deletes" in reason:
            reason = "it has equality deletes, which w2vray cannot read; rewrite its data files, and name it again"
        raise CorpusError(f"{named} is an {KIND} table that cannot be read: {reason}") from error
    if len(files) != len(tasks):
        raise CorpusError(f"{named} is an {KIND} table whose metadata name a file twice")
    schema = _schema(table.metadata, snapshot)
    columns = {column.name: column for column in schema.fields}
    mapping = table.metadata.name_mapping()
    return Table(
        kind=KIND,
        place=named,
        version=snapshot.snapshot_id if snapshot else 0,
        schema=_plain(schema.as_arrow()),
        ids={name: column.field_id for name, column in columns.items()},
        known_as=None if mapping is None else _known_as(columns, mapping),
        unusable={
            name: "has a default for files that were written without it, which w2vray cannot read"
            for name, column in columns.items()
            if column.initial_default is not None
        },
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
    from pyiceberg.serializers import FromInputFile
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
    metadata = FromInputFile.table_metadata(PyArrowFile(place, place, store))
    return StaticTable(("table",), metadata, place, io, NoopCatalog("none"))


def _require_whole(store: fs.FileSystem, path: str) -> None:
    with store.open_input_file(path) as handle:
        try:
            require_whole(handle.read())
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error


def _newest(named: str, store: fs.FileSystem, folder: str) -> str:
    """Return the newest of a table's files of metadata: by the hint of who writes without a catalog, or by number."""
    infos = store.get_file_info(fs.FileSelector(f"{folder}/metadata"))
    names = {info.base_name for info in infos if info.type == fs.FileType.File}
    if _HINT in names:
        with store.open_input_file(f"{folder}/metadata/{_HINT}") as handle:
            hint = handle.read().decode().strip()
        named_so = (hint, *_numbered(hint), f"{hint}.metadata.json")
        found = [name for name in named_so if name in names]
        if not found:
            raise ValueError(f"its {_HINT} says {hint!r}, and there are no such metadata")
        newest = found[0]
        while hint.isdecimal() and (later := [name for name in _numbered(str(int(hint) + 1)) if name in names]):
            hint, newest = str(int(hint) + 1), later[0]  # the hint is written after the metadata, and may be late
        return newest
    numbered = [(int(match[1] or 0), name) for name in names if (match := METADATA.fullmatch(name))]
    last = max(number for number, _ in numbered)
    newest, *others = [str(name) for name in sorted(name for number, name in numbered if number == last)]
    if others:
        raise ValueError(
            f"{newest} and {others[0]} are both the newest of its metadata, and only its catalog knows which counts: "
            f"name the file, as {named}/metadata/{newest}"
        )
    return newest


def _numbered(number: str) -> tuple[str, str]:
    """Return what a file of metadata of a number is called by who writes without a catalog: plain, or packed."""
    return f"v{number}.metadata.json", f"v{number}.gz.metadata.json"


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
    bare = _SCHEME.sub("", location, count=1) if _SCHEME.match(location) else location
    if isinstance(store, fs.LocalFileSystem) and not location.startswith(("file:", "/")):
        raise CorpusError(f"{without_secrets(location)} is named by metadata on this machine, and is not a file on it")
    return re.sub("^/+", "/", bare)


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
    """Return the columns that a snapshot is read with: the table's of now, if it is the current one."""
    current = metadata.current_snapshot()
    if snapshot is None or snapshot.schema_id is None or (current and current.snapshot_id == snapshot.snapshot_id):
        return metadata.schema()
    return next(schema for schema in metadata.schemas if schema.schema_id == snapshot.schema_id)


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return the library's types as files have them: it says large strings of all strings."""
    plain = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return pa.schema([pa.field(column.name, plain.get(column.type, column.type)) for column in schema])


def _known_as(columns: Mapping[str, Any], mapping: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    names = {field.field_id: tuple(field.names) for field in mapping}
    return {name: names.get(column.field_id, ()) for name, column in columns.items()}


def _file(named: str, task: "FileScanTask", metadata: "TableMetadata", deleted: "_Deleted") -> TableFile:
    file = task.file
    if file.file_format.name != "PARQUET":
        raise CorpusError(
            f"{named} is an {KIND} table with files of {file.file_format.name}, of which Parquet alone is read"
        )
    columns = dict(_constants(file, metadata))
    row = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)) if columns else None
    deleted_N = deleted.rows(task)
    if deleted_N is not None and len(deleted_N) and deleted_N[-1] >= file.record_count:
        raise CorpusError(f"{named} is an {KIND} table that deletes a row which {file.file_path} does not have")
    return (
        TableFile(file.file_size_in_bytes, deleted_N=deleted_N)
        if row is None
        else TableFile(file.file_size_in_bytes, row, deleted_N)
    )


def _constants(file: "DataFile", metadata: "TableMetadata") -> Iterator[tuple[str, pa.Array]]:
    """Yield the columns by whose very values a file's rows were put together, each with its value."""
    from pyiceberg.transforms import IdentityTransform

    schema = metadata.schema()
    kinds = _plain(schema.as_arrow())
    for place, field in enumerate(metadata.specs()[file.spec_id].fields):
        name = schema.find_column_name(field.source_id)
        if name is not None and isinstance(field.transform, IdentityTransform) and name in kinds.names:
            yield name, _value(file.partition[place], kinds.field(name).type)


def _value(value: Any, kind: pa.DataType) -> pa.Array:
    """Return a value of a partition; metadata count days or microseconds."""
    if pa.types.is_temporal(kind) and isinstance(value, int):
        return pa.array([value], pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    return pa.array([value], kind)


class _Deleted:
    """The rows that files of position deletes delete. Each such file is read once."""

    def __init__(self, named: str, io: "FileIO") -> None:
        self.named, self.io = named, io
        self.seen: dict[str, dict[str, npt.NDArray[np.int64]]] = {}

    def rows(self, task: "FileScanTask") -> npt.NDArray[np.int64] | None:
        """Return a file's deleted rows in order, None where there are none."""
        found = [self._of(file).get(_bare(task.file.file_path)) for file in task.delete_files]
        rows = [rows_N for rows_N in found if rows_N is not None]
        return np.unique(np.concatenate(rows)) if rows else None

    def _of(self, file: "DataFile") -> dict[str, npt.NDArray[np.int64]]:
        if file.file_format.name != "PARQUET":
            raise CorpusError(
                f"{self.named} is an {KIND} table whose rows are deleted by files of {file.file_format.name} (deletion "
                "vectors), which w2vray cannot read; rewrite its data files, and name it again"
            )
        if file.file_path not in self.seen:
            with self.io.new_input(file.file_path).open() as handle:
                read = pq.read_table(pa.PythonFile(handle, mode="r"), columns=["file_path", "pos"])
            paths = read["file_path"].cast(pa.string()).combine_chunks().dictionary_encode()
            numbers_N, rows_N = paths.indices.to_numpy(), read["pos"].to_numpy()
            names = paths.dictionary.to_pylist()
            self.seen[file.file_path] = {
                _bare(name): rows_N[numbers_N == number].astype(np.int64) for number, name in enumerate(names)
            }
        return self.seen[file.file_path]


def _bare(location: str) -> str:
    """Return a place without what is spelled in several ways: ``file:/``, ``file:///``, ``s3a://``."""
    return re.sub("^/+", "", _SCHEME.sub("", location, count=1) if _SCHEME.match(location) else location)
