"""A store: the files that the arguments name, each once.

A file is known by its *root* (the argument that named it) and its name relative to that root. ``key=value`` folders
between the two are columns: see ``folders.py``. Where a file really is decides whether two ways lead to one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.places.uris import absolute, first_line, is_uri, open_store, without_secrets
from w2vray.standing import RUN_KIND, made_by_us, near_name
from w2vray.store.folders import folder_values
from w2vray.store.globs import matches, split_argument, without_slashes
from w2vray.store.listing import AGAIN, Ignored, Listed, list_folder, look_up, real_place
from w2vray.store.opening import NAMELESS_FOLDER, errors_of
from w2vray.store.table import Table
from w2vray.store.tables import open_table, part_metadata, refuse_table_above

__all__ = ["Corpus", "SourceFile", "find_corpus", "one_version", "shared_files"]


@dataclass(frozen=True, order=True, slots=True)
class SourceFile:
    """A file of a store and its identity. ``root`` counts the arguments from 0."""

    root: int
    name: str
    size: int
    mtime_ns: int | None

    @property
    def partition_values(self) -> dict[str, str | None]:
        """Values of the ``key=value`` folders that the file lies in."""
        return folder_values(self.name)


@dataclass(frozen=True)
class Corpus:
    """The files of a store, in a fixed order. ``roots`` are absolute paths or URIs (which may hold secrets)."""

    roots: tuple[str, ...]
    files: tuple[SourceFile, ...]
    ignored: Ignored = field(default_factory=Ignored, compare=False)
    named: frozenset[SourceFile] = frozenset()  # those that an argument names by themselves
    tables: Mapping[int, Table] = field(default_factory=dict, compare=False)  # by the root that is a table

    def place(self, file: SourceFile) -> str:
        """Return where a file is, for people to read."""
        return f"{without_secrets(self.roots[file.root]).partition('?')[0]}/{file.name}"

    def is_gone(self, file: SourceFile) -> bool:
        """Tell whether a table's version has a file that is not there any more."""
        return file.root in self.tables and file.name in self.tables[file.root].gone

    @property
    def versions(self) -> dict[int, int]:
        """The version of each root that is a table."""
        return {root: table.version for root, table in self.tables.items()}

    @property
    def notes(self) -> list[str]:
        """Say to a person what is read of tables, and which files are not read."""
        tables = [
            f"{table.place}: {table.kind} table, read at version {table.version}" for table in self.tables.values()
        ]
        return [*tables, *self.ignored.lines()]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identities of all files, and of the versions of tables."""
        listed: list[Any] = [[file.root, file.name, file.size, file.mtime_ns] for file in self.files]
        listed += [[root, table.kind, table.version] for root, table in self.tables.items()]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def find_corpus(arguments: Sequence[str], versions: Mapping[int, int] | None = None) -> Corpus:
    """List the files that files, directories, globs, URIs and tables name.

    Args:
        arguments: what a store is named by.
        versions: of those arguments that are tables, by their place in ``arguments``; the current ones of others.

    Raises:
        CorpusError: an argument names nothing, or two name the same file, or files of the same relative name.
    """
    roots: list[str] = []
    files: list[SourceFile] = []
    named: list[SourceFile] = []
    tables: dict[int, Table] = {}
    ignored = Ignored()
    stores: list[fs.FileSystem] = []
    places: dict[tuple[int, str], str] = {}  # where a file really is -> the argument that named it
    for index, argument in enumerate(arguments):
        _require_no_artefact(argument)
        root, store, found, own, alone, table = _expand(absolute(argument), index, (versions or {}).get(index))
        ignored.add_all(own)
        if table is not None:
            tables[index] = table
        if not found:
            what = f"{table} has" if table else f"{without_secrets(argument)} holds"
            slash = "" if table or isinstance(store, fs.LocalFileSystem) else ", or an object whose key ends in a slash"
            raise CorpusError(f"{what} no file; {'; '.join(own.lines()) or f'it is empty{slash}'}")
        stores.append(store)
        same = next(number for number, other in enumerate(stores) if other.equals(store))
        for real, file in found.items():
            if (same, real) in places:
                both = " and ".join(without_secrets(named) for named in (places[same, real], argument))
                raise CorpusError(f"{file.name} is in both {both}: its rows would be read twice; leave out one of them")
            places[same, real] = argument
        roots.append(root)
        files += found.values()
        named += found.values() if alone else ()
    seen: dict[str, SourceFile] = {}
    for file in files:
        if (other_file := seen.setdefault(file.name, file)) is not file:
            first, second = (without_secrets(roots[item.root]) for item in (other_file, file))
            raise CorpusError(
                f"{file.name} is in {first} and in {second}: rows could not be told apart. "
                "Name a directory above both, or take them one after the other"
            )
    return Corpus(tuple(roots), tuple(sorted(files)), ignored, frozenset(named), tables)


def one_version(arguments: Sequence[str], version: int | None) -> dict[int, int]:
    """Return ``versions`` as ``find_corpus`` takes them, where one is given for the only table that is named.

    Raises:
        CorpusError: more than one place is named.
    """
    if version is None:
        return {}
    if len(arguments) > 1:
        raise CorpusError(f"--table-version {version} is for one table, and {len(arguments)} places are named")
    return {0: version}


def shared_files(one: Corpus, other: Corpus) -> list[str]:
    """Return the files, as people read them, that two stores have in common, whatever ways lead to them."""
    places = [
        {real_place(*_opened(corpus, file)): corpus.place(file) for file in corpus.files} for corpus in (one, other)
    ]
    return [places[0][place] for place in places[0].keys() & places[1].keys()]


def _opened(corpus: Corpus, file: SourceFile) -> tuple[fs.FileSystem, str]:
    store, base = open_store(corpus.roots[file.root])
    return store, f"{base.rstrip('/')}/{file.name}"


def _expand(
    argument: str, index: int, version: int | None
) -> tuple[str, fs.FileSystem, dict[str, SourceFile], Ignored, bool, Table | None]:
    """Find an argument's root, its filesystem, its files by where they really are, and whether it names one file.

    Of a table, what its log says of the version comes last.
    """
    root, pattern = split_argument(argument)
    store, path = open_store(root)
    place, mark, query = root.partition("?") if is_uri(root) else (root, "", "")
    is_file, info = _info(store, path, argument, must_be_folder=place.endswith("/"))
    refuse_table_above(store, part_metadata(path)[0])
    ignored = Ignored()
    (place_of_table, metadata), (path_of_table, _) = part_metadata(place), part_metadata(path)
    if not (metadata and is_file):
        place_of_table, path_of_table, metadata = place, path, None
    table = None if pattern else open_table(place_of_table + mark + query, store, path_of_table, version, metadata)
    if table is not None:
        found, table = _files_of(table, store, path_of_table, index)
        return without_slashes(place_of_table) + mark + query, store, found, ignored, False, table
    if version is not None:
        raise CorpusError(
            f"{without_secrets(argument)} is not a table, and so has no version {version}; name the table, or leave "
            "out --table-version"
        )
    if not pattern and is_file:
        file = SourceFile(index, path.rpartition("/")[2], info.size, info.mtime_ns)
        real = real_place(store, path)
        return without_slashes(place[: place.rindex("/") + 1]) + mark + query, store, {real: file}, ignored, True, None
    listed = list_folder(store, path, lambda parts: matches(parts, pattern), ignored)
    return without_slashes(place) + mark + query, store, _each_once(listed, index, ignored), ignored, False, None


def _files_of(table: Table, store: fs.FileSystem, path: str, root: int) -> tuple[dict[str, SourceFile], Table]:
    """Find a table's files by where they really are, and say in the table which are gone."""
    if odd := next((name for name in table.files if "\0" in name), None):
        raise CorpusError(f"{table} has a file whose name holds a character of value zero, which no path has: {odd!r}")
    there = look_up(store, path, table.files)
    found: dict[str, SourceFile] = {}
    for name, file in table.files.items():
        place = there.get(name)
        real = f"{path}/{name}" if place is None or place.real in found else place.real  # each counts, linked or not
        found[real] = SourceFile(root, name, *((file.size, None) if place is None else (place.size, place.mtime_ns)))
    return found, replace(table, gone=frozenset(table.files.keys() - there.keys()))


def _each_once(listed: Iterable[tuple[list[str], Listed]], root: int, ignored: Ignored) -> dict[str, SourceFile]:
    """Take each file by one of the ways that lead to it: by the one that says most of it, else by the shortest.

    Raises:
        CorpusError: two ways put a file into different ``key=value`` folders.
    """
    ways: dict[str, list[tuple[str, Listed]]] = {}
    for parts, file in listed:
        ways.setdefault(file.real, []).append(("/".join(parts), file))
    taken: dict[str, SourceFile] = {}
    for real, several in ways.items():
        several.sort(key=lambda way: (-len(folder_values(way[0])), way[1].place != real, way[0]))
        name, file = several[0]
        for other, _ in several[1:]:
            _require_same_values(name, other)
            ignored.add(AGAIN, other)
        taken[real] = SourceFile(root, name, file.size, file.mtime_ns)
    return taken


def _require_same_values(name: str, other: str) -> None:
    values: Mapping[str, str | None] = folder_values(name)
    for key, value in folder_values(other).items():
        if values.get(key, value) != value:
            raise CorpusError(f"{name} and {other} are one file, and {key} cannot be both; remove one of the links")


def _require_no_artefact(argument: str) -> None:
    """Refuse a directory that w2vray made: its own files are Parquet too, but nobody means them."""
    kind = "" if is_uri(argument) else made_by_us(argument)
    if kind:
        answers = "; its answers are in its folder scores" if kind == RUN_KIND else ""
        raise CorpusError(f"{argument} is {kind}, not a store{answers}")


def _info(store: fs.FileSystem, path: str, argument: str, *, must_be_folder: bool) -> tuple[bool, fs.FileInfo]:
    """Look whether an argument names a file, or a folder.

    An object store can have both: an object of the folder's own key, besides those below it. The folder is meant where
    the object is empty, as programs mark folders, or where the argument ends in a slash.
    """
    named = without_secrets(argument)
    try:
        with errors_of(store):
            info = store.get_file_info(path)
            is_file = info.type == fs.FileType.File
            if is_file and not isinstance(store, fs.LocalFileSystem) and (info.size == 0 or must_be_folder):
                is_file = not store.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except (OSError, pa.ArrowException) as error:
        if "Empty path component" in str(error):
            raise CorpusError(f"{named}: {NAMELESS_FOLDER}") from error
        raise CorpusError(f"{named} cannot be listed ({first_line(error)})") from error
    if is_file and must_be_folder and not isinstance(store, fs.LocalFileSystem):
        raise CorpusError(f"{named} is a file and not a folder; leave out the slash after it")
    if info.type == fs.FileType.NotFound:
        hint = "; write %25 for a percent sign in a URI" if is_uri(argument) and "%" in argument else ""
        raise CorpusError(f"{named} is not there{hint}{near_name(argument)}")
    return is_file, info
