"""A Ray cluster and an S3 server on hosts: a head without CPUs, workers, a laptop that is no node, a server."""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import Popen, SubprocessError
from types import MappingProxyType

from tests.hosts.network import Host, Network

__all__ = ["ADDRESS", "BUCKET", "HEALTH", "ROOT", "Cluster", "environment"]

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://10.77.0.1:8265"
BUCKET = "s3://bucket"

_NUMBERS = {"head": 1, "w1": 2, "w2": 3, "w3": 4, "laptop": 8, "s3": 9}
_STORE_BYTES = 400_000_000
_START_SECONDS = 120.0
_LOOK_SECONDS = 20.0

HEALTH = {
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "4",
}
"""Ray notices a silent host after about 20 s, not after about 65 s: a fault takes a minute less."""

_ALIVE = """
import json, os, sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/nodes?view=summary")
request.add_header("Authorization", "Bearer " + os.environ["RAY_AUTH_TOKEN"])
nodes = json.load(urllib.request.urlopen(request, timeout=5))["data"]["summary"]
print(*(node["hostname"] for node in nodes if node["raylet"].get("state") == "ALIVE"))
"""


def environment(folder: Path) -> dict[str, str]:
    """Return what every program on a host has in its environment; nothing of this process's gets there.

    Args:
        folder: the one that all hosts see.
    """
    here, python = folder / "here", Path(sys.executable).parent
    return {
        **HEALTH,
        "PATH": f"{python}:{os.defpath}:/usr/sbin:/sbin",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "HOME": f"{here}/home",
        "TMPDIR": f"{here}/tmp",
        "RAY_TMPDIR": f"{here}/ray",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://10.77.0.{_NUMBERS['s3']}:5000",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "W2VRAY_KERNEL_CACHE": str(folder / "kernels"),
    }


class Cluster:
    """The hosts with what runs on them.

    Args:
        network: empty.
        logs: a folder for what programs say.
        workers: how many hosts work.
        cpus: that Ray takes each of them to have.
    """

    def __init__(self, network: Network, logs: Path, *, workers: int = 3, cpus: int = 2) -> None:
        self.logs, self.cpus = logs, cpus
        self.workers = [f"w{number}" for number in range(1, workers + 1)]
        self.hosts = {name: network.add(name, _NUMBERS[name]) for name in ("head", *self.workers, "laptop", "s3")}
        self._starts = 0
        self._rays: dict[str, tuple[Popen[bytes], Callable[[], None]]] = {}

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def serve(self) -> None:
        """Start the S3 server, and make its bucket."""
        host = self["s3"]
        with (self.logs / "s3.log").open("wb") as log:
            host.start([sys.executable, "-m", "tests.hosts.s3_server", host.address, "5000"], log)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.bucket("make")
            except SubprocessError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def bucket(self, *words: str) -> str:
        """Do something with the bucket, from the laptop; see ``bucket.py``."""
        return self["laptop"].run([sys.executable, "-m", "tests.hosts.bucket", *words], seconds=_START_SECONDS)

    def requests(self) -> str:
        """Return the requests that the S3 server has had, a line each."""
        return (self.logs / "s3.log").read_text(encoding="utf-8", errors="replace")

    def alive(self) -> set[str]:
        """Return the names of the hosts that are nodes of the cluster now; empty where it does not answer."""
        with suppress(SubprocessError):
            said = self["laptop"].run([sys.executable, "-S", "-c", _ALIVE, ADDRESS], seconds=_LOOK_SECONDS)
            return set(said.split())
        return set()

    def restart(self, env: Callable[["Cluster"], Mapping[str, str]] = lambda _: {}) -> None:
        """Start Ray anew on all of its hosts: what ran there, and what it left, is gone.

        Args:
            env: returns what Ray has in its environment on w1, besides what it has on all hosts.

        Raises:
            TimeoutError: it does not come up.
        """
        for name in ("head", *self.workers):
            self[name].clear()
        self._rays.clear()
        head = self["head"].address
        self._ray("head", "--head", "--port=6379", "--num-cpus=0", f"--dashboard-host={head}", "--dashboard-port=8265")
        self._until({"head"})
        own = env(self)
        for name in self.workers:
            joins = f"--address={self['head'].address}:6379"
            self._ray(name, joins, f"--num-cpus={self.cpus}", env=own if name == "w1" else {})
        self._until({"head", *self.workers})

    def _ray(self, name: str, *options: str, env: Mapping[str, str] = MappingProxyType({})) -> None:
        self._starts += 1
        host = self[name]
        own = (f"--node-ip-address={host.address}", f"--object-store-memory={_STORE_BYTES}", "--block")
        with (self.logs / f"{name}-ray-{self._starts}.log").open("wb") as log:
            process = host.start(["ray", "start", *own, *options], log, env)
        self._rays[name] = process, partial(self._ray, name, *options, env=env)

    def _until(self, names: set[str]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not names <= (alive := self.alive()):
            if time.monotonic() > deadline:
                missing = ", ".join(f"{name} ({self._last_words(name)})" for name in sorted(names - alive))
                raise TimeoutError(f"after {_START_SECONDS:g} s there is no Ray on {missing}")
            for process, start in list(self._rays.values()):
                if process.poll() is not None:  # on a busy machine Ray gives up after 30 s
                    start()
            time.sleep(0.5)

    def _last_words(self, name: str) -> str:
        """Return the last line that Ray's start on a host has said."""
        logs = sorted(self.logs.glob(f"{name}-ray-*.log"), key=lambda log: log.stat().st_mtime)
        said = logs[-1].read_text(encoding="utf-8", errors="replace").split("\n") if logs else []
        return next((line.strip() for line in reversed(said) if line.strip()), "it says nothing")

    def keep_logs(self, place: Path) -> None:
        """Copy what programs have said, and Ray's own logs, to a place that stays."""
        shutil.copytree(self.logs, place, dirs_exist_ok=True)
        for name in ("head", *self.workers):
            for found in self[name].here.glob("ray/**/session_2*/logs"):
                shutil.copytree(found, place / f"{name}-{found.parent.name}", dirs_exist_ok=True, symlinks=True)

    def w2vray(self, words: Sequence[str]) -> list[str]:
        """Return the command that sends a verb to the cluster."""
        return ["w2vray", "submit", "--address", ADDRESS, "--", *words]
