"""Places and files that somebody else has named or made, looked at before they are used.

Of a directory that somebody else may have made, only plain files are read that lie in it, and are of a sane size.
"""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from w2vray.errors import UnusableInputError

__all__ = ["no_path_because", "plain_file", "read_json"]

_MOST_JSON = 1 << 24
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_ONE_SLASH = re.compile(r"(abfss?|adl|azs?|dbfs|file|ftp|gcs?|gs|hdfs|hf|https?|s3[an]?|wasbs?):", re.IGNORECASE)


def no_path_because(place: str) -> str:
    """Say why a place cannot be meant as a path of this machine; nothing where it can, or is there.

    Example:
        >>> no_path_because("s3:/bucket/x")
        'a URI has two slashes after its scheme, as in s3://'
    """
    if os.path.lexists(place):
        return ""
    if _WINDOWS.match(place):
        return "that is a Windows path, and this is not Windows; write the path as it is here, such as /mnt/c/..."
    if (scheme := _ONE_SLASH.match(place)) and "://" not in place:
        return f"a URI has two slashes after its scheme, as in {scheme[0]}//"
    return ""


def plain_file(folder: Path, name: str, error: type[UnusableInputError], *, most_bytes: int | None = None) -> Path:
    """Return a file of a directory, seen to be one that can be read without harm.

    Args:
        folder: the directory.
        name: of the file in it.
        error: what is raised.
        most_bytes: how large it may be; None for half of this machine's memory.

    Raises:
        UnusableInputError: it is missing, not a file (to open a pipe would wait for ever), leads out of the directory
            by a link, or is too large; ``error`` says of which kind.
    """
    file = folder / name
    try:
        found = file.stat()
        inside = file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as cause:
        what = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise error(f"{file} cannot be read ({what})") from cause
    if not inside:
        raise error(
            f"{file} leads out of its directory, to {file.resolve()}; put the file itself there instead of a link"
        )
    if not stat.S_ISREG(found.st_mode):
        raise error(f"{file} is not a plain file")
    most = _half_of_memory() if most_bytes is None else most_bytes
    if found.st_size > most:
        raise error(f"{file} has {found.st_size:,} bytes; at most {most:,} are read")
    return file


def read_json(folder: Path, name: str, error: type[UnusableInputError]) -> Any:
    """Read a JSON file of a directory.

    Raises:
        UnusableInputError: see ``plain_file``; or it holds no JSON.
    """
    file = plain_file(folder, name, error, most_bytes=_MOST_JSON)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as cause:
        raise error(f"{file} is not JSON ({cause})") from cause


def _half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
