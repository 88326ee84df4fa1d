"""A run on machines that are lost and that join: each row once, a line for each, and no unit waits for another."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from w2vray.run.verify import verify
from w2vray.settings.checks import VerifySettings

PROGRAM = """
import json, sys, time
from ray.cluster_utils import Cluster
import ray
from tests.fixtures.slow_worker import SlowWorker
from w2vray.cluster import score_units
from w2vray.cluster.score import score
from w2vray.settings.answering import ScoreSettings
from w2vray.store import units

store, model, run, folder = sys.argv[1:]
units.SMALLEST_UNIT = 1000
score_units.ScoringWorker = SlowWorker
head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": folder}
cluster = Cluster(initialize_head=True, head_node_args=head)
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
told, done = [], []

def progress(now):
    done.append((now.units_done, now.units))
    if now.units_done == 2:
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        cluster.add_node(num_cpus=1)

settings = ScoreSettings(corpus=(store,), model=model, output=run)
summary = score(settings, address=cluster.address, progress=progress, note=told.append)
print(json.dumps({"told": told, "done": done, "rows": summary.rows_in, "code": summary.exit_code}))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.ray
@pytest.mark.long
def test_a_machine_is_lost_and_another_joins(
    make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    store, run = make_store(files=2, rows=400), tmp_path / "run"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_health_check_period_ms": "300", "RAY_health_check_failure_threshold": "3"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:  # sockets need a short path
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(store), str(make_model()), str(run), folder],
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert (found["rows"], found["code"]) == (800, 0)
    assert found["done"] == [[unit, 8] for unit in range(1, 9)]
    lost = [line for line in found["told"] if "was lost" in line]
    assert len(lost) == 1
    assert lost[0].endswith("; no row is lost")
    assert any("joined, with 1 CPU" in line for line in found["told"])
    assert not [line for line in found["told"] if line.startswith("Ray:")]
    assert "marked dead" not in ended.stdout + ended.stderr
    assert verify(VerifySettings(run=str(run), deep=True)).ok
