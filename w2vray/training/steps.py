"""Training in plain torch, without Ray: a step, an epoch, an evaluation, when to stop.

Each of several workers sees all examples and takes its share of every step, so that they take together the very steps
that one would take alone, whatever their number. A step's loss is the mean over its examples.

Shape letters: CONTRIBUTING.md.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from w2vray.errors import DivergedError
from w2vray.models.batches import RaggedIds, length_batches
from w2vray.models.classifier import Classifier
from w2vray.settings.steps import StepSettings
from w2vray.training.calibration import fit_temperatures
from w2vray.training.epochs import ALONE, Workers, epoch_batches
from w2vray.training.examples import Examples
from w2vray.training.held_out_answers import gathered
from w2vray.training.objectives import Objective

__all__ = ["EpochReport", "Logits", "Training", "validate"]

WORDS_AT_ONCE = {"cpu": 1 << 14, "cuda": 1 << 16}
"""Words of a step, padding counted, that gradients are computed for at once: a step of long texts is added up from
parts, so that its memory is bounded by this or its longest text, and on a CPU more of it stays in the cache."""

VALIDATION_ROWS = 1 << 18
"""Examples for validation that are sorted by length together."""

KEPT_LOGITS = 1 << 26
"""Numbers that a worker keeps to fit temperatures with: of more rows, every second, third or so is taken."""


@dataclass(frozen=True)
class EpochReport:
    """A line of the learning curve; losses are mean cross-entropy in nats, None where no rows were kept for it.

    ``examples`` counts those that the workers took in the epoch, each once: all there are, whatever their number.
    """

    epoch: int
    workers: int
    examples: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON can hold it."""
        return asdict(self)


Logits = list[tuple[Tensor, Tensor, Tensor]]
"""Numbers of rows_B, logits_BC and labels, on the CPU."""


def validate(
    classifier: Classifier,
    examples: Examples,
    objective: Objective,
    workers: Workers = ALONE,
    kept: Logits | None = None,
) -> tuple[float | None, float | None]:
    """Return mean loss and accuracy over all examples, None where there are none; each worker takes its share.

    ``kept`` is given the logits of the worker's share, as many as there is room for.
    """
    sums = torch.zeros(2, dtype=torch.float64)
    every = math.ceil(len(examples) * examples.classes / workers.count / KEPT_LOGITS)
    classifier.eval()
    with torch.no_grad():
        for own in workers.chunks(len(examples), VALIDATION_ROWS):
            for places in length_batches(examples.lengths(own)):
                rows_B = own[places]
                logits_BC = classifier.read(examples.ids(rows_B))
                labels = examples.labels(rows_B).to(logits_BC.device)
                sums[0] += float(objective.loss(logits_BC, labels))
                sums[1] += objective.right(logits_BC, labels)
                if kept is not None:
                    taken = torch.from_numpy(rows_B // workers.count % every == 0).to(logits_BC.device)
                    numbers_B = torch.from_numpy(rows_B)[taken.cpu()]
                    kept.append((numbers_B, logits_BC[taken].float().cpu(), labels[taken].cpu()))
    loss, right = workers.sum(sums).tolist()
    return (loss / len(examples), right / len(examples)) if len(examples) else (None, None)


class Training:
    """Go through the examples epoch by epoch and stop when the validation loss no longer falls.

    What is validated and kept is a running average of the weights over the steps, which generalises better than the
    last step's weights (Polyak and Juditsky, 1992; exponential, as in Adam's own paper). ``best`` holds the average of
    the epoch with the lowest validation loss. ``state_dict`` is all that is needed to go on after any epoch as if
    nothing had happened.
    """

    def __init__(
        self,
        classifier: Classifier,
        settings: StepSettings,
        objective: Objective,
        *,
        seed: int,
        workers: Workers = ALONE,
        precision: str = "float32",
        calibrate: bool = False,
        keep_held_out: bool = False,
    ) -> None:
        self.classifier, self.settings, self.objective = classifier, settings, objective
        self.seed, self.workers, self.precision = seed, workers, precision
        self.trained = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
        self.device = self.trained[0].device
        self._take_the_first_workers_weights()
        self.optimizer = torch.optim.AdamW(
            _decayed(classifier, settings.weight_decay), lr=settings.step_size, fused=True
        )
        self._clear_gradients(torch.empty(0, dtype=torch.int64))
        self.averaged = AveragedModel(classifier, multi_avg_fn=_running_average(settings.averaging))
        self.curve: list[EpochReport] = []
        self.best = self._weights()
        self.calibrate, self.keep_held_out = calibrate, keep_held_out
        self.temperatures: tuple[float, ...] = ()  # of the best weights; none where no rows were kept
        self.held_out: dict[str, Tensor] | None = None  # what these say of the rows for validation

    def run(self, train: Examples, validation: Examples) -> Iterator[EpochReport]:
        """Train until done, reporting after each epoch; may be called again after ``load_state_dict``.

        Raises:
            DivergedError: the loss is no longer a number; on all workers alike.
        """
        while not self.finished:
            epoch = len(self.curve) + 1
            train_loss, taken = self._epoch(train, epoch)
            if not math.isfinite(train_loss):
                raise DivergedError(f"the training loss is {train_loss} in epoch {epoch}; lower --learning-rate")
            averaged = cast("Classifier", self.averaged.module)
            logits: Logits | None = [] if self.calibrate or self.keep_held_out else None
            loss, accuracy = validate(averaged, validation, self.objective, self.workers, logits)
            if not math.isfinite(loss or 0.0) or not self._is_finite():
                raise DivergedError(f"the weights became NaN or infinite in epoch {epoch}; lower --learning-rate")
            if loss is None or loss < min(self._losses, default=math.inf):
                self.best = self._weights()
                if loss is not None and logits is not None:
                    self._keep(logits, validation)
            self.curve.append(EpochReport(epoch, self.workers.count, taken, train_loss, loss, accuracy))
            yield self.curve[-1]

    def _keep(self, logits: Logits, validation: Examples) -> None:
        """Keep what is wanted of the answers to the rows for validation."""
        if self.calibrate:
            every_label = torch.ones(1, dtype=torch.bool)
            self.temperatures = fit_temperatures(
                [(logits_BC, labels, every_label) for _, logits_BC, labels in logits],
                validation.classes,
                multi_label=validation.multi_label,
                sum_over_workers=self.workers.sum,
            )
        if self.keep_held_out:
            self.held_out = gathered(logits, len(validation), self.workers.sum).as_state()

    def _is_finite(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.averaged.module.parameters())

    @property
    def _losses(self) -> list[float]:
        return [line.validation_loss for line in self.curve if line.validation_loss is not None]

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the best one is ``patience`` epochs back."""
        if len(self.curve) >= self.settings.most_epochs:
            return True
        losses = self._losses
        return bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= self.settings.patient_epochs

    def _epoch(self, train: Examples, epoch: int) -> tuple[float, int]:
        """Take the steps of an epoch; return the mean loss, and how many examples the workers have taken."""
        self.classifier.train()
        of_worker = np.random.SeedSequence([self.seed, epoch, self.workers.rank])
        torch.manual_seed(of_worker.generate_state(1)[0])  # each worker leaves out other features
        sums = torch.zeros(2, dtype=torch.float64)
        for rows in epoch_batches(len(train), train.lengths, self.settings.examples_a_step, [self.seed, epoch]):
            own = self.workers.share(rows)
            sums[0] += self._step(train, rows, own)
            sums[1] += len(own)
        loss, taken = self.workers.sum(sums).tolist()
        return loss / len(train), int(taken)

    def _step(self, train: Examples, rows_B: npt.NDArray[np.int64], own_B: npt.NDArray[np.int64]) -> float:
        """Take a step of these examples, some of which are this worker's own; return the sum of their losses."""
        words = self.classifier.words
        shares = [own_B[places] for places in length_batches(train.lengths(own_B), WORDS_AT_ONCE[self.device.type])]
        ids = [train.ids(share) for share in shares]
        loss = sum(self._add_gradient(*pair, len(rows_B)) for pair in zip(ids, map(train.labels, shares), strict=True))
        of_step = ids if self.workers.count == 1 else [train.ids(rows_B)]
        used_U = words.overlay_rows(np.concatenate([each.ids_L for each in of_step])).to(self.device)
        if self.workers.count > 1:
            self._add_up_gradients(used_U)
        if words.overlay_KD.grad is not None:
            words.overlay_KD.grad[: words.fixed_rows] = 0.0
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm)
        self.optimizer.step()
        self.averaged.update_parameters(self.classifier)
        self._clear_gradients(used_U)
        return loss

    def _add_gradient(self, ids: RaggedIds, labels: Tensor, count: int) -> float:
        """Add the gradient of examples of a step of so many to what is there; return the sum of their losses."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits_BC = self.classifier.read(ids)
        loss = self.objective.loss(logits_BC.float(), labels.to(self.device))
        torch.autograd.backward(loss / count)
        return float(loss.detach())

    def _clear_gradients(self, used_U: Tensor) -> None:
        """Forget the gradients of a step that had these overlay rows: words' are kept as one array of zeros."""
        overlay_KD = self.classifier.words.overlay_KD
        of_words_KD = overlay_KD.grad
        self.optimizer.zero_grad()
        if of_words_KD is not None:
            of_words_KD[used_U] = 0.0
        elif overlay_KD.requires_grad:
            of_words_KD = torch.zeros_like(overlay_KD)
        overlay_KD.grad = of_words_KD

    def _take_the_first_workers_weights(self) -> None:
        if self.workers.count > 1:
            with torch.no_grad():
                for parameter in self.trained:
                    parameter.copy_(self.workers.sum(parameter * (self.workers.rank == 0)))

    def _add_up_gradients(self, used_U: Tensor) -> None:
        """Add up the workers' gradients, all in one message; of words only those that the step has.

        The gradient of every other word is zero on all workers, which know all ids of the step. So is all of it on a
        worker that has no example of the step.
        """
        overlay_KD = self.classifier.words.overlay_KD
        parts: list[Tensor] = []
        for parameter in self.trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter is not overlay_KD:
                parts.append(parameter.grad)
        if overlay_KD.grad is not None:
            parts.append(overlay_KD.grad[used_U])
        summed = self.workers.sum(torch.cat([part.flatten() for part in parts]))
        for part, of_all in zip(parts, torch.split(summed, [part.numel() for part in parts]), strict=True):
            part.copy_(of_all.view_as(part))
        if overlay_KD.grad is not None:
            overlay_KD.grad[used_U] = parts[-1]

    def _weights(self) -> dict[str, Tensor]:
        state = self.averaged.module.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on."""
        return {
            "weights": copy.deepcopy(self.classifier.state_dict()),
            "averaged": copy.deepcopy(self.averaged.state_dict()),
            "best": self.best,
            "temperatures": list(self.temperatures),
            **({} if self.held_out is None else {"held_out": self.held_out}),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "curve": [line.as_dict() for line in self.curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.classifier.load_state_dict(state["weights"])
        self.averaged.load_state_dict(state["averaged"])
        self.best = state["best"]
        self.temperatures = tuple(state.get("temperatures", ()))
        self.held_out = state.get("held_out")
        self.optimizer.load_state_dict(state["optimizer"])
        self.curve = [EpochReport(**line) for line in state["curve"]]


def _decayed(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Part what is trained: vectors of words do not decay, for zero is no better a place than where they started."""
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    words = [parameter for name, parameter in named if name.endswith("overlay_KD")]
    others = [parameter for name, parameter in named if not name.endswith("overlay_KD")]
    groups = [{"params": others, "weight_decay": weight_decay}, {"params": words, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _running_average(keep: float) -> Any:
    """Return the update of a running average; its first steps keep less of the past, so that the start is forgotten."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], steps: Tensor | int) -> None:
        kept = min(keep, (1 + int(steps)) / (10 + int(steps)))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, 1 - kept)

    return update
