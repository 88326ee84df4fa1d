"""Files of a large store described by all machines of a cluster: one machine would take its time for a million."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from w2vray.cluster.connecting import connected
from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.resources import cluster_cpus
from w2vray.cluster.seen_places import require_seen
from w2vray.cluster.waiting import Note
from w2vray.stages import stage
from w2vray.store.corpus import Corpus, SourceFile
from w2vray.store.describing import Answers, read_here, reading_by

__all__ = ["read_on_cluster", "spread_over_cluster"]

MANY_FILES = 5_000
"""From so many on it is worth asking the cluster."""

FILES_A_TASK = 1_000


@contextmanager
def spread_over_cluster(
    corpus: Corpus, address: str | None, *, shared: bool = False, note: Note = lambda _: None
) -> Iterator[None]:
    """Have many files described by the cluster at ``address``, if it has more CPUs than this machine; few ones here.

    A host that does not see the store would tell of each file that it is gone; so all are asked first. ``shared`` and
    ``note`` are as for ``require_seen``.

    Raises:
        ClusterError: the cluster cannot be reached, or a host does not see the store.
    """
    elsewhere = is_running() or (address or os.environ.get("RAY_ADDRESS", "local")) != "local"
    if len(corpus.files) < MANY_FILES or not elsewhere:
        yield
        return
    with connected(address):
        if cluster_cpus() <= len(os.sched_getaffinity(0)):
            yield
            return
        require_seen({"the store": corpus}, {}, shared=shared, note=note)
        with reading_by(read_on_cluster):
            yield


def read_on_cluster(roots: Sequence[str], files: Sequence[SourceFile], asked: Mapping[str, Any]) -> Answers:
    """Describe files in tasks of Ray; those of a task that cannot be done, here."""
    stage(f"planning: the cluster describes {len(files):,} files as CPUs are free")
    task = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(read_here)
    firsts = range(0, len(files), FILES_A_TASK)
    waiting = {task.remote(roots, files[first : first + FILES_A_TASK], asked): first for first in firsts}
    answers: Answers = {}
    while waiting:
        (done,), _ = ray.wait([*waiting], num_returns=1)
        first = waiting.pop(done)
        try:
            found: Answers = ray.get(done)
        except ray.exceptions.RayError:
            found = read_here(roots, files[first : first + FILES_A_TASK], asked)
        answers |= {first + index: answer for index, answer in found.items()}
    return answers
