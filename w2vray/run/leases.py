"""One writer at a time: a lock of the filesystem for a run on local paths, a lease with a heartbeat elsewhere.

A lock is free as soon as its holder is dead. A lease is an object that its holder writes again every few seconds; one
that has not been written for ``LEASE_SECONDS``, by the store's own clock, is of a dead holder. It is best effort: an
object store knows no locks, and a holder that is stopped for longer than that may come back and find another.
"""

import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pyarrow import fs

from w2vray.errors import RunError, UnusableInputError
from w2vray.run.wholefiles import WholeFiles

__all__ = ["LEASES", "LOCK", "only_writer"]

LOCK, LEASES = ".lock", "_leases"
StillOurs = Callable[[], None]
"""Raises a RunError where another writer has taken the place."""

HEARTBEAT_SECONDS = 10.0
LEASE_SECONDS = 60.0
_TRIES = 10


@contextmanager
def only_writer(files: WholeFiles) -> Iterator[StillOurs]:
    """Keep a second writer out of a directory while this one writes.

    Where what it was to write is refused, folders that were made for its lock alone are removed again.

    Raises:
        RunError: another one is writing, or nothing can be written.
    """
    with _lock(files) if files.is_local else _lease(files) as still_ours:
        yield still_ours


@contextmanager
def _lock(files: WholeFiles) -> Iterator[StillOurs]:
    folder = Path(files.base)
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    handle = _locked(files)
    try:
        yield lambda: None
    except UnusableInputError:
        if absent and [place.name for place in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            with suppress(OSError):  # somebody else has use for one of them
                for place in absent:
                    place.rmdir()
        raise
    finally:
        os.close(handle)


def _locked(files: WholeFiles) -> int:
    """Return the open file that holds the lock.

    Raises:
        RunError: another one holds it, the filesystem has no locks, or nothing can be written.
    """
    why = "others make and remove it; try again"
    for _ in range(_TRIES):
        try:
            files.store.create_dir(files.base)
            handle = os.open(files.path(LOCK), os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError as error:
            # Another run was refused, and has removed the folder that it had made; or there can be none here.
            why = error.strerror or str(error)
            continue
        except OSError as error:
            raise RunError(f"{files.name} cannot be written ({error.strerror or error})") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), Path(files.path(LOCK)).stat()):
                return handle
        except FileNotFoundError:
            pass  # likewise, the file that we hold now
        except BlockingIOError as error:
            os.close(handle)
            raise RunError(f"{files.name}: another run is writing here; wait for it to end") from error
        except OSError as error:
            os.close(handle)
            raise RunError(
                f"{files.name} cannot be locked ({error.strerror or error}); name a place whose filesystem has locks"
            ) from error
        os.close(handle)
    raise RunError(f"{files.name} cannot be written ({why})")


@contextmanager
def _lease(files: WholeFiles) -> Iterator[StillOurs]:
    """Hold a lease: write one of our own, wait until every other one is seen to be dead, and keep ours alive."""
    own = f"{uuid.uuid4().hex}.json"
    content = json.dumps(_holder()).encode()
    files.put(content, LEASES, own)
    ended, lost = threading.Event(), threading.Event()
    heart = threading.Thread(target=_beat, args=(files, own, content, ended, lost), daemon=True)
    heart.start()

    def still_ours() -> None:
        if lost.is_set():
            raise RunError(f"{files.name}: this run was silent for too long, and another has taken its place")

    try:
        _wait_for_others(files, own)
        yield still_ours
    finally:
        ended.set()
        heart.join()
        with suppress(OSError, RunError):
            files.remove(LEASES, own)


def _beat(files: WholeFiles, own: str, content: bytes, ended: threading.Event, lost: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        with suppress(RunError):  # of a store that is away for a moment: the next beat will tell
            if not files.exists(LEASES, own):
                lost.set()
                return
            files.put(content, LEASES, own)


def _wait_for_others(files: WholeFiles, own: str) -> None:
    """Return when no other lease is alive.

    Raises:
        RunError: another one is: it was written again while this looked.
    """
    seen = {info.base_name: info.mtime_ns for info in _others(files, own)}
    deadline = time.monotonic() + LEASE_SECONDS
    while others := _others(files, own):
        for info in others:
            known = seen.setdefault(info.base_name, info.mtime_ns)
            if info.mtime_ns != known:
                raise RunError(f"{files.name}: another run is writing here; wait for it to end")
            if time.monotonic() >= deadline or _is_dead(files, info):
                files.remove(LEASES, info.base_name)
        time.sleep(min(0.2, HEARTBEAT_SECONDS / 10))


def _others(files: WholeFiles, own: str) -> list[fs.FileInfo]:
    return [info for info in files.list(LEASES) if info.base_name != own]


def _holder() -> dict[str, Any]:
    """Say which process of which machine this is."""
    return {"machine": _machine(), "pid": os.getpid()}


def _machine() -> str:
    """Return a name that processes share when, and only when, they see each other's process numbers."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _is_dead(files: WholeFiles, info: fs.FileInfo) -> bool:
    """Tell whether a lease's holder was a process of this machine that is gone: then there is nothing to wait for."""
    try:
        holder = json.loads(files.read(LEASES, info.base_name))
        if not _machine() or holder["machine"] != _machine():
            return False
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (RunError, ValueError, KeyError, TypeError, OSError):
        return False
    return False
