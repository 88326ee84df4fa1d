"""Another process of this machine that runs a program of ours, and is spoken to over a socket: its input and output."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = [
    "READY",
    "OtherProcess",
    "answers_to",
    "command",
    "end_ahead",
    "serving",
    "start",
    "start_ahead",
]

READY = b"ready\n"
"""What a program says first, when it can be spoken to."""

_AHEAD: dict[str, "OtherProcess"] = {}
_STARTING = threading.Lock()

_PATIENCE_SECONDS = 10.0
"""So long a process may take to end by itself, when nobody speaks to it any more."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Each of these processes has others beside it, and numpy would start a thread for each CPU in each of them."""

_ALLOCATOR = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"} if sys.platform == "linux" else {}
"""Arrow's default, mimalloc, holds 70 MB in a worker whose arrays never take more than 27 MB. With jemalloc a worker is
13 MB smaller, and no slower."""


class OtherProcess:
    """A process that was started, and the socket over which it is spoken to."""

    def __init__(self, program: str) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter, and code of ours
                command(program),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        self.stream = self.link.makefile("rwb")

    def is_ready(self) -> bool:
        """Wait until it can be spoken to; False where it ends before."""
        try:
            return self.stream.readline() == READY
        except OSError:
            return False

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it, at once."""
        self.process.kill()

    def close(self) -> None:
        """Speak to it no more, which ends it, and wait until it has ended."""
        with suppress(OSError):  # of a request that it did not live to read
            self.stream.close()
        self.link.close()
        try:
            self.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # it was stopped, or hangs
            self.process.kill()
            self.process.wait()


def serving(module: str) -> str:
    """Return the program that calls a module's ``serve``."""
    return f"from {module} import serve; serve()"


def start_ahead(program: str) -> None:
    """Start a program for whoever starts it next: it imports what it needs while this process does other things.

    Where it cannot start, whoever needs it is told.
    """
    with _STARTING, suppress(OSError):  # of two that two threads start, nobody would end the first
        if program not in _AHEAD:
            _AHEAD[program] = OtherProcess(program)


def end_ahead() -> None:
    """End what was started ahead and nobody took."""
    with suppress(KeyError):  # there is none any more
        while True:
            _, process = _AHEAD.popitem()
            process.kill()
            process.close()


def start(program: str) -> OtherProcess:
    """Start a program, given as Python code, or take the one that was started ahead.

    ``is_ready`` tells when it can be spoken to.
    """
    process = _AHEAD.pop(program, None)
    if process is not None and not process.is_running:  # something has ended it meanwhile
        process.close()
        process = None
    return OtherProcess(program) if process is None else process


def command(program: str) -> list[str]:
    """Return the command that runs a program, given as Python code, which enables ``gc`` when it has imported all.

    There is no garbage before, and an eighth of the time would go into looking for some.

    It imports from where this process does, from the folder that this process happens to stand in last of all: a
    ``json.py`` there would take the place of Python's own. Ctrl-C is for this process alone; the other one ends when
    its input does.
    """
    _, last = _import_path()
    return [sys.executable, "-P", "-c", f"import gc, sys; gc.disable(); sys.path += {last!a}; {program}"]


def _environment() -> dict[str, str]:
    first, _ = _import_path()
    return {**_ALLOCATOR, **os.environ, "PYTHONPATH": os.pathsep.join(first), **_ONE_THREAD}


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
