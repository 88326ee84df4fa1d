"""Ray itself: starting it here, or joining a cluster; the one shared copy of the vectors; a pool for units."""

import ctypes
import gc
import logging
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray
import ray.data
import ray.exceptions
from ray.data import DataContext

from w2vray.cluster.ray_internals import (
    clear_failed_start,
    keeping_sigterm,
    listening_on_loopback,
    starting_few_processes,
)
from w2vray.cluster.resources import (
    AUTHENTICATION,
    GpuShare,
    cluster_cpus,
    cluster_gpus,
    gpu_workers,
    scoring_workers,
    worker_cpus,
)
from w2vray.cluster.temporary import elsewhere, short_temporary_folder
from w2vray.cluster.waiting import Note, pool_waits_for, told_of_waiting
from w2vray.errors import ClusterError, W2vrayError
from w2vray.stages import detail, everything, stage
from w2vray.store.units import Unit
from w2vray.text.rules import TokenRules
from w2vray.vectors import Vectors

__all__ = [
    "SharedVectors",
    "connected",
    "run_units",
    "share",
    "start_here",
]

_NO_LIMIT = -1
"""Ray Data's word for waiting as long as it takes: slow work is no hang, and a run whose CPUs others hold says so."""
_CONNECT_SECONDS = 20

_RAY_LOGGERS = ("ray.data", "ray.train", "ray.tune")

_STARTS = 3
"""How often Ray is started before it is given up: on a busy machine it may take longer than the 30 s that Ray waits."""


@contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Use the Ray of this process, the cluster at ``address`` or in ``RAY_ADDRESS``, or one started on this machine.

    What is started here listens on the loopback only, asks for Ray's token, and is shut down at the end.

    Raises:
        ClusterError: the cluster cannot be reached, or this process uses another one.
    """
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in {None, "auto", here} and not _is_same(str(address), here):
            raise ClusterError(
                f"this process already uses the Ray at {here}; leave out {address}, or call ray.shutdown() first"
            )
        _quieten()
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    is_ours = address is None or address == "local"
    with short_temporary_folder() if is_ours else nullcontext() as spilling:
        if is_ours:
            stage(f"starting Ray{'' if spilling is None else elsewhere(spilling)}")
            start_here(len(os.sched_getaffinity(0)), spilling)
        else:
            stage(f"joining the Ray at {address}")
            _join(str(address))
        try:
            _quieten()
            yield
        finally:
            ray.shutdown()


def _join(address: str) -> None:
    """Connect to a cluster that is there."""
    _require_listener(address)
    try:
        with _quiet_start(), keeping_sigterm(), _away_from_here():
            joined = ray.init(address=address, **_logs())
        _tell_of(joined)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        raise ClusterError(
            f"no Ray at {address}: {error}; check --address, or leave it out; if that Ray asks for a token, "
            f"{AUTHENTICATION}"
        ) from error


def _logs() -> dict[str, Any]:
    """Return how much Ray says: nothing but errors, unless everything is to be shown."""
    return {"logging_level": logging.INFO if everything() else logging.ERROR, "log_to_driver": everything()}


def _tell_of(context: Any) -> None:
    """Say where the logs of a Ray are that has just been started or joined."""
    about: Mapping[str, Any] = getattr(context, "address_info", {})
    detail(f"Ray {version('ray')}; its logs: {about.get('session_dir')}/logs")


@contextmanager
def _away_from_here() -> Iterator[None]:
    """Let workers import nothing from the folder that somebody happens to stand in, as this process does not.

    Ray puts the driver's folder on the workers' path, where a ``json.py`` in it would take the place of Python's own.
    """
    try:
        here = str(Path.cwd())
    except FileNotFoundError:  # it is gone, so that nothing is imported from it
        yield
        return
    if {here, ""} & set(sys.path):
        yield
        return
    os.chdir("/")
    try:
        yield
    finally:
        os.chdir(here)


def start_here(cpus: int, spilling: str | None = None) -> None:
    """Start a Ray on this machine that nobody else can reach; again where it does not come up in time.

    Args:
        cpus: that it may use.
        spilling: a folder for objects that do not fit into memory, where it is not to be among Ray's other files.

    Raises:
        ClusterError: it does not come up at all.
    """
    failed = 0
    few_processes: Callable[[], AbstractContextManager[None]] = starting_few_processes
    while True:
        try:
            with (
                _quiet_start(),
                keeping_sigterm(),
                listening_on_loopback(),
                few_processes(),
                _cleared_if_failed(),
                _away_from_here(),
            ):
                spill: Mapping[str, Any] = {} if spilling is None else {"object_spilling_directory": spilling}
                started = ray.init(address="local", num_cpus=cpus, include_dashboard=False, **_logs(), **spill)
        except (AttributeError, TypeError):
            if few_processes is nullcontext:
                raise
            few_processes = nullcontext  # this Ray uses what was not started
        except Exception as error:  # Ray raises a plain Exception where it is late
            failed += 1
            if failed == _STARTS or not _may_come_up(error):
                raise ClusterError(
                    f"Ray did not start on this machine, tried {failed} {'time' if failed == 1 else 'times'}: "
                    f"{_first_sentence(error)}; check that memory, room in /tmp and a CPU are free, or use a "
                    "running Ray with --address"
                ) from error
        else:
            _tell_of(started)  # only now: while Ray starts, nothing gets to the terminal
            return


@contextmanager
def _cleared_if_failed() -> Iterator[None]:
    """Leave nothing of a start that fails, or is interrupted."""
    try:
        yield
    except BaseException as error:
        clear_failed_start(error)
        ray.shutdown()
        raise


def _may_come_up(error: Exception) -> bool:
    """Tell whether Ray may come up when it is started again: where it was late, its error has no type of its own."""
    if isinstance(error, ray.exceptions.AuthenticationError):
        return False
    return isinstance(error, ConnectionError | RuntimeError | ray.exceptions.RayError) or type(error) is Exception


def _first_sentence(error: Exception) -> str:
    """Return what an error says first: Ray's go on for lines, with those of its logs."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(". ")[0].rstrip(".")


def _is_same(address: str, other: str) -> bool:
    """Tell whether two spellings of HOST:PORT name one place; of a URI nobody knows, and it is taken to."""
    if "/" in address:
        return True
    with suppress(OSError, ValueError, OverflowError):
        (host, _, port), (at, _, of) = address.rpartition(":"), other.rpartition(":")
        places = (
            {info[4][:2] for info in socket.getaddrinfo(h.strip("[]"), int(p))} for h, p in ((host, port), (at, of))
        )
        return not set.isdisjoint(*places)
    return False


def _require_listener(address: str) -> None:
    """Look whether anything listens at ``HOST:PORT``: Ray would wait for it for minutes, and say nothing."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # auto, or a URI: what is there, Ray finds out
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"no Ray at {address}: {error}; check --address, or leave it out") from error


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep Ray's native log of this process off the terminal.

    It would warn on every run that workers are given the vectors by reference, which is what is wanted, and tell that
    its level was changed. What goes wrong is raised as an error too.
    """
    if everything():
        yield
        return
    level = os.environ.get("RAY_BACKEND_LOG_LEVEL")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a file descriptor is what is needed
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        if level is None:
            os.environ.pop("RAY_BACKEND_LOG_LEVEL", None)


def _quieten() -> None:
    """Leave the terminal to our own progress, unless everything is to be shown; Ray's logs are in its folder."""
    for name in _RAY_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if everything() else logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    context.execution_no_progress_timeout_s = _NO_LIMIT


@dataclass(frozen=True)
class SharedVectors:
    """The one copy of the vectors in Ray's object store, and what is needed to use it."""

    reference: ray.ObjectRef[Any]
    rules: TokenRules
    fingerprint: str

    def get(self) -> Vectors:
        """Return the vectors in this process, without copying them: a view of memory that all workers share."""
        arrays: Mapping[str, npt.NDArray[Any]] = ray.get(self.reference)
        return Vectors.from_arrays(arrays, self.rules, self.fingerprint)


def share(vectors: Vectors) -> SharedVectors:
    """Put the vectors into Ray's object store, once for all workers of a machine.

    Raises:
        ClusterError: the object store is too small for them.
    """
    arrays = vectors.arrays()
    size = sum(np.asarray(array).nbytes for array in arrays.values())
    room = _object_store_room()
    if size > room:
        raise ClusterError(
            f"the vectors take {size:,} bytes and Ray's object store has {room:,}; start Ray with a larger "
            "--object-store-memory, or import fewer words with `vectors import --limit`"
        )
    stage(f"sharing the vectors, {size / 1e6:,.0f} MB")
    return SharedVectors(ray.put(arrays), vectors.rules, vectors.fingerprint)


def _object_store_room() -> int:
    """Return the smallest object store of a node that can work, in bytes: each such node will hold the vectors."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    working = [node for node in nodes if node.get("CPU", 0) > 0] or nodes
    return min(int(node.get("object_store_memory", 0)) for node in working)


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
            return pa.table({_FAILURE: [pickle.dumps(error)]})
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
