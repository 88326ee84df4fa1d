"""One process that trains one model after another: what ``--model auto`` tries, where one worker learns.

Ray Train starts its workers anew for each training, which takes longer than a small set is learnt from. Here a process
is started once. It writes the same checkpoints, in the same folders, so that either goes on where the other stopped.
"""

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import ray
import ray.exceptions
import torch
from ray.train import Checkpoint

from w2vray.cluster.train_worker import STATE, WorkerConfig, last_whole, train_as_told
from w2vray.cluster.trainer import MAX_FAILURES, LastEpoch, epoch_reached, next_attempt
from w2vray.cluster.waiting import Note, Waiting, process_waits_for
from w2vray.cluster.watching import watched
from w2vray.errors import W2vrayError
from w2vray.stages import stage
from w2vray.training.steps import EpochReport

__all__ = ["Attempt", "OneTrainer"]


class Attempt:
    """Trains a model in this process, as one of Ray Train's attempts would; its checkpoints lie where Ray puts them."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._name = next_attempt(config.checkpoints)
        self._last = LastEpoch(config.checkpoints, self._name)
        self._folder = config.checkpoints / self._name

    def run(self) -> None:
        """Train to the end, from the last whole checkpoint on."""
        found = last_whole(self._config.checkpoints)
        self._folder.mkdir(parents=True)
        train_as_told(self._config, None if found is None else found[1], self._report)

    def _report(self, report: EpochReport, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, whole or not at all; the one before is not needed then."""
        earlier = list(self._folder.glob("checkpoint_*"))
        place = self._folder / f"checkpoint_{time.time_ns():020d}"
        half = place.with_name(f".{place.name}")
        half.mkdir()
        torch.save(dict(state), half / STATE)
        half.rename(place)
        for other in earlier:
            shutil.rmtree(other, ignore_errors=True)
        self._last.after_report(None, [report.as_dict()], Checkpoint.from_directory(str(place)))


@ray.remote
class TrainingProcess:
    """The process that trains."""

    def ready(self) -> None:
        """Return when it has started."""

    def train(self, config: WorkerConfig) -> None:
        """Train a model to the end."""
        Attempt(config).run()


class OneTrainer:
    """A process of Ray's that trains. It is started with the first model, and ends with ``end``, or the program.

    ``note`` is called where it has to wait for its CPUs.
    """

    def __init__(self, cpus: float, note: Note) -> None:
        self._cpus, self._note = cpus, note
        self._process: Any = None

    def __call__(self, config: WorkerConfig) -> None:
        """Train a model; where the process dies, another one goes on from the last checkpoint.

        Raises:
            W2vrayError: it has died too often at the same epoch, or the training has raised an error.
        """
        failures, before = 0, epoch_reached(config.checkpoints)
        while True:
            try:
                self._train(config)
            except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
                self.end()
                reached = epoch_reached(config.checkpoints)
                failures, before = (failures + 1 if reached == before else 1), reached
                if failures > MAX_FAILURES:
                    raise W2vrayError(
                        "training failed: the process that trains has died again and again (killed, or out of "
                        "memory); the same command goes on from its last epoch"
                    ) from error
            except ray.exceptions.RayError as error:
                why = str(getattr(error, "cause", None) or "") or str(error)  # the cause of an error of the training
                raise W2vrayError(f"training failed: {why}; the same command goes on from its last epoch") from error
            else:
                return

    def _train(self, config: WorkerConfig) -> None:
        if self._process is None:
            stage("starting the process that trains")
            self._process = TrainingProcess.options(num_cpus=self._cpus).remote()  # type: ignore[attr-defined]
            waits_for = partial(process_waits_for, "TrainingProcess", {"CPU": self._cpus})
            with watched(Waiting(waits_for, self._note), note=self._note):
                ray.get(self._process.ready.remote())
        ray.get(self._process.train.remote(config))

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(ray.exceptions.RayError):
                ray.kill(self._process)
        self._process = None
