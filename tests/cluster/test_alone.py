"""Tests of verbs on a store that needs no Ray: processes of this machine do the units."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cluster.test_pools import units_of
from tests.fixtures.idle_worker import BAD, DEADLY, FRAGILE, ODD, IdleWorker, UnevenWorker, WaitingWorker
from w2vray import other_process
from w2vray.cluster.alone import run_alone, works_alone
from w2vray.cluster.score_worker import ScoringWorker
from w2vray.errors import RunError, W2vrayError
from w2vray.other_process import OtherProcess
from w2vray.store.units import Piece, Unit, processes_without_ray


class DyingWorker(ScoringWorker):
    """Ends its process while it scores."""

    def _commit(self, _: Unit) -> Any:
        os._exit(9)


def test_only_a_store_without_a_named_ray_is_done_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cpus, few = len(os.sched_getaffinity(0)), units_of(["a.parquet", "b.parquet"])
    assert works_alone(None, few, None)
    assert works_alone(None, few, cpus)
    assert not works_alone(None, few, cpus + 1)  # Ray says that there are not so many
    assert not works_alone(None, None, None)
    assert not works_alone("local", few, None)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert not works_alone(None, few, None)
    monkeypatch.setenv("RAY_ADDRESS", "")  # as good as none
    assert works_alone(None, few, None)
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    assert not works_alone(None, few, None)


@pytest.mark.parametrize(
    ("units", "size", "workers", "processes"),
    [
        (1, 1 << 40, 8, 1),  # nobody could help with a single unit
        (32, 0, 8, 1),
        (32, 16 << 20, 8, 1),
        (32, (16 << 20) + 1, 8, 2),
        (32, 100 << 20, 8, 7),
        (32, 32 << 30, 8, 8),
        (3, 32 << 30, 8, 3),
        (32, (32 << 30) + 1, 8, 0),
        (32, (4 << 30) + 1, 1, 0),
    ],
)
def test_text_and_units_decide_how_many_processes_there_are(
    units: int, size: int, workers: int, processes: int
) -> None:
    assert processes_without_ray(units, size, workers) == processes


def test_one_worker_does_unit_after_unit() -> None:
    units = units_of(["a.parquet", "b.parquet"])
    assert list(run_alone(units, IdleWorker, {})) == [
        {"unit": unit.id, "had": had} for had, unit in enumerate(units, start=1)
    ]


@pytest.fixture
def three_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2vray.store.units.LEAST_TEXT_OF_A_PROCESS", 1)


@pytest.mark.usefixtures("three_processes")
@pytest.mark.parametrize("in_order", [True, False])
def test_several_processes_do_each_unit_once(in_order: bool) -> None:
    units = [Unit((Piece(0, f"{number}.parquet", 0, 1, 0, 10, 100, 100, 1),)) for number in range(40)]
    rows = list(run_alone(units, UnevenWorker, {}, workers=3, in_order=in_order))
    assert len({row["process"] for row in rows}) == 3
    done, asked = [row["unit"] for row in rows], [unit.id for unit in units]
    assert sorted(done) == sorted(asked)
    assert (done == asked) is in_order  # the first takes longest


@pytest.mark.usefixtures("three_processes")
def test_one_process_of_several_that_dies_is_started_again(tmp_path: Path) -> None:
    units = units_of(["a.parquet", FRAGILE, "b.parquet", "c.parquet"])
    rows = list(run_alone(units, IdleWorker, {"place": str(tmp_path)}, workers=2))
    assert [row["unit"] for row in rows] == [unit.id for unit in units]
    assert (tmp_path / FRAGILE).exists()


def test_a_process_that_is_ended_before_it_has_come_up_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short, one that is just starting may be what the system ends."""
    ended: list[OtherProcess] = []

    def start(program: str) -> OtherProcess:
        process = other_process.start(program)
        if len(ended) < 2:
            ended.append(process)
            process.kill()
        return process

    monkeypatch.setattr("w2vray.cluster.copies.start", start)
    units = units_of(["a.parquet", "b.parquet"])
    assert [row["unit"] for row in run_alone(units, IdleWorker, {})] == [unit.id for unit in units]
    assert len(ended) == 2


def test_a_process_that_never_comes_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2vray.cluster.copies.PROGRAM", "raise SystemExit(1)")
    with pytest.raises(W2vrayError, match=r"^the process that works on the units cannot start"):
        list(run_alone(units_of(["a.parquet"]), IdleWorker, {}))


@pytest.mark.usefixtures("three_processes")
def test_an_error_of_one_process_ends_the_others() -> None:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(RunError, match="a bad unit"):
        list(run_alone(units_of(["a.parquet", "b.parquet", BAD, "c.parquet"]), IdleWorker, {}, workers=3))
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    ("file", "kind", "words"),
    [
        (BAD, RunError, "^a bad unit$"),
        (ODD, W2vrayError, "^a worker failed: ZeroDivisionError: an odd unit$"),
        (DEADLY, W2vrayError, "^4 workers died at this unit of 10 rows of deadly.parquet$"),
    ],
)
def test_what_goes_wrong_in_the_worker_is_raised(file: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        list(run_alone(units_of([file]), IdleWorker, {}))


def test_whoever_is_interrupted_ends_the_worker() -> None:
    before = set(psutil.Process().children(recursive=True))
    rows = run_alone(units_of(["a.parquet", "b.parquet"]), WaitingWorker, {})
    worker = psutil.Process(next(rows)["process"])
    assert worker not in before
    rows.close()  # as an exception does that goes through it
    assert not worker.is_running()


def test_a_run_is_told_of_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2vray.cluster.watching.LOOK_SECONDS", 0.05)
    told: list[float] = []
    list(run_alone(units_of(["a.parquet"]), WaitingWorker, {}, tick=lambda: told.append(time.monotonic())))
    assert len(told) > 5


def w2vray(*arguments: object, program: Sequence[str] = ("-m", "w2vray")) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, *program, *map(str, arguments), "--json", "-v"]
    path = os.pathsep.join(sys.path)
    return subprocess.run(command, env={**environment, "PYTHONPATH": path}, capture_output=True, text=True, check=False)


def scored_without_and_on_ray(
    store: Path, model: Path, folder: Path, *, rows: int, program: Sequence[str] = ("-m", "w2vray")
) -> int:
    """Score a store in both ways, see that the parts are the same, and return how many there are."""
    made = {}
    for name, address in (("alone", []), ("on Ray", ["--address", "local"])):
        done = w2vray("score", store, "--model", model, "--output", folder / name, *address, program=program)
        assert done.returncode == 0, done.stderr
        assert ("starting Ray" in done.stderr) is bool(address)
        assert json.loads(done.stdout)["rows_in"] == rows
        made[name] = {path.name: path.read_bytes() for path in (folder / name / "scores").iterdir()}
    assert made["alone"] == made["on Ray"]
    return len(made["alone"])


def test_a_small_store_is_scored_evaluated_and_calibrated_without_ray(
    make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """The parts are those of a run on Ray, byte for byte."""
    store, model = make_store(files=1, rows=300), make_model()
    assert scored_without_and_on_ray(store, model, tmp_path, rows=300) == 1
    found = [w2vray("evaluate", store, "--model", model, *address) for address in ([], ["--address", "local"])]
    assert ["starting Ray" in done.stderr for done in found] == [False, True]
    alone_, on_ray = (json.loads(done.stdout) for done in found)
    assert alone_["accuracy"] == on_ray["accuracy"]
    assert alone_["rows"] == on_ray["rows"] == 300
    calibrated = w2vray("calibrate", store, "--model", model, "--output", tmp_path / "calibrated")
    assert calibrated.returncode == 0, calibrated.stderr
    assert "starting Ray" not in calibrated.stderr


def test_what_a_store_without_ray_is_done_with_does_not_import_ray(
    make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """It takes most of a second in each process."""
    worker = (
        "import sys; from w2vray.cluster.copies import _import_ahead; _import_ahead(); sys.exit('ray' in sys.modules)"
    )
    assert w2vray(program=("-c", worker)).returncode == 0
    program = "import sys; from w2vray.cli import main; sys.exit(main(sys.argv[1:]) or 'ray' in sys.modules)"
    for verb in (["score", "--output", tmp_path / "run"], ["evaluate"], ["calibrate", "--output", tmp_path / "other"]):
        store, model = make_store(files=1, rows=300), make_model()
        done = w2vray(*verb, store, "--model", model, program=("-c", program))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["__main__", None])
def test_a_worker_of_a_class_that_a_script_defines_works_in_other_processes(module: str | None) -> None:
    """By its name no other process could import it."""
    program = f"""
class Mine:
    __module__ = {module!r}

    def __init__(self, word):
        self.word = word

    def __call__(self, unit):
        return {{"unit": unit.id, "word": self.word}}

import sys
from tests.cluster.test_pools import units_of
from w2vray.cluster.alone import run_alone
sys.exit([row["word"] for row in run_alone(units_of(["a.parquet"]), Mine, {{"word": "mine"}})] != ["mine"])
"""
    done = w2vray(program=("-c", program))
    assert done.returncode == 0, done.stderr


def test_a_larger_store_is_scored_by_several_processes_byte_for_byte_as_on_ray(
    make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    program = (
        "import sys; from w2vray.store import units; units.SMALLEST_UNIT = units.LEAST_TEXT_OF_A_PROCESS = 1;"
        "from w2vray.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    store, model = make_store(files=3, rows=300), make_model()
    assert scored_without_and_on_ray(store, model, tmp_path, rows=900, program=("-c", program)) > 2


def test_a_unit_that_kills_its_worker_is_set_aside(
    make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    program = (
        "import sys; from tests.cluster.test_alone import DyingWorker; from w2vray.cluster import score_units;"
        "score_units.ScoringWorker = DyingWorker; from w2vray.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["score", make_store(files=1, rows=1), "--model", make_model(), "--output", tmp_path / "run", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "3 workers died while scoring this unit of 1 rows" in done.stdout
