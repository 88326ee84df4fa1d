"""What Ray's cluster has, and how many workers that is enough for: Ray itself would wait for what cannot be."""

import math
import os
import sys
from dataclasses import dataclass

import pyarrow as pa

from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.ray_internals import has_autoscaler
from w2vray.errors import ClusterError

__all__ = [
    "AUTHENTICATION",
    "GpuShare",
    "Room",
    "can_grow",
    "cluster_cpus",
    "cluster_gpus",
    "cpus_to_reckon_with",
    "gpu_workers",
    "pool_share",
    "reading_workers",
    "require_gpus",
    "scoring_workers",
    "use_one_thread",
    "worker_cpus",
]

AUTHENTICATION = "set RAY_AUTH_MODE=token here too; if Ray does not find the token by itself, set RAY_AUTH_TOKEN_PATH"
"""What to do where a cluster asks for a token."""

_SHARE = 1 - 2**-7
"""Of a machine with up to 126 CPUs, so many of it are as many workers as CPUs."""


def cluster_cpus() -> float:
    """Return the CPUs that the cluster has now."""
    return float(ray.cluster_resources().get("CPU", 0))


def cpus_to_reckon_with() -> int:
    """Return how many CPUs work now: those of the cluster, or, without Ray, those of this process."""
    return max(int(cluster_cpus()), 1) if is_running() else len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class GpuShare:
    """What each worker of a pool on GPUs is given: a GPU, and so many CPUs."""

    cpus: int


def require_gpus(workers: object, least: int, told: str | None = None) -> None:
    """Refuse at once what Ray would wait for in vain.

    Raises:
        ClusterError: the cluster has fewer GPUs than workers and cannot grow.
    """
    gpus = cluster_gpus()
    if least > gpus and not can_grow():
        raise ClusterError(told or f"--gpu with --workers {workers} needs as many GPUs; this Ray has {gpus:g}")


def cluster_gpus() -> float:
    """Return the GPUs that the cluster has now."""
    return float(ray.cluster_resources().get("GPU", 0))


@dataclass(frozen=True)
class Room:
    """How many workers of one kind a cluster has room for now, machine by machine."""

    workers: int
    cpus: float  # of the cluster
    gpus: float

    @classmethod
    def of(cls, cpus: int, gpus: int = 0) -> "Room":
        """Count the room for workers that each take so many CPUs and GPUs."""
        there = [node.get("Resources", {}) for node in ray.nodes() if node.get("Alive")]
        fit = [min(node.get("CPU", 0) // cpus, node.get("GPU", 0) // gpus if gpus else math.inf) for node in there]
        return cls(int(sum(fit)), cluster_cpus(), cluster_gpus())


def gpu_workers(asked: int | None, share: GpuShare, room: Room) -> int | None:
    """Return how many workers to use on GPUs: as many as asked for; None for one a GPU, as many as there will be.

    Raises:
        ClusterError: there is no room for them, and the cluster cannot grow.
    """
    if can_grow():
        return asked
    require_gpus(asked or 1, asked or 1, "--gpu: this Ray has no GPU; leave out --gpu" if asked is None else None)
    if (asked or 1) > room.workers:
        raise ClusterError(
            f"--cpus-per-gpu is {share.cpus}, for {asked or 1:,} workers with a GPU each, and this Ray has room for "
            f"{room.workers:,} of them ({room.cpus:g} CPUs in all); lower --cpus-per-gpu or --workers"
        )
    return asked


def scoring_workers(asked: int | None, room: Room) -> int | None:
    """Return how many workers to use: as many as asked for; None for one a CPU, as many as there will be.

    Raises:
        ClusterError: there is no room for them, and the cluster cannot grow.
    """
    if (asked or 1) <= room.workers or can_grow():
        return asked
    if asked is None:
        raise ClusterError(f"this Ray has no machine with a CPU for a worker ({room.cpus:g} CPUs in all)")
    raise ClusterError(f"--workers is {asked}, and this Ray has {room.cpus:g} CPUs; allowed: 1 to {room.workers}")


def reading_workers(training: int) -> int | None:
    """Return how many workers to read with before so many train: one a CPU, which is None, of a cluster that is whole.

    One that can grow may have no CPU yet; it is asked for those of the training at least.
    """
    return max(training, int(cluster_cpus())) if can_grow() else None


def worker_cpus(workers: int) -> float:
    """Return the CPUs to reserve for each worker: one, or a little less where the workers would take them all.

    Ray's own tasks need a place too: a pool that holds every CPU waits for ever for the tasks that feed it. The
    share is a binary fraction: Ray counts an elastic training's workers by adding it up and dividing, unrounded.
    """
    return 1.0 if workers < cluster_cpus() else 0.875


def pool_share(workers: int) -> float:
    """Return the part of its CPUs that each worker of a pool reserves, so that a machine holds one a CPU and no more.

    Ray Data wants a little to be free where it hands out work. A binary fraction: Ray adds it up.
    """
    return 1.0 if workers < cluster_cpus() else _SHARE


def can_grow() -> bool:
    """Tell whether machines may come: by an autoscaler, or to a head without CPUs, which is made for others to join."""
    if has_autoscaler():
        return True
    nodes = ray.nodes()
    return any(float(node.get("Resources", {}).get("CPU", 0)) == 0 for node in nodes if node.get("Alive"))


def use_one_thread() -> None:
    """Keep the libraries of this process to one thread: rounding depends on it, and more workers use more CPUs.

    torch is told by the environment where it is not imported yet: kernels do without it.
    """
    pa.set_cpu_count(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
