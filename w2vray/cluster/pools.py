"""A pool of workers that units are handed to, one by one, on Ray Data."""

import ctypes
import gc
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import ray.data
import ray.exceptions

from w2vray.cluster.resources import (
    GpuShare,
    cluster_cpus,
    cluster_gpus,
    gpu_workers,
    scoring_workers,
    worker_cpus,
)
from w2vray.cluster.seen_places import on_this_host
from w2vray.cluster.waiting import Note, pool_waits_for, told_of_waiting
from w2vray.errors import W2vrayError
from w2vray.store.units import Unit

__all__ = ["run_units"]


def run_units(
    units: Sequence[Unit],
    worker: type,
    arguments: Mapping[str, Any],
    *,
    workers: int | None,
    gpu: GpuShare | None = None,
    note: Note = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """Hand units, one by one, to a pool of workers.

    Args:
        units: what is to be done.
        worker: made once in each process with ``arguments``, then called with a unit; it returns a row.
        arguments: of the worker's constructor.
        workers: how many; None for one a CPU, or one a GPU.
        gpu: what each has, where each has a GPU.
        note: told where they have to wait for others.

    Yields:
        The rows, as they come.

    Raises:
        W2vrayError: what a worker raised.
    """
    if not units:
        return
    pool = _Pool.of(len(units), workers, gpu)
    rows = iter(_unit_dataset(units, worker, arguments, pool).iter_rows())
    failed = ""
    try:
        with told_of_waiting(partial(pool_waits_for, pool.each), note):
            for row in rows:
                if _FAILURE in row:
                    raise pickle.loads(row[_FAILURE])  # noqa: S301 - a worker of ours made it
                yield row
    except ray.exceptions.RayError as error:
        failed = str(error).strip()
    finally:
        # The pool keeps its CPUs as long as anything refers to it; where a run ends early, cycles of Ray Data do.
        del rows
        gc.collect()
    if failed:
        raise W2vrayError(f"a worker failed: {failed}")  # not from Ray's error, whose traceback refers to the pool


@dataclass(frozen=True)
class _Pool:
    """Workers of a pool: as many as ``least`` at once, ``most`` where the cluster grows; what each of them takes."""

    least: int
    most: int
    each: Mapping[str, float]

    @classmethod
    def of(cls, units: int, workers: int | None, gpu: GpuShare | None) -> "_Pool":
        """Ask the cluster what it has."""
        if gpu is None:
            most, here = min(scoring_workers(workers), units), cluster_cpus()
            each = {"CPU": worker_cpus(most)}
        else:
            most, here = min(gpu_workers(workers, gpu), units), min(cluster_gpus(), cluster_cpus() // gpu.cpus)
            each = {"CPU": gpu.cpus * worker_cpus(most * gpu.cpus), "GPU": 1.0}
        return cls(min(most, max(1, int(here))), most, each)


def _unit_dataset(units: Sequence[Unit], worker: type, arguments: Mapping[str, Any], pool: _Pool) -> ray.data.Dataset:
    """Return the dataset of what a pool of workers makes of each unit: a row, or an Arrow table of rows."""
    items = [{"unit": unit.as_json()} for unit in units]
    dataset = ray.data.from_items(items, override_num_blocks=len(items))
    return dataset.map_batches(
        _Worker,
        fn_constructor_kwargs={"worker": worker, "arguments": dict(arguments)},
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=pool.least, max_size=pool.most),
        num_cpus=pool.each["CPU"],
        num_gpus=pool.each.get("GPU"),
    )


class _Worker:
    """Adapt a worker of ours to what ``map_batches`` calls.

    An error of ours goes to the caller as a row: of what is raised in a worker, Ray hands on the text only.
    """

    def __init__(self, worker: type, arguments: Mapping[str, Any]) -> None:
        _give_back_large_arrays()
        self.worker: Any = None
        self.failure: W2vrayError | None = None
        try:
            self.worker = worker(**arguments)
        except W2vrayError as error:
            self.failure = error

    def __call__(self, batch: pa.Table) -> pa.Table:
        try:
            if self.failure is not None:
                raise self.failure
            made = self.worker(Unit.from_json(batch["unit"][0].as_py()))
        except W2vrayError as error:
            return pa.table({_FAILURE: [pickle.dumps(on_this_host(error))]})
        return made if isinstance(made, pa.Table) else pa.Table.from_pylist([made])


_FAILURE = "w2vray failure"
"""The column of a row that holds an error, pickled."""


def _give_back_large_arrays() -> None:
    """Have glibc map each large array by itself, which returns its memory when it is freed.

    It would otherwise learn from the first one to take the next from the heap, where the small arrays that are kept
    between them leave holes too small for the one after: a worker would grow with each block of a unit.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_ARRAY)


_M_MMAP_THRESHOLD, _LARGE_ARRAY = -3, 1 << 20
"""mallopt's name for the size, and the size in bytes."""
