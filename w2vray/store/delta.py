"""Delta Lake: the current files of a table's version, by the library ``deltalake``, which reads the log."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.places.uris import first_line, is_uri, shown
from w2vray.store.delta_log import read_plain_log
from w2vray.store.table import NO_VALUES, Table, TableFile

__all__ = ["KIND", "read_delta"]

KIND = "Delta Lake"

_KNOWN_FEATURES = frozenset(
    [
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    ]
)
"""What readers have to know of a table, and do here; a variant column is of no type that can be read."""

_MAPPING, _PHYSICAL, _ID = "delta.columnMapping.mode", "delta.columnMapping.physicalName", "delta.columnMapping.id"
_COMMIT, _CHECKPOINT = re.compile(r"([0-9]{20})\.json"), re.compile(r"([0-9]{20})\.checkpoint\..*")
_ELSEWHERE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:|(.*/)?\.\.(/|$)")


def read_delta(place: str, store: fs.FileSystem, path: str, version: int | None) -> Table:
    """Read what a table's log says of a version; of the current one, where none is given.

    Args:
        place: of the table, as a path or URI.
        store: the filesystem of it.
        path: of the table in there.
        version: that is wanted.

    Raises:
        ModuleNotFoundError: the library is not installed.
        CorpusError: there is no such version, or the table needs what is not known here.
    """
    import deltalake
    from deltalake.exceptions import DeltaError

    named = shown(place)
    if unquote(path) != path:  # the library would decode it, and might find another table
        raise CorpusError(f"{named} is a {KIND} table in a folder whose name is percent-encoded; rename the folder")
    there = _versions(named, store, path, version)
    if version is not None and version not in there:
        raise CorpusError(f"{named} has no version {version}; its log has {_spelled(there)}")
    try:
        with _panics_as_errors():
            found = deltalake.DeltaTable(_location(place, store, path), version, _storage_options(place))
            _require_known(named, found)
            actions = pa.table(found.get_add_actions())
            deleted = _deleted(found)
            columns: pa.Schema = pa.schema(found.schema())
            mode = found.metadata().configuration.get(_MAPPING, "none")
    except (DeltaError, OSError, ValueError, pa.ArrowException) as error:
        if (plain := _plain_table(named, store, path, version)) is not None:
            return plain
        reason = first_line(error).replace(place, named)  # the library adds its own stack
        raise CorpusError(f"{named} is a {KIND} table that cannot be read: {reason}") from error
    names = [_file_name(named, stored) for stored in actions["path"].to_pylist()]
    if len(set(names)) != len(names) or not deleted.keys() <= set(names):
        raise CorpusError(f"{named} is a {KIND} table whose log names a file twice, or deletes rows of none of its own")
    mapped = {column.name: column.metadata or {} for column in columns} if mode != "none" else {}
    return Table(
        kind=KIND,
        place=named,
        version=found.version(),
        schema=pa.schema([column.remove_metadata() for column in columns]),
        names={name: metadata[_PHYSICAL.encode()].decode() for name, metadata in mapped.items()},
        ids={name: int(metadata[_ID.encode()]) for name, metadata in mapped.items()} if mode == "id" else None,
        unusable=_unusable(columns, found.metadata().partition_columns, mapped=mode != "none"),
        files={
            name: TableFile(size, values, deleted.get(name))
            for name, size, values in zip(names, actions["size_bytes"].to_pylist(), _constants(actions), strict=True)
        },
    )


@contextmanager
def _panics_as_errors() -> Iterator[None]:
    """Turn a panic of the library, which is written in Rust, into an error: it is no ``Exception``, and has no name."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise ValueError(f"its log is damaged ({first_line(str(error))})") from error
        raise


def _plain_table(named: str, store: fs.FileSystem, path: str, version: int | None) -> Table | None:
    """Read a log that the library does not take, where nothing in it is hard; its newest file may say the schema."""
    import deltalake

    log = read_plain_log(store, path, version)
    if log is None or not log.sizes or any(_ELSEWHERE.match(name) for name in log.sizes):
        return None
    try:
        schema: pa.Schema = pa.schema(deltalake.Schema.from_json(log.schema))
    except Exception:  # noqa: BLE001 - the library raises what it pleases at a schema that is none
        schema = pa.schema([])
    if not schema.names:
        *_, newest = log.sizes
        try:
            with store.open_input_file(f"{path.rstrip('/')}/{newest}") as file:
                schema = pq.read_schema(file)
        except (OSError, pa.ArrowException):
            return None
    return Table(
        kind=KIND,
        place=named,
        version=log.version,
        schema=pa.schema([column.remove_metadata() for column in schema]),
        files={name: TableFile(size) for name, size in log.sizes.items()},
    )


def _require_known(named: str, found: Any) -> None:
    protocol = found.protocol()
    unknown = sorted({*(protocol.reader_features or ())} - _KNOWN_FEATURES)
    if protocol.min_reader_version > 3 or unknown:
        what = f"the reader features {', '.join(unknown)}" if unknown else f"version {protocol.min_reader_version}"
        raise CorpusError(f"{named} is a {KIND} table that asks readers for {what}, which w2vray does not know")


def _constants(actions: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield each file's values of the partition columns."""
    if "partition" not in actions.column_names or not actions.schema.field("partition").type.num_fields:
        yield from [NO_VALUES] * len(actions)
        return
    values = pa.RecordBatch.from_struct_array(actions["partition"].combine_chunks())
    for row in range(len(values)):
        yield values.slice(row, 1)


def _deleted(found: Any) -> Mapping[str, npt.NDArray[np.int64]]:
    """Return the rows that deletion vectors delete, by the name of the file."""
    base = found.table_uri.rstrip("/") + "/"
    deleted = {}
    for batch in pa.RecordBatchReader.from_stream(found.deletion_vectors()):
        for uri, kept in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
            mask = kept.values.to_numpy(zero_copy_only=False)
            deleted[unquote(uri.removeprefix(base))] = np.flatnonzero(~mask)
    return deleted


def _unusable(columns: pa.Schema, partitions: list[str], *, mapped: bool) -> dict[str, str]:
    """Say which columns cannot be read for certain, and why."""
    unusable = {}
    for column in columns:
        if column.name in partitions and pa.types.is_binary(column.type):
            unusable[column.name] = "is a partition column of bytes, whose spelling in the log is not certain"
        elif mapped and _holds_fields(column.type):
            unusable[column.name] = "holds fields, whose names in the files are others (columnMapping)"
    return unusable


def _holds_fields(kind: pa.DataType) -> bool:
    inner = [kind.field(index).type for index in range(kind.num_fields)]
    return bool(pa.types.is_struct(kind)) or any(_holds_fields(one) for one in inner)


def _file_name(named: str, stored: str) -> str:
    """Return the name below the table's folder of a file, as the log spells it."""
    if _ELSEWHERE.match(stored):
        raise CorpusError(
            f"{named} is a {KIND} table with files in another place (a shallow clone): {unquote(stored)}. "
            "Write its rows into a table or folder of their own, and name that"
        )
    return unquote(stored)


def _versions(named: str, store: fs.FileSystem, path: str, wanted: int | None) -> range:
    """Return the versions that a log still tells of: from its first commit, or else from its first checkpoint, on.

    Raises:
        CorpusError: there are none, or a commit is empty: the library takes that for one that changes nothing.
    """
    infos = {info.base_name: info for info in store.get_file_info(fs.FileSelector(f"{path.rstrip('/')}/_delta_log"))}
    commits = {int(match[1]): infos[name] for name in infos if (match := _COMMIT.fullmatch(name))}
    checkpoints = [int(match[1]) for name in infos if (match := _CHECKPOINT.fullmatch(name))]
    if not commits and not checkpoints:
        raise CorpusError(
            f"{named} is a {KIND} table whose log has no version, as after a first write that broke off; if its files "
            "are to be read as they are, remove its folder _delta_log"
        )
    known = max((each for each in checkpoints if wanted is None or each <= wanted), default=-1)
    for version, info in commits.items():
        if info.size == 0 and known < version and (wanted is None or version <= wanted):
            raise CorpusError(
                f"{named} is a {KIND} table whose log is damaged: {info.base_name} is an empty file, and so nobody "
                f"knows what version {version} changed"
            )
    if 0 in commits:
        return range(max(commits) + 1)
    return range(min(checkpoints), max([*commits, *checkpoints]) + 1) if checkpoints else range(0)


def _spelled(versions: range) -> str:
    if not versions:
        return "none"
    return f"{versions[0]} to {versions[-1]}" if len(versions) > 1 else f"{versions[0]} only"


def _location(place: str, store: fs.FileSystem, path: str) -> str:
    """Return a table's place as the library takes it."""
    if isinstance(store, fs.LocalFileSystem):
        return path
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _storage_options(place: str) -> dict[str, str]:
    """Return what a URI says of its store, as the library takes it; keys that it does not say come from the system."""
    if not is_uri(place) or not place.startswith("s3"):
        return {}
    parts = urlsplit(place)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    options = {"AWS_REGION": query.get("region"), "AWS_ENDPOINT_URL": query.get("endpoint_override")}
    if (endpoint := options["AWS_ENDPOINT_URL"]) and "://" not in endpoint:
        options["AWS_ENDPOINT_URL"] = f"{query.get('scheme', 'https')}://{endpoint}"
    if (options["AWS_ENDPOINT_URL"] or "").startswith("http:"):
        options["AWS_ALLOW_HTTP"] = "true"
    if parts.username and parts.password:
        options |= {"AWS_ACCESS_KEY_ID": unquote(parts.username), "AWS_SECRET_ACCESS_KEY": unquote(parts.password)}
    return {name: value for name, value in options.items() if value}
