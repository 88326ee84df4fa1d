"""What each Ray Train worker does: map the examples, fit the model in step with the others, report after each epoch."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import ray.train
import torch
from ray.train import Checkpoint
from ray.train.torch import get_device
from torch import Tensor

from w2vray.cluster.hosts import naming_this_host
from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.sharing import SharedVectors
from w2vray.errors import DivergedError
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.example_files import ExampleFile, Part
from w2vray.training.examples import Examples
from w2vray.training.fit import Task, fit
from w2vray.training.steps import EpochReport

__all__ = [
    "DIVERGED",
    "STATE",
    "WorkerConfig",
    "last_state",
    "last_whole",
    "load_state",
    "state_if_whole",
    "train_as_told",
    "train_loop_per_worker",
]

STATE = "state.pt"
"""The file of a checkpoint."""

DIVERGED = "diverged.txt"
"""The file, in the folder of the checkpoints, that says that the training is over, and why."""


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """What every worker gets: ``files`` are the example files of each store, ``checkpoints`` the attempts' folder.

    Where that has no checkpoint yet, a training goes on from ``start``. Reports, each of which waits for Ray, take at
    most ``reporting`` of the time: epochs that are quicker than that are done without one. At 1 there is one for each.
    """

    shared: SharedVectors
    task: Task
    labels: tuple[str, ...]
    multi_label: bool
    files: tuple[tuple[Path, ...], ...]
    checkpoints: Path
    start: Mapping[str, Any] | None = None
    reporting: float = 1.0

    def examples(self) -> tuple[Examples, Examples]:
        """Map the examples to learn from, and those for validation."""
        train: list[Part] = []
        validation: list[Part] = []
        for path in (path for store in self.files for path in store):
            parts = ExampleFile(path).parts(self.labels, multi_label=self.multi_label)
            for kind, part in zip((train, validation), parts, strict=True):
                kind.extend([part] if len(part) else [])
        return self._examples(train), self._examples(validation)

    def _examples(self, parts: Sequence[Part]) -> Examples:
        return Examples(tuple(parts), len(self.labels), self.multi_label)


def train_loop_per_worker(arguments: Mapping[str, Any]) -> None:
    """Fit the model together with the other workers; go on from a checkpoint where there is one."""
    config: WorkerConfig = arguments["config"]
    context = ray.train.get_context()
    workers = Workers(context.get_world_rank(), context.get_world_size(), _sum_over_workers)
    with naming_this_host():
        train_as_told(config, last_state(config.checkpoints), _report, workers, get_device())


Report = Callable[[EpochReport, Mapping[str, Any]], None]
"""Takes an epoch's report, and the state after it."""


def train_as_told(
    config: WorkerConfig,
    state: Mapping[str, Any] | None,
    report: Report,
    workers: Workers = ALONE,
    device: torch.device | None = None,
) -> None:
    """Fit the model, alone or with other workers; a loss that became NaN or infinite is written down, and ends it.

    Args:
        config: what is fitted.
        state: that is gone on from, where there is one.
        report: takes the epochs that are told.
        workers: all of them.
        device: where torch computes; a CPU where nothing is said.
    """
    # More workers, not more threads, use more CPUs: threads wait for one another at every small step, and where
    # another process wants a CPU too, that takes ten times as long as one thread.
    use_one_thread()
    train, validation = config.examples()
    reports = _Reports(config.reporting, workers, report)
    try:
        fit(
            config.task,
            config.shared.get().table_VD,
            train,
            validation,
            workers=workers,
            device=device or torch.device("cpu"),
            state=state or config.start,
            report=reports,
            folder=config.files[0][0].parent,
        )
        reports.end()
    except DivergedError as error:  # it would be so again: Ray is not to try
        (config.checkpoints / DIVERGED).write_text(str(error), encoding="utf-8")


class _Reports:
    """Reports epochs, so that this takes at most a ``share`` of the time; the first one and the last one always."""

    def __init__(self, share: float, workers: Workers, report: Report) -> None:
        self._share, self._workers, self._report = share, workers, report
        self._seconds, self._ended = 0.0, 0.0  # how long the last report took, and when it ended
        self._untold: tuple[EpochReport, Mapping[str, Any]] | None = None

    def __call__(self, report: EpochReport, state: Mapping[str, Any]) -> None:
        """Report an epoch, unless the last report is too near."""
        self._untold = report, state
        if self._due():
            self.end()

    def end(self) -> None:
        """Report the last epoch, unless that is done."""
        if self._untold is None:
            return
        begun = time.monotonic()
        self._report(*self._untold)
        self._untold, self._ended = None, time.monotonic()
        self._seconds = self._ended - begun

    def _due(self) -> bool:
        """Tell whether an epoch is to be reported: the first worker decides, since all of them have to do the same."""
        if self._share >= 1:
            return True
        worked = time.monotonic() - self._ended
        due = self._workers.rank == 0 and self._seconds <= self._share * (worked + self._seconds)
        return bool(self._workers.sum(torch.tensor([float(due)]))[0] > 0)


def last_state(folder: Path) -> dict[str, Any] | None:
    """Read the last whole checkpoint: the one that Ray Train knows, else the last in the folder, if there is any."""
    known = ray.train.get_checkpoint()
    if known is not None:
        return load_state(known)
    found = last_whole(folder)
    return None if found is None else found[1]


def last_whole(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Find the last whole checkpoint of a training's attempts, and read it; None where there is none.

    They lie in a folder for each attempt, and both are named in the order in which they were made::

        attempt-0001/checkpoint_2026-01-31_12-00-00.000000/state.pt
    """
    for place in sorted(folder.glob("*/checkpoint_*"), reverse=True):
        state = state_if_whole(place)
        if state is not None:
            return place, state
    return None


def state_if_whole(place: Path) -> dict[str, Any] | None:
    """Read a checkpoint's folder, None where it was being written, is damaged or is gone."""
    with suppress(Exception):  # torch's and zipfile's readers raise what they please
        return load_state(Checkpoint.from_directory(place))
    return None


def _sum_over_workers(value: Tensor) -> Tensor:
    if ray.train.get_context().get_world_size() == 1:
        return value
    on_device = value.to(get_device())
    torch.distributed.all_reduce(on_device)
    return on_device.to(value.device)


def _report(report: EpochReport, state: Mapping[str, Any]) -> None:
    """Report an epoch; the first worker's state becomes the checkpoint, whole or not at all."""
    first = ray.train.get_context().get_world_rank() == 0
    with tempfile.TemporaryDirectory() if first else nullcontext() as folder:
        checkpoint = None
        if folder is not None:
            torch.save(dict(state), Path(folder) / STATE)
            checkpoint = Checkpoint.from_directory(folder)
        ray.train.report(report.as_dict(), checkpoint=checkpoint)


def load_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are read from it, never code.

    Raises:
        BadZipFile: its bytes are not those that were written, which torch does not look for.
    """
    with checkpoint.as_directory() as folder:
        path = Path(folder) / STATE
        with ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise BadZipFile(f"{path} is damaged")
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state
