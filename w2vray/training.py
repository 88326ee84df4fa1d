"""Training in plain torch, without Ray: batches of an epoch, an epoch, an evaluation, when to stop.

Each of several workers holds examples of its own and takes as many steps as the others. A step's loss is the mean over
the examples of all workers, so that none counts more than another wherever it lies.

Legend: N examples, C classes, B examples of a batch, W workers, S steps of an epoch.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from w2vray.batches import Batch, by_length, pad
from w2vray.errors import W2vrayError
from w2vray.metrics import confusion

__all__ = ["NO_EXAMPLES", "EpochReport", "Examples", "Training", "epoch_batches", "evaluate", "joined", "validate"]

POOL_BATCHES = 50
"""Batches whose examples are sorted by length together: little padding, and still another order each epoch."""

SumOverWorkers = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Examples:
    """A worker's examples: ids one text after another, and a class for each text."""

    ids_L: npt.NDArray[np.int32]
    offsets_N1: npt.NDArray[np.int64]
    labels_N: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels_N)


NO_EXAMPLES = Examples(np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64))


def joined(first: Examples, second: Examples) -> Examples:
    """Return the examples of both, the first's first."""
    return Examples(
        np.concatenate([first.ids_L, second.ids_L]),
        np.concatenate([first.offsets_N1, second.offsets_N1[1:] + first.offsets_N1[-1]]),
        np.concatenate([first.labels_N, second.labels_N]),
    )


@dataclass(frozen=True)
class EpochReport:
    """A line of the learning curve; losses are mean cross-entropy in nats, None where no rows were kept for it."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON can hold it."""
        return asdict(self)


def epoch_batches(
    examples: Examples, counts_W: Sequence[int], rank: int, batch_size: int, seed: Sequence[int]
) -> Iterator[tuple[Batch, int]]:
    """Cut a worker's examples into an epoch's batches, each one once.

    Args:
        examples: this worker's.
        counts_W: how many examples each worker has.
        rank: which of them this one is.
        batch_size: examples a step over all workers.
        seed: numbers that the order depends on; the same for all workers.

    Yields:
        A batch, and how many examples all workers have in this step. A worker with nothing left for a step has a batch
        of no texts.
    """
    # no more steps than the largest share has examples: each step then has at least one, whatever the workers
    steps = max(1, min(math.ceil(sum(counts_W) / batch_size), max(counts_W)))
    of_worker = np.random.default_rng([*seed, 1 + rank])
    of_all = np.random.default_rng([*seed, 0])
    lengths_N = np.diff(examples.offsets_N1)
    shuffled = of_worker.permutation(len(examples))
    pools = np.array_split(shuffled, max(1, steps // POOL_BATCHES))
    ordered = np.concatenate([pool[np.argsort(lengths_N[pool], kind="stable")] for pool in pools])
    parts = np.array_split(ordered, steps)
    # np.array_split gives the first (count % steps) parts one more than the others
    sizes_S = np.sum([count // steps + (np.arange(steps) < count % steps) for count in counts_W], axis=0)
    for step in of_all.permutation(steps):
        yield pad(examples.ids_L, examples.offsets_N1, parts[step]), int(sizes_S[step])


def evaluate(
    classifier: nn.Module, examples: Examples, classes: int, device: torch.device
) -> tuple[float, npt.NDArray[np.int64]]:
    """Return the sum of the examples' cross-entropy, and confusion_CC1 (see metrics.py)."""
    loss = 0.0
    predicted_N = np.zeros(len(examples), dtype=np.int64)
    classifier.eval()
    with torch.no_grad():
        for batch in by_length(examples.ids_L, examples.offsets_N1):
            logits_BC = classifier(batch.to(device))
            true_B = torch.from_numpy(examples.labels_N[batch.texts_B]).to(device)
            loss += float(F.cross_entropy(logits_BC, true_B, reduction="sum"))
            predicted_N[batch.texts_B] = logits_BC.argmax(dim=1).cpu().numpy()
    return loss, confusion(examples.labels_N, predicted_N, classes)


def validate(
    classifier: nn.Module,
    examples: Examples,
    classes: int,
    device: torch.device,
    sum_over_workers: SumOverWorkers = lambda value: value,
) -> tuple[float | None, float | None]:
    """Return mean cross-entropy and accuracy over all workers' examples, None where there are none."""
    loss, confusion_CC1 = evaluate(classifier, examples, classes, device)
    sums = torch.tensor([loss, np.trace(confusion_CC1[:, :-1]), len(examples)], dtype=torch.float64)
    loss, right, rows = sum_over_workers(sums).tolist()
    return (loss / rows, right / rows) if rows else (None, None)


class Training:
    """Go through the examples epoch by epoch and stop when the validation loss no longer falls.

    What is validated and kept is a running average of the weights over the steps, which generalises better than the
    last step's weights (Polyak and Juditsky, 1992; exponential, as in Adam's own paper). ``best`` holds the average of
    the epoch with the lowest validation loss. ``state_dict`` is all that is needed to go on after any epoch as if
    nothing had happened.
    """

    def __init__(
        self,
        classifier: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float,
        clip_norm: float,
        averaging: float,
        epochs: int,
        patience: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        workers: int = 1,
        sum_over_workers: SumOverWorkers = lambda value: value,
    ) -> None:
        self.classifier = classifier
        self.epochs, self.patience, self.batch_size, self.seed = epochs, patience, batch_size, seed
        self.rank, self.workers, self.sum_over_workers = rank, workers, sum_over_workers
        self.clip_norm = clip_norm
        self.trained = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
        self.device = self.trained[0].device
        self.optimizer = torch.optim.AdamW(self.trained, lr=learning_rate, weight_decay=weight_decay)
        self.averaged = AveragedModel(self._module, multi_avg_fn=_running_average(averaging))
        self.curve: list[EpochReport] = []
        self.best = self._weights()

    def run(self, train: Examples, validation: Examples, classes: int) -> Iterator[EpochReport]:
        """Train until done, reporting after each epoch; may be called again after ``load_state_dict``.

        Raises:
            W2vrayError: the loss is no longer a number.
        """
        counts_W = self._gather(len(train))
        while not self.finished:
            epoch = len(self.curve) + 1
            train_loss = self._epoch(train, counts_W, epoch)
            if not math.isfinite(train_loss):
                raise W2vrayError(f"the training loss is {train_loss} in epoch {epoch}; lower --learning-rate")
            loss, accuracy = validate(self.averaged.module, validation, classes, self.device, self.sum_over_workers)
            if loss is None or loss < min(self._losses, default=math.inf):
                self.best = self._weights()
            self.curve.append(EpochReport(epoch, train_loss, loss, accuracy))
            yield self.curve[-1]

    @property
    def _module(self) -> nn.Module:
        module: nn.Module = getattr(self.classifier, "module", self.classifier)  # DDP wraps the model
        return module

    @property
    def _losses(self) -> list[float]:
        return [line.validation_loss for line in self.curve if line.validation_loss is not None]

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the best one is ``patience`` epochs back."""
        if len(self.curve) >= self.epochs:
            return True
        losses = self._losses
        return bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= self.patience

    def _epoch(self, train: Examples, counts_W: Sequence[int], epoch: int) -> float:
        """Take the steps of an epoch and return the mean loss over all workers' examples."""
        self.classifier.train()
        torch.manual_seed(np.random.SeedSequence([self.seed, epoch, self.rank]).generate_state(1)[0])
        total = torch.zeros(1, dtype=torch.float64)
        for batch, rows in epoch_batches(train, counts_W, self.rank, self.batch_size, [self.seed, epoch]):
            true_B = torch.from_numpy(train.labels_N[batch.texts_B]).to(self.device)
            logits_BC = self.classifier(batch.to(self.device))
            loss = F.cross_entropy(logits_BC, true_B, reduction="sum")
            self.optimizer.zero_grad()
            (loss * (self.workers / rows)).backward()  # the workers' gradients are averaged: this gives the step's mean
            if self.clip_norm:
                nn.utils.clip_grad_norm_(self.trained, self.clip_norm)
            self.optimizer.step()
            self.averaged.update_parameters(self._module)
            total += loss.detach().cpu()
        return float(self.sum_over_workers(total)) / sum(counts_W)

    def _gather(self, count: int) -> list[int]:
        counts = torch.zeros(self.workers, dtype=torch.float64)
        counts[self.rank] = count
        return [int(value) for value in self.sum_over_workers(counts)]

    def _weights(self) -> dict[str, Tensor]:
        state = self.averaged.module.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on."""
        return {
            "weights": copy.deepcopy(self._module.state_dict()),
            "averaged": copy.deepcopy(self.averaged.state_dict()),
            "best": self.best,
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "curve": [line.as_dict() for line in self.curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self._module.load_state_dict(state["weights"])
        self.averaged.load_state_dict(state["averaged"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.curve = [EpochReport(**line) for line in state["curve"]]


def _running_average(keep: float) -> Any:
    """Return the update of a running average; its first steps keep less of the past, so that the start is forgotten."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], steps: Tensor | int) -> None:
        kept = min(keep, (1 + int(steps)) / (10 + int(steps)))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, 1 - kept)

    return update
