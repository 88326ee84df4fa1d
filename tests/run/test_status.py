"""How far a run is, told by its files while it goes on and afterwards."""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import w2vray
from w2vray.cli import run as run_command
from w2vray.cluster import watching
from w2vray.errors import RunError
from w2vray.run import status as status_module
from w2vray.run.directory import RunDirectory
from w2vray.run.progress import ScoreProgress
from w2vray.store import units

NOW = 1_800_000_000.0


@pytest.fixture
def half(
    in_process: None,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> tuple[Path, Callable[[], Any]]:
    """A run of six units, interrupted after the third; and how to finish it."""
    del in_process
    monkeypatch.setattr(units, "SMALLEST_UNIT", 1000)  # a row group is one
    store, model, run = make_store(files=2, rows=300), make_model(), tmp_path / "run"

    def stop(now: ScoreProgress) -> None:
        if now.units_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        w2vray.score(store, model=model, output=run, progress=stop)
    return run, lambda **given: w2vray.score(store, model=model, output=run, **given)


def at(path: Path, seconds: float) -> None:
    """Let a file have been written at a time."""
    os.utime(path, (seconds, seconds))


def parts_at(run: Path, *seconds: float) -> None:
    """Let the parts of a run have been written at these times."""
    for part, when in zip(sorted((run / "scores").iterdir()), seconds, strict=True):
        at(part, when)


def test_a_run_that_goes_on_tells_units_rows_speed_and_time_left(
    half: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = half
    monkeypatch.setattr("time.time", lambda: NOW)
    parts_at(run, NOW - 1000, NOW - 20, NOW - 10)
    found = w2vray.status(run)
    assert (found.state, found.units, found.units_done, found.units_failed) == ("running", 6, 3, 0)
    assert (found.rows, found.rows_done, found.rows_rejected) == (600, 300, 0)
    assert (found.rows_per_second, found.seconds_left) == (5.0, 60.0)  # 100 rows in 20 s: the first tells no speed
    assert (found.last_written, found.seconds_since) == ("2027-01-15 07:59:50", 10.0)
    assert found.written_by is not None
    assert (found.written_by["host"], found.written_by["pid"]) == (socket.gethostname(), os.getpid())


def test_a_run_of_which_nothing_is_done_yet_is_running_and_says_who_writes_it(
    in_process: None,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Ray takes its time to start, and workers to load."""
    del in_process
    seen = list[Any]()

    def connecting(*_: Any, **__: Any) -> Any:
        seen.append(w2vray.status(tmp_path / "run"))
        raise KeyboardInterrupt

    monkeypatch.setattr("w2vray.cluster.score.connected", connecting)
    with pytest.raises(KeyboardInterrupt):
        w2vray.score(make_store(files=1, rows=50), model=make_model(), output=tmp_path / "run")
    (found,) = seen
    assert (found.state, found.units_done, found.rows_done) == ("running", 0, 0)
    assert found.written_by["pid"] == os.getpid()


def test_a_run_is_running_while_the_ends_of_its_parts_are_read(
    half: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, finish = half
    seen, committed = list[Any](), RunDirectory.committed

    def read(directory: RunDirectory, units: list[str]) -> Any:
        monkeypatch.setattr(RunDirectory, "committed", committed)  # status reads some, too
        for name in ("progress.json", *(f"scores/{part.name}" for part in (run / "scores").iterdir())):
            at(run / name, time.time() - 300)
        deadline = time.monotonic() + 10
        while (found := w2vray.status(run)).state != "running" and time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append(found)
        return committed(directory, units)

    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(RunDirectory, "committed", read)
    finish()
    assert (seen[0].state, seen[0].units_done) == ("running", 6)
    assert w2vray.status(run).state == "complete"


def test_a_run_whose_driver_says_nothing_any_more_is_silent(
    half: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = half
    monkeypatch.setattr("time.time", lambda: NOW)
    parts_at(run, NOW - 400, NOW - 350, NOW - 301)
    found = w2vray.status(run)
    assert (found.state, found.rows_per_second, found.seconds_left) == ("silent", None, None)
    (run / "progress.json").write_text(json.dumps({"host": "worker-1", "pid": 7, "started": NOW - 3600}))
    at(run / "progress.json", NOW - 5)
    found = w2vray.status(run)
    assert found.state == "running", "its units take long"
    assert found.written_by == {"host": "worker-1", "pid": 7, "began": "2027-01-15 07:00:00"}
    assert found.seconds_since == 5.0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_run_that_is_stopped_says_so_at_once(
    stop: type[BaseException], half: tuple[Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run, finish = half
    found = w2vray.status(run)
    assert (found.state, found.units_done, found.seconds_left) == ("stopped", 3, None)
    assert found.written_by is not None
    assert found.written_by["pid"] == os.getpid()
    assert run_command(["status", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{run}: stopped; the same command goes on"

    def stopping(_: ScoreProgress) -> None:
        states.append(w2vray.status(run).state)
        raise stop

    states = list[str]()
    with pytest.raises(stop):
        finish(progress=stopping)
    assert [*states, w2vray.status(run).state] == ["running", "stopped"]
    finish()
    assert w2vray.status(run).state == "complete"


def test_a_run_that_is_taken_up_again_is_running_while_it_is_planned(
    half: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may take minutes."""
    run, finish = half
    states = [w2vray.status(run).state]

    def planning(*_: Any) -> Any:
        states.append(w2vray.status(run).state)
        raise RunError("no plan")

    monkeypatch.setattr("w2vray.cluster.score.planned_units", planning)
    with pytest.raises(RunError, match="no plan"):
        finish()
    assert [*states, w2vray.status(run).state] == ["stopped", "running", "stopped"]


def test_a_call_whose_place_was_taken_does_not_say_that_the_run_has_ended(
    half: tuple[Path, Any],
) -> None:
    run, finish = half

    def taken(_: ScoreProgress) -> None:
        other = RunDirectory(str(run))
        other.clear_temporary()
        other.tell({"host": "worker-1", "pid": 7, "started": NOW})

    with pytest.raises(RunError):
        finish(progress=taken)
    found = w2vray.status(run)
    assert found.state == "running"
    assert found.written_by is not None
    assert found.written_by["host"] == "worker-1"


def test_a_store_whose_clock_is_ahead_makes_no_time_negative(
    half: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = half
    monkeypatch.setattr("time.time", lambda: NOW)
    parts_at(run, NOW + 50, NOW + 80, NOW + 100)
    found = w2vray.status(run)
    assert (found.state, found.seconds_since, found.rows_per_second) == ("running", 0.0, 4.0)


def test_a_finished_run_is_complete_and_says_who_wrote_it(half: tuple[Path, Any]) -> None:
    run, finish = half
    finish()
    found = w2vray.status(run)
    assert (found.state, found.units_done, found.rows_done, found.seconds_left) == ("complete", 6, 600, None)
    assert found.written_by is not None
    assert found.written_by["pid"] == os.getpid()


def test_rows_that_were_rejected_are_counted(
    in_process: None, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    del in_process
    store = make_store(files=1, rows=50, text=["bab" if row % 5 else None for row in range(50)])
    w2vray.score(store, model=make_model(), output=tmp_path / "run")
    assert w2vray.status(tmp_path / "run").rows_rejected == 10


def test_where_very_many_units_have_rejected_rows_nobody_reads_them_all(
    in_process: None,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    del in_process
    store = make_store(files=1, rows=50, text=[None, *["bab"] * 49])
    w2vray.score(store, model=make_model(), output=tmp_path / "run")
    monkeypatch.setattr(status_module, "MOST_ENDS", 0)
    assert w2vray.status(tmp_path / "run").rows_rejected is None


def test_a_run_that_ended_with_something_left_out_says_so(
    in_process: None, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    del in_process
    store = make_store(files=2, rows=50)
    (store / "broken.parquet").write_bytes(b"PAR1 no")
    assert w2vray.score(store, model=make_model(), output=tmp_path / "run").exit_code == 3
    found = w2vray.status(tmp_path / "run")
    assert (found.state, found.files_left_out, found.rows_done) == ("incomplete", 1, 100)


def test_no_part_is_opened(half: tuple[Path, Any]) -> None:
    run, _ = half
    for part in (run / "scores").iterdir():
        part.write_bytes(b"")
    assert w2vray.status(run).units_done == 3


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("model", r"holds no run: there is no run.json; it is a model directory"),
        ("store", r"there is no run.json; it holds part-0.parquet"),
        ("nothing", r"there is no run.json; nothing is there"),
        ("file", r"file.parquet holds no run: it is a file"),
    ],
)
def test_what_is_no_run_is_named_as_what_it_is(
    made: str, words: str, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "file.parquet"
    file.write_bytes(b"PAR1")
    places = {"model": make_model, "store": lambda: make_store(files=1), "nothing": lambda: tmp_path / "no"}
    place = file if made == "file" else places[made]()
    with pytest.raises(RunError, match=words):
        w2vray.status(place)


def test_the_command_says_it_in_three_lines(
    half: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = half
    monkeypatch.setattr("time.time", lambda: NOW)
    parts_at(run, NOW - 30, NOW - 20, NOW - 10)
    (run / "progress.json").write_text(json.dumps({"host": "worker-1", "pid": 7, "started": NOW - 3600}))
    at(run / "progress.json", NOW - 4)
    assert run_command(["status", str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{run}: running",
        "3 of 6 units, 300 of 600 rows, 0 rejected, 7 rows/s, about 45 s left",
        "last written 4 s ago, by process 7 of worker-1, which began at 2027-01-15 07:00:00 UTC",
    ]
    assert run_command(["status", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["units_done"] == 3
