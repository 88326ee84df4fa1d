"""Kill a scoring run again and again, run the same command until it is done, and compare with an undisturbed run.

A cluster of two nodes on this machine scores a made-up store, cut into many small units. At random moments a worker is
killed, or the second node with all that is on it, or the driver (with SIGKILL or SIGTERM), or the head. In the end the
tables must be equal byte for byte, and ``verify`` must find nothing.

Example:
    pip install '.[bench]'
    python jobs/chaos.py --runs 8 --kills 8 --output chaos-output --json
"""

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from w2vray.cli.extras import extra
from w2vray.models.classifier import build_model
from w2vray.models.directory import ModelConfig, save_bundle
from w2vray.models.kinds import settings_class
from w2vray.run.verify import verify
from w2vray.settings.checks import VerifySettings
from w2vray.text.rules import family
from w2vray.vectors import VectorsWriter
from w2vray.vectors.readers import Block

with extra("bench"):
    import psutil

WORDS = [f"{a}{b}{c}" for a in "bdfghklmnprst" for b in "aeiou" for c in "bdgklmnprst"]
DIM = 32
PIECES = 2
"""Of evidence that each row has: what explains is killed too."""

KINDS = ("worker", "node", "driver", "terminate", "head")
ENDS_DRIVER = {"driver", "terminate", "head"}
DRIVER = """
import sys
from w2vray.store import units
units.SMALLEST_UNIT = units.LARGEST_UNIT = int(sys.argv.pop(1))
from w2vray.cli import main
main()
"""
"""The command line, with smaller units: many moments to die in."""

_PATIENCE_SECONDS = 300.0
_CLUSTER_OPTIONS = {
    "RAY_AUTH_MODE": "token",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",  # a driver notices in seconds that its head is gone
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass
class Report:
    """What was done to the runs, and what came of it."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    resumes: int = 0
    units: int = 0
    units_begun_again: int = 0  # a process died in the middle of them
    units_written_again: int = 0  # they were finished already: must be 0
    rows_lost: int = 0
    rows_twice: int = 0
    parts_that_differ: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        wrong = (self.units_written_again, self.rows_lost, self.rows_twice, self.parts_that_differ)
        return not any(wrong) and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        share = self.units_begun_again / self.units if self.units else 0.0
        return {
            **vars(self),
            "kills": dict(self.kills),
            "kills_in_all": self.kills.total(),
            "share_of_units_begun_again": round(share, 4),
            "ok": self.ok,
        }

    def __str__(self) -> str:
        found = self.as_dict()
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kills.items())
        killed = f"killed {found['kills_in_all']} times ({kinds}), started again {self.resumes} times"
        rows = f"rows lost {self.rows_lost}, rows twice {self.rows_twice}, parts that differ {self.parts_that_differ}"
        again = f"units begun again {self.units_begun_again} ({found['share_of_units_begun_again']:.1%})"
        lines = [
            f"{self.runs} runs of {self.units} units in all, {killed}",
            f"{rows}, finished units written again {self.units_written_again}, {again}",
            *self.problems,
        ]
        return "\n".join(lines)


# What is scored


def make_store(folder: Path, *, files: int, rows: int, seed: int = 0) -> Path:
    """Write a store of made-up sentences; every hundredth text is null."""
    source = random.Random(seed)  # noqa: S311 - not for secrets
    folder.mkdir(parents=True)
    for file in range(files):
        texts = [None if row % 100 == 99 else " ".join(source.choices(WORDS, k=40)) for row in range(rows)]
        table = pa.table({"id": [f"{file}-{row}" for row in range(rows)], "text": texts})
        pq.write_table(table, folder / f"part-{file:04}.parquet", row_group_size=100, use_dictionary=False)
    return folder


def make_model(folder: Path) -> Path:
    """Write an untrained model directory: its answers are arbitrary, and always the same."""
    numbers = np.random.default_rng(7).normal(size=(len(WORDS), DIM)).astype(np.float32)
    with VectorsWriter(folder / "vectors") as writer:
        writer.append(Block(list(WORDS), numbers), origin="made up")
        vectors = writer.finish(family("plain"), {})
    torch.manual_seed(3)
    settings = settings_class("average")()
    built = build_model(settings, DIM, 3)
    weights = {f"model.{name}": torch.randn_like(value).numpy() for name, value in built.state_dict().items()}
    weights["words.overlay_KD"] = np.empty((0, DIM), dtype=np.float32)
    config = ModelConfig(
        model="average",
        settings=settings,
        labels=("high", "low", "mid"),
        rules=vectors.rules,
        oov="skip",
        dim=DIM,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str((folder / "vectors").resolve()),
    )
    save_bundle(folder / "model", config, weights)
    return folder / "model"


# Who is killed


def ray_workers(of: int) -> list[psutil.Process]:
    """Find the scoring workers among the descendants of a process."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        with suppress(psutil.Error):
            if process.name().startswith("ray::") and "Worker" in process.name():
                found.append(process)
    return found


def prepare() -> None:
    """Let the clusters of this process, and their drivers, ask for a token and notice deaths in seconds."""
    os.environ.update(_CLUSTER_OPTIONS)
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


class TwoNodes:
    """A head without CPUs and one node with two, in processes of this one; the node and the head can be killed."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - its environment is set by then

        self._make: Callable[[], Any] = lambda: Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "temp_dir": str(folder)},
        )
        self._start()

    def _start(self) -> None:
        self.cluster = self._make()
        self.address: str = self.cluster.address
        self.node = self.cluster.add_node(num_cpus=2)

    def kill_node(self) -> None:
        """Kill the raylet of the node, and with it all of its workers; another one comes up."""
        self.cluster.remove_node(self.node, allow_graceful=False)
        self.node = self.cluster.add_node(num_cpus=2)

    def kill_head(self) -> None:
        """Kill the whole cluster, head first; another one comes up."""
        for node in [self.cluster.head_node, *self.cluster.worker_nodes]:
            self.cluster.remove_node(node, allow_graceful=False)
        self._start()

    def stop(self) -> None:
        """End what was started."""
        self.cluster.shutdown()


@dataclass
class Runs:
    """One run of ``score``, disturbed until its kills are used up."""

    folder: Path
    store: Path
    model: Path
    unit_bytes: int
    source: random.Random
    report: Report
    pause: tuple[float, float] = (0.2, 1.5)  # seconds between two looks whether to kill: one in between, at random
    written: dict[str, float] = field(default_factory=dict)  # part -> when it was written

    @property
    def run(self) -> Path:
        """The run's directory."""
        return self.folder / "run"

    def start(self, address: str | None) -> subprocess.Popen[bytes]:
        """Start the command; its output goes to a log."""
        verb = ["score", str(self.store), "--model", str(self.model), "--output", str(self.run), "--json"]
        verb += ["--evidence", str(PIECES)]
        place = ["--address", address] if address else []
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-c", DRIVER, str(self.unit_bytes), *verb, "--keep", "id", *place]
            return subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - this interpreter, our arguments

    def log(self) -> str:
        """Return what the commands have said."""
        return (self.folder / "log").read_text(errors="replace")

    def watch(self) -> int:
        """Look at the parts, count those that were written again, and return how many there are."""
        for part in (self.run / "scores").glob("part-*.parquet"):
            with suppress(FileNotFoundError):
                at = part.stat().st_mtime_ns
                self.report.units_written_again += self.written.setdefault(part.name, at) != at
        return len(self.written)

    def begun(self) -> int:
        """Count the units that were begun and are not finished."""
        done = {part.stem.removeprefix("part-") for part in (self.run / "scores").glob("part-*.parquet")}
        marks = (self.run / "_temporary" / "attempts").glob("*/*")
        return len({mark.parent.name for mark in marks} - done)


def wait(process: subprocess.Popen[bytes], seconds: float, runs: Runs) -> bool:
    """Wait for the end of a process, for some time, and watch the parts meanwhile; tell whether it has ended."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        runs.watch()
        time.sleep(0.05)
    return process.poll() is not None


def disturb(runs: Runs, kills: Sequence[str], nodes: TwoNodes | None = None) -> None:
    """Run the command until it is done, killing what ``kills`` says at random moments of it."""
    left = list(kills)
    while True:
        process = runs.start(nodes.address if nodes else None)
        before = runs.watch()
        while not wait(process, runs.source.uniform(*runs.pause), runs):
            if left and runs.watch() > before and _kill(left[0], process, runs, nodes):
                before = runs.watch()
                if left.pop(0) in ENDS_DRIVER and not wait(process, _PATIENCE_SECONDS, runs):
                    runs.report.problems.append("a driver lives on without its head, or after a signal")
                    process.kill()
        if process.returncode in {0, 2}:
            if left or process.returncode:
                runs.report.problems.append(f"ended with {process.returncode}, kills left {left}: {runs.log()[-500:]}")
            return
        runs.report.resumes += 1


def disturb_cluster(runs: Runs, kills: Sequence[str]) -> None:
    """Disturb a run on a cluster of two nodes, which is ended with it. ``prepare`` has been called before."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    nodes = TwoNodes(folder)
    try:
        disturb(runs, kills, nodes)
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _kill(kind: str, process: subprocess.Popen[bytes], runs: Runs, nodes: TwoNodes | None) -> bool:
    """Kill; tell whether there was something to kill."""
    begun = runs.begun()
    if kind == "worker":
        workers = ray_workers(os.getpid() if nodes else process.pid)
        if not workers:
            return False
        runs.source.choice(workers).kill()
    elif kind == "node" and nodes:
        nodes.kill_node()
    elif kind == "head" and nodes:
        nodes.kill_head()
    else:
        process.send_signal(signal.SIGTERM if kind == "terminate" else signal.SIGKILL)
    runs.report.kills[kind] += 1
    runs.report.units_begun_again += begun
    return True


# What came of it


def part_bytes(run: Path) -> dict[str, bytes]:
    """Return the bytes of all parts of a run."""
    return {f"{part.parent.name}/{part.name}": part.read_bytes() for part in sorted(run.glob("*/part-*.parquet"))}


def compare(runs: Runs, undisturbed: Path) -> None:
    """Count what is not as it is in an undisturbed run."""
    found, expected = part_bytes(runs.run), part_bytes(undisturbed)
    report = runs.report
    report.runs += 1
    report.units += sum(name.startswith("scores/") for name in expected)
    report.parts_that_differ += sum(found.get(name) != expected.get(name) for name in {*found, *expected})
    rows: Counter[tuple[str, int]] = Counter()
    for part in runs.run.glob("*/part-*.parquet"):
        table = pq.read_table(part, columns=["source_file", "source_row"])
        rows.update(zip(table["source_file"].to_pylist(), table["source_row"].to_pylist(), strict=True))
    store = {file.name: pq.read_metadata(file).num_rows for file in runs.store.iterdir()}
    report.rows_lost += sum((name, row) not in rows for name, count in store.items() for row in range(count))
    report.rows_twice += sum(count > 1 for count in rows.values())
    summary = verify(VerifySettings(run=str(runs.run), deep=True))
    report.problems += summary.problems


def undisturbed_run(folder: Path, store: Path, model: Path, unit_bytes: int) -> Path:
    """Score the store once, in peace."""
    runs = Runs(folder, store, model, unit_bytes, random.Random(0), Report())  # noqa: S311 - not for secrets
    if (code := runs.start(None).wait(_PATIENCE_SECONDS)) != 0:
        raise SystemExit(f"the undisturbed run ended with {code}: {runs.log()[-2000:]}")
    return runs.run


@click.command(context_settings={"show_default": True})
@click.option("--runs", default=8, help="Runs, each with another seed.")
@click.option("--kills", default=8, help="Kills of each run.")
@click.option("--files", default=60, help="Files of the store.")
@click.option("--rows", default=1000, help="Rows of each file.")
@click.option("--unit-bytes", default=50_000, help="Text of a unit.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), default=KINDS, help="What is killed.")
@click.option("--seed", default=0, help="Of when and what is killed.")
@click.option("--output", default="chaos-output", type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and only that, on stdout.")
def main(  # noqa: PLR0917 - click gives them by name
    runs: int,
    kills: int,
    files: int,
    rows: int,
    unit_bytes: int,
    kinds: Sequence[str],
    seed: int,
    output: Path,
    *,
    as_json: bool,
) -> None:
    """Kill scoring runs at random moments; report what was lost, doubled or done again."""
    if output.exists():
        raise click.UsageError(f"{output} is already there; name another --output")
    prepare()
    store = make_store(output / "store", files=files, rows=rows)
    model = make_model(output)
    undisturbed = undisturbed_run(output / "undisturbed", store, model, unit_bytes)
    report = Report()
    for number in range(runs):
        source = random.Random(f"{seed} {number}")  # noqa: S311 - not for secrets
        one = Runs(output / f"run-{number:02}", store, model, unit_bytes, source, report)
        each_kind = list(kinds) * (kills // len(kinds) + 1)
        disturb_cluster(one, source.sample(each_kind, kills))
        compare(one, undisturbed)
        click.echo(f"run {number}: {report}", err=True)
    (output / "report.json").write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    click.echo(json.dumps(report.as_dict()) if as_json else str(report))
    sys.exit(0 if report.ok else 1)


if __name__ == "__main__":
    main()
