"""What Ray's cluster has, and how many workers that is enough for: Ray itself would wait for what cannot be."""

import os
import sys
from dataclasses import dataclass

import pyarrow as pa
import ray

from w2vray.errors import ClusterError

__all__ = [
    "AUTHENTICATION",
    "GpuShare",
    "can_grow",
    "cluster_cpus",
    "cluster_gpus",
    "gpu_workers",
    "reading_workers",
    "require_gpus",
    "scoring_workers",
    "use_one_thread",
    "worker_cpus",
]

AUTHENTICATION = "set RAY_AUTH_MODE=token here too; if Ray does not find the token by itself, set RAY_AUTH_TOKEN_PATH"
"""What to do where a cluster asks for a token."""


def cluster_cpus() -> float:
    """Return the CPUs that the cluster has now."""
    return float(ray.cluster_resources().get("CPU", 0))


@dataclass(frozen=True)
class GpuShare:
    """What each worker of a pool on GPUs is given: a GPU, and so many CPUs."""

    cpus: int


def require_gpus(workers: object, least: int) -> None:
    """Refuse at once what Ray would wait for in vain.

    Raises:
        ClusterError: the cluster has fewer GPUs than workers and cannot grow.
    """
    gpus = cluster_gpus()
    if least > gpus and not can_grow():
        raise ClusterError(f"--gpu with --workers {workers} needs as many GPUs; this Ray has {gpus:g}")


def cluster_gpus() -> float:
    """Return the GPUs that the cluster has now."""
    return float(ray.cluster_resources().get("GPU", 0))


def gpu_workers(asked: int | None, share: GpuShare) -> int:
    """Return how many workers to use on GPUs: as many as asked for, or one a GPU.

    Raises:
        ClusterError: the cluster has fewer GPUs or CPUs than that and cannot grow.
    """
    gpus, cpus = cluster_gpus(), cluster_cpus()
    if asked is None and gpus < 1:
        how = "say with --workers how far it may scale up" if can_grow() else "leave out --gpu"
        raise ClusterError(f"--gpu: this Ray has no GPU; {how}")
    workers = int(gpus) if asked is None else asked
    require_gpus(workers, workers)
    if workers * share.cpus > cpus and not can_grow():
        raise ClusterError(
            f"--cpus-per-gpu is {share.cpus}, for {workers} workers, and this Ray has {cpus:g} CPUs; lower one of them"
        )
    return workers


def scoring_workers(asked: int | None) -> int:
    """Return how many workers to use: as many as asked for, or one a CPU.

    Raises:
        ClusterError: the cluster has fewer CPUs than that and cannot grow.
    """
    cpus = cluster_cpus()
    if asked is None:
        if cpus < 1:
            raise ClusterError("the cluster has no CPUs now; --workers says how far it may scale up")
        return int(cpus)
    if asked > cpus and not can_grow():
        raise ClusterError(f"--workers is {asked}, and this Ray has {cpus:g} CPUs; allowed: 1 to {cpus:g}")
    return asked


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


def can_grow() -> bool:
    """Tell whether an autoscaler may add nodes: only a cluster that was started elsewhere can have one."""
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
