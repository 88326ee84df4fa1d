"""One worker without Ray: the units of a small store are handed to a process of this machine.

Ray takes seconds to start, and in that time one process scores some megabytes. The answers are the same. The process
may be ended by a unit, as any worker may; then another one takes up the unit.

    this process          the other one
    worker, arguments  -> makes the worker
    unit               -> works                  pickled, each with its length before it
                       <- row, or error
"""

import os
import pickle
import queue
import struct
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import ray
from ray import cloudpickle

from w2vray.cluster.waiting import Note
from w2vray.cluster.watching import watched
from w2vray.errors import W2vrayError
from w2vray.other_process import answers_to, is_ready, start
from w2vray.run.attempts import MOST_ATTEMPTS
from w2vray.store.units import Unit, is_small

if TYPE_CHECKING:
    import subprocess

__all__ = ["run_alone", "serve", "works_alone"]

PROGRAM = f"from {__name__} import serve; serve()"
_LENGTH = struct.Struct("<Q")
_LOOK_SECONDS = 0.2


def works_alone(address: str | None, units: Sequence[Unit] | None, workers: int | None) -> bool:
    """Tell whether units (None: they need Ray, or nobody knows them) are done without Ray.

    They are where they are few, and nobody has named a Ray to use, or asked for more workers than there are CPUs.
    """
    named = address is not None or os.environ.get("RAY_ADDRESS") or ray.is_initialized()
    return units is not None and is_small(units) and not named and (workers or 1) <= len(os.sched_getaffinity(0))


def run_alone(
    units: Sequence[Unit],
    worker: type,
    arguments: Mapping[str, Any],
    tick: Callable[[], None] = lambda: None,
    note: Note = lambda _: None,
) -> Generator[dict[str, Any], None, None]:
    """Hand units to one worker, one after another; as ``pools.run_units`` does with many.

    Raises:
        W2vrayError: what the worker raised; or several have died of a unit.
    """
    sent = cloudpickle.dumps((worker, dict(arguments)))  # a model may be of a class that only this process has
    process = _Process(sent)
    try:
        with watched(tick, note=note):
            for unit in units:
                made = process.done(unit)
                yield from made.to_pylist() if hasattr(made, "to_pylist") else [made]
    finally:
        process.end()


class _Process:
    """The other process: started when it is needed, and again where it has died."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._process: subprocess.Popen[bytes] | None = None

    def done(self, unit: Unit) -> Any:
        """Return what the worker makes of a unit."""
        for _ in range(MOST_ATTEMPTS + 1):  # a worker that counts its attempts says by itself when they are enough
            answer = self._asked(unit)
            if answer is None:
                self.end()
                continue
            made, error = pickle.loads(answer)  # noqa: S301 - a worker of ours made it
            if error is not None:
                raise error
            return made
        files = ", ".join(dict.fromkeys(piece.file for piece in unit.pieces))
        raise W2vrayError(f"{MOST_ATTEMPTS + 1} workers died at this unit of {unit.rows:,} rows of {files}")

    def _asked(self, unit: Unit) -> bytes | None:
        """Return the answer, None where the process dies before it gives one."""
        if self._process is None:
            self._process = start(PROGRAM)
            if not is_ready(self._process):
                raise W2vrayError(f"the process that works on the units cannot start ({sys.executable})")
            self._write(self._sent)
        self._write(unit.as_json().encode())
        answers: queue.Queue[bytes | None] = queue.Queue()
        assert self._process.stdout is not None
        reader = threading.Thread(target=lambda out: answers.put(_read(out)), args=[self._process.stdout], daemon=True)
        reader.start()
        while True:  # in small steps: a signal is handled between them
            with suppress(queue.Empty):
                return answers.get(timeout=_LOOK_SECONDS)

    def _write(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died: there will be no answer
            self._process.stdin.write(_LENGTH.pack(len(data)) + data)
            self._process.stdin.flush()

    def end(self) -> None:
        """End the process, at once."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with suppress(OSError):
                    pipe.close()
            self._process.wait()
            self._process = None


def _read(stream: IO[bytes]) -> bytes | None:
    """Read what has its length before it; None where the stream ends first."""
    with suppress(OSError, ValueError):  # it was closed meanwhile
        head = stream.read(_LENGTH.size)
        if len(head) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            data = stream.read(length)
            return data if len(data) == length else None
    return None


def serve() -> None:
    """Make the worker, and hand it each unit; what this runs in is the other process."""
    output = answers_to()
    sent = _read(sys.stdin.buffer)
    assert sent is not None
    worker: Any = None
    while (unit := _read(sys.stdin.buffer)) is not None:
        made, failure = None, None
        try:
            if worker is None:
                kind, arguments = pickle.loads(sent)  # noqa: S301 - the process that started this one made it
                worker = kind(**arguments)
            made = worker(Unit.from_json(unit.decode()))
        except W2vrayError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - it is raised where somebody sees it
            failure = W2vrayError(f"a worker failed: {type(error).__name__}: {error}")
        answer = pickle.dumps((made, failure))
        output.write(_LENGTH.pack(len(answer)) + answer)
        output.flush()
