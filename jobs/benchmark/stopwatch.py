"""Timing that a noisy machine does not decide: rivals run in turn, and the median of each counts."""

import statistics
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

import psutil

__all__ = ["CpuSeconds", "Row", "alternate"]

LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Row:
    """One measured figure; ``against`` says how many times as fast this is as each rival."""

    section: str
    what: str
    value: float
    unit: str
    against: Mapping[str, float]
    note: str = ""
    corpus: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as JSON can hold it."""
        return asdict(self)


def alternate(
    rivals: Mapping[str, Callable[[], float]], runs: int, clock: Callable[[], float] | None = None
) -> dict[str, float]:
    """Run each rival once, then each again, and so on.

    Args:
        rivals: each does its work and returns how much of it there was, in any unit.
        runs: times that each is run.
        clock: tells seconds (default: those on the wall; ``time.thread_time`` counts no other work of the machine).

    Returns:
        Median amount a second of each.
    """
    clock = clock or time.perf_counter
    speeds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(runs):
        for name, rival in rivals.items():
            started = clock()
            amount = rival()
            speeds[name].append(amount / (clock() - started))
    return {name: statistics.median(values) for name, values in speeds.items()}


class CpuSeconds:
    """The CPU seconds that this process and those it has started, or they, use inside of ``with``.

    Processes are looked at ten times a second: of one that ends, what it used since the last look is not counted.
    """

    def __init__(self) -> None:
        self._before: dict[psutil.Process, float] = {}
        self._used: dict[psutil.Process, float] = {}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._before = _cpu_of_all()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        self._used |= _cpu_of_all()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._used |= _cpu_of_all()

    @property
    def seconds(self) -> float:
        """What all of them have used."""
        return sum(used - self._before.get(process, 0.0) for process, used in self._used.items())


def _cpu_of_all() -> dict[psutil.Process, float]:
    """Return the CPU seconds of this process and all below it, so far."""
    this = psutil.Process()
    found = {}
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            found[process] = times.user + times.system
    return found
