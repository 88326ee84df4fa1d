"""A pool of workers that units are handed to, one by one, on Ray Data."""

import ctypes
import gc
import pickle
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from w2vray.cluster.alone import run_alone
from w2vray.cluster.hosts import Hosts, InHand, on_this_host
from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.ray_internals import hearing
from w2vray.cluster.resources import (
    GpuShare,
    Room,
    gpu_workers,
    pool_share,
    scoring_workers,
)
from w2vray.cluster.waiting import Note, Waiting, pool_waits_for
from w2vray.cluster.watching import harmless, watched
from w2vray.errors import W2vrayError
from w2vray.stages import everything
from w2vray.store.units import Unit

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["run_units"]

_LONGEST_NAME = 80

_BLOCKS, _MOST_UNITS_A_BLOCK = 2_000, 16
"""Up to the first number, each unit is a block of Ray's; of more units, a block has several, and at most the second
number: nobody hears of a unit before its block is done."""

_BLOCKS_A_WORKER = 16
"""At least so many blocks there are for each worker: at the end all others wait for the one that has the last."""

_DEATHS_AT_START, _JOINING = 3, 16
"""How often each worker may die while it loads, before one has loaded: a machine that is lost takes all of its own with
it. Where nobody has said how many workers there are, so many may load beside those that find room now."""


def run_units(
    units: Sequence[Unit],
    worker: type,
    arguments: Mapping[str, Any],
    *,
    workers: int | None,
    gpu: GpuShare | None = None,
    note: Note = lambda _: None,
    in_order: bool = True,
    name: str | None = None,
    in_hand: InHand = lambda _: None,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, Any]]:
    """Hand units, one by one, to a pool of workers; without Ray, to processes of this machine.

    Args:
        units: what is to be done.
        worker: made once in each process with ``arguments``, then called with a unit; it returns a row.
        arguments: of the worker's constructor.
        workers: how many; None for one a CPU, or one a GPU.
        gpu: what each has, where each has a GPU.
        note: told where they have to wait for others, and of machines that are lost or join.
        in_order: whether the rows come in the order of the units: then one that takes its time holds back all others.
        name: of the work, in Ray's dashboard.
        in_hand: how many units the workers of a machine, by Ray's id of it, have begun and not ended.
        tick: called once a second, in a thread of its own.

    Yields:
        The rows, as they come.

    Raises:
        W2vrayError: what a worker raised.
    """
    if not units:
        return
    if not is_running():
        yield from run_alone(units, worker, arguments, workers=workers, in_order=in_order, tick=tick, note=note)
        return
    pool = _Pool.of(len(units), workers, gpu)
    if workers is not None and pool.here < pool.most:
        note(f"there is room for {pool.here:,} of {pool.most:,} workers now; the others start as the cluster grows")
    dataset = _unit_dataset(units, worker, arguments, pool)
    dataset.context.execution_options.preserve_order = in_order
    dataset.context.max_consecutive_actor_init_deaths = pool.deaths
    if name is not None:
        dataset.set_name(re.sub(r"[^\w.-]+", "_", name)[-_LONGEST_NAME:])  # Ray names a file of its log for it
    rows = _rows(dataset)
    failed = ""
    try:
        with _watched(Waiting(partial(pool_waits_for, pool.each), note), Hosts(note, in_hand), tick, note):
            for row in rows:
                failure = row.pop(_FAILURE, None)  # null, where another unit of the block has failed
                if failure is not None:
                    raise pickle.loads(failure)  # noqa: S301 - a worker of ours made it
                yield row
    except ray.exceptions.RayError as error:
        failed = str(error).strip()
    finally:
        # The pool keeps its CPUs as long as anything refers to it; where a run ends early, cycles of Ray Data do.
        del rows
        gc.collect()
    if failed:
        raise W2vrayError(f"a worker failed: {failed}")  # not from Ray's error, whose traceback refers to the pool


@contextmanager
def _watched(waiting: Waiting, hosts: Hosts, tick: Callable[[], None], note: Note) -> Iterator[None]:
    """Look at the cluster meanwhile; what raylets say goes to who knows the hosts, unless everything is to be shown."""
    with nullcontext() if everything() else hearing(hosts.hear):
        try:
            with watched(waiting, hosts, tick, note=note):
                yield
        finally:
            harmless(hosts.end, note)()


@dataclass(frozen=True)
class _Pool:
    """The size of a pool: ``least`` workers at the start, up to ``most`` if the cluster grows; and what each takes."""

    here: int  # workers that there is room for now
    least: int
    most: int
    each: Mapping[str, float]
    soon: int  # workers to reckon with: those that there is room for, and some that may join

    @property
    def deaths(self) -> int:
        """Workers that may die while they load, before the pool is given up."""
        return _DEATHS_AT_START * self.soon

    @classmethod
    def of(cls, units: int, workers: int | None, gpu: GpuShare | None) -> "_Pool":
        """Size a pool for this cluster; without ``workers``, it has as many as there is room for."""
        if gpu is None:
            room = Room.of(1)
            asked, here = scoring_workers(workers, room), room.workers
            each = {"CPU": pool_share(asked or sys.maxsize)}
        else:
            room = Room.of(gpu.cpus, 1)
            asked, here = gpu_workers(workers, gpu, room), room.workers
            each = {"CPU": gpu.cpus * pool_share((asked or sys.maxsize) * gpu.cpus), "GPU": 1.0}
        most = min(units, asked or units)
        least = max(1, min(most, here))
        soon = most if asked is not None else min(most, least + _JOINING)
        return cls(here, least, most, each, soon)


def _units_a_block(units: int, workers: int) -> int:
    """Return how many units Ray hands to a worker at once: one of few, more of very many.

    Ray takes some 10 ms of the driver's CPU for each block. A worker commits unit by unit all the same.
    """
    return max(1, min(_MOST_UNITS_A_BLOCK, units // max(_BLOCKS, _BLOCKS_A_WORKER * workers)))


def _unit_dataset(units: Sequence[Unit], worker: type, arguments: Mapping[str, Any], pool: _Pool) -> "Dataset":
    """Return the dataset of what a pool of workers makes of each unit: a row, or an Arrow table of rows."""
    from ray import data  # noqa: PLC0415 - takes a second, and many stores are done without it

    items = [{"unit": unit.as_json()} for unit in units]
    together = _units_a_block(len(items), pool.soon)
    dataset = data.from_items(items, override_num_blocks=-(-len(items) // together))
    return dataset.map_batches(
        _Worker,
        fn_constructor_kwargs={"worker": worker, "arguments": dict(arguments)},
        batch_size=1,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(min_size=pool.least, max_size=pool.most),
        num_cpus=pool.each["CPU"],
        num_gpus=pool.each.get("GPU"),
    )


def _rows(dataset: "Dataset") -> Iterator[dict[str, Any]]:
    """Yield the rows, each as soon as it is there: what is fetched ahead would wait for the one after it."""
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        assert isinstance(batch, pa.Table)
        yield from batch.to_pylist()


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
