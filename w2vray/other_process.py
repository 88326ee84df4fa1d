"""Another process of this machine that runs a program of ours, and is spoken to over its pipes."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["READY", "answers_to", "end_ahead", "is_ready", "serving", "start", "start_ahead"]

READY = b"ready\n"
"""What a program says first, when it can be spoken to."""

_AHEAD: dict[str, "subprocess.Popen[bytes]"] = {}
_STARTING = threading.Lock()

_ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Each of these processes has others beside it, and numpy would start a thread for each CPU in each of them."""


def serving(module: str) -> str:
    """Return the program that calls a module's ``serve``."""
    return f"from {module} import serve; serve()"


def start_ahead(program: str) -> None:
    """Start a program for whoever starts it next: it imports what it needs while this process does other things."""
    with _STARTING:  # of two that two threads start, nobody would end the first
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
    if process is not None and process.poll() is not None:  # something has ended it meanwhile
        process.communicate()
        process = None
    return _started(program) if process is None else process


def _started(program: str) -> "subprocess.Popen[bytes]":
    """Start a program.

    It imports from where this process does, from the folder that this process happens to stand in last of all: a
    ``json.py`` there would take the place of Python's own. Ctrl-C is for this process alone; the other one ends when
    its input does.
    """
    first, last = _import_path()
    return subprocess.Popen(  # noqa: S603 - this interpreter, and code of ours
        [sys.executable, "-P", "-c", f"import sys; sys.path += {last!a}; {program}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(first), **_ONE_THREAD},
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


def _import_path() -> tuple[list[str], list[str]]:
    """Return where this process imports from; the folder that it happens to stand in, if it is among that, apart."""
    package = str(Path(__file__).parents[1])
    try:
        here = str(Path.cwd())
    except FileNotFoundError:  # it is gone, so that nothing is imported from it
        here = ""
    places = [place for place in dict.fromkeys([package, *sys.path]) if isinstance(place, str)]  # Python skips others
    apart = {here, ""} - {package}
    return [place for place in places if place not in apart], [here] if here and apart & {*places} else []
