"""Files in the making, and how they are published: whole, and only as long as their folder of drafts is open.

A worker that was given up may come back at any time, with a part in its hands. What it writes is a draft in a folder of
its own, ``_temporary/drafts-TOKEN/``. A draft is published from there by one step of the filesystem or store: a hard
link, a rename, or a copy that the store makes by itself. Whoever closes the folder removes the drafts, and from then on
that step finds nothing to publish:

    worker     writes the draft .......... is the folder open? .. link, rename or copy: the draft is gone, so it fails
    driver                                                  ^ closes the folder

So nothing has to be asked of a store but that what is removed is gone, and that a listing shows what was written.

A link replaces nothing, and neither does a copy on the condition that its target is not there yet. Elsewhere it is
looked for just before. To put a part on that condition, without a draft, would not do: nobody could take it away.
"""

import errno
import os
import uuid
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from w2vray.errors import RunError
from w2vray.run.wholefiles import TEMPORARY, WholeFiles, flush_folder

__all__ = ["Draft", "Drafts", "close_all_drafts"]

_FOLDER, _ATTEMPTS = "drafts-", "attempts-"
_OPEN = "open"
"""A file that says that a folder of drafts is open, where a store has no folders, or makes them by itself."""

_REPLACES_NOTHING = b"copies on a condition\n"
"""What the file says where the store makes such copies: whoever publishes from here makes no others."""

_CLOSED = ".closed"
_PACE = 32 << 20
"""Bytes after which a stream to a store is waited for: Arrow would keep all that is not sent yet in memory."""

_LOOKS = 20
_LARGEST_COPY = 5 << 30
"""Bytes that S3 copies in one request."""

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})


class Draft:
    """A file that is written from its start to its end, for one writer; ``write`` and ``close`` raise an OSError."""

    def __init__(self, files: WholeFiles, path: str) -> None:
        self.path = path
        self.size = 0
        self._files = files
        self._unsent = 0
        # PTH123: Arrow's streams cannot be flushed to the disk. SIM115: `close` and `discard` close it.
        self._stream: Any = (
            open(path, "xb") if files.is_local else files.store.open_output_stream(path)  # noqa: PTH123, SIM115
        )

    def write(self, data: Any) -> int:
        """Append bytes; at most ``_PACE`` of them wait in memory to be sent."""
        written = memoryview(data).nbytes
        self._stream.write(data)
        self.size += written
        self._unsent += written
        if self._unsent >= _PACE and not self._files.is_local:
            self._stream.flush()
            self._unsent = 0
        return written

    def close(self) -> None:
        """Bring all of it to the disk or the store."""
        if self._files.is_local:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        self._stream.close()
        if not self._files.is_local:
            size = self._files.store.get_file_info(self.path).size
            if size != self.size:
                raise OSError(f"{size} bytes have arrived, of {self.size}")

    def discard(self) -> None:
        """Remove it, where it is still there: a full disk gets its room back."""
        with suppress(OSError):
            self._stream.close()  # a store may now hold a part of the draft; nothing publishes it
        with suppress(OSError):
            self._files.store.delete_file(self.path)


class Drafts:
    """A folder of drafts; its name is all that another process needs to write into it."""

    def __init__(self, files: WholeFiles, name: str) -> None:
        self.name = name
        self._files = files
        self._folder = files.path(TEMPORARY, name)

    @property
    def attempts(self) -> str:
        """The folder in which those who publish from here mark what they try; it goes with this one."""
        return f"{TEMPORARY}/{_ATTEMPTS}{self.name.removeprefix(_FOLDER)}"

    @classmethod
    def open(cls, files: WholeFiles) -> "Drafts":
        """Make a new folder of drafts.

        Raises:
            RunError: it cannot be made.
        """
        drafts = cls(files, f"{_FOLDER}{uuid.uuid4().hex}")
        if files.is_local:
            try:
                files.store.create_dir(drafts._folder)
            except OSError as error:
                raise RunError(f"{files.name} cannot be written ({error})") from error
        else:
            conditional = files.may_have_condition and files.no_condition_because() is None
            files.put(_REPLACES_NOTHING if conditional else b"", TEMPORARY, drafts.name, _OPEN)
        return drafts

    def new(self, name: str) -> Draft:
        """Begin a draft.

        Raises:
            OSError: it cannot be written.
            RunError: the folder is closed.
        """
        try:
            return Draft(self._files, f"{self._folder}/{name}.{uuid.uuid4().hex}")
        except FileNotFoundError:
            self.require_open()
            raise

    def publish(self, draft: Draft, *parts: str, replace: bool = False) -> bool:
        """Give a closed draft its name.

        Returns:
            False where a file of that name is there: it stays as it is. With ``replace`` it is replaced, and the answer
            is always True. Where a store does the work and its answer is lost, False may stand for our own file.

        Raises:
            OSError: it cannot be published.
            RunError: the folder is closed: this writer was given up.
        """
        target = self._files.path(*parts)
        if self._files.is_local:
            return self._publish_here(draft, target, replace=replace)
        self.require_open()
        conditional = not replace and self._conditional
        if not replace and not conditional and self._files.exists(*parts):
            return False
        try:
            if conditional:
                return self._copy_where_none(draft, target)
            self._give_name(draft, target)
        except OSError:
            self.require_open()
            if not replace and self._files.exists(*parts):
                return False
            raise
        return True

    def _publish_here(self, draft: Draft, target: str, *, replace: bool) -> bool:
        folder = target.rpartition("/")[0]
        self._files.store.create_dir(folder)
        try:
            if replace:
                os.replace(draft.path, target)  # noqa: PTH105 - plain strings, as Arrow's filesystems take
            elif not _link(draft.path, target):
                return False
        except FileNotFoundError:
            self.require_open()
            raise
        flush_folder(folder)
        with suppress(FileNotFoundError):
            Path(draft.path).unlink()
        return True

    def _give_name(self, draft: Draft, target: str) -> None:
        if not self._files.is_object_store:
            self._files.store.create_dir(target.rpartition("/")[0])
            self._files.store.move(draft.path, target)
            return
        self._require_size(draft)
        self._files.store.copy_file(draft.path, target)
        draft.discard()

    @cached_property
    def _conditional(self) -> bool:
        """Whether the store makes copies that replace nothing: who opened the folder has found out."""
        files = self._files
        return files.may_have_condition and files.read(TEMPORARY, self.name, _OPEN) == _REPLACES_NOTHING

    def _copy_where_none(self, draft: Draft, target: str) -> bool:
        self._require_size(draft)
        try:
            copies = self._files.conditional_copies
        except RunError as error:
            raise RunError(
                f"{self._files.name}: {error} here, and it is where `score` was called; install it on all machines"
            ) from error
        copied = copies.copy(draft.path, target)
        if copied:
            draft.discard()
        return copied

    def _require_size(self, draft: Draft) -> None:
        if draft.size > _LARGEST_COPY:
            raise RunError(
                f"{self._files.name}: a part has {draft.size:,} bytes, and object stores copy {_LARGEST_COPY:,} at "
                "once; keep fewer columns, or write the store in smaller row groups"
            )

    def require_open(self) -> None:
        """Raise a RunError where the folder was closed."""
        is_open = (
            Path(self._folder).is_dir() if self._files.is_local else self._files.exists(TEMPORARY, self.name, _OPEN)
        )
        if not is_open:
            raise RunError(
                f"{self._files.name}: this process was given up, or another run has taken its place; it writes nothing"
            )

    def close(self) -> None:
        """Close the folder: after this, nothing is published from it.

        Raises:
            RunError: it cannot be closed.
        """
        files = self._files
        with suppress(OSError):  # the next run removes them
            files.store.delete_dir(files.path(self.attempts))
        try:
            if files.is_object_store:
                files.remove(TEMPORARY, self.name, _OPEN)  # first: who has not asked yet publishes nothing
                files.delete_folder(TEMPORARY, self.name)
                return
            closed = self._folder.removesuffix(_CLOSED) + _CLOSED
            if closed != self._folder:
                files.store.move(self._folder, closed)  # at once: no draft can be begun meanwhile
            files.store.delete_dir(closed)
        except FileNotFoundError:
            pass  # somebody else has closed it
        except OSError as error:
            raise RunError(f"{files.name}: {TEMPORARY}/{self.name} cannot be removed ({error})") from error


def _link(draft: str, target: str) -> bool:
    """Give a file a second name, unless there is a file of that name: then the answer is False."""
    try:
        os.link(draft, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            return False
        os.rename(draft, target)  # noqa: PTH104 - the same
    return True


def close_all_drafts(files: WholeFiles, but: str | None = None) -> None:
    """Close all folders of drafts that earlier writers have left open, but the named one.

    It looks again until there is none: a driver that was given up may have opened one for its workers meanwhile. After
    that it asks whether its own is still open, so that the next one is not used.

    Raises:
        RunError: one cannot be closed.
    """
    for _ in range(_LOOKS):
        folders = [info.base_name for info in files.list(TEMPORARY) if info.base_name.startswith(_FOLDER)]
        folders = [name for name in folders if name != but]
        if not folders:
            return
        for name in folders:
            Drafts(files, name).close()
    raise RunError(f"{files.name}: {TEMPORARY}/{folders[0]} cannot be removed; is another run writing here?")
