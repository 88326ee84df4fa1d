"""How many epochs a network learns best for, where rows are few: by folds of them, in place of a share kept apart.

A tenth of forty rows is four, and what stops by four rows stops by chance. Here each fold is measured by a network that
has learnt from the others; all of them go through the epochs side by side, and the epoch counts that is best for all
folds together. What they say of their folds is also what probabilities are calibrated by.

Shape letters: CONTRIBUTING.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from w2vray.settings.steps import StepSettings
from w2vray.training.calibration import fit_temperatures
from w2vray.training.epochs import Workers
from w2vray.training.examples import NO_EXAMPLES, Examples
from w2vray.training.held_out_answers import HeldOutAnswers, gathered
from w2vray.training.objectives import Objective
from w2vray.training.steps import EpochReport, Logits, Training, validate
from w2vray.training.stratified import FOLDS, folds_of

if TYPE_CHECKING:
    from w2vray.models.classifier import Classifier

__all__ = ["FEW_ROWS", "CrossValidated", "cross_validate"]

FEW_ROWS = 1000
"""Below so many rows, the number of epochs is found by folds."""


@dataclass(frozen=True)
class CrossValidated:
    """The learning curve over all folds, and what the networks of its best epoch say of this worker's share of them."""

    curve: list[EpochReport]
    said: Logits
    examples: Examples
    workers: Workers

    def temperatures(self) -> tuple[float, ...]:
        """Fit temperatures."""
        every_label = torch.ones(1, dtype=torch.bool)
        return fit_temperatures(
            [(logits_BC, labels, every_label) for _, logits_BC, labels in self.said],
            self.examples.classes,
            multi_label=self.examples.multi_label,
            sum_over_workers=self.workers.sum,
        )

    def answers(self) -> HeldOutAnswers:
        """Put what is said together, over all workers."""
        return gathered(self.said, len(self.examples), self.workers.sum)


def cross_validate(
    training: Callable[[StepSettings], Training],
    settings: StepSettings,
    examples: Examples,
    objective: Objective,
    workers: Workers,
) -> CrossValidated:
    """Train a network without each fold, side by side, until no epoch is better for all folds together.

    Args:
        training: makes a training from its first step on.
        settings: of each of them.
        examples: all there are.
        objective: gives the loss.
        workers: those that train together.
    """
    numbers_N, fold_N = np.arange(len(examples)), folds_of(examples)
    folds = [np.flatnonzero(fold_N == index) for index in range(min(FOLDS, len(examples)))]
    trainings = [training(replace(settings, patience=settings.most_epochs)) for _ in folds]
    runs = [
        each.run(examples.chosen(np.setdiff1d(numbers_N, fold)), NO_EXAMPLES)
        for each, fold in zip(trainings, folds, strict=True)
    ]
    curve: list[EpochReport] = []
    best: Logits = []
    for lines in zip(*runs, strict=True):
        said: Logits = []
        loss = accuracy = 0.0
        for each, fold in zip(trainings, folds, strict=True):
            averaged, of_fold = cast("Classifier", each.averaged.module), list[tuple[torch.Tensor, ...]]()
            held_out = examples.chosen(fold)
            found = validate(averaged, held_out, objective, workers, cast("Logits", of_fold))
            loss += cast("float", found[0]) * len(fold) / len(examples)
            accuracy += cast("float", found[1]) * len(fold) / len(examples)
            said += [(torch.from_numpy(fold)[rows_B], logits_BC, labels) for rows_B, logits_BC, labels in of_fold]
        before = [cast("float", line.validation_loss) for line in curve]
        train_loss = sum(line.train_loss for line in lines) / len(lines)
        curve.append(EpochReport(len(curve) + 1, workers.count, len(examples), train_loss, loss, accuracy))
        if loss < min(before, default=math.inf):
            best = said
        elif len(before) - int(np.argmin(before)) >= settings.patient_epochs:
            break
    return CrossValidated(curve, best, examples, workers)
