"""Bytes over each host's link while the store is scored, for 1, 2 and 4 workers a host: the vectors come once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.cluster import Cluster
from tests.hosts.rounds import Followed, score_words

__all__ = ["Traffic", "measure_links"]

WORKERS_A_HOST = (1, 2, 4)
_LONGEST_SECONDS = 420.0


@dataclass(frozen=True)
class Traffic:
    """What one host's link has carried in one run."""

    workers_a_host: int
    host: str
    received: int
    sent: int


def measure_links(cluster: Cluster) -> Iterator[Traffic]:
    """Score the store with each number of workers a host, and yield what each link has carried.

    Raises:
        RuntimeError: a run fails.
    """
    for workers in WORKERS_A_HOST:
        cluster.cpus = workers
        cluster.restart()
        before = {name: host.link.bytes() for name, host in cluster.hosts.items()}
        run = f"links-{workers}"
        job = Followed(cluster["laptop"], cluster.w2vray(score_words(run)), cluster.logs / f"{run}.log")
        code = job.end(time.monotonic() + _LONGEST_SECONDS)
        if code != 0:
            raise RuntimeError(f"scoring with {workers} workers a host ended with exit code {code}")
        for name, host in cluster.hosts.items():
            received, sent = host.link.bytes()
            yield Traffic(workers, name, received - before[name][0], sent - before[name][1])


def size_of(folder: Path) -> int:
    """Return the bytes of the files of a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
