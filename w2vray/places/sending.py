"""Directories that are made on this machine and sent to a URI, where they appear whole or not at all.

The file that makes a directory what it is, such as ``config.json``, is sent last: nobody takes what is there before it
for a model. Who sends puts a mark first, ``_sending-...``; of two who send to one place at once, one at most goes on.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import CorpusError, UnusableInputError, W2vrayError
from w2vray.places.fetching import OBJECT_STORES
from w2vray.places.uris import first_line, is_uri, open_store, shown
from w2vray.stages import detail, stage

__all__ = ["require_free", "require_new", "send", "written_at"]

_MARK = "_sending-"
_CHUNK = 16 << 20
_UNWRITABLE = (OSError, pa.ArrowException)


@contextmanager
def written_at(output: str, sign: str, error: type[UnusableInputError]) -> Iterator[Path]:
    """Yield where a directory is to be made, and bring it to its place when that is done.

    A path is where it is made; of a URI, a folder of this machine is, from where it is then sent.

    Args:
        output: a path or a URI.
        sign: the file that makes it what it is.
        error: what is raised where something is there already, or it cannot be written.

    Raises:
        UnusableInputError: see ``error``.
        W2vrayError: what was made cannot be sent; it stays on this machine, and the message says where.
    """
    if not is_uri(output):
        yield Path(output)
        return
    require_free(output, error)
    parent = Path(tempfile.mkdtemp(prefix="w2vray-"))
    sent = True
    try:
        folder = parent / "made"
        yield folder
        sent = False
        send(folder, output, sign)
        sent = True
    finally:
        if sent:
            shutil.rmtree(parent, ignore_errors=True)


def require_new(place: str, error: type[UnusableInputError]) -> None:
    """Refuse a path or a URI at which something is.

    Raises:
        UnusableInputError: something is, or nothing can be written there; ``error`` says of which kind.
    """
    if is_uri(place):
        require_free(place, error)
    elif os.path.lexists(place):
        raise error(f"{Path(place).absolute()} already exists; give another --output, or remove it first")


def require_free(place: str, error: type[UnusableInputError]) -> None:
    """Refuse a URI at which something is, or where nothing can be written: before work is done for it.

    Raises:
        UnusableInputError: it is such; ``error`` says of which kind.
    """
    name = shown(place)
    try:
        store, base = open_store(place)
    except CorpusError as cause:
        raise error(str(cause)) from cause
    base = base.rstrip("/")
    if "/" not in base:
        raise error(f"{name} is a whole bucket; name a folder in it")
    try:
        if store.get_file_info(base).type == fs.FileType.File:
            raise error(f"{name} already exists; give another --output, or remove it first")
        for info in store.get_file_info(fs.FileSelector(base, allow_not_found=True)):
            mark = info.path.removeprefix(base + "/")
            if mark.startswith(_MARK):
                raise error(
                    f"something is being sent to {name}, or was until it was cut off: {mark} is there; give another "
                    "--output, or remove that folder if nobody sends to it"
                )
            raise error(f"{name} already exists: it holds {mark}; give another --output, or remove it first")
        _put_mark(store, f"{base}/{_MARK}{uuid.uuid4().hex}", remove=True)
    except _UNWRITABLE as cause:
        raise error(f"{name} cannot be written ({first_line(cause)})") from cause


def send(folder: Path, place: str, sign: str) -> None:
    """Copy a directory of this machine to a URI, where it appears whole or not at all.

    Raises:
        W2vrayError: it cannot be sent, or another one is there meanwhile; the folder stays as it is.
    """
    name = shown(place)
    stage(f"sending to {name}")
    store, base = open_store(place)
    base = base.rstrip("/")
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / sign)
    mark = f"{base}/{_MARK}{uuid.uuid4().hex}"
    sent = []
    try:
        _put_mark(store, mark)
        others = {info.path for info in store.get_file_info(fs.FileSelector(base))} - {mark}
        if others:
            raise OSError(f"{min(others).removeprefix(base + '/')} is there: somebody else makes a directory there")
        for file in files:
            sent.append(f"{base}/{file.relative_to(folder).as_posix()}")
            _send_file(store, file, sent[-1])
        _send_file(store, folder / sign, f"{base}/{sign}")
    except _UNWRITABLE as error:
        for path in [*sent, mark]:
            with suppress(*_UNWRITABLE):  # it may not be there, or the store may be out of reach
                store.delete_file(path)
        raise W2vrayError(
            f"{name} cannot be written ({first_line(error)}); what was made is whole in {folder}: copy it from there"
        ) from error
    with suppress(*_UNWRITABLE):
        store.delete_file(mark)
    detail(f"sent to {name}: {len(files) + 1:,} files")


def _put_mark(store: fs.FileSystem, path: str, *, remove: bool = False) -> None:
    if store.type_name not in OBJECT_STORES:
        store.create_dir(path.rpartition("/")[0])
    store.open_output_stream(path).close()
    if remove:
        store.delete_file(path)


def _send_file(store: fs.FileSystem, file: Path, target: str) -> None:
    """Copy a file; a small object is put at once, so that what is cut off is not there, and a large one in parts."""
    if store.type_name not in OBJECT_STORES:
        store.create_dir(target.rpartition("/")[0])
    size = file.stat().st_size
    stream = store.open_output_stream(target)
    with file.open("rb") as handle:
        while block := handle.read(_CHUNK):
            stream.write(block)
    stream.close()  # not by `with`: an error must not publish a part of it
    arrived = store.get_file_info(target).size
    if arrived != size:
        raise OSError(f"{arrived} bytes of {file.name} have arrived, of {size}")
