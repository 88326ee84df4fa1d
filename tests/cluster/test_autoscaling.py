"""A run on a cluster with an autoscaler, whose head has a CPU of its own, as KubeRay's samples have."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.test_jobs import free_port

CONFIG = {
    "cluster_name": "scaled",
    "max_workers": 2,
    "upscaling_speed": 5.0,
    "idle_timeout_minutes": 5,
    "docker": {},
    "auth": {},
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "small": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 1},
    },
    "head_node_type": "ray.head.default",
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}

PROVIDER = {
    "type": "fake_multinode",  # Ray's own, for tests: its nodes are processes of this machine
    "use_node_id_as_ip": True,
    "disable_node_updaters": True,
    "disable_launch_config_check": True,
}

WORK = """
import json, sys
import ray
from tests.cluster.test_pools import units_of
from tests.fixtures.idle_worker import WaitingWorker
from w2vray.cluster.connecting import connected
from w2vray.cluster.pools import run_units
from w2vray.cluster.resources import can_grow

units, told = units_of([f"{number}.parquet" for number in range(90)]), []
with connected(sys.argv[1]):
    grows, there = can_grow(), len(ray.nodes())
    rows = list(run_units(units, WaitingWorker, {}, workers=None, in_order=False, note=told.append))
print(json.dumps([grows, there, len(rows), len({row["process"] for row in rows}), told]))
"""


@pytest.fixture
def environment() -> dict[str, str]:
    """A token for this cluster alone, and an autoscaler that looks every second."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {**own, **token, "PYTHONPATH": path, "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}


@pytest.fixture
def address(environment: dict[str, str]) -> Iterator[str]:
    """A head of one CPU, whose autoscaler may add a node of one more."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        config, port = Path(folder, "autoscaling.json"), free_port()
        provider = PROVIDER | {"gcs_address": f"127.0.0.1:{port}"}
        config.write_text(json.dumps(CONFIG | {"provider": provider}), encoding="utf-8")
        given = [f"--port={port}", f"--autoscaling-config={config}", f"--temp-dir={folder}/ray", "--num-cpus=1"]
        given += ["--node-ip-address=127.0.0.1", "--include-dashboard=false", "--object-store-memory=200000000"]
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", *given]
        with Path(folder, "log").open("wb") as log:
            head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        _wait_for(port)
        yield f"127.0.0.1:{port}"
        processes = [head.pid, *(process.pid for process in psutil.process_iter() if folder in _arguments(process))]
        for number in processes:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        head.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the head does not start"
            time.sleep(0.2)
        else:
            return


def _arguments(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.ray
@pytest.mark.long
def test_a_pool_grows_with_what_an_autoscaler_adds(environment: dict[str, str], address: str) -> None:
    command = [sys.executable, "-c", WORK, address]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert ended.returncode == 0, ended.stderr
    grows, there, rows, processes, told = json.loads(ended.stdout.splitlines()[-1])
    assert (grows, there, rows) == (True, 1, 90)
    assert processes == 2, told
    assert any("joined" in line for line in told)
