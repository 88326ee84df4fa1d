"""What a logistic regression, which keeps no rows back, says of rows that it has not seen: by folds of its examples.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.settings.logistic import LogisticSettings
from w2vray.training.calibration import fit_temperatures
from w2vray.training.epochs import Workers
from w2vray.training.held_out_answers import HeldOutAnswers, gathered
from w2vray.training.logistic import LogisticFit, fit_logistic
from w2vray.training.objectives import ManyLabels, Objective
from w2vray.training.stratified import FOLDS, Fold, WithoutFold

__all__ = ["ByFolds", "fit_by_folds"]

Chunks = Iterable[tuple[Tensor, Tensor]]
"""Means_ND and their labels, some at a time; can be gone through any number of times."""

_TOLERANCE = 1e-5
"""Largest component of the gradient that each fold's fit stops at. It starts from the optimum of all examples, which is
near and saves passes; so near its own optimum nothing is left of where it came from."""


def fit_by_folds(
    means: Chunks,
    found: LogisticFit,
    settings: LogisticSettings,
    objective: Objective,
    *,
    fold_N: npt.NDArray[np.uint8],
    workers: Workers,
) -> "ByFolds | None":
    """Fit once without each fold.

    Args:
        means: this worker's share.
        found: the optimum over all examples.
        settings: how they are fitted.
        objective: gives the loss.
        fold_N: the fold of each example, of all workers.
        workers: those that fit together.

    Returns:
        What each fit says of its fold; None where there are too few examples to leave any out.

    Raises:
        DivergedError: a fit comes to no numbers.
    """
    multi_label = isinstance(objective, ManyLabels)
    classes, dim = found.weight_CD.shape
    examples = len(fold_N)
    own_N = fold_N[workers.rank :: workers.count]
    folds = [Fold(index, own_N) for index in range(FOLDS)]
    sizes_F, rows_FC = _counted(means, folds, classes, multi_label=multi_label, workers=workers)
    known_FC = rows_FC.sum(dim=0) - rows_FC > 0
    fits = []
    for fold, size, known_C in zip(folds, sizes_F.tolist(), known_FC, strict=True):
        if examples - size < FOLDS or int(known_C.sum()) < (1 if multi_label else 2):
            return None
        fits.append(
            fit_logistic(
                WithoutFold(means, fold),
                dim,
                classes,
                objective,
                examples=examples - int(size),
                C=settings.C,
                most_passes=settings.iterations,
                sum_over_workers=workers.sum,
                start=found,
                tolerance=_TOLERANCE,
            )
        )
    scored = _OutOfFold(means, folds, fits, known_FC, workers, multi_label=multi_label)
    return ByFolds(scored, classes, examples, workers)


@dataclass(frozen=True)
class ByFolds:
    """What each fit says of the fold that it has not seen."""

    scored: "_OutOfFold"
    classes: int
    examples: int  # over all workers
    workers: Workers

    def temperatures(self) -> tuple[float, ...]:
        """Fit temperatures. A label that only one fold has is nothing that its fit could know: it does not count."""
        several = self.scored.multi_label
        return fit_temperatures(self.scored, self.classes, multi_label=several, sum_over_workers=self.workers.sum)

    def said(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Yield the numbers of examples, their logits, labels, and which of these count, of this worker's share."""
        return ((numbers_B, *answers) for numbers_B, answers in self.scored.numbered())

    def answers(self) -> HeldOutAnswers:
        """Put it together, over all workers."""
        parts = [(numbers_B, logits_BC, labels) for numbers_B, (logits_BC, labels, _) in self.scored.numbered()]
        return gathered(parts, self.examples, self.workers.sum)


def _counted(
    means: Chunks, folds: list[Fold], classes: int, *, multi_label: bool, workers: Workers
) -> tuple[Tensor, Tensor]:
    """Count the examples of each fold, and those that have each label: sizes_F and rows_FC, over all workers."""
    rows_FC1 = torch.zeros(len(folds), classes + 1, dtype=torch.float64)
    start = 0
    for _, labels in means:
        for fold in folds:
            of_fold = labels[fold.member(start, len(labels))]
            rows_FC1[fold.index, -1] += len(of_fold)
            rows_FC1[fold.index, :-1] += (
                of_fold.double().sum(dim=0) if multi_label else torch.bincount(of_fold, minlength=classes)
            )
        start += len(labels)
    summed_FC1 = workers.sum(rows_FC1)
    return summed_FC1[:, -1], summed_FC1[:, :-1]


class _OutOfFold:
    """The logits of each example by the fit that has not seen it; can be gone through any number of times."""

    def __init__(
        self,
        means: Chunks,
        folds: list[Fold],
        fits: list[LogisticFit],
        known_FC: Tensor,
        workers: Workers,
        *,
        multi_label: bool,
    ) -> None:
        self.means, self.folds, self.fits, self.known_FC = means, folds, fits, known_FC
        self.workers, self.multi_label = workers, multi_label

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        return (answer for _, answer in self.numbered())

    def numbered(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor, Tensor]]]:
        """Yield the same with the numbers of the examples, of all workers."""
        start, workers = 0, self.workers
        for means_ND, labels in self.means:
            for fold, fit, known_C in zip(self.folds, self.fits, self.known_FC, strict=True):
                member_N = fold.member(start, len(labels))
                numbers_N = workers.rank + workers.count * (start + torch.nonzero(member_N)[:, 0])
                of_fold = labels[member_N]
                logits_BC = F.linear(means_ND[member_N], fit.weight_CD, fit.bias_C)
                yield numbers_N, (logits_BC, of_fold, known_C if self.multi_label else known_C[of_fold])
            start += len(labels)
