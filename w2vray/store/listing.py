"""The files below a folder, each with the place where it really is, and the names that are left out."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.places.uris import first_line, require_utf8
from w2vray.store.opening import errors_of
from w2vray.store.tables import refuse_tables

__all__ = ["Ignored", "Listed", "is_hidden", "is_unfinished", "list_folder", "look_up", "real_place"]

_EXAMPLES = 5
_UNFINISHED = frozenset(
    ["tmp", "temp", "part", "partial", "filepart", "crdownload", "download", "swp", "swo", "swx", "bak", "old", "orig"]
)
_IN_PROGRESS = "inprogress"
"""After this Flink writes a number of its own."""


@dataclass(frozen=True)
class Listed:
    """A file as a listing finds it. ``place`` is how it was reached, ``real`` where it is: links are followed."""

    place: str
    real: str
    size: int
    mtime_ns: int | None


@dataclass
class Ignored:
    """How many files of a store were not taken, for each reason, with the names of a few."""

    files: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, name: str) -> None:
        """Count a file."""
        self.files[why] = self.files.get(why, 0) + 1
        named = self.examples.setdefault(why, [])
        if len(named) < _EXAMPLES:
            named.append(name)

    def add_all(self, other: "Ignored") -> None:
        """Count what another listing did not take."""
        for why, count in other.files.items():
            self.files[why] = self.files.get(why, 0) + count
            self.examples[why] = (self.examples.get(why, []) + other.examples[why])[:_EXAMPLES]

    def lines(self) -> list[str]:
        """Say it to a person, a line for each reason."""
        return [
            f"{count:,} {'file' if count == 1 else 'files'} not read: {why} ({', '.join(self.examples[why])}"
            + (", ...)" if count > len(self.examples[why]) else ")")
            for why, count in self.files.items()
        ]


HIDDEN = "hidden, a name in the path begins with . or _"
UNFINISHED = "a temporary file or a backup, by its name"
AGAIN = "another way to a file that is read"
SPECIAL = "not a plain file"
MARKER = "an empty object with the key of a folder"


def is_hidden(part: str) -> bool:
    """Tell whether a name of a path says that what it names is no data; ``_key=value`` is a column's folder."""
    return part.startswith(".") or (part.startswith("_") and "=" not in part)


def is_unfinished(name: str) -> bool:
    """Tell whether a file's name says that a program is still writing it, or that it is a copy that an editor keeps."""
    last = name.lower()
    _, *endings = last.split(".")
    if last.startswith("~$") or last.endswith("~") or (last.startswith("#") and last.endswith("#")):
        return True
    return bool(endings) and (endings[-1] in _UNFINISHED or _IN_PROGRESS in endings)


def list_folder(
    store: fs.FileSystem, path: str, takes: Callable[[list[str]], bool], ignored: Ignored
) -> Iterator[tuple[list[str], Listed]]:
    """Yield the files below a folder whose names ``takes`` accepts, each with its names from there on.

    Raises:
        CorpusError: the folder cannot be listed, a name is not UTF-8, or there is a table with a log of its own.
    """
    base = path.rstrip("/") + "/"
    local = isinstance(store, fs.LocalFileSystem)
    try:
        found = _local_files(path, ignored, base) if local else _remote_files(store, path, ignored, base)
        with errors_of(store):
            listed: Iterable[Listed] = list(found)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path} cannot be listed ({first_line(error)})") from error
    named = [(file.place.removeprefix(base).split("/"), file) for file in listed]
    refuse_tables(path.rstrip("/"), (parts for parts, _ in named))
    for parts, file in named:
        if not takes(parts):
            continue
        if any(is_hidden(part) for part in parts):
            ignored.add(HIDDEN, "/".join(parts))
            continue
        if is_unfinished(parts[-1]):
            ignored.add(UNFINISHED, "/".join(parts))
            continue
        require_utf8(file.place)
        yield parts, file


def look_up(store: fs.FileSystem, path: str, names: Iterable[str]) -> dict[str, Listed]:
    """Return those of some files below a folder that are there, by their names from there on.

    Raises:
        CorpusError: they cannot be looked for.
    """
    base, names = path.rstrip("/") + "/", set(names)
    try:
        if not isinstance(store, fs.LocalFileSystem):
            listed = {file.place.removeprefix(base): file for file in _remote_files(store, path, Ignored(), base)}
            return {name: listed[name] for name in names & listed.keys()}
        return {name: file for name in names if (file := _look_up(base + name)) is not None}
    except OSError as error:
        raise CorpusError(f"{path} cannot be listed ({error})") from error


def _look_up(place: str) -> Listed | None:
    try:
        found = os.stat(place)  # noqa: PTH116 - a path of Arrow's is a string
    except FileNotFoundError:
        return None
    return Listed(place, _real(place, found), found.st_size, found.st_mtime_ns)


def real_place(store: fs.FileSystem, path: str) -> str:
    """Return where a file is, whatever links lead to it."""
    if not isinstance(store, fs.LocalFileSystem):
        return path
    try:
        return _real(path, os.stat(path))  # noqa: PTH116 - a path of Arrow's is a string
    except OSError:
        return os.path.realpath(path)


def _real(place: str, found: os.stat_result) -> str:
    """Return what one file has in common by all its names: hard links have no first one."""
    return os.path.realpath(place) if found.st_nlink == 1 else f"{found.st_dev}:{found.st_ino}"


def _remote_files(store: fs.FileSystem, path: str, ignored: Ignored, base: str) -> Iterator[Listed]:
    """List an object store. An empty object that has the key of a folder only says that the folder is there."""
    infos = store.get_file_info(fs.FileSelector(path, recursive=True))
    folders = {info.path for info in infos if info.type == fs.FileType.Directory}
    for info in infos:
        if info.type != fs.FileType.File:
            continue
        if info.size == 0 and info.path in folders:
            ignored.add(MARKER, info.path.removeprefix(base))
        else:
            yield Listed(info.path, info.path, info.size, info.mtime_ns)


def _local_files(path: str, ignored: Ignored, base: str) -> Iterator[Listed]:
    """Walk a folder, through links too, but into no folder that it is inside of already: links may go in circles.

    Two ways to one folder are both walked: the first may be hidden, or not be what a glob asks for. A link to nothing
    is listed without a size, so that opening it tells of it: it is not left out in silence.
    """

    def fail(error: OSError) -> None:
        raise error

    inside: dict[str, frozenset[str]] = {}  # folder -> where it and all above it really are
    for folder, folders, names in os.walk(path.rstrip("/") or "/", followlinks=True, onerror=fail):
        above, real = inside.get(os.path.dirname(folder), frozenset()), os.path.realpath(folder)  # noqa: PTH120
        if real in above:
            folders.clear()
            continue
        inside[folder] = above | {real}
        for name in names:
            place = os.path.join(folder, name)  # noqa: PTH118 - os.walk's own kind of path
            try:
                found = os.lstat(place)
                is_link = stat.S_ISLNK(found.st_mode)
                if is_link:
                    found = os.stat(place)  # noqa: PTH116 - the same
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ELOOP}:
                    raise
                yield Listed(place, place, 0, None)
                continue
            if stat.S_ISREG(found.st_mode):  # to open a pipe would wait for ever
                alone = found.st_nlink == 1 and not is_link
                there = os.path.join(real, name) if alone else _real(place, found)  # noqa: PTH118 - the same
                yield Listed(place, there, found.st_size, found.st_mtime_ns)
            else:
                ignored.add(SPECIAL, place.removeprefix(base))
