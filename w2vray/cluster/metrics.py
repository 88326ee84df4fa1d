"""Counters and gauges of a scoring run. Ray offers them to Prometheus, as ``ray_NAME_total`` and ``ray_NAME``.

docs/cluster.md lists them.
"""

from collections.abc import Callable

from w2vray.cluster.lazy_ray import is_running
from w2vray.run.progress import ScoreProgress

__all__ = ["COUNTERS", "GAUGES", "metered"]

COUNTERS = {
    "w2vray_units": "Units that are done.",
    "w2vray_rows": "Rows in the units that are done, rejected ones included.",
    "w2vray_rows_rejected": "Rows that were rejected.",
    "w2vray_bytes": "Bytes of the columns that were read, unpacked.",
}

GAUGES = {
    "w2vray_units_left": "Units that are left to do.",
    "w2vray_rows_left": "Rows in them.",
    "w2vray_rows_per_second": "Rows a second of all workers together, since the first unit was done.",
}

Meter = Callable[[ScoreProgress], None]


def metered(run: str) -> Meter:
    """Return a function that records how far a run is; without Ray it records nothing."""
    if not is_running():
        return lambda _: None
    from ray.util.metrics import Counter, Gauge  # noqa: PLC0415 - only where there is a Ray

    tags, keys = {"run": run}, ("run",)
    counters = {name: Counter(name, about, keys) for name, about in COUNTERS.items()}
    gauges = {name: Gauge(name, about, keys) for name, about in GAUGES.items()}
    before = dict.fromkeys(COUNTERS, 0)

    def take_down(now: ScoreProgress) -> None:
        done = (now.units_done, now.rows, now.rows_rejected, now.bytes)
        for (name, counter), value in zip(counters.items(), done, strict=True):
            if value > before[name]:
                counter.inc(value - before[name], tags)
                before[name] = value
        for gauge, left in zip(
            gauges.values(), (now.units - now.units_done, now.rows_left, now.rows_per_second), strict=True
        ):
            if left is not None:
                gauge.set(left, tags)

    return take_down
