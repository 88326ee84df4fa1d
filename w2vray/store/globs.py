"""What people name a store by, parted into the folder or file that it starts from and the names of a glob below it."""

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from pyarrow import fs

from w2vray.errors import CorpusError
from w2vray.places.uris import absolute, is_uri, open_store
from w2vray.store.listing import is_hidden

__all__ = ["matches", "names_what_is_in", "split_argument", "without_slashes"]

_WILDCARD = re.compile(r"[*?\[]")


_ENCODED = re.compile(r"(%[0-9A-Fa-f]{2})+")


def split_argument(argument: str) -> tuple[str, list[str]]:
    """Part an argument into the folder or file that it starts from, and the names of a glob below it.

    A name that is there as it is written is that name, whatever characters it has.
    """
    # A URI's query, such as an object store's endpoint, goes with its root; a path has none.
    place, mark, query = argument.partition("?") if is_uri(argument) else (argument, "", "")
    wildcard = _WILDCARD.search(place)
    if wildcard is None:
        return argument, []
    start = place.rindex("/", 0, wildcard.start()) + 1
    base, names = place[:start], [part for part in place[start:].split("/") if part]
    while names and (not _WILDCARD.search(names[0]) or _is_there(base + names[0] + mark + query)):
        base += names.pop(0) + ("/" if names else "")
    if is_uri(argument):
        names = [_ENCODED.sub(lambda found: glob.escape(unquote(found[0])), name) for name in names]
    return (without_slashes(base) if names else base) + mark + query, names


def _is_there(place: str) -> bool:
    try:
        store, path = open_store(place)
        return bool(store.get_file_info(path).type != fs.FileType.NotFound)
    except (CorpusError, OSError):
        return False


def without_slashes(place: str) -> str:
    """Leave out the slashes behind a folder, but for a filesystem's root."""
    folder = place.rstrip("/")
    return folder if folder and not folder.endswith(":") else place


def names_what_is_in(argument: str, store: fs.FileSystem, folder: str, files: Iterable[str]) -> bool:
    """Tell whether an argument names, now or when they are there, one of these files in a folder below its own.

    Of a local one, both as it is written and as links lead to it.
    """
    place, pattern = split_argument(absolute(argument))
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
    hidden = any(is_hidden(part) for part in parts)
    return not hidden and matches([*parts, *file.split("/")], pattern)


def matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match a path with a glob, name by name; ``**`` is any number of folders, a matching folder means all in it."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return matches(names, pattern[1:]) or (bool(names) and matches(names[1:], pattern))
    return bool(names) and fnmatch.fnmatchcase(names[0], pattern[0]) and matches(names[1:], pattern[1:])
