"""Directories and files at URIs, fetched once into the cache of this machine; see ``cache.py``."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import CorpusError, UnusableInputError
from w2vray.places.cache import keep
from w2vray.places.uris import first_line, open_store, shown, without_secrets
from w2vray.stages import detail, stage
from w2vray.standing import SIGNS

__all__ = ["OBJECT_STORES", "DirectoryKind", "fetched_directory", "fetched_file", "made_there"]

OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})

_CHUNK = 16 << 20
_AT_ONCE = 8
_MOST_SIGN = 1 << 24
_UNREADABLE = (OSError, pa.ArrowException)


@dataclass(frozen=True)
class DirectoryKind:
    """A kind of directory that w2vray makes."""

    what: str  # "a model directory"
    sign: str  # the file that makes it one
    names: frozenset[str]  # of the files that it may have; others are not fetched
    made_by: str  # a half-sentence on how to make one
    error: type[UnusableInputError]


def fetched_directory(place: str, kind: DirectoryKind, check: Callable[[Path], None] = lambda _: None) -> Path:
    """Return a folder of this machine that holds what the directory at a URI holds.

    Args:
        place: the URI; a ``file://`` is used where it is.
        kind: what is expected there.
        check: looks at what was fetched before it is kept, and raises where it is damaged.

    Raises:
        UnusableInputError: there is no such directory, or it cannot be fetched; ``kind`` says of which kind.
    """
    name = shown(place)
    try:
        store, base = open_store(place)
    except CorpusError as error:
        raise kind.error(str(error)) from error
    if isinstance(store, fs.LocalFileSystem):
        return Path(base)
    base = base.rstrip("/")
    with _errors_as(kind.error, f"{name} cannot be read"):
        sign = _sign(store, base, kind, name)
        files = _files(store, base, kind.names)

    def fetch(folder: Path) -> None:
        size = sum(info.size for info in files.values())
        stage(f"fetching {name}")
        started = time.monotonic()
        with _errors_as(kind.error, f"{name} cannot be fetched into {folder}"):
            _download(store, files, folder)
            after = _files(store, base, kind.names)
        if _stated(after) != _stated(files) or (folder / kind.sign).read_bytes() != sign:
            raise kind.error(f"{name} changed while it was fetched; run the same command again")
        check(folder)
        detail(f"fetched {name}: {size:,} bytes in {time.monotonic() - started:.1f} s")

    content = [store.type_name, without_secrets(place), hashlib.sha256(sign).hexdigest(), _stated(files)]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return keep(key, sum(info.size for info in files.values()), fetch, name=name)


def fetched_file(place: str, error: type[UnusableInputError]) -> Path:
    """Return a file of this machine that holds what the file at a URI holds, under the same name.

    Raises:
        UnusableInputError: there is none, or it cannot be fetched; ``error`` says of which kind.
    """
    name = shown(place)
    try:
        store, path = open_store(place)
    except CorpusError as cause:
        raise error(str(cause)) from cause
    if isinstance(store, fs.LocalFileSystem):
        return Path(path)
    with _errors_as(error, f"{name} cannot be read"):
        info = store.get_file_info(path)
        if info.type != fs.FileType.File:
            raise error(f"{name} is not a file{'; it is a folder' if info.type == fs.FileType.Directory else ''}")
        with store.open_input_file(path) as handle:
            called = {key: value for key, value in (handle.metadata() or {}).items() if key in {"ETag", b"ETag"}}
    own = path.rpartition("/")[2]

    def fetch(folder: Path) -> None:
        stage(f"fetching {name}")
        with _errors_as(error, f"{name} cannot be fetched into {folder}"):
            _download(store, {own: info}, folder)

    key = hashlib.sha256(json.dumps([without_secrets(place), str(called), _stated({own: info})]).encode()).hexdigest()
    return keep(key, info.size, fetch, name=name) / own


def made_there(place: str) -> str:
    """Return which kind of directory of w2vray's a URI is; empty for anything else, and where that cannot be told."""
    try:
        store, base = open_store(place)
        for sign, kind in SIGNS.items():
            if store.get_file_info(f"{base.rstrip('/')}/{sign}").type == fs.FileType.File:
                return kind
    except (*_UNREADABLE, CorpusError):
        return ""
    return ""


@contextmanager
def _errors_as(error: type[UnusableInputError], what: str) -> Iterator[None]:
    """Raise what a filesystem says as an error of ours."""
    try:
        yield
    except MemoryError:
        raise  # Arrow's is an ArrowException too
    except _UNREADABLE as found:
        raise error(f"{what} ({first_line(found)})") from found


def _sign(store: fs.FileSystem, base: str, kind: DirectoryKind, name: str) -> bytes:
    """Read the file that makes a directory what it is."""
    info = store.get_file_info(f"{base}/{kind.sign}")
    if info.type != fs.FileType.File:
        other = next((what for sign, what in SIGNS.items() if _is_file(store, f"{base}/{sign}")), "")
        instead = f"; it is {other}" if other else f"; {kind.made_by}"
        raise kind.error(f"{name} is not {kind.what}: it has no {kind.sign}{instead}")
    if info.size > _MOST_SIGN:
        raise kind.error(f"{name}/{kind.sign} has {info.size:,} bytes; at most {_MOST_SIGN:,} are read")
    with store.open_input_file(info.path) as handle:
        return bytes(handle.read())


def _is_file(store: fs.FileSystem, path: str) -> bool:
    return bool(store.get_file_info(path).type == fs.FileType.File)


def _files(store: fs.FileSystem, base: str, names: frozenset[str]) -> dict[str, fs.FileInfo]:
    """List the files of a directory that it may have, by their names in it."""
    listed = {
        info.path.removeprefix(base + "/"): info for info in store.get_file_info(fs.FileSelector(base, recursive=True))
    }
    return {name: info for name, info in sorted(listed.items()) if name in names and info.type == fs.FileType.File}


def _stated(files: Mapping[str, fs.FileInfo]) -> list[list[Any]]:
    return [[name, info.size, info.mtime_ns] for name, info in files.items()]


def _download(store: fs.FileSystem, files: Mapping[str, fs.FileInfo], folder: Path) -> None:
    """Copy files into a folder; of an object store many pieces at once."""
    handles = []
    pieces: list[Callable[[], None]] = []
    try:
        for name, info in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            source = store.open_input_file(info.path)
            target = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            handles += [source.close, lambda target=target: os.close(target)]
            pieces += _pieces(source, target, info)
        with ThreadPoolExecutor(_AT_ONCE if store.type_name in OBJECT_STORES else 1) as pool:
            for done in [pool.submit(piece) for piece in pieces]:
                done.result()
    finally:
        for close in handles:
            close()


def _pieces(source: pa.NativeFile, target: int, info: fs.FileInfo) -> Iterator[Callable[[], None]]:
    for start in range(0, info.size, _CHUNK):

        def copy(start: int = start) -> None:
            wanted = min(_CHUNK, info.size - start)
            data = source.read_at(wanted, start)
            if len(data) != wanted:
                raise OSError(f"{len(data)} bytes of {info.path} have come from byte {start} on, of {wanted}")
            done = 0
            while done < wanted:
                done += os.pwrite(target, memoryview(data)[done:], start + done)

        yield copy
