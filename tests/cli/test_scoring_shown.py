"""The progress line of a scoring run."""

import re

import pytest

from w2vray.cli.console import progress_bar
from w2vray.cli.scoring_shown import show_scoring
from w2vray.run.progress import ScoreProgress


def progress(**changes: object) -> ScoreProgress:
    """A run half-way."""
    known = {"units_done": 12, "units": 64, "rows": 48_000, "rows_left": 208_000, "rows_rejected": 0, "bytes": 9}
    speed = {"rows_per_second": 3200.4, "bytes_per_second": 4.14e6, "seconds_left": 65.0}
    return ScoreProgress(**{**known, **speed, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "12 of 64 units, 48,000 rows, 3,200 rows/s, 4.1 MB/s, 65 s left"),
        ({"rows_rejected": 96}, "12 of 64 units, 48,000 rows, 3,200 rows/s, 4.1 MB/s, 96 rejected, 65 s left"),
        (
            {"rows_per_second": None, "bytes_per_second": None, "seconds_left": None, "rows": 1},
            "12 of 64 units, 1 row",
        ),
        ({"units_done": 64, "seconds_left": 0.0}, "64 of 64 units, 48,000 rows, 3,200 rows/s, 4.1 MB/s"),
    ],
)
def test_the_line_tells_units_rows_speed_rejected_rows_and_the_time_left(
    changes: dict[str, object], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("w2vray.cli.console._LINE_SECONDS", 0.0)
    with progress_bar("scoring") as update:
        show_scoring(update, progress(**changes))
    assert re.sub(r"^scoring: ", "", capsys.readouterr().err).strip() == line
