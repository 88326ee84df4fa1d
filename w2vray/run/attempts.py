"""Marks of what is being tried: that of a unit whose worker dies stays, so that none is tried for ever."""

import uuid
from collections.abc import Callable
from contextlib import suppress

from pyarrow import fs

from w2vray.errors import RunError
from w2vray.run.run_files import RunFiles

__all__ = ["MOST_ATTEMPTS", "MOST_IN_ALL", "Attempts"]

MOST_ATTEMPTS = 3
MOST_IN_ALL = 4 * MOST_ATTEMPTS
"""The most attempts at a unit, those that ended with their machine included: it may be what brings machines down."""


class Attempts:
    """The marks in a folder, which goes with the folder of drafts that its processes publish from."""

    def __init__(self, files: RunFiles, folder: str) -> None:
        self.files, self.folder = files, folder

    def begin(self, unit: str, host: str = "", is_lost: Callable[[str], bool] = lambda _: False) -> str | None:
        """Mark that a unit is being tried: the mark stays where the process dies.

        Args:
            unit: its id.
            host: the machine of this process, which the mark names.
            is_lost: tells of a machine whether it is gone. What dies with its machine has not died of the unit.

        Returns:
            The mark, for ``end``; None if ``MOST_ATTEMPTS`` workers have died of the unit in this run, or
            ``MOST_IN_ALL`` with those that died with their machines.
        """
        folder = f"{self.folder}/{unit}"
        marks = [info.base_name for info in self.files.list(folder)]
        if len(marks) >= MOST_IN_ALL:
            return None
        if len(marks) >= MOST_ATTEMPTS:
            hosts = [_host_of(mark) for mark in marks]
            if sum(not (host and is_lost(host)) for host in hosts) >= MOST_ATTEMPTS:
                return None
        mark = f"{uuid.uuid4().hex}-{host}"
        self.files.put(b"", folder, mark)
        return mark

    def begun_on(self, host: str) -> set[str]:
        """Return the units that processes of a machine have begun and not ended; a listing."""
        folder = self.files.path(self.folder)
        try:
            marks = self.files.store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        except OSError as error:
            raise RunError(f"{self.files.name}: {self.folder} cannot be listed ({error})") from error
        files = (info for info in marks if info.type == fs.FileType.File)
        begun = {info.path.split("/")[-2] for info in files if _host_of(info.base_name) == host}
        return {unit for unit in begun if unit not in self.files}

    def end(self, unit: str, mark: str) -> None:
        """Take a mark away: the process lives."""
        with suppress(OSError, RunError):  # one that stays counts as an attempt, no more
            self.files.delete(f"{self.folder}/{unit}", mark)


def _host_of(mark: str) -> str:
    """Return the machine that a mark of an attempt names."""
    return mark.partition("-")[2]
