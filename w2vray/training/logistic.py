"""Logistic regression on the texts' means, for models whose settings are ``LogisticSettings``.

The problem is convex and is solved to its optimum by Newton steps over all examples instead of in small ones; what
passes over the examples come to is summed over the workers.

Shape letters: CONTRIBUTING.md.
"""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.errors import DivergedError
from w2vray.models.batches import length_batches
from w2vray.models.word_vectors import WordVectors
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.examples import Examples
from w2vray.training.newton import minimise
from w2vray.training.objectives import Bends, Objective, OneLabel

__all__ = ["LogisticFit", "Means", "fit_logistic"]

_CHUNK_ROWS = 1 << 14
_IN_MEMORY = 1 << 28

_FLAT = 1e-5
"""Largest component of the gradient at what counts as the optimum."""

_CONSTANT = 1e-14
"""A number whose variance is no more than this share of its square is the same in all texts."""


_PENALISED = 1e-6
"""Where the penalty bends no less in any direction, the rounding of float32 leaves second derivatives positive."""

_LEAST_BEND = 1e-10
"""What the second derivatives are taken to be at least, where steps are prepared; at first they are about 1."""


@dataclass(frozen=True)
class LogisticFit:
    """The optimum, and the objective after each evaluation (penalised, a mean over all examples, in nats).

    ``converged`` says whether it is one; otherwise the iterations were over before, or numbers too coarse.
    """

    weight_CD: Tensor
    bias_C: Tensor
    objectives: list[float]
    converged: bool


class Means:
    """The means of a worker's share of the examples, in float32, and their labels, found once; many lie in files.

    With ``unit_length`` they are scaled to length 1.

    Iterating gives pairs of means_ND and labels, a chunk at a time, always in the same order.
    """

    def __init__(
        self,
        words: WordVectors,
        examples: Examples,
        *,
        unit_length: bool = False,
        workers: Workers = ALONE,
        folder: Path | None = None,
    ) -> None:
        rows = len(range(workers.rank, len(examples), workers.count))
        self.means_ND = _room((rows, words.dim), np.float32, folder)
        labels = ((rows, examples.classes), np.bool_) if examples.multi_label else ((rows,), np.int64)
        self.labels = _room(*labels, folder)
        for index, chunk in enumerate(workers.chunks(len(examples), _CHUNK_ROWS)):
            start = index * _CHUNK_ROWS
            self.labels[start : start + len(chunk)] = examples.labels(chunk).numpy()
            with torch.no_grad():
                for places in length_batches(examples.lengths(chunk)):
                    batch = examples.ids(chunk[places]).padded()
                    means_BD = words(batch).sum(dim=1) / batch.lengths_B.clamp(min=1)[:, None]
                    scaled_BD = F.normalize(means_BD, dim=1) if unit_length else means_BD
                    self.means_ND[start + places] = scaled_BD.numpy()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.means_ND), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            yield torch.from_numpy(self.means_ND[chunk]), torch.from_numpy(self.labels[chunk])


def _room(shape: tuple[int, ...], kind: type, folder: Path | None) -> npt.NDArray[Any]:
    size = math.prod(shape) * np.dtype(kind).itemsize
    if folder is None or size <= _IN_MEMORY:
        return np.empty(shape, dtype=kind)
    with tempfile.TemporaryFile(dir=folder) as file:  # it goes with the last use of the mapping
        return np.memmap(file, dtype=kind, mode="w+", shape=shape)


def fit_logistic(
    means: Iterable[tuple[Tensor, Tensor]],
    dim: int,
    classes: int,
    objective: Objective,
    *,
    examples: int,
    C: float,
    most_passes: int,
    sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value,
    start: LogisticFit | None = None,
    tolerance: float = 1e-7,
) -> LogisticFit:
    """Minimise the summed loss times ``C`` plus half the squared weights; the intercept is not penalised.

    This is scikit-learn's ``LogisticRegression`` for the same ``C``. Its two-class form has one weight vector w, the
    difference of our two; ours are +w/2 and -w/2 at the optimum, so that the same penalty on w is twice that on them.
    With many labels it is one such problem of two classes for each label, as ``OneVsRestClassifier`` solves them.

    The steps see means moved to their average, which the intercept takes up, and weights scaled so that the objective
    bends alike in all of them: the optimum is the same, whatever the size of the vectors' numbers.

    Args:
        means: pairs of means_ND and labels; can be gone through any number of times.
        dim: width of a mean.
        classes: number of labels.
        objective: gives the loss.
        examples: how many there are, over all workers.
        C: inverse strength of the penalty.
        most_passes: largest number of passes over the means, but for the last step's.
        sum_over_workers: adds a tensor up.
        start: weights to start from; zeros where there are none.
        tolerance: largest component of the gradient to stop at.

    Raises:
        DivergedError: the optimum, or a step to it, became NaN or infinite; on all workers alike.
    """
    penalty = 1.0 if classes == 2 and isinstance(objective, OneLabel) else 0.5
    decay = penalty / C / examples
    shape = _Shape.of(means, dim, decay, examples, sum_over_workers)
    start_CD1 = torch.zeros(classes, dim + 1, dtype=torch.float64)
    if start is not None:
        start_CD1 = shape.inward(start.weight_CD.double(), start.bias_C.double())
    together = isinstance(objective, OneLabel)
    problem = _Problem(means, shape, objective, examples, sum_over_workers)
    found = minimise(
        problem, _apart(start_CD1) if together else start_CD1, tolerance=tolerance, most_passes=most_passes
    )
    weight_CD, bias_C = (part.float() for part in shape.outward(found.weights))
    if not (weight_CD.isfinite().all() and bias_C.isfinite().all() and math.isfinite(found.values[-1])):
        raise DivergedError(f"logistic regression gives NaN or infinity with --C {C:g}; name another")
    return LogisticFit(weight_CD, bias_C, found.values, found.steepest <= max(_FLAT, tolerance))


@dataclass(frozen=True)
class _Shape:
    """How means lie: their average, the scale of each number, and the axes that scaled means vary along.

    ``penalty_D1`` is what the penalty adds to the second derivatives, 0 for the intercept, which stands last. Along
    ``axes_DD``, the columns, means vary by ``spread_D1``, and the penalty bends by ``bend_D1``.
    """

    centre_D: Tensor
    scale_D: Tensor
    penalty_D1: Tensor
    axes_DD: Tensor
    spread_D1: Tensor
    bend_D1: Tensor

    @classmethod
    def of(
        cls,
        means: Iterable[tuple[Tensor, Tensor]],
        dim: int,
        decay: float,
        examples: int,
        sum_over_workers: Callable[[Tensor], Tensor],
    ) -> "_Shape":
        """Go through the means three times.

        Raises:
            DivergedError: they are not finite.
        """

        def average(of: Callable[[Tensor], Tensor], *shape: int) -> Tensor:
            total = torch.zeros(shape, dtype=torch.float64)
            for means_ND, _ in means:
                total += of(means_ND.double())
            return sum_over_workers(total) / examples

        centre_D = average(lambda means_ND: means_ND.sum(dim=0), dim)
        variance_D = average(lambda means_ND: (means_ND - centre_D).square().sum(dim=0), dim)
        if not variance_D.isfinite().all():
            raise DivergedError("the means of the texts' vectors are not finite; numbers of the vectors are too large")
        varies_D = variance_D > _CONSTANT * centre_D.square()
        scale_D = torch.where(varies_D, (variance_D / 4 + 2 * decay).rsqrt(), 0.0)

        def products(means_ND: Tensor) -> Tensor:
            scaled_ND = ((means_ND - centre_D) * scale_D).float()
            return (scaled_ND.T @ scaled_ND).double()

        spread_DD = average(products, dim, dim)
        penalty_D = 2 * decay * scale_D * scale_D
        axes_DD = torch.linalg.eigh(spread_DD / 4 + torch.diag(penalty_D)).eigenvectors
        spread_D = ((axes_DD.T @ spread_DD) * axes_DD.T).sum(dim=1).clamp(min=0)
        with_1 = torch.nn.ConstantPad1d((0, 1), 1.0)
        with_0 = torch.nn.ConstantPad1d((0, 1), 0.0)
        return cls(
            centre_D, scale_D, with_0(penalty_D), axes_DD, with_1(spread_D), with_0(axes_DD.square().T @ penalty_D)
        )

    def scaled(self, means_ND: Tensor) -> Tensor:
        """Return means as the steps see them, in float64."""
        return (means_ND.double() - self.centre_D) * self.scale_D

    def outward(self, weights_CD1: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights and intercepts of means as they are."""
        weight_CD = weights_CD1[:, :-1] * self.scale_D
        return weight_CD, weights_CD1[:, -1] - weight_CD @ self.centre_D

    def inward(self, weight_CD: Tensor, bias_C: Tensor) -> Tensor:
        """Return what ``outward`` makes these of."""
        kept_CD = torch.where(self.scale_D > 0, weight_CD / self.scale_D, 0.0)
        bias_C = bias_C + (kept_CD * self.scale_D) @ self.centre_D
        return torch.cat([kept_CD, bias_C[:, None]], dim=1)

    def along_axes(self, weights_CD1: Tensor) -> Tensor:
        """Turn weights to the axes."""
        return torch.cat([weights_CD1[:, :-1] @ self.axes_DD, weights_CD1[:, -1:]], dim=1)

    def from_axes(self, weights_CD1: Tensor) -> Tensor:
        """Turn them back."""
        return torch.cat([weights_CD1[:, :-1] @ self.axes_DD.T, weights_CD1[:, -1:]], dim=1)


class _Problem:
    """Logistic regression for ``minimise``.

    Value and gradient, which say where the optimum is, are computed in float64; the second derivatives, which only say
    how to get there, in float32, where the penalty is not too weak for that. What these are computed from is kept where
    it takes little memory.
    """

    def __init__(
        self,
        means: Iterable[tuple[Tensor, Tensor]],
        shape: _Shape,
        objective: Objective,
        examples: int,
        sum_over_workers: Callable[[Tensor], Tensor],
    ) -> None:
        self._means, self._shape, self._objective, self._examples = means, shape, objective, examples
        self._sum = sum_over_workers
        self._together = isinstance(objective, OneLabel)
        weakest = float(shape.penalty_D1[:-1][shape.scale_D > 0].min()) if bool((shape.scale_D > 0).any()) else 1.0
        self._kind = torch.float32 if weakest > _PENALISED else torch.float64
        self._kept: list[tuple[Tensor, Bends]] = []
        self._keeps = True
        self._weights_CD1 = self._bend_CD1 = torch.empty(0)

    def value(self, weights_CD1: Tensor) -> tuple[float, Tensor]:
        """Return the penalised loss, a mean over all examples, and its gradient."""
        classes, width = weights_CD1.shape
        scaled = [features_ND for features_ND, _ in self._kept]
        self._weights_CD1, self._kept, size = weights_CD1, [], 0
        sums = torch.zeros(1 + classes + weights_CD1.numel(), dtype=torch.float64)
        for chunk, (means_ND, labels) in enumerate(self._means):
            features_ND = self._shape.scaled(means_ND)
            loss, slopes_NC, bends = self._objective.slopes(_logits(features_ND, weights_CD1), labels)
            gradient_CD1 = torch.cat([slopes_NC.T @ features_ND, slopes_NC.sum(dim=0)[:, None]], dim=1)
            sums += torch.cat([loss.reshape(1), bends.diagonal().sum(dim=0), gradient_CD1.reshape(-1)])
            size += len(means_ND) * (width + classes) * self._kind.itemsize
            self._keeps &= size <= _IN_MEMORY
            if self._keeps:
                self._kept.append(
                    (scaled[chunk] if chunk < len(scaled) else features_ND.to(self._kind), bends.to(self._kind))
                )
        if not self._keeps:
            self._kept = []
        summed = self._sum(sums) / self._examples
        bends_C, gradient = summed[1 : 1 + classes], summed[1 + classes :].reshape(weights_CD1.shape)
        penalty_D1 = self._shape.penalty_D1
        bend_CD1 = bends_C[:, None] * self._shape.spread_D1 + self._shape.bend_D1
        self._bend_CD1 = bend_CD1.clamp(min=_LEAST_BEND)
        penalised = (penalty_D1 / 2 * weights_CD1.square()).sum()
        return float(summed[0] + penalised), gradient + penalty_D1 * weights_CD1

    def product(self, direction_CD1: Tensor) -> Tensor:
        """Return the second derivatives times a direction."""
        rounded_CD1 = direction_CD1.to(self._kind)
        total_CD1 = torch.zeros_like(direction_CD1)
        for features_ND, bends in self._kept or self._again():
            slopes_NC = bends.times(_logits(features_ND, rounded_CD1))
            total_CD1 += torch.cat([slopes_NC.T @ features_ND, slopes_NC.sum(dim=0)[:, None]], dim=1)
        return self._sum(total_CD1) / self._examples + self._shape.penalty_D1 * direction_CD1

    def preconditioned(self, gradient_CD1: Tensor) -> Tensor:
        """Divide by what the second derivatives are along the axes, for labels and axes that know nothing of another.

        What all labels of a softmax get alike changes no answer: no step has any of it.
        """
        if self._together:
            gradient_CD1 = _apart(gradient_CD1)
        step_CD1 = self._shape.from_axes(self._shape.along_axes(gradient_CD1) / self._bend_CD1)
        return _apart(step_CD1) if self._together else step_CD1

    def _again(self) -> Iterator[tuple[Tensor, Bends]]:
        """Compute what would take too much memory to keep."""
        rounded_CD1 = self._weights_CD1.to(self._kind)
        for means_ND, labels in self._means:
            features_ND = self._shape.scaled(means_ND).to(self._kind)
            yield features_ND, self._objective.slopes(_logits(features_ND, rounded_CD1), labels)[2]


def _logits(features_ND: Tensor, weights_CD1: Tensor) -> Tensor:
    return torch.addmm(weights_CD1[:, -1], features_ND, weights_CD1[:, :-1].T)


def _apart(weights_CD1: Tensor) -> Tensor:
    """Return what labels differ by."""
    return weights_CD1 - weights_CD1.mean(dim=0)
