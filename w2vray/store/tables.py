"""Tables whose own log says which of their files are current: to read the folder as it is would count rows twice.

A table keeps files that it has replaced, and rows that were deleted from a file may stay in it: only the log knows. A
table that is named itself is read by its log, where the library for it is installed. A folder that has a table in it,
or lies in one, is refused by the table's name.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.places.uris import shown
from w2vray.store.delta import read_delta
from w2vray.store.iceberg import read_iceberg
from w2vray.store.iceberg_metadata import METADATA
from w2vray.store.table import Table

__all__ = ["open_table", "part_metadata", "refuse_table_above", "refuse_tables"]

_LOGS = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_OF_A_LOG = re.compile(r"[0-9]{20}\.|_last_checkpoint$|hoodie\.properties$")
_MOST_ABOVE = 6
"""Folders above a named one that are looked into: a partition of a table is named more often than one thinks."""

_READERS: Mapping[str, Callable[[str, fs.FileSystem, str, int | None], Table]] = {
    "Delta Lake": read_delta,
    "Iceberg": read_iceberg,
}
"""What reads a table's log: of its place, filesystem, path in there, and version."""


def part_metadata(place: str) -> tuple[str, str | None]:
    """Part a file of Iceberg's metadata into its table's place and its own name; None where a place is no such file.

    Example:
        >>> part_metadata("lake/table/metadata/v3.metadata.json")
        ('lake/table', 'v3.metadata.json')
    """
    folder, _, name = place.rpartition("/")
    if folder.endswith("/metadata") and METADATA.fullmatch(name):
        return folder.removesuffix("/metadata"), name
    return place, None


def open_table(
    place: str, store: fs.FileSystem, path: str, version: int | None, metadata: str | None = None
) -> Table | None:
    """Read the log of a table; None where there is no table at this place.

    Args:
        place: that is named, a path or URI.
        store: the filesystem of it.
        path: in there.
        version: of the table; None for the current one.
        metadata: name of the file of Iceberg's metadata to read it by; None for the newest.

    Raises:
        CorpusError: the table or the version cannot be read.
    """
    kind = _kind_of(store, path) if metadata is None else "Iceberg"
    if kind is None:
        return None
    if kind not in _READERS:
        raise _refused(shown(place), kind)
    try:
        if metadata is not None:
            return read_iceberg(place, store, path, version, metadata)
        return _READERS[kind](place, store, path, version)
    except ModuleNotFoundError as error:
        raise _refused(shown(place), kind, f"pip install 'w2vray[tables]' to read it ({error})") from None


def _kind_of(store: fs.FileSystem, path: str) -> str | None:
    """Tell which kind of table is at a place, if any."""
    folder = path.rstrip("/")
    logs = {f"{folder}/{name}": kind for name, kind in [*_LOGS.items(), ("metadata", "Iceberg")]}
    try:
        there = [info.path for info in store.get_file_info(list(logs)) if info.type == fs.FileType.Directory]
        names = {log: [info.base_name for info in store.get_file_info(fs.FileSelector(log))] for log in there}
    except OSError as error:
        raise CorpusError(f"{path} cannot be listed ({error})") from error
    kinds = {logs[log] for log, found in names.items() if _is_log(logs[log], found)}
    # Who writes one table in two ways writes Delta Lake's log first, and Iceberg's from that
    return next((kind for kind in ("Hudi", "Delta Lake", "Iceberg") if kind in kinds), None)


def _is_log(kind: str, names: Sequence[str]) -> bool:
    """Tell by its names whether a folder is a table's log; after a first write that broke off, it has none."""
    if kind == "Delta Lake" and all(name.startswith((".", "_")) for name in names):
        return True
    return any((METADATA.fullmatch if kind == "Iceberg" else _OF_A_LOG.match)(name) for name in names)


def refuse_tables(place: str, paths: Iterable[Sequence[str]]) -> None:
    """Refuse a folder in which there is a table.

    Args:
        place: of the folder, for people.
        paths: of all files below it, each as its names.

    Raises:
        CorpusError: one of them belongs to a table's log.
    """
    for names in paths:
        for depth, name in enumerate(names):
            if name in _LOGS and _OF_A_LOG.match("/".join(names[depth + 1 :])):
                raise _refused("/".join([place, *names[:depth]]), _LOGS[name])
        if len(names) > 1 and names[-2] == "metadata" and METADATA.fullmatch(names[-1]):
            raise _refused("/".join([place, *names[:-2]]), "Iceberg")


def refuse_table_above(store: fs.FileSystem, path: str) -> None:
    """Refuse a file or folder that lies in a table.

    Raises:
        CorpusError: a folder above it has a table's log.
    """
    parts = path.rstrip("/").split("/")
    above = ["/".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)][:_MOST_ABOVE]
    places = {f"{folder}/{log}": (folder, log) for folder in above if folder for log in [*_LOGS, "metadata"]}
    try:
        found = [info.path for info in store.get_file_info(list(places)) if info.type == fs.FileType.Directory]
        of_iceberg = {place for place in found if places[place][1] == "metadata" and _holds_metadata(store, place)}
    except OSError:
        return  # a store that may be read below, and not above
    for place in found:
        folder, log = places[place]
        if log in _LOGS or place in of_iceberg:
            raise _refused(folder, _LOGS.get(log, "Iceberg"))


def _holds_metadata(store: fs.FileSystem, folder: str) -> bool:
    return any(METADATA.fullmatch(info.base_name) for info in store.get_file_info(fs.FileSelector(folder)))


def _refused(place: str, kind: str, instead: str = "") -> CorpusError:
    if not instead and kind in _READERS:
        instead = "name the table itself, which is read by its log"
    elif not instead:
        instead = "write the rows of the version you want as Parquet into another folder, and name that"
    article = "an" if kind == "Iceberg" else "a"
    return CorpusError(
        f"{place} is {article} {kind} table: its log says which files and rows are current, and the folder alone does "
        f"not; {instead}"
    )
