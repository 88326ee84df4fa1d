"""Workers without Ray: the units of a store that one machine soon has done are handed to processes of it.

Ray takes seconds to start, in which two processes score half a gigabyte. The answers are the same. A process may be
ended by a unit, as any worker may; then another one takes up the unit. ``copies.py`` says how they come to be.
"""

import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from w2vray.cluster.copies import Copy, First
from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.waiting import Note
from w2vray.cluster.watching import watched
from w2vray.errors import W2vrayError
from w2vray.run.attempts import MOST_ATTEMPTS
from w2vray.store.units import Unit, processes_without_ray, text_bytes

__all__ = ["run_alone", "works_alone"]

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
    first = First(_pickled((worker, dict(arguments))))
    processes = [_Worker(first) for _ in range(max(1, _processes(units, workers)))]
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
        first.end()
        for process in processes:
            process.close()


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


def _work(process: "_Worker", todo: _Todo, answers: "queue.SimpleQueue[_Done]") -> None:
    for number, unit in todo:
        try:
            answers.put(_Done(number, process.done(unit)))
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are taken
            answers.put(_Done(number, error=error))
            return


class _Worker:
    """A worker in a process of its own: there when it is needed, and again where it has died."""

    def __init__(self, first: First) -> None:
        self._first = first
        self._copy: Copy | None = None

    def done(self, unit: Unit) -> Any:
        """Return what the worker makes of a unit."""
        has_come_up = False
        for _ in range(MOST_ATTEMPTS + 1):  # a worker that counts its attempts says by itself when they are enough
            if self._copy is None:
                self._copy = self._first.copy()
            if self._copy is None:
                continue
            has_come_up = True
            if (answer := self._copy.answer_to(unit)) is None:
                self.close()
                continue
            made, error = pickle.loads(answer)  # noqa: S301 - a worker of ours made it
            if error is not None:
                raise error
            return made
        if not has_come_up:
            raise W2vrayError(f"the process that works on the units cannot start ({sys.executable})")
        files = ", ".join(dict.fromkeys(piece.file for piece in unit.pieces))
        raise W2vrayError(f"{MOST_ATTEMPTS + 1} workers died at this unit of {unit.rows:,} rows of {files}")

    def close(self) -> None:
        """Let go of the process."""
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.close()


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
