"""Which epochs of a training are reported: those that take long all, of quick ones a few, the first and the last."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from w2vray.cluster import train_worker
from w2vray.cluster.train_worker import _Reports
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.steps import EpochReport

REPORT_SECONDS = 0.25


def line(epoch: int) -> EpochReport:
    """A line of a learning curve."""
    return EpochReport(epoch, 1, 60, 0.5, None, None)


def reported(
    monkeypatch: pytest.MonkeyPatch, seconds: float, *, share: float = 0.2, workers: Workers = ALONE
) -> list[int]:
    """Return the epochs, of 100 that take so many seconds each, that are reported."""
    now, told = [1000.0], list[int]()

    def report(epoch: EpochReport, state: Any) -> None:
        assert state == {"epoch": epoch.epoch}
        now[0] += REPORT_SECONDS
        told.append(epoch.epoch)

    monkeypatch.setattr(train_worker, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reports = _Reports(share, workers, report)
    for epoch in range(1, 101):
        now[0] += seconds
        reports(line(epoch), {"epoch": epoch})
    reports.end()
    return told


def test_epochs_that_take_long_are_all_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported(monkeypatch, 1.0) == list(range(1, 101))


def test_of_quick_epochs_so_many_are_that_reports_take_their_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 0.05 s each, 20 take a second, four times as long as a report."""
    assert reported(monkeypatch, 0.05001) == [1, 21, 41, 61, 81, 100]


def test_where_nothing_is_to_be_lost_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported(monkeypatch, 0.0, share=1.0) == list(range(1, 101))


def test_the_first_worker_decides_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its word is summed over the workers: another one's clock does not count."""
    asked = []

    def sum_of(value: torch.Tensor) -> torch.Tensor:
        asked.append(float(value[0]))
        return value + float(len(asked) % 10 == 1)

    assert reported(monkeypatch, 1.0, workers=Workers(1, 2, sum_of)) == [*range(1, 101, 10), 100]
    assert asked == [0.0] * 100
