"""An elastic training on a cluster whose nodes come and go."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from w2vray.models.cnn.settings import CnnSettings
from w2vray.training.fit import CURVE
from w2vray.vectors import Vectors

NODES = """
import sys
from ray.cluster_utils import Cluster

head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": sys.argv[1]}
cluster = Cluster(initialize_head=True, head_node_args=head)
print(cluster.address, flush=True)
nodes = []
for line in sys.stdin:
    if line == "add\\n":
        nodes.append(cluster.add_node(num_cpus=1))
    else:
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""
"""In a process of its own: it holds another Ray than the one that the tests share."""

TRAIN = """
from w2vray.cluster import trainer, trainings, waiting

trainings.REPORTING = 1.0
trainer.RESIZE_SECONDS = 1.0
waiting.PATIENCE_SECONDS = 1.0
from w2vray.cli import main
main()
"""
"""The command line, for the impatient."""

PATIENCE_SECONDS = 180.0
ENDLESS: dict[str, Any] = {
    "filters": 8,
    "widths": (2, 3),
    "batch_size": 16,
    "dropout": 0.0,
    "input_dropout": 0.0,
    "epochs": 5000,
    "patience": 5000,
}


@dataclass
class Nodes:
    """A head without CPUs, and nodes of one CPU each."""

    process: subprocess.Popen[str]
    address: str

    def tell(self, what: str) -> None:
        """Let a node come or go."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture
def environment() -> dict[str, str]:
    """A token for this cluster alone; deaths of nodes are noticed in seconds."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {
        **own,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "500",
        "RAY_health_check_failure_threshold": "3",
    }


@pytest.fixture
def nodes(environment: dict[str, str]) -> Iterator[Nodes]:
    """A cluster that has no CPU yet."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets need a short path
    command = [sys.executable, "-c", NODES, folder]
    with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, stderr=-3, text=True) as process:
        assert process.stdout is not None
        yield Nodes(process, process.stdout.readline().strip())
        process.communicate()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
@pytest.mark.ray
def test_a_training_goes_on_with_more_workers_and_with_fewer_as_nodes_come_and_go(  # noqa: PLR0917 - fixtures
    nodes: Nodes,
    environment: dict[str, str],
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    fit_here: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """It waits for the first node; each epoch takes each row once, and the curve is that of one undisturbed worker."""
    store = make_store(files=2, rows=100)
    options = [
        word
        for name, values in ENDLESS.items()
        for value in (values if isinstance(values, tuple) else (values,))
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    places = [str(store), "--vectors", str(word_vectors.path), "--output", str(tmp_path / "model")]
    command = [
        sys.executable,
        "-c",
        TRAIN,
        "train",
        *places,
        "--validation-fraction",
        "0.1",
        "--address",
        nodes.address,
        "--workers",
        "1:2",
        *options,
    ]
    log = tmp_path / "log"
    found: list[dict[str, Any]] = []

    def workers() -> list[int]:
        """How many workers each epoch had, when the curve could be read last."""
        found[:] = curve(tmp_path) or found
        return [line["workers"] for line in found]

    with log.open("wb") as sink, subprocess.Popen(command, env=environment, stdout=sink, stderr=sink) as process:

        def wait_for(happened: Callable[[], bool]) -> None:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not happened():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, (log.read_text(), curve(tmp_path))
                time.sleep(0.1)

        try:
            wait_for(lambda: "waiting for 1 worker of 1 CPU each; 0 of 0 CPU free now" in log.read_text())
            nodes.tell("add")
            wait_for(lambda: workers()[-1:] == [1])
            nodes.tell("add")
            wait_for(lambda: workers()[-1:] == [2])
            nodes.tell("remove")
            wait_for(lambda: workers()[-1:] == [1])
        finally:
            process.kill()
    assert 2 in [line["workers"] for line in found]
    alone = fit_here(store, CnnSettings(**ENDLESS | {"epochs": len(found)}))[CURVE]
    assert [line["epoch"] for line in found] == list(range(1, len(found) + 1))
    assert {line["examples"] for line in found} == {alone[0]["examples"]}
    for name in ("train_loss", "validation_loss"):
        assert [line[name] for line in found] == pytest.approx([line[name] for line in alone], rel=1e-3), name


def curve(folder: Path) -> list[dict[str, Any]]:
    """Return the learning curve of a training's last whole checkpoint; nothing where there is none yet."""
    places = sorted(folder.glob(".model.training/*/*/checkpoint_*/state.pt"))
    try:
        state = torch.load(places[-1], weights_only=True)
    except (
        IndexError,
        OSError,
        EOFError,
        RuntimeError,
    ):  # there is none yet, it is being written, or another takes its place
        return []
    lines: list[dict[str, Any]] = state[CURVE]
    return lines
