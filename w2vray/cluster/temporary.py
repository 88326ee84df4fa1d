"""Where Ray's own files go: the system takes no socket whose path has more than 107 bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from w2vray.errors import ClusterError

__all__ = ["elsewhere", "short_temporary_folder"]

LONGEST = 37
"""Bytes of a folder in which ``ray/session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store.1`` is a socket's path."""

_SHORT = "/tmp"  # noqa: S108 - Ray's own default; it makes a folder of its own there


@contextmanager
def short_temporary_folder(short: str = _SHORT) -> Iterator[str | None]:
    """Let Ray have its sockets and logs in a folder with a short path, where that of TMPDIR or RAY_TMPDIR is too long.

    Args:
        short: the folder that takes its place.

    Yields:
        The folder that was named, which has room for objects that do not fit into memory; None where it is short
        enough, and Ray uses it anyway.

    Raises:
        ClusterError: the other folder cannot be written, or the named one cannot be made.
    """
    before = os.environ.get("RAY_TMPDIR")
    folder = before or os.environ.get("TMPDIR") or short
    if len(os.fsencode(folder)) <= LONGEST:
        yield None
        return
    if not os.access(short, os.W_OK):
        raise ClusterError(
            f"the temporary folder {folder} has a path of {len(os.fsencode(folder))} bytes, Ray's sockets need one of "
            f"at most {LONGEST}, and {short} cannot be written; set RAY_TMPDIR to a folder with a shorter path"
        )
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClusterError(f"the temporary folder {folder} cannot be made ({error.strerror}); set TMPDIR") from error
    os.environ["RAY_TMPDIR"] = short
    try:
        yield str(Path(folder).absolute())
    finally:
        if before is None:
            del os.environ["RAY_TMPDIR"]
        else:
            os.environ["RAY_TMPDIR"] = before


def elsewhere(folder: str, short: str = _SHORT) -> str:
    """Say that Ray's files are not all in the folder that somebody named for them."""
    return (
        f"; its sockets and logs go to {short}: the path of {folder}, where objects go that do not fit into memory, "
        f"has more than the {LONGEST} bytes that they allow"
    )
