"""Workers without Ray: the units of a store that one machine soon has done are handed to processes of it.

Ray takes seconds to start, in which two processes score half a gigabyte. The answers are the same. A process may be
ended by a unit, as any worker may; then another one takes up the unit.

    this process          another one
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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.waiting import Note
from w2vray.cluster.watching import watched
from w2vray.errors import W2vrayError
from w2vray.other_process import answers_to, is_ready, serving, start
from w2vray.run.attempts import MOST_ATTEMPTS
from w2vray.store.units import Unit, processes_without_ray, text_bytes

if TYPE_CHECKING:
    import subprocess

__all__ = ["run_alone", "serve", "works_alone"]

PROGRAM = serving(__name__)
_LENGTH = struct.Struct("<Q")
_UNITS_AHEAD = 4
_OF_THIS_PROCESS = b"__main__", b"__mp_main__"  # where a pickle looks for what no other process has
_LOOK_SECONDS = 0.2


def works_alone(address: str | None, units: Sequence[Unit] | None, workers: int | None) -> bool:
    """Tell whether units (None: they need Ray, or nobody knows them) are done without Ray.

    They are where one machine soon has them done, and nobody has named a Ray to use, or asked for more workers than
    there are CPUs.
    """
    named = address is not None or os.environ.get("RAY_ADDRESS") or is_running()
    return units is not None and not named and (workers or 1) <= _cpus() and _processes(units, workers) > 0


def _processes(units: Sequence[Unit], workers: int | None) -> int:
    return processes_without_ray(len(units), text_bytes(units), workers or _cpus())


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class _Done:
    """What became of a unit, by its number: the answer, or what was raised."""

    number: int
    answer: Any = None
    error: Exception | None = None


def run_alone(
    units: Sequence[Unit],
    worker: type,
    arguments: Mapping[str, Any],
    *,
    workers: int | None = None,
    in_order: bool = True,
    tick: Callable[[], None] = lambda: None,
    note: Note = lambda _: None,
) -> Generator[dict[str, Any], None, None]:
    """Hand units to processes of this machine; see ``pools.run_units``, which does so on Ray.

    Raises:
        W2vrayError: what a worker raised; or several have died of a unit.
    """
    sent = _pickled((worker, dict(arguments)))
    processes = [_Process(sent) for _ in range(max(1, _processes(units, workers)))]
    answers: queue.SimpleQueue[_Done] = queue.SimpleQueue()
    todo = _Todo(units, _UNITS_AHEAD * len(processes))
    threads = [threading.Thread(target=_work, args=[process, todo, answers], daemon=True) for process in processes]
    try:
        with watched(tick, note=note):
            for thread in threads:
                thread.start()
            for done in _answers(answers, len(units), in_order=in_order):
                todo.one_more()
                if done.error is not None:
                    raise done.error
                yield from done.answer.to_pylist() if hasattr(done.answer, "to_pylist") else [done.answer]
    finally:
        todo.end()
        for process in processes:
            process.end()


def _answers(answers: "queue.SimpleQueue[_Done]", number: int, *, in_order: bool) -> Iterator[_Done]:
    """Yield what became of the units, as it comes, or by their numbers; an error at once."""
    early: dict[int, _Done] = {}
    following = 0
    for _ in range(number):
        done = _got(answers)
        if not in_order or done.error is not None:
            yield done
            continue
        early[done.number] = done
        while following in early:
            yield early.pop(following)
            following += 1


def _got(answers: "queue.SimpleQueue[_Done]") -> _Done:
    while True:  # in small steps: a signal is handled between them
        with suppress(queue.Empty):
            return answers.get(timeout=_LOOK_SECONDS)


class _Todo:
    """The units, for several threads to take in turn; so many at most whose answers nobody has taken yet."""

    def __init__(self, units: Sequence[Unit], ahead: int) -> None:
        self._units: Iterator[tuple[int, Unit]] = iter(enumerate(units))
        self._room = threading.Semaphore(ahead)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[tuple[int, Unit]]:
        while True:
            self._room.acquire()
            with self._lock:
                following = next(self._units, None)
            if following is None:
                self._room.release()  # for the other threads to see that there is none
                return
            yield following

    def one_more(self) -> None:
        """Let one more unit be taken."""
        self._room.release()

    def end(self) -> None:
        """Hand out none any more."""
        with self._lock:
            self._units = iter(())
        self._room.release()


def _work(process: "_Process", todo: _Todo, answers: "queue.SimpleQueue[_Done]") -> None:
    for number, unit in todo:
        try:
            answers.put(_Done(number, process.done(unit)))
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are taken
            answers.put(_Done(number, error=error))
            return


class _Process:
    """Another process: started when it is needed, and again where it has died."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._process: subprocess.Popen[bytes] | None = None
        self._has_come_up = self._ended = False
        self._lock = threading.Lock()

    def done(self, unit: Unit) -> Any:
        """Return what the worker makes of a unit."""
        for _ in range(MOST_ATTEMPTS + 1):  # a worker that counts its attempts says by itself when they are enough
            answer = self._asked(unit)
            if answer is None:
                self._kill()
                continue
            made, error = pickle.loads(answer)  # noqa: S301 - a worker of ours made it
            if error is not None:
                raise error
            return made
        if not self._has_come_up:
            raise W2vrayError(f"the process that works on the units cannot start ({sys.executable})")
        files = ", ".join(dict.fromkeys(piece.file for piece in unit.pieces))
        raise W2vrayError(f"{MOST_ATTEMPTS + 1} workers died at this unit of {unit.rows:,} rows of {files}")

    def _asked(self, unit: Unit) -> bytes | None:
        """Return the answer, None where the process dies before it gives one."""
        process = self._process
        if process is None:
            process = self._started()
            if not is_ready(process):
                return None
            self._has_come_up = True
            _write(process, self._sent)
        _write(process, unit.as_json().encode())
        assert process.stdout is not None
        return _read(process.stdout)

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._lock:  # nothing is started behind the back of who ends all
            if self._ended:
                raise W2vrayError("the work has ended")
            self._process = start(PROGRAM)
            return self._process

    def end(self) -> None:
        """End the process, at once and for ever; whoever waits for its answer gets none."""
        with self._lock:
            self._ended = True
        self._kill()

    def _kill(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with suppress(OSError, ValueError):
                    pipe.close()


def _pickled(given: object) -> bytes:
    """Pickle something; by value what only this process has, such as a class that a script or a notebook has defined.

    Ray has a pickle that does so. It takes most of a second to import, and is hardly ever needed.
    """
    if "ray" not in sys.modules:  # where it is, its pickle may have been told of more
        with suppress(Exception):  # what cannot be pickled at all, Ray's tells
            pickled = pickle.dumps(given)
            if not any(name in pickled for name in _OF_THIS_PROCESS):
                return pickled
    return bytes(ray.cloudpickle.dumps(given))


def _write(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ValueError):  # it has died, or was ended: there will be no answer
        process.stdin.write(_LENGTH.pack(len(data)) + data)
        process.stdin.flush()


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
    _import_ahead()
    if (sent := _read(sys.stdin.buffer)) is None:
        return
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


def _import_ahead() -> None:
    """Import what most workers need, and load what every kernel does, while nobody asks for anything yet."""
    from w2vray.cluster import score_worker  # noqa: F401, PLC0415 - only the other process needs it
    from w2vray.kernels.compiling import why_no_kernels  # noqa: PLC0415

    why_no_kernels()
