"""A Parquet store: the files that the arguments name.

A file is known by its *root* (the argument that named it) and its name relative to that root; ``key=value`` folders
between the two are columns of strings.
"""

import fnmatch
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.store.places import absolute, is_uri, open_store, require_utf8, without_secrets

__all__ = ["Corpus", "SourceFile", "find_corpus"]

_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, order=True)
class SourceFile:
    """A file of a store and its identity. ``root`` counts the arguments from 0."""

    root: int
    name: str
    size: int
    mtime_ns: int | None

    @property
    def partition_values(self) -> dict[str, str]:
        """Values of the ``key=value`` folders that the file lies in."""
        folders = PurePosixPath(self.name).parts[:-1]
        pairs = (folder.partition("=") for folder in folders if "=" in folder)
        return {key: unquote(value) for key, _, value in pairs}


@dataclass(frozen=True)
class Corpus:
    """The files of a store, in a fixed order. ``roots`` are absolute paths or URIs (which may hold secrets)."""

    roots: tuple[str, ...]
    files: tuple[SourceFile, ...]

    def place(self, file: SourceFile) -> str:
        """Return where a file is, for people to read."""
        return f"{without_secrets(self.roots[file.root]).partition('?')[0]}/{file.name}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identities of all files."""
        listed = [[file.root, file.name, file.size, file.mtime_ns] for file in self.files]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def find_corpus(arguments: Sequence[str]) -> Corpus:
    """List the files that files, directories, globs and URIs name.

    Raises:
        CorpusError: an argument names nothing, or two name the same file or files of the same relative name.
    """
    roots: list[str] = []
    files: list[SourceFile] = []
    for index, argument in enumerate(arguments):
        root, found = _expand(absolute(argument), index)
        if not found:
            raise CorpusError(f"{without_secrets(argument)} holds no file; hidden names and names with _ are left out")
        roots.append(root)
        files += found
    seen: dict[str, SourceFile] = {}
    for file in files:
        if (other := seen.setdefault(file.name, file)) is not file:
            first, second = (without_secrets(roots[item.root]) for item in (other, file))
            raise CorpusError(
                f"{file.name} is in {first} and in {second}: rows could not be told apart. "
                "Name a directory above both, or take them one after the other"
            )
    return Corpus(tuple(roots), tuple(sorted(files)))


def names_what_is_in(argument: str, store: fs.FileSystem, folder: str, files: Iterable[str]) -> bool:
    """Tell whether an argument names, now or when they are there, one of these files in a folder below its own.

    Of a local one, both as it is written and as links lead to it.
    """
    place, pattern = _split(absolute(argument))
    own, base = open_store(place)
    if not own.equals(store):
        return False
    ways = [(base, folder)]
    if isinstance(store, fs.LocalFileSystem):
        ways = [(way(base), way(folder)) for way in (os.path.normpath, os.path.realpath)]
    return any(_is_named(one.rstrip("/") + "/", other, pattern, file) for one, other in ways for file in files)


def _is_named(base: str, folder: str, pattern: Sequence[str], file: str) -> bool:
    if not folder.startswith(base):
        return False
    parts = folder.removeprefix(base).rstrip("/").split("/")
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and _matches([*parts, *file.split("/")], pattern)


def _split(argument: str) -> tuple[str, list[str]]:
    """Part an argument into the folder or file that it starts from, and the names of a glob below it."""
    # A URI's query, such as an object store's endpoint, goes with its root; a path has none.
    place, mark, query = argument.partition("?") if is_uri(argument) else (argument, "", "")
    wildcard = _WILDCARD.search(place)
    if wildcard is None:
        return argument, []
    end = place.rindex("/", 0, wildcard.start()) + 1
    return _folder(place[:end]) + mark + query, [part for part in place[end:].split("/") if part]


def _expand(argument: str, index: int) -> tuple[str, list[SourceFile]]:
    """Find an argument's root and files."""
    root, pattern = _split(argument)
    store, path = open_store(root)
    info = _info(store, path, argument)
    if pattern:
        return root, _walk(store, path, index, pattern)
    place, mark, query = root.partition("?") if is_uri(root) else (root, "", "")
    if info.type == fs.FileType.File:
        file = SourceFile(index, path.rpartition("/")[2], info.size, info.mtime_ns)
        return _folder(place[: place.rindex("/") + 1]) + mark + query, [file]
    return _folder(place) + mark + query, _walk(store, path, index, [])


def _folder(place: str) -> str:
    """Leave out the slashes behind a folder, but for a filesystem's root."""
    folder = place.rstrip("/")
    return folder if folder and not folder.endswith(":") else place


def _info(store: fs.FileSystem, path: str, argument: str) -> fs.FileInfo:
    try:
        info = store.get_file_info(path)
    except OSError as error:
        raise CorpusError(f"{without_secrets(argument)} cannot be listed ({error})") from error
    if info.type == fs.FileType.NotFound:
        raise CorpusError(f"{without_secrets(argument)} is not there")
    return info


def _walk(store: fs.FileSystem, path: str, root: int, pattern: Sequence[str]) -> list[SourceFile]:
    base = path.rstrip("/") + "/"
    try:
        listed = list(_local_files(path) if isinstance(store, fs.LocalFileSystem) else _remote_files(store, path))
    except OSError as error:
        raise CorpusError(f"{path} cannot be listed ({error})") from error
    files = []
    for place, size, mtime_ns in listed:
        parts = place.removeprefix(base).split("/")
        if not any(part.startswith((".", "_")) for part in parts) and _matches(parts, pattern):
            require_utf8(place)
            files.append(SourceFile(root, "/".join(parts), size, mtime_ns))
    return files


def _remote_files(store: fs.FileSystem, path: str) -> Iterator[tuple[str, int, int | None]]:
    for info in store.get_file_info(fs.FileSelector(path, recursive=True)):
        if info.type == fs.FileType.File:
            yield info.path, info.size, info.mtime_ns


def _local_files(path: str) -> Iterator[tuple[str, int, int | None]]:
    """Walk a folder, through links too, but into each folder once: links may go round in circles.

    A link to nothing is listed with no size, so that it is told of when it is opened, not left out in silence.
    """

    def fail(error: OSError) -> None:
        raise error

    entered = set()
    for folder, folders, names in os.walk(path, followlinks=True, onerror=fail):
        if (real := os.path.realpath(folder)) in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        for name in names:
            place = os.path.join(folder, name)  # noqa: PTH118 - os.walk's own kind of path
            try:
                found = os.stat(place)  # noqa: PTH116 - the same
            except FileNotFoundError:
                yield place, 0, None
                continue
            if stat.S_ISREG(found.st_mode):  # to open a pipe would wait for ever
                yield place, found.st_size, found.st_mtime_ns


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match a path with a glob, name by name; ``**`` is any number of folders, a matching folder means all in it."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return _matches(names, pattern[1:]) or (bool(names) and _matches(names[1:], pattern))
    return bool(names) and fnmatch.fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])
