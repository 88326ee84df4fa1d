"""Tests of how units are handed to a pool of workers."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.fixtures.idle_worker import BAD, IdleWorker
from w2vray.cluster import pools
from w2vray.cluster.pools import run_units
from w2vray.errors import RunError
from w2vray.store.units import Piece, Unit


def units_of(files: Sequence[str]) -> list[Unit]:
    return [Unit((Piece(0, file, 0, 1, 0, 10, 100, 100, 1),)) for file in files]


@pytest.mark.parametrize(
    ("units", "workers", "at_once"),
    [
        (1, 1, 1),
        (2_000, 8, 1),
        (3_999, 8, 1),
        (4_000, 8, 2),
        (30_000, 125, 15),
        (32_000, 8, 16),
        (10_000_000, 8, 16),
        (128_000, 1_000, 8),  # none of them waits for one that has the last
        (128_000, 10_000, 1),
        (128_000, 100_000, 1),
    ],
)
def test_of_very_many_units_a_worker_is_handed_several_at_once(units: int, workers: int, at_once: int) -> None:
    assert pools._units_a_block(units, workers) == at_once


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_units_handed_out_together_are_done_one_by_one(
    wait_for_every_cpu: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_BLOCKS", 2)
    monkeypatch.setattr(pools, "_BLOCKS_A_WORKER", 2)
    monkeypatch.setattr(pools, "_MOST_UNITS_A_BLOCK", 4)
    units = units_of([f"part-{number}.parquet" for number in range(11)])
    rows = list(run_units(units, IdleWorker, {}, workers=1))
    assert [row["unit"] for row in rows] == [unit.id for unit in units]
    assert [row["had"] for row in rows] == list(range(1, 12))

    wait_for_every_cpu()
    with pytest.raises(RunError, match="a bad unit"):
        list(run_units(units_of(["a.parquet", BAD, "b.parquet", "c.parquet"]), IdleWorker, {}, workers=1))
    wait_for_every_cpu()


JOINING = """
import json, sys, threading
import ray
from ray.cluster_utils import Cluster
from tests.cluster.test_pools import units_of
from tests.fixtures.idle_worker import WaitingWorker
from w2vray.cluster.pools import run_units

head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": sys.argv[1]}
cluster = Cluster(initialize_head=True, head_node_args=head)
ray.init(address=cluster.address, log_to_driver=False)
units = units_of([f"{number}.parquet" for number in range(45)])
begun, rows = threading.Event(), []

def work():
    for row in run_units(units, WaitingWorker, {}, workers=None, in_order=False):
        rows.append(row)
        begun.set()

working = threading.Thread(target=work)
working.start()
begun.wait(100)
cluster.add_node(num_cpus=1)
working.join()
print(json.dumps([len({row["unit"] for row in rows}), len({row["process"] for row in rows})]))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.ray
@pytest.mark.long
def test_a_machine_that_joins_gets_workers() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:  # sockets need a short path
        command = [sys.executable, "-c", JOINING, folder]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == [45, 2]
