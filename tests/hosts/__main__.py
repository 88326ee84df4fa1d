"""Faults on several hosts: train and score over hosts of this machine, and let one fault after another strike.

Example:
    make test-hosts
    make test-hosts HOSTS_ARGS="--only cut --keep-logs logs"
"""

import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from tests.hosts.cluster import BUCKET, HEALTH, ROOT, Cluster, environment
from tests.hosts.faults import FAULTS, Fault
from tests.hosts.links import Traffic, measure_links, size_of
from tests.hosts.material import make_material
from tests.hosts.network import Network
from tests.hosts.report import print_report, write_report
from tests.hosts.rounds import Followed, Round, play

_PROGRAMS = ("unshare", "nsenter", "mount", "ip", "tc", "ray", "w2vray")
_LONGEST_SECONDS = 420.0
_TRAINING = ("--model", "lstm", "--hidden", "256", "--epochs", "2", "--workers", "2")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(FAULTS)), help="Play only this fault. May be repeated.")
@click.option("--links", is_flag=True, help="Measure bytes over links; no faults but those of --only.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Put the figures into this JSON file.")
@click.option("--keep-logs", type=click.Path(file_okay=False, path_type=Path), help="Keep all logs in this folder.")
@click.option("--list", "listed", is_flag=True, help="Print the faults, and do nothing else.")
def main(only: Sequence[str], links: bool, output: Path | None, keep_logs: Path | None, listed: bool) -> None:
    """Play faults on several hosts, which are namespaces of this machine."""
    if listed:
        for fault in FAULTS.values():
            click.echo(f"{fault.name:12} {fault.sentence}")
        return
    if lacking := _lacking():
        click.echo(f"faults on several hosts need {lacking}", err=True)
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [FAULTS[name] for name in only or (() if links else FAULTS)]
    skipped = [(fault.name, why) for fault in chosen if (why := fault.missing())]
    folder = Path(tempfile.mkdtemp(prefix="w2v-", dir="/var/tmp"))  # Ray's sockets need a short path
    rounds: list[Round] = []
    traffic: list[Traffic] = []

    def write(figures: Mapping[str, Any]) -> None:
        if output is not None:
            measured = runpy.run_path(str(ROOT / "jobs" / "provenance.py"))["measured"]()
            write_report(output, {"measured": measured, "ray": HEALTH, **figures}, rounds, traffic, list(FAULTS))

    faults = [fault for fault in chosen if not fault.missing()]
    try:
        with closing(_played(faults, folder, keep_logs, links)) as played:
            for figures, found in played:
                if isinstance(found, Round):
                    rounds.append(found)
                else:
                    traffic.append(found)
                write(figures)  # at once: the next round may be interrupted
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        print_report(rounds, skipped, traffic)
    sys.exit(0 if all(found.is_good for found in rounds) else 1)


def _lacking() -> str | None:
    """Say what this machine lacks; None if nothing."""
    if not sys.platform.startswith("linux"):
        return "Linux"
    if os.geteuid() != 0:
        return "root: they make network namespaces, and mount"
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin:/sbin"])
    absent = [program for program in _PROGRAMS if shutil.which(program, path=places) is None]
    return f"these programs: {', '.join(absent)}" if absent else None


def _played(
    faults: Sequence[Fault], folder: Path, keep_logs: Path | None, links: bool
) -> Generator[tuple[dict[str, Any], Round | Traffic]]:
    """Set up hosts, play the rounds, and take all down; yield what was found, each with the figures of all rounds."""
    logs = folder / "logs"
    for name in ("logs", "kernels", "runs", "scratch"):
        (folder / name).mkdir()
    make_material(folder)
    with Network(folder, environment(folder)) as network:
        cluster = Cluster(network, logs)
        try:
            figures = _made_ready(cluster, folder)
            if faults:
                figures["units"] = _scored_by_one(cluster, folder)
            for fault in faults:
                _say(fault.sentence)
                yield figures, play(fault, cluster, folder / "expected" / "scores", figures["units"])
                if keep_logs is not None:
                    cluster.keep_logs(keep_logs)
            if links:
                _say("measuring what goes over the links")
                yield from ((figures, found) for found in measure_links(cluster))
        finally:
            if keep_logs is not None:
                cluster.keep_logs(keep_logs)


def _made_ready(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """Fill the bucket, and train on the cluster; return figures."""
    cluster.serve()
    for name in ("vectors", "labelled", "store"):
        cluster.bucket("put", str(folder / name), name)
    cluster.restart()
    _say("training on 2 workers")
    places = (f"{BUCKET}/labelled", "--vectors", f"{BUCKET}/vectors", "--output", f"{BUCKET}/model")
    train = ["train", *places, *_TRAINING, "--scratch", str(folder / "scratch")]
    seconds = _ended_well(cluster, cluster.w2vray(train), "train")
    sizes = {f"{name}_bytes": size_of(folder / name) for name in ("vectors", "store")}
    return {"training_seconds": round(seconds, 1), **sizes}


def _scored_by_one(cluster: Cluster, folder: Path) -> int:
    """Score the store by one process, and return how many units it has."""
    _say("scoring in one process, for comparison")
    score = ["score", f"{BUCKET}/store", "--model", f"{BUCKET}/model", "--output", str(folder / "expected")]
    _ended_well(cluster, ["w2vray", *score, "--workers", "1"], "one-process")
    return len(list((folder / "expected" / "scores").iterdir()))


def _ended_well(cluster: Cluster, words: Sequence[str], log: str) -> float:
    """Run a command on the laptop, and return how long it took.

    Raises:
        RuntimeError: it has failed.
    """
    began = time.monotonic()
    command = Followed(cluster["laptop"], words, cluster.logs / f"{log}.log")
    try:
        code = command.end(began + _LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        code = -1
    if code != 0:
        last = "\n".join(line.text for line in command.lines[-15:])
        raise RuntimeError(f"{' '.join(words)} ended with exit code {code}:\n{last}")
    return time.monotonic() - began


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m tests.hosts")
