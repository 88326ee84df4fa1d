"""What a run counts for Prometheus, and what the documentation says of it."""

from pathlib import Path
from typing import Any

import pytest

from w2vray.cluster.metrics import COUNTERS, GAUGES, metered
from w2vray.run.progress import ScoreProgress


def progress(**changes: Any) -> ScoreProgress:
    """A run of 4 units of 10 rows."""
    known = {"units_done": 1, "units": 4, "rows": 10, "rows_left": 30, "rows_rejected": 0, "bytes": 100}
    speed = {"rows_per_second": None, "bytes_per_second": None, "seconds_left": None}
    return ScoreProgress(**{**known, **speed, **changes})


class Taken:
    """What the counters and gauges of Ray have taken down."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.tags: list[dict[str, str]] = []

    def counter(self, name: str, about: str, keys: tuple[str, ...]) -> "Counting":
        assert about
        assert keys == ("run",)
        return Counting(self, name)


class Counting:
    """Stands for a counter, or a gauge."""

    def __init__(self, taken: Taken, name: str) -> None:
        self.taken, self.name = taken, name

    def inc(self, value: float, tags: dict[str, str]) -> None:
        assert value > 0, "Ray refuses it"
        self.taken.values[self.name] = self.taken.values.get(self.name, 0) + value
        self.taken.tags.append(tags)

    def set(self, value: float, tags: dict[str, str]) -> None:
        self.taken.values[self.name] = value
        self.taken.tags.append(tags)


def test_a_run_counts_what_its_progress_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Taken()
    monkeypatch.setattr("ray.util.metrics.Counter", taken.counter)
    monkeypatch.setattr("ray.util.metrics.Gauge", taken.counter)
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    take_down = metered("s3://bucket/run")
    take_down(progress())
    assert "w2vray_rows_per_second" not in taken.values
    take_down(progress(units_done=2, rows=20, rows_left=20, rows_rejected=3, bytes=250, rows_per_second=5.0))
    assert taken.values == {
        "w2vray_units": 2,
        "w2vray_rows": 20,
        "w2vray_rows_rejected": 3,
        "w2vray_bytes": 250,
        "w2vray_units_left": 2,
        "w2vray_rows_left": 20,
        "w2vray_rows_per_second": 5.0,
    }
    assert all(tags == {"run": "s3://bucket/run"} for tags in taken.tags)


def test_without_ray_nothing_is_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.util.metrics.Counter", None)
    metered("run")(progress())


def test_the_documentation_names_each() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    offered = [f"`ray_{name}_total`" for name in COUNTERS] + [f"`ray_{name}`" for name in GAUGES]  # as Ray names them
    assert [name for name in offered if name not in page] == []
