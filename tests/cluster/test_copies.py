"""A worker is made once, and its process copied; what cannot be copied is made anew in each process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cluster.test_pools import units_of
from tests.fixtures.idle_worker import WaitingWorker
from tests.fixtures.made_worker import (
    ConnectedWorker,
    DyingWorker,
    ExitingWorker,
    FailingWorker,
    MadeWorker,
    OddErrorWorker,
    ReadingWorker,
    ThreadedWorker,
    UnsendableWorker,
)
from w2vray.cluster import copies
from w2vray.cluster.ahead import start_for
from w2vray.cluster.alone import run_alone
from w2vray.errors import RunError, W2vrayError

UNITS = units_of([f"{number}.parquet" for number in range(12)])


@pytest.fixture(autouse=True)
def _several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2vray.store.units.LEAST_TEXT_OF_A_PROCESS", 1)


def test_a_worker_is_made_once_for_all_processes(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    rows = list(run_alone(UNITS, MadeWorker, {"notes": str(notes)}, workers=3))
    assert [row["unit"] for row in rows] == [unit.id for unit in UNITS]
    (made_in,) = {row["made_in"] for row in rows}
    assert notes.read_text() == f"{made_in}\n"
    assert made_in not in {row["works_in"] for row in rows}


@pytest.mark.parametrize("kind", [ThreadedWorker, ConnectedWorker, ReadingWorker])
def test_what_cannot_be_copied_is_made_in_each_process(kind: type, tmp_path: Path) -> None:
    """A lock of a thread would be held for ever in a copy; what is open would be that of all."""
    notes = tmp_path / "notes"
    rows = list(run_alone(UNITS, kind, {"notes": str(notes)}, workers=2))
    assert [row["unit"] for row in rows] == [unit.id for unit in UNITS]
    assert all(row["made_in"] == row["works_in"] for row in rows)


def test_a_worker_is_made_in_each_process_where_the_system_does_not_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_elsewhere = "from w2vray.cluster import copies; copies._system_copies = lambda: False; copies.serve()"
    monkeypatch.setattr(copies, "PROGRAM", as_elsewhere)
    notes = tmp_path / "notes"
    rows = list(run_alone(UNITS, MadeWorker, {"notes": str(notes)}, workers=2))
    assert [row["unit"] for row in rows] == [unit.id for unit in UNITS]
    assert all(row["made_in"] == row["works_in"] for row in rows)
    assert {int(line) for line in notes.read_text().split()} >= {row["works_in"] for row in rows}


def test_why_a_worker_cannot_be_made_is_raised(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(RunError, match=r"^no model there$"):
        list(run_alone(UNITS, FailingWorker, {"notes": str(notes)}, workers=3))
    assert len(notes.read_text().split()) == 1


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ExitingWorker, "^a worker failed: SystemExit: no more$"),
        (OddErrorWorker, "^one and other$"),
        (UnsendableWorker, "^a worker failed: TypeError: cannot pickle"),
    ],
)
def test_an_error_that_cannot_be_sent_as_it_is_is_told(kind: type, words: str, tmp_path: Path) -> None:
    with pytest.raises(W2vrayError, match=words):
        list(run_alone(UNITS, kind, {"notes": str(tmp_path / "notes")}, workers=2))


def test_a_process_that_was_stopped_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2vray.other_process._PATIENCE_SECONDS", 0.2)
    rows = run_alone(UNITS, WaitingWorker, {}, workers=2)
    first = psutil.Process(next(rows)["process"]).parent()
    assert first is not None
    first.suspend()
    rows.close()
    assert not first.is_running()


def test_a_process_that_dies_of_making_the_worker_is_told_and_no_unit_blamed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(W2vrayError, match="it died 4 times while it loaded what it needs"):
        list(run_alone(UNITS, DyingWorker, {"notes": str(notes)}, workers=3))
    assert len(notes.read_text().split()) == 4


def test_no_process_outlives_one_that_is_killed() -> None:
    script = """
import os
from tests.cluster.test_pools import units_of
from tests.fixtures.idle_worker import WaitingWorker
from w2vray.cluster.alone import run_alone
from w2vray.store import units
units.LEAST_TEXT_OF_A_PROCESS = 1
for row in run_alone(units_of([f"{n}.parquet" for n in range(60)]), WaitingWorker, {}, workers=2):
    print(row["process"], flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True) as driver:
        assert driver.stdout is not None
        worker = psutil.Process(int(driver.stdout.readline()))
        first = worker.parent()
        driver.send_signal(signal.SIGKILL)
    assert first is not None
    until = time.monotonic() + 20
    while (worker.is_running() or first.is_running()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not worker.is_running()
    assert not first.is_running()


@pytest.mark.parametrize(
    ("command", "started"),
    [
        (["score", "store", "--model", "model"], ["None"]),
        (["evaluate"], ["None"]),
        (["score", "--address=auto"], ["'local'"]),
        (["score", "--gpu"], ["'local'"]),
        (["score", "--help"], []),
        (["score", "--show-config"], []),
        (["verify", "run"], []),
        ([], []),
    ],
)
def test_processes_are_started_for_commands_that_need_them(
    command: list[str], started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("w2vray.cluster.ahead.start_processes", lambda address: asked.append(repr(address)))
    start_for(command)
    assert asked == started
