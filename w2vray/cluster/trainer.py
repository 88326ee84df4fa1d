"""Ray Train's part of a training: workers in step, begun again from the last checkpoint where one has died."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import ray.exceptions
import ray.train
from ray.actor import ActorHandle
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

from w2vray.cluster.resources import can_grow, cluster_cpus, require_gpus, worker_cpus
from w2vray.cluster.train_worker import DIVERGED, WorkerConfig, load_state, state_if_whole, train_loop_per_worker
from w2vray.cluster.waiting import Note, told_of_waiting, training_waits_for
from w2vray.errors import ClusterError, DivergedError, W2vrayError
from w2vray.training.settings import TrainSettings

__all__ = ["Progress", "forget_damaged", "require_workers", "run_trainer"]

Progress = Callable[[int, str], None]
"""Called with epochs done and a few words."""

MAX_FAILURES = 3
"""Times that training goes on from the same epoch after a worker has died: nodes may come and go all along, but an
epoch that has ended its workers may do so for ever."""

RESIZE_SECONDS = 30.0
"""Between two looks of an elastic training at how many workers there is room for. More of them take up the work anew
from the last checkpoint, which costs them a part of an epoch."""

_WATCH_SECONDS = 1.0

_SNAPSHOT = "checkpoint_manager_snapshot.json"
"""The file in which Ray Train keeps what checkpoints there are."""

_POLL_SECONDS = "0.25"
"""Between two looks of Ray Train at its workers. Each epoch's report waits for one; Ray's own 2 s are longer than an
epoch of a few thousand texts."""

_PLACE_SECONDS = "10"
"""How long an elastic training waits for the CPUs that its controller took to be free. When a node dies, the workers
notice before Ray does, so that they are sought once more where they were: Ray's own 60 s would be lost."""


def require_workers(settings: TrainSettings) -> None:
    """Refuse at once what Ray would wait for in vain.

    Raises:
        ClusterError: there are fewer CPUs or GPUs than workers, and the cluster cannot grow.
    """
    if can_grow():
        return
    cpus = cluster_cpus()
    least, _ = settings.worker_range
    if least > cpus:
        raise ClusterError(f"--workers is {settings.workers}, and this Ray has {cpus:g} CPUs; allowed: 1 to {cpus:g}")
    if settings.gpu:
        require_gpus(settings.workers, least)


def run_trainer(
    settings: TrainSettings, worker: WorkerConfig, storage: Path, name: str, *, progress: Progress, note: Note
) -> Mapping[str, Any]:
    """Run the workers to the end and return the last checkpoint: the best weights and the learning curve.

    Args:
        settings: how many workers, and on what.
        worker: what each is told.
        storage: a folder that all machines share.
        name: of the training's folder in it; where it is there, it is gone on with.
        progress: told of epochs.
        note: told where workers have to wait for CPUs.

    Raises:
        DivergedError: the loss is no longer a number; nothing is left to go on with.
        W2vrayError: workers have died too often, or one has raised another error.
    """
    least, most = settings.worker_range
    each = _resources(worker_cpus(most), settings.gpu)
    folder = storage / name
    trainer = partial(
        _Trainer,
        train_loop_per_worker,
        train_loop_config={"config": worker},
        scaling_config=ScalingConfig(  # type: ignore[call-arg]  # declared for its version 1
            num_workers=most if least == most else (least, most),  # type: ignore[arg-type]  # the same
            use_gpu=settings.gpu,
            resources_per_worker=each,
            elastic_resize_monitor_interval_s=RESIZE_SECONDS,
        ),
        run_config=RunConfig(
            name=name,
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
        ),
    )
    (folder / DIVERGED).unlink(missing_ok=True)  # of a call that was killed before it read this
    waiting = told_of_waiting(partial(training_waits_for, least, each), note)
    with _impatient(elastic=least < most), _watched(folder, progress), waiting:
        result = _fit(trainer, folder)
    if (folder / DIVERGED).exists():
        reason = (folder / DIVERGED).read_text(encoding="utf-8")
        shutil.rmtree(folder)
        raise DivergedError(reason)
    assert result.checkpoint is not None, "a training that ends well has reported at least once"
    return load_state(result.checkpoint)


@contextmanager
def _impatient(*, elastic: bool) -> Iterator[None]:
    """Shorten what Ray Train waits for, unless the user has said how long; a later training finds nothing changed."""
    ours = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": _POLL_SECONDS}
    if elastic:
        ours["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = _PLACE_SECONDS
    added = {name: value for name, value in ours.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


_REFUSED = re.compile(r"\w*Error: \[Errno \d+\]")
"""The last line of the traceback of an OSError."""


class _Trainer(TorchTrainer):
    """Ray's trainer, without what is of no use here, and takes its time.

    Its own answer to an interrupt ends the program as if all had gone well. One process of its own hands out datasets;
    workers map files instead. Another frees the workers' CPUs where the controller has died alone, which ends the
    program, and so frees them, anyway: on a Ray without a state API the end of a training would wait 12 s for it, and
    where a machine has another Ray, it asks that one, and stays behind.
    """

    _controller: ActorHandle[Any] | None = None

    def _create_default_callbacks(self) -> list[Any]:
        needless = (DatasetsCallback, PlacementGroupCleanerCallback)
        callbacks = super()._create_default_callbacks()  # type: ignore[misc]  # declared for its version 1
        return [callback for callback in callbacks if not isinstance(callback, needless)]

    def _register_sigint_handler(self, controller: ActorHandle[Any]) -> None:
        self._controller = controller

    def fit(self) -> ray.train.Result:
        """Train to the end; where that is interrupted, let go of the workers at once."""
        try:
            return super().fit()
        except KeyboardInterrupt:
            if self._controller is not None:
                ray.kill(self._controller)
            raise


def _fit(trainer: Callable[[], TorchTrainer], folder: Path) -> ray.train.Result:
    """Train to the end; a new trainer, which goes on where the last one has failed, while there are epochs between."""
    while True:
        forget_damaged(folder)
        before = _latest(folder)
        try:
            return trainer().fit()
        except ray.train.TrainingFailedError as error:
            if _latest(folder) == before:
                raise W2vrayError(
                    f"training failed: {failure(error)}; the same command goes on from its last epoch"
                ) from error
        except ray.exceptions.RayActorError as error:
            raise W2vrayError(
                "training failed: the process of Ray's that controls it has died (killed, or for want of memory); the "
                "same command goes on from its last epoch"
            ) from error


def failure(error: ray.train.TrainingFailedError) -> str:
    """Return what a failed training is told with: where the system refused a worker something, that alone."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    for text in map(str, failures.values()):
        last = text.strip().splitlines()[-1:]
        if last and _REFUSED.match(last[0]):
            return last[0]
    return str(error)


def forget_damaged(folder: Path) -> None:
    """Remove Ray Train's list of checkpoints where Ray would not go on with it.

    Ray writes it in place, so that its end may be missing; or what it names may be gone or damaged. That is decided
    here, for all workers, which find the last whole checkpoint without it.
    """
    snapshot = folder / _SNAPSHOT
    try:
        latest = json.loads(snapshot.read_text())["latest_checkpoint_result"]
        usable = latest is None or state_if_whole(folder / latest["checkpoint_dir_name"]) is not None
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        snapshot.unlink()


def _latest(folder: Path) -> dict[str, Any] | None:
    """Return Ray's word of the last checkpoint; None where there is none yet, or it is being written."""
    try:
        latest: dict[str, Any] | None = json.loads((folder / _SNAPSHOT).read_text())["latest_checkpoint_result"]
    except (OSError, ValueError, KeyError):
        return None
    return latest


@contextmanager
def _watched(folder: Path, progress: Progress) -> Iterator[None]:
    """Tell of each epoch as its checkpoint appears: the training itself runs in a process of Ray's."""
    done = Event()

    def watch() -> None:
        told = None
        while not done.wait(_WATCH_SECONDS):
            latest = _latest(folder)
            if latest is not None and latest != told:
                epoch, loss = latest["metrics"]["epoch"], latest["metrics"]["validation_loss"]
                progress(epoch, "epochs" if loss is None else f"epochs, validation loss {loss:.4f}")
                told = latest

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _resources(cpus: float, gpu: bool) -> dict[str, float]:
    return {"CPU": cpus, "GPU": 1} if gpu else {"CPU": cpus}
