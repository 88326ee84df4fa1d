"""How long a training took, all calls that worked on it together: kept beside its checkpoints."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Taken", "taken"]

SECONDS = "seconds.json"
"""The file, in the folder of the checkpoints, that says how long the training took, and whether it is done."""


@dataclass
class Taken:
    """The seconds that a training took."""

    seconds: float


@contextmanager
def taken(folder: Path) -> Iterator[Taken]:
    """Measure what a training takes, added to what earlier calls took; if it was done before, what it took then.

    A call that was killed could not say how long it had worked.
    """
    before, done = _read(folder)
    this, ended, begun = Taken(before), False, time.monotonic()
    try:
        yield this
        ended = True
    finally:
        if not done:
            this.seconds += time.monotonic() - begun
            _write(folder, this.seconds, done=ended)


def _read(folder: Path) -> tuple[float, bool]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((folder / SECONDS).read_text())
        return float(found["seconds"]), bool(found["done"])
    return 0.0, False


def _write(folder: Path, seconds: float, *, done: bool) -> None:
    """Write it down, whole or not at all; where the folder is gone, there is nothing to go on with."""
    with suppress(OSError):
        half = folder / f"{SECONDS}.half"
        half.write_text(json.dumps({"seconds": seconds, "done": done}))
        half.replace(folder / SECONDS)
