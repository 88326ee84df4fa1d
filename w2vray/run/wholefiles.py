"""Files of a directory that are there whole, or not at all: on local and network filesystems and in object stores.

Small ones: a filesystem's file is written under another name, flushed and renamed. An object is put at once, from
memory: a stream that is closed half-way would publish what it has. Large ones, and all that a process that was given up
must not publish any more, are drafts first: ``drafts.py``.
"""

import os
import uuid
from contextlib import suppress
from functools import cached_property

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import RunError
from w2vray.places.uris import open_store, without_secrets
from w2vray.store.conditional import ConditionalCopies, conditional_copies, may_have_condition, no_condition_because

__all__ = ["TEMPORARY", "WholeFiles", "flush_folder"]

TEMPORARY = "_temporary"
_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})


class WholeFiles:
    """The files of a directory; ``parts`` of a path are relative to it."""

    def __init__(self, place: str) -> None:
        self.name = without_secrets(place)
        self._place = place
        self.store, self.base = open_store(place)
        self.is_local = isinstance(self.store, fs.LocalFileSystem)
        self.is_object_store = self.store.type_name in _OBJECT_STORES

    def path(self, *parts: str) -> str:
        """Return a path inside the directory."""
        return "/".join([self.base.rstrip("/"), *parts])

    def exists(self, *parts: str) -> bool:
        """Tell whether a file is there."""
        try:
            return bool(self.store.get_file_info(self.path(*parts)).type == fs.FileType.File)
        except OSError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be looked up ({error})") from error

    def is_file(self) -> bool:
        """Tell whether the place is no directory, but a file."""
        try:
            return bool(self.store.get_file_info(self.base).type == fs.FileType.File)
        except OSError as error:
            raise RunError(f"{self.name} cannot be looked up ({error})") from error

    def read(self, *parts: str) -> bytes:
        """Read a whole small file."""
        try:
            with self.store.open_input_file(self.path(*parts)) as handle:
                return bytes(handle.read())
        except OSError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be read ({error})") from error

    def list(self, *parts: str) -> list[fs.FileInfo]:
        """List a folder; one that is not there is empty."""
        try:
            return list(self.store.get_file_info(fs.FileSelector(self.path(*parts), allow_not_found=True)))
        except OSError as error:
            raise RunError(f"{'/'.join([self.name, *parts])} cannot be listed ({error})") from error

    def put(self, data: bytes | memoryview, *parts: str) -> None:
        """Write a small file whole or not at all; one that is there is replaced.

        Raises:
            RunError: it cannot be written.
        """
        target = self.path(*parts)
        try:
            if self.is_object_store:
                self._put(data, target)
                return
            temporary = self.path(TEMPORARY, f"{parts[-1]}.{uuid.uuid4().hex}")
            for path in (temporary, target):
                self.store.create_dir(path.rpartition("/")[0])
            try:
                if self.is_local:
                    _write_through(data, temporary, target)
                else:
                    self._put(data, temporary)
                    self.store.move(temporary, target)
            except OSError:
                with suppress(OSError):  # a full disk gets its room back
                    self.store.delete_file(temporary)
                raise
        except (OSError, pa.ArrowException) as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be written ({error})") from error

    def _put(self, data: bytes | memoryview, target: str) -> None:
        """Write in one call, then look whether all of it has arrived."""
        stream = self.store.open_output_stream(target)
        stream.write(data)
        stream.close()  # not by `with`: an error must not publish a part of it
        size = self.store.get_file_info(target).size
        if size != len(data):
            raise OSError(f"{size} bytes have arrived, of {len(data)}")

    @property
    def may_have_condition(self) -> bool:
        """Tell whether this is a store whose copies may have a condition."""
        return may_have_condition(self.store)

    def no_condition_because(self) -> str | None:
        """Say why copies here cannot have the condition that there is no target yet, None where they can."""
        return no_condition_because(self._place, self.path(TEMPORARY))

    @cached_property
    def conditional_copies(self) -> ConditionalCopies:
        """Copies that replace nothing.

        Raises:
            RunError: this machine lacks what they need.
        """
        return conditional_copies(self._place, self.store)

    def remove(self, *parts: str) -> None:
        """Remove a file, where it is there.

        Raises:
            RunError: it cannot be.
        """
        if self.exists(*parts):
            self.delete(*parts)

    def delete(self, *parts: str) -> None:
        """Remove a file that is there.

        Raises:
            RunError: it cannot be.
        """
        try:
            self.store.delete_file(self.path(*parts))
        except FileNotFoundError:
            pass  # somebody else has
        except OSError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be removed ({error})") from error

    def delete_folder(self, *parts: str) -> None:
        """Remove a folder and all that is in it.

        Raises:
            OSError: it is still there.
        """
        folder = self.path(*parts)
        try:
            self.store.delete_dir(folder)
        except OSError:  # of GCS, whose folders go with what was in them, Arrow says so in no class of its own
            if self.store.get_file_info(folder).type != fs.FileType.NotFound:
                raise

    def clear(self, folder: str) -> None:
        """Remove what is in a folder; what somebody else removes or adds meanwhile is left to the next time."""
        for info in self.list(folder):
            with suppress(OSError):
                if info.type == fs.FileType.Directory:
                    self.store.delete_dir(info.path)
                else:
                    self.store.delete_file(info.path)


def _write_through(data: bytes | memoryview, temporary: str, target: str) -> None:
    """Write to the disk itself, rename, and write the folder too."""
    with open(temporary, "wb") as handle:  # noqa: PTH123 - Arrow's streams cannot be flushed to the disk
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, target)  # noqa: PTH105 - plain strings, as Arrow's filesystems take
    flush_folder(target.rpartition("/")[0])


def flush_folder(path: str) -> None:
    """Bring a local folder to the disk: it holds the names of files."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
