"""The folder in which what was fetched from URIs is kept.

::

    $W2VRAY_CACHE, or $XDG_CACHE_HOME/w2vray, or ~/.cache/w2vray; where none can be written, a folder in TMPDIR
        fetched/KEY/content/...     what was fetched
        fetched/KEY/digests.json    size and SHA-256 of each file, written when all of them were there
        fetched/KEY/lock            held by each process that uses it
        fetched/partial-.../        the same, being fetched
        trainings/...               what trainings have done whose model is to be sent to a URI

An entry gets its name when it is whole. Each time that it is taken it is looked at again, byte for byte: a
copy that was damaged since is fetched anew. What was not used for longest is removed where there would be more than
``W2VRAY_CACHE_BYTES``; what a process has in use stays.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from w2vray.errors import ConfigError
from w2vray.stages import detail

__all__ = ["BYTES_VARIABLE", "CACHE_VARIABLE", "DEFAULT_BYTES", "cache_folder", "digest_of", "keep"]

CACHE_VARIABLE = "W2VRAY_CACHE"
BYTES_VARIABLE = "W2VRAY_CACHE_BYTES"
DEFAULT_BYTES = 32 << 30

_DIGESTS = "digests.json"
_CONTENT = "content"
_LOCK = "lock"
_PARTIAL = "partial-"
_WITHOUT_LOCK_SECONDS = 3600
"""How long a folder may be there whose maker has not come to lock it."""
_BLOCK = 1 << 20


def cache_folder() -> Path:
    """Return the folder, made if it was not there; only this user can write in it.

    Raises:
        ConfigError: the one that W2VRAY_CACHE names, or any, cannot be used.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        if why := _unusable(Path(named).absolute()):
            raise ConfigError(f"{CACHE_VARIABLE} names {named}, {why}; name another folder")
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    usual = (Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()) / "w2vray"  # noqa: PTH117 - an empty one
    spare = Path(tempfile.gettempdir()) / f"w2vray-cache-{os.getuid()}"
    if not _unusable(usual):
        return usual
    if why := _unusable(spare):
        raise ConfigError(f"{spare}, {why}, as {usual} cannot be used either; name a folder in {CACHE_VARIABLE}")
    return spare


def _unusable(folder: Path) -> str:
    """Make a folder; say why it cannot be used, nothing where it can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError) as error:
        return f"which cannot be made ({getattr(error, 'strerror', None) or error})"
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        return "which belongs to somebody else, or others may write in it"
    return "" if os.access(folder, os.W_OK) else "which cannot be written"


def keep(key: str, size: int, fetch: Callable[[Path], None], *, name: str) -> Path:
    """Return the folder of what was kept under a key; it is fetched where it is not there, or damaged.

    Args:
        key: names the content.
        size: its bytes, for which room is made.
        fetch: writes it into a folder, or raises.
        name: what a person calls it.

    Raises:
        ConfigError: there is no room for it.
    """
    folder = cache_folder() / "fetched"
    folder.mkdir(mode=0o700, exist_ok=True)
    if (kept := _taken(folder / key)) is not None:
        detail(f"{name} is kept in {kept}")
        return kept
    _make_room(folder, size, name)
    partial = folder / f"{_PARTIAL}{uuid.uuid4().hex}"
    content = partial / _CONTENT
    content.mkdir(parents=True)
    lock = _lock(partial)
    try:
        fetch(content)
        files = {file.relative_to(content).as_posix(): digest_of(file) for file in content.rglob("*") if file.is_file()}
        (partial / _DIGESTS).write_text(json.dumps(files), encoding="utf-8")
        kept = _publish(partial, folder / key)
    except BaseException:
        _unlock(lock)
        shutil.rmtree(partial, ignore_errors=True)
        raise
    detail(f"{name} was fetched into {kept}")
    return kept


def digest_of(file: Path) -> tuple[int, str]:
    """Return the size of a file and the SHA-256 of its bytes."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _publish(partial: Path, entry: Path) -> Path:
    """Give a whole entry its name; where another process was first, its entry is used."""
    while True:
        try:
            partial.rename(entry)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        else:
            return entry / _CONTENT
        if (kept := _taken(entry)) is not None:
            shutil.rmtree(partial, ignore_errors=True)
            return kept


def _taken(entry: Path) -> Path | None:
    """Hold an entry for as long as this process lives; None where there is none, or it was damaged and is removed."""
    lock = _lock(entry, make=False)
    if lock is None:
        if (entry / _CONTENT).exists():
            _remove(entry)  # it has lost its lock: it was removed in part
        return None
    if _is_whole(entry):
        with suppress(OSError):
            os.utime(entry / _LOCK)
        return entry / _CONTENT
    _unlock(lock)
    _remove(entry)
    return None


def _is_whole(entry: Path) -> bool:
    content = entry / _CONTENT
    try:
        stored: Mapping[str, list[object]] = json.loads((entry / _DIGESTS).read_text(encoding="utf-8"))
        there = {file.relative_to(content).as_posix() for file in content.rglob("*") if file.is_file()}
        return there == set(stored) and all(list(digest_of(content / name)) == stored[name] for name in stored)
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _remove(entry: Path) -> None:
    """Take the name from an entry, then remove it: nobody finds half of it. Who has its files open keeps them."""
    aside = entry.parent / f"{_PARTIAL}{uuid.uuid4().hex}"
    with suppress(OSError):  # another process was first
        entry.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _lock(entry: Path, *, make: bool = True) -> int | None:
    """Hold an entry; None where it is not there, or was removed just now."""
    try:
        handle = os.open(entry / _LOCK, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
    except OSError:
        return None
    with suppress(OSError):  # a filesystem without locks: nothing of it is ever removed for room
        fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        same = os.fstat(handle).st_ino == (entry / _LOCK).stat().st_ino
    except OSError:
        same = False
    if same:
        return handle  # open until the process ends, on purpose
    os.close(handle)
    return None


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _make_room(folder: Path, size: int, name: str) -> None:
    """Remove what was not used for longest, and what was left behind by processes that died.

    Raises:
        ConfigError: it is not enough.
    """
    most = _most_bytes()
    if size > most:
        raise ConfigError(
            f"{name} has {size:,} bytes, and at most {most:,} are kept of all that is fetched; raise {BYTES_VARIABLE}"
        )
    entries = []
    for entry in folder.iterdir():
        with suppress(OSError):  # somebody else removes it
            if entry.name.startswith(_PARTIAL):
                if _is_unused(entry):
                    shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_dir():
                entries.append(((entry / _LOCK).stat().st_mtime, _size_of(entry), entry))
    total = sum(used for _, used, _ in entries)
    for _, used, entry in sorted(entries):
        if total + size <= most:
            break
        if _is_unused(entry):
            _remove(entry)
            total -= used
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ConfigError(
            f"{name} has {size:,} bytes, and {folder} has room for {free:,}; name another in {CACHE_VARIABLE}"
        )


def _is_unused(entry: Path) -> bool:
    try:
        handle = os.open(entry / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return time.time() - entry.stat().st_mtime > _WITHOUT_LOCK_SECONDS
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def _size_of(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())


def _most_bytes() -> int:
    stated = os.environ.get(BYTES_VARIABLE, "")
    if not stated:
        return DEFAULT_BYTES
    if not stated.isdecimal():
        raise ConfigError(f"{BYTES_VARIABLE} is {stated!r}; expected a whole number of bytes")
    return int(stated)
