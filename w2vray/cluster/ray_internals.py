"""Every private name of Ray that we use: an upgrade of Ray is looked at here, and nowhere else.

A name is looked up when it is used. Where it is gone the work is done without it, as the last column says.

    name                            what it is for                    without it
    ------------------------------  --------------------------------  ---------------------------------------
    ENABLE_RAY_CLUSTER              listen on the loopback only       from Python: on all addresses, with a token
    start_api_server                start no dashboard                starting takes a few CPU seconds longer
    start_log_monitor               start no log reader               the same
    start_monitor                   start no autoscaler               the same
    kill_all_processes              clear away a failed start         its processes end with this one
    set_sigterm_handler             keep our answer to SIGTERM        during a start, SIGTERM ends us silently
    ConsolePopen                    a process group for Ray           `timeout` ends Ray first; we end a minute later
    actor_table, _MapWorker         say what a pool waits for         a pool waits silently
    print_to_stdstream              a line of ours for a lost host    Ray's own lines beside it, on stdout
    _internal_kv_get                ask for an autoscaler             one is taken to be where a node has no CPUs
    _create_default_callbacks       leave callbacks out of training   the end of a training takes up to 12 s longer
    DatasetsCallback                leave it out                      training has one idle process more
    PlacementGroupCleanerCallback   leave it out                      the end of a training takes up to 12 s longer
    _register_sigint_handler        answer Ctrl-C, end the workers    they end with the program, not at once
    RayTrainWorker                  benchmarks find its processes     they measure the driver only
    _do_request                     ask a cluster for its versions    a job is sent without comparing them

Supported ways were tried, and are not enough:

- ``ray.init`` in a thread of its own sets no answer to SIGTERM. But Linux kills what a thread has started when it ends.
- ``fit`` in a thread of its own sets no answer to Ctrl-C. But then nobody gives us the controller, which has to end for
  the workers to end; so that is the way only where ``_register_sigint_handler`` is gone.
- RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 is read once, when ray is imported. The command line sets it, as its process is
  all ours; a Python program may have imported ray before us, or want a Ray of its own that others can reach.

``tests/cluster/test_ray_internals.py`` holds all of this.
"""

import json
import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name
from typing import Any

from w2vray.cluster.lazy_ray import ray

__all__ = [
    "INTERNALS",
    "READER_PROCESS",
    "TRAINER_PROCESS",
    "Internal",
    "clear_failed_start",
    "cluster_versions",
    "find",
    "has_autoscaler",
    "have_no_cpus",
    "hearing",
    "keeping_sigterm",
    "lean",
    "listening_on_loopback",
    "pool_has_no_cpus",
    "starting_few_processes",
    "starting_in_a_group_of_its_own",
]


@dataclass(frozen=True)
class Internal:
    """A private name: what it is for, and what happens where Ray no longer has it."""

    name: str
    why: str
    without: str


_LOOPBACK = "ray._private.ray_constants.ENABLE_RAY_CLUSTER"
_API_SERVER = "ray._private.node.Node.start_api_server"
_LOG_MONITOR = "ray._private.node.Node.start_log_monitor"
_MONITOR = "ray._private.node.Node.start_monitor"
_KILL = "ray._private.node.Node.kill_all_processes"
_SIGTERM = "ray._private.utils.set_sigterm_handler"
_PROCESS = "ray._private.services.ConsolePopen"
_ACTORS = "ray._private.state.state.actor_table"
_READER = "ray.data._internal.execution.operators.actor_pool_map_operator._MapWorker"
_PRINTED = "ray._private.worker.print_to_stdstream"
_STORED = "ray.experimental.internal_kv._internal_kv_get"
_CALLBACKS = "ray.train.torch.TorchTrainer._create_default_callbacks"
_DATASETS = "ray.train.v2._internal.callbacks.datasets.DatasetsCallback"
_CLEANER = "ray.train.v2._internal.callbacks.placement_group_callback.PlacementGroupCleanerCallback"
_SIGINT = "ray.train.torch.TorchTrainer._register_sigint_handler"
_TRAINER = "ray.train.v2._internal.execution.worker_group.worker.RayTrainWorker"

_REQUEST = "ray.job_submission.JobSubmissionClient._do_request"

_NO_WAITING = "a pool that waits for CPUs says nothing"
_SLOWER_START = "each start takes a few CPU seconds longer"
_SLOWER_END = "on a Ray that we started, the end of a training takes up to 12 s longer"

INTERNALS = (
    Internal(_LOOPBACK, "what we start listens on the loopback", "started from Python, it listens on all addresses"),
    Internal(_API_SERVER, "start no dashboard", _SLOWER_START),
    Internal(_LOG_MONITOR, "start nothing that reads logs", _SLOWER_START),
    Internal(_MONITOR, "start no autoscaler", _SLOWER_START),
    Internal(_KILL, "end the processes of a start that failed", "they end when this process does"),
    Internal(_SIGTERM, "keep our answer to SIGTERM", "while Ray starts, SIGTERM ends the program without a word"),
    Internal(_PROCESS, "keep from Ray what ends our process group", "`timeout` ends Ray first, and us a minute later"),
    Internal(_ACTORS, "see whether a pool's workers have CPUs", _NO_WAITING),
    Internal(_READER, "tell a pool's workers from other actors", _NO_WAITING),
    Internal(_PRINTED, "tell in a line of ours that a host was lost", "Ray's own lines are on stdout beside it"),
    Internal(_STORED, "ask whether there is an autoscaler", "a cluster with a node without CPUs is taken to grow"),
    Internal(_CALLBACKS, "leave callbacks out of a training", _SLOWER_END),
    Internal(_DATASETS, "leave out the process that hands out datasets", "it is started, and idles"),
    Internal(_CLEANER, "leave out the process that looks after the controller", _SLOWER_END),
    Internal(_SIGINT, "answer Ctrl-C ourselves, and end the workers at once", "they end with the program"),
    Internal(_TRAINER, "benchmarks find the processes that train", "they measure the driver only"),
    Internal(_REQUEST, "ask a cluster for its versions of Python and Ray", "a job is sent without comparing them"),
)
"""All of them, by their full names."""

READER_PROCESS, TRAINER_PROCESS = "ray::MapWorker", "ray::RayTrainW"
"""What Linux calls the processes of a pool and of a training: it keeps so many letters of Ray's names for them."""


def find(name: str) -> Any:
    """Return what has this full name; None where there is no such thing in this Ray."""
    with suppress(ImportError, AttributeError):
        return resolve_name(name)
    return None


# Starting Ray


@contextmanager
def listening_on_loopback() -> Iterator[None]:
    """Let what is started inside listen on the loopback: elsewhere than on Linux Ray does so by itself."""
    with _replaced(_LOOPBACK, by=False):
        yield


@contextmanager
def starting_few_processes() -> Iterator[None]:
    """Start without what serves clusters and people who look on: it would take seconds of the CPUs that are to work."""
    with ExitStack() as stack:
        for name in (_API_SERVER, _LOG_MONITOR, _MONITOR):
            stack.enter_context(_replaced(name, by=lambda *_, **__: None))
        yield


@contextmanager
def keeping_sigterm() -> Iterator[None]:
    """Keep the program's own answer to SIGTERM: Ray's end the process, one of them by SIGABRT, and say nothing."""
    if threading.current_thread() is not threading.main_thread():  # where Ray changes nothing
        yield
        return
    own = signal.getsignal(signal.SIGTERM)
    try:
        with _replaced(_SIGTERM, by=lambda *_, **__: None):
            yield
    finally:
        signal.signal(signal.SIGTERM, own)


@contextmanager
def starting_in_a_group_of_its_own() -> Iterator[None]:
    """Start each of Ray's processes in a process group of its own: `timeout` and shells tell a whole group to end.

    Ray would be gone before this process, which would look for it for a minute, and be ended by Ray then with exit code
    1. As before, Linux ends Ray's processes when this one ends, whatever it dies of.
    """
    before = find(_PROCESS)
    if before is None:
        yield
        return
    with _replaced(_PROCESS, by=partial(before, process_group=0)):
        yield


@contextmanager
def _replaced(name: str, *, by: Any) -> Iterator[None]:
    """Put something else in the place of a name; do nothing where there is no such name."""
    before = find(name)
    if before is None:
        yield
        return
    place, _, last = name.rpartition(".")
    owner = find(place)
    setattr(owner, last, by)
    try:
        yield
    finally:
        setattr(owner, last, before)


def clear_failed_start(error: BaseException) -> None:
    """End the processes of a start that ended in this error: Ray leaves them to the end of this process.

    Ray's object for them is found in the frames of the error; nothing else refers to it.
    """
    node: Any = find(_KILL.rpartition(".")[0])
    if find(_KILL) is None or not isinstance(node, type):
        return
    for frame, _ in traceback.walk_tb(error.__traceback__):
        half: Any = frame.f_locals.get("self")
        if isinstance(half, node):
            with suppress(Exception):  # it is as far as it came
                half.kill_all_processes(check_alive=False)  # type: ignore[attr-defined]


# What is waited for


def pool_has_no_cpus() -> bool:
    """Tell whether this driver has a pool none of whose workers has its CPUs; not where Ray does not say."""
    worker = find(_READER)
    return worker is not None and have_no_cpus(worker.__name__.lstrip("_"))


def have_no_cpus(kind: str) -> bool:
    """Tell whether this driver has actors of a kind, and all of them wait for CPUs; False if Ray does not say."""
    table = find(_ACTORS)
    if table is None:
        return False
    with suppress(AttributeError, KeyError, TypeError):  # another Ray asks and answers in another way
        job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
        actors = table(None, job, None).values()
        pool = [actor for actor in actors if actor["ActorClassName"].startswith(kind) and actor["State"] != "DEAD"]
        return bool(pool) and not any(actor["Address"]["IPAddress"] for actor in pool)
    return False


# What Ray says, and what it has


@contextmanager
def hearing(hear: Callable[[str], None]) -> Iterator[None]:
    """Hand what raylets tell this driver to ``hear``, called in a thread of Ray's: Ray prints it on stdout."""
    printed = find(_PRINTED)

    def told(data: Any, *arguments: Any, **options: Any) -> None:
        if isinstance(data, dict) and data.get("pid") == "raylet" and isinstance(data.get("lines"), list):
            hear("\n".join(map(str, data["lines"])))
        elif printed is not None:
            printed(data, *arguments, **options)

    with _replaced(_PRINTED, by=told):
        yield


def has_autoscaler() -> bool | None:
    """Tell whether something adds nodes to this cluster; None where Ray does not say.

    Ray's first autoscaler stores what it knows as JSON. A cluster that was put together by hand has a monitor that
    stores the same, and makes up a type for each node, ``node_ID``. Of the second autoscaler one can ask.
    """
    stored = find(_STORED)
    if stored is None:
        return None
    with suppress(Exception):  # another Ray stores, or says, something else
        if (report := stored("__autoscaling_status")) is not None:
            told = json.loads(report)["autoscaler_report"]
            return not all(_MADE_UP.fullmatch(kind) for kind in told["active_nodes"])
        from ray.autoscaler.v2.sdk import get_cluster_status  # noqa: PLC0415 - seconds, where it is not needed

        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        nodes = [*status.active_nodes, *status.idle_nodes]
        is_there = status.stats.autoscaler_version not in {None, "", "0"}
        return is_there and any(
            node.ray_node_type_name and not _MADE_UP.fullmatch(node.ray_node_type_name) for node in nodes
        )
    return None


_MADE_UP = re.compile("node_[0-9a-f]{40,}")


# Jobs


def cluster_versions(client: Any) -> dict[str, str]:
    """Return a cluster's versions by ``python`` and ``ray``; fewer where its dashboard does not tell them.

    Args:
        client: Ray's client of the dashboard, with its token, headers and certificates.
    """
    if find(_REQUEST) is None:
        return {}
    with suppress(OSError, ValueError, AttributeError, TypeError, KeyError):  # another Ray's has no such page
        found = client._do_request("GET", "/api/v0/cluster_metadata").json()["data"]
        told = {"python": found.get("pythonVersion"), "ray": found.get("rayVersion")}
        return {name: value for name, value in told.items() if isinstance(value, str)}
    return {}


# Training


def lean(trainer: type[Any]) -> type[Any]:
    """Derive from Ray's trainer one without what is of no use here, and takes its time.

    Its own answer to an interrupt ends the program as if all had gone well. One process of its own hands out datasets;
    workers map files instead. Another frees the workers' CPUs where the controller has died alone, which ends the
    program, and so frees them, anyway: on a Ray without a state API the end of a training would wait 12 s for it, and
    where a machine has another Ray, it asks that one, and stays behind.
    """
    fewer = (_FewCallbacks,) if find(_CALLBACKS) else ()
    interrupted = _OwnInterrupt if find(_SIGINT) else _InThread
    return type("LeanTrainer", (*fewer, interrupted, trainer), {})


class _FewCallbacks:
    """Leaves callbacks out."""

    def _create_default_callbacks(self, *arguments: Any, **options: Any) -> Any:
        callbacks = super()._create_default_callbacks(*arguments, **options)  # type: ignore[misc]
        needless = tuple(kind for kind in map(find, (_DATASETS, _CLEANER)) if isinstance(kind, type))
        return [callback for callback in callbacks if not isinstance(callback, needless)]


class _OwnInterrupt:
    """Lets go of the workers at once where a training is interrupted."""

    _controller: Any = None

    def _register_sigint_handler(self, controller: Any, *_: Any, **__: Any) -> None:
        self._controller = controller

    def fit(self) -> Any:
        """Train to the end."""
        try:
            return super().fit()  # type: ignore[misc]
        except KeyboardInterrupt:
            if self._controller is not None:
                ray.kill(self._controller)
            raise


class _InThread:
    """Trains in a thread of its own, where Ray does not answer interrupts."""

    def fit(self) -> Any:
        """Train to the end; what is raised there is raised here."""
        came: list[Any] = []
        failed: list[BaseException] = []
        train: Callable[[], Any] = super().fit  # type: ignore[misc]

        def work() -> None:
            try:
                came.append(train())
            except BaseException as error:  # noqa: BLE001 - raised again by who waits
                failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return came[0]
