"""Whether a disk has room for the scores of a run."""

import shutil

from w2vray.errors import RunError
from w2vray.run.wholefiles import WholeFiles

__all__ = ["require_room"]

_LEAST_BYTES = 2
_LEAST_BYTES_OF_A_NUMBER = 3
"""What a row, and a probability of it, takes at least in a part: less than was ever seen, so that no run is refused
that could have ended well."""


def require_room(files: WholeFiles, rows: int, numbers: int) -> None:
    """Look whether a disk has room for scores; other places do not tell.

    Args:
        files: the run's directory.
        rows: that are to be scored.
        numbers: probabilities that are written for each row.

    Raises:
        RunError: it has not.
    """
    if not files.is_local:
        return
    least, free = rows * (_LEAST_BYTES + _LEAST_BYTES_OF_A_NUMBER * numbers), shutil.disk_usage(files.base).free
    if least > free:
        raise RunError(
            f"{files.name}: the scores of {rows:,} rows take at least {least:,} bytes, and {free:,} are free there; "
            "make room, or give another --output"
        )
