"""Another process of this machine that runs a program of ours, and is spoken to over its pipes."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["READY", "answers_to", "end_ahead", "is_ready", "serving", "start", "start_ahead"]

READY = b"ready\n"
"""What a program says first, when it can be spoken to."""


_AHEAD: dict[str, "subprocess.Popen[bytes]"] = {}


def serving(module: str) -> str:
    """Return the program that calls a module's ``serve``."""
    return f"from {module} import serve; serve()"


def start_ahead(program: str) -> None:
    """Start a program for whoever starts it next: it imports what it needs while this process does other things."""
    if program not in _AHEAD:
        _AHEAD[program] = _started(program)


def end_ahead() -> None:
    """End what was started ahead and nobody took."""
    with suppress(KeyError):  # there is none any more
        while True:
            _, process = _AHEAD.popitem()
            process.kill()
            process.communicate()


def start(program: str) -> "subprocess.Popen[bytes]":
    """Start a program, given as Python code, or take the one that was started ahead.

    ``is_ready`` tells when it can be spoken to.
    """
    process = _AHEAD.pop(program, None)
    return _started(program) if process is None else process


def _started(program: str) -> "subprocess.Popen[bytes]":
    """Start a program.

    It imports from where this process does, but not from the folder that this process happens to stand in. Ctrl-C is
    for this process alone; the other one ends when its input does.
    """
    return subprocess.Popen(  # noqa: S603 - this interpreter, and code of ours
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
        start_new_session=True,
    )


def is_ready(process: "subprocess.Popen[bytes]") -> bool:
    """Wait until a program can be spoken to; False where it ends before."""
    assert process.stdout is not None
    return process.stdout.readline() == READY


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
