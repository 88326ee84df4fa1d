"""Another process of this machine that runs a program of ours, and is spoken to over its pipes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

__all__ = ["READY", "answers_to", "started"]

READY = b"ready\n"
"""What a program says first, when it can be spoken to."""


def started(program: str) -> "subprocess.Popen[bytes] | None":
    """Start a program, given as Python code, and wait until it is ready; None where it cannot start.

    It imports from where this process does, but not from the folder that this process happens to stand in. Ctrl-C is
    for this process alone; the other one ends when its input does.
    """
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and code of ours
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
        start_new_session=True,
    )
    assert process.stdout is not None
    return process if process.stdout.readline() == READY else None


def answers_to() -> IO[bytes]:
    """Return where a program writes its answers, and say that it is ready. What is printed there goes elsewhere."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    output.write(READY)
    output.flush()
    return output


def _import_path() -> list[str]:
    """Return where this process imports from, but for the folder that it happens to stand in."""
    package = str(Path(__file__).parents[1])
    here = {"", str(Path.cwd())} - {package}
    return [place for place in dict.fromkeys([package, *sys.path]) if place not in here]
