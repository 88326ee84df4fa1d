"""A run is killed, and the same command is given until it is done: nothing is lost, doubled or changed.

``jobs/chaos.py`` does the same on a cluster of two nodes, for as long as one likes.
"""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psutil
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import score
from w2vray.settings.answering import ScoreSettings
from w2vray.store import units

JOBS = Path(__file__).parents[2] / "jobs"
UNIT_BYTES = 15_000
KILLS = ["node", "worker", "driver"]
DISTURB = """
import json, random, sys
from pathlib import Path
import chaos

disturbed, undisturbed, store, model = map(Path, sys.argv[1:5])
chaos.prepare()
report = chaos.Report()
runs = chaos.Runs(disturbed, store, model, int(sys.argv[5]), random.Random(11), report, pause=(0.0, 0.1))
chaos.disturb_cluster(runs, sys.argv[6:])
chaos.compare(runs, undisturbed)
print(json.dumps(report.as_dict()))
"""
"""In a process of its own: it holds another Ray than the one that the tests share."""


def _load_job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chaos", JOBS / "chaos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chaos"] = module  # its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


job = _load_job()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten thousand rows, of which a hundred have no text."""
    made: Path = job.make_store(tmp_path_factory.mktemp("chaos") / "store", files=10, rows=1000)
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = job.make_model(tmp_path_factory.mktemp("model"))
    return made


def in_peace(store: Path, model: Path, run: Path) -> None:
    """Score the store in this process."""
    settings = ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), keep=("id",), evidence=job.PIECES)
    summary = score(settings)
    rows = [row for part in run.glob("scores/*.parquet") for row in pq.read_table(part)["evidence"].to_pylist()]
    assert sum(bool(row) for row in rows) == 9900
    assert (summary.rows_scored, summary.rows_rejected) == (9900, 100)
    assert summary.units > 30


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.usefixtures("in_process")
def test_a_run_whose_worker_node_and_driver_are_killed_is_in_the_end_the_undisturbed_one(
    store: Path, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(units, "SMALLEST_UNIT", UNIT_BYTES)
    monkeypatch.setattr(units, "LARGEST_UNIT", UNIT_BYTES)
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    in_peace(store, model, undisturbed)
    places = [str(place) for place in (disturbed, undisturbed, store, model)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(JOBS), *sys.path])
    command = [sys.executable, "-c", DISTURB, *places, str(UNIT_BYTES), *KILLS]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["ok"], (report, (disturbed / "log").read_text())
    assert report["kills"] == dict.fromkeys(KILLS, 1)
    assert (report["rows_lost"], report["rows_twice"], report["parts_that_differ"]) == (0, 0, 0)
    assert report["resumes"] == 1


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_leaves_nothing_behind_and_says_how_to_go_on(
    number: signal.Signals, store: Path, model: Path, tmp_path: Path
) -> None:
    runs = job.Runs(tmp_path / "told", store, model, UNIT_BYTES, random.Random(5), job.Report())
    process = runs.start(None)
    while not runs.watch():
        assert process.poll() is None, runs.log()
        time.sleep(0.05)
    descendants = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert "run the same command again to finish what is missing" in runs.log()
    assert "Traceback" not in runs.log()
    _, left = psutil.wait_procs(descendants, timeout=20)
    assert left == []
    assert not (runs.run / "_SUCCESS").exists()
