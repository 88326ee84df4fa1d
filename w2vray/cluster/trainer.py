"""Ray Train's part of a training: workers in step, begun again from the last checkpoint where one has died."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import ray.exceptions
import ray.train
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchTrainer

from w2vray.cluster.ray_internals import lean
from w2vray.cluster.resources import can_grow, cluster_cpus, require_gpus, worker_cpus
from w2vray.cluster.train_worker import DIVERGED, WorkerConfig, last_whole, load_state, train_loop_per_worker
from w2vray.cluster.waiting import Note, Waiting, training_waits_for
from w2vray.cluster.watching import watched
from w2vray.errors import ClusterError, DivergedError, W2vrayError
from w2vray.models.kind import ModelSettings
from w2vray.settings.steps import StepSettings
from w2vray.stages import stage
from w2vray.training.settings import TrainSettings

__all__ = [
    "MAX_FAILURES",
    "LastEpoch",
    "Progress",
    "Train",
    "epoch_reached",
    "next_attempt",
    "require_workers",
    "run_trainer",
    "worker_resources",
]

Progress = Callable[[int, int | None, str], None]
"""Called with epochs done and a few words."""

Train = Callable[[WorkerConfig], None]
"""Trains in one process, to the end; see ``one_trainer.py``."""

MAX_FAILURES = 3
"""Times that training goes on from the same epoch after a worker has died: nodes may come and go all along, but an
epoch that has ended its workers may do so for ever."""

RESIZE_SECONDS = 30.0
"""Between two looks of an elastic training at how many workers there is room for. More of them take up the work anew
from the last checkpoint, which costs them a part of an epoch."""

_WATCH_SECONDS = 1.0

_LAST_EPOCH = "last-epoch.json"
"""The file, in the folder of the attempts, of the last epoch that has a checkpoint: which attempt, and its metrics."""

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
    cpus = cluster_cpus()
    least, _ = settings.worker_range
    if least > cpus and not can_grow():
        raise ClusterError(f"--workers is {settings.workers}, and this Ray has {cpus:g} CPUs; allowed: 1 to {cpus:g}")
    if settings.gpu:
        require_gpus(settings.workers, least)


def run_trainer(
    settings: TrainSettings,
    worker: WorkerConfig,
    storage: Path,
    name: str,
    *,
    train: Train | None = None,
    progress: Progress,
    note: Note,
) -> Mapping[str, Any]:
    """Run the workers to the end and return the last checkpoint: the best weights and the learning curve.

    Args:
        settings: how many workers, and on what.
        worker: what each is told.
        storage: a folder that all machines share.
        name: of the training's folder in it; where that has a whole checkpoint, it is gone on with.
        train: what trains in place of Ray Train, one worker alone.
        progress: told of epochs.
        note: told where workers have to wait for CPUs.

    Raises:
        DivergedError: the loss is no longer a number; nothing is left to go on with.
        W2vrayError: workers have died too often, or one has raised another error.
    """
    least, most = settings.worker_range
    each = worker_resources(settings)
    folder = storage / name

    def trainer(attempt: str) -> TorchTrainer:
        made: TorchTrainer = lean(TorchTrainer)(
            train_loop_per_worker,
            train_loop_config={"config": worker},
            scaling_config=ScalingConfig(  # type: ignore[call-arg]  # declared for its version 1
                num_workers=most if least == most else (least, most),  # type: ignore[arg-type]  # the same
                use_gpu=settings.gpu,
                resources_per_worker=each,
                elastic_resize_monitor_interval_s=RESIZE_SECONDS,
            ),
            run_config=RunConfig(
                name=attempt,
                storage_path=str(folder),
                failure_config=FailureConfig(max_failures=MAX_FAILURES),
                checkpoint_config=CheckpointConfig(num_to_keep=1),
                callbacks=[LastEpoch(folder, attempt)],  # type: ignore[list-item]  # the same
            ),
        )
        return made

    (folder / DIVERGED).unlink(missing_ok=True)  # of a call that was killed before it read this
    waiting = watched(Waiting(partial(training_waits_for, least, each), note), note=note)
    checkpoint = None
    if train is not None:
        with _watched(folder, worker.task.model, progress):
            train(worker)
    else:
        stage("starting the training workers")
        with _impatient(elastic=least < most), _watched(folder, worker.task.model, progress), waiting:
            checkpoint = _fit(trainer, folder).checkpoint
    if (folder / DIVERGED).exists():
        reason = (folder / DIVERGED).read_text(encoding="utf-8")
        shutil.rmtree(folder)
        raise DivergedError(reason)
    if checkpoint is not None:
        return load_state(checkpoint)
    found = last_whole(folder)
    assert found is not None, "an attempt that had nothing left to do has found the end of an earlier one"
    return found[1]


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


class LastEpoch(UserCallback):
    """Writes down each epoch that has a checkpoint, in a process of Ray's; the driver reads it there.

    So an epoch is said to be done only when it is safe. The checkpoints of earlier attempts are not needed then.
    """

    def __init__(self, folder: Path, attempt: str) -> None:
        self.folder, self.attempt = folder, attempt

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Checkpoint | None) -> None:  # noqa: ARG002 - Ray's own
        """Write the first worker's metrics, whole or not at all."""
        if checkpoint is None:
            return
        with suppress(OSError):  # a full disk: the checkpoint is there, so that the work goes on and this is not said
            half = self.folder / f"{_LAST_EPOCH}.half"
            half.write_text(json.dumps({"attempt": self.attempt, "metrics": metrics[0]}))
            half.replace(self.folder / _LAST_EPOCH)
        for earlier in _attempts(self.folder):
            if earlier.name < self.attempt:
                shutil.rmtree(earlier, ignore_errors=True)


def _fit(trainer: Callable[[str], TorchTrainer], folder: Path) -> ray.train.Result:
    """Train to the end; a new attempt, which goes on where the last one has failed, while there are epochs between."""
    while True:
        before = epoch_reached(folder)
        try:
            return trainer(next_attempt(folder)).fit()
        except ray.train.TrainingFailedError as error:
            if epoch_reached(folder) == before:
                raise W2vrayError(
                    f"training failed: {failure(error)}; the same command goes on from its last epoch"
                ) from error
        except ray.exceptions.RayActorError as error:
            raise W2vrayError(
                "training failed: the process of Ray's that controls it has died (killed, or out of memory); the "
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


def next_attempt(folder: Path) -> str:
    """Name an attempt that Ray Train has not seen.

    In a folder that it knows, Ray would look for the checkpoints that it listed there, and stop where one of them, or
    the list, is damaged. In a new one the workers themselves look for the last whole checkpoint.
    """
    attempts = _attempts(folder)
    return f"attempt-{int(attempts[-1].name[-4:]) + 1 if attempts else 1:04d}"


def _attempts(folder: Path) -> list[Path]:
    return sorted(folder.glob("attempt-[0-9][0-9][0-9][0-9]"))


def epoch_reached(folder: Path) -> dict[str, Any] | None:
    """Return what is written of the last epoch; None where nothing is."""
    try:
        last: dict[str, Any] = json.loads((folder / _LAST_EPOCH).read_text())
    except (OSError, ValueError):
        return None
    return last


@contextmanager
def _watched(folder: Path, model: ModelSettings, progress: Progress) -> Iterator[None]:
    """Tell of each epoch as its checkpoint appears: the training itself runs in a process of Ray's."""
    done = Event()
    most = model.most_epochs if isinstance(model, StepSettings) else None
    epochs = "epochs" if most is None else "epochs at most"

    def watch() -> None:
        told = None
        while not done.wait(_WATCH_SECONDS):
            last = epoch_reached(folder)
            if last is not None and last != told:
                epoch, loss = last["metrics"]["epoch"], last["metrics"]["validation_loss"]
                progress(epoch, most, epochs if loss is None else f"{epochs}, validation loss {loss:.4f}")
                told = last

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def worker_resources(settings: TrainSettings) -> dict[str, float]:
    """Return what each worker of a training takes of Ray's resources."""
    cpus = worker_cpus(settings.worker_range[1])
    return {"CPU": cpus, "GPU": 1} if settings.gpu else {"CPU": cpus}
