"""Timing that a noisy machine does not decide: rivals run in turn, and the median of each counts."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Row", "alternate"]


@dataclass(frozen=True)
class Row:
    """One measured figure; ``against`` says how many times as fast this is as each rival."""

    section: str
    what: str
    value: float
    unit: str
    against: Mapping[str, float]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as JSON can hold it."""
        return asdict(self)


def alternate(rivals: Mapping[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """Run each rival once, then each again, and so on.

    Args:
        rivals: each does its work and returns how much of it there was, in any unit.
        runs: times that each is run.

    Returns:
        Median amount a second of each.
    """
    speeds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(runs):
        for name, rival in rivals.items():
            started = time.perf_counter()
            amount = rival()
            speeds[name].append(amount / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in speeds.items()}
