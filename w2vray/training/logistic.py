"""Logistic regression on the texts' means, for models whose settings are ``LogisticSettings``.

The problem is convex and is solved to its optimum by full-batch L-BFGS instead of in small steps; loss and gradient are
summed over the workers.

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
from w2vray.training.objectives import Objective, OneLabel

__all__ = ["LogisticFit", "Means", "fit_logistic"]

_CHUNK_ROWS = 1 << 14
_IN_MEMORY = 1 << 28

_FLAT = 1e-5
"""Largest component of the gradient at what counts as the optimum."""

_HISTORY = (20, 200)
"""L-BFGS remembers so many of its last steps, at least and at most; between, what fits into ``_HISTORY_BYTES``. A long
memory pays where labels are rare: of ``r8``, up to 6 times fewer evaluations than the least."""

_HISTORY_BYTES = 1 << 27

_CONSTANT = 1e-14
"""A number whose variance is no more than this share of its square is the same in all texts."""


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
    max_iterations: int,
    sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value,
    start: LogisticFit | None = None,
    tolerance: float = 1e-7,
) -> LogisticFit:
    """Minimise the summed loss times ``C`` plus half the squared weights; the intercept is not penalised.

    This is scikit-learn's ``LogisticRegression`` for the same ``C``. Its two-class form has one weight vector w, the
    difference of our two; ours are +w/2 and -w/2 at the optimum, so that the same penalty on w is twice that on them.
    With many labels it is one such problem of two classes for each label, as ``OneVsRestClassifier`` solves them.

    L-BFGS sees means moved to their average, which the intercept takes up, and weights scaled so that the objective
    bends alike in all of them: it finds the same optimum, in few iterations, whatever the size of the vectors' numbers.

    Args:
        means: pairs of means_ND and labels; gone through twice, and once for each evaluation of the objective.
        dim: width of a mean.
        classes: number of labels.
        objective: gives the loss.
        examples: how many there are, over all workers.
        C: inverse strength of the penalty.
        max_iterations: largest number of L-BFGS iterations.
        sum_over_workers: adds a tensor up.
        start: weights to start from; zeros where there are none.
        tolerance: largest component of the gradient to stop at.

    Raises:
        DivergedError: the optimum, or what leads to it, is no number; on all workers alike.
    """
    penalty = 1.0 if classes == 2 and isinstance(objective, OneLabel) else 0.5
    decay = penalty / C / examples
    centre_D = _average_row(means, lambda means_ND: means_ND, dim, examples, sum_over_workers)
    variance_D = _average_row(means, lambda means_ND: (means_ND - centre_D).square(), dim, examples, sum_over_workers)
    if not variance_D.isfinite().all():
        raise DivergedError("the means of the texts' vectors are not finite; numbers of the vectors are too large")
    varies_D = variance_D > _CONSTANT * centre_D.square()
    scale_D = torch.where(varies_D, (variance_D / 4 + 2 * decay).rsqrt(), 0.0)
    parameters_CD1 = torch.zeros(classes, dim + 1, dtype=torch.float64)
    if start is not None:
        weight_CD = torch.where(varies_D, start.weight_CD.double(), 0.0)
        parameters_CD1[:, :-1] = torch.where(varies_D, weight_CD / scale_D, 0.0)
        parameters_CD1[:, -1] = start.bias_C.double() + weight_CD @ centre_D
    parameters_CD1.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [parameters_CD1],
        max_iter=max_iterations,
        max_eval=4 * max_iterations,
        tolerance_grad=tolerance,
        tolerance_change=1e-12,
        history_size=_history_size(parameters_CD1.numel()),
        line_search_fn="strong_wolfe",
    )
    objectives: list[float] = []

    def solution() -> tuple[Tensor, Tensor]:
        weight_CD = parameters_CD1[:, :-1] * scale_D
        return weight_CD, parameters_CD1[:, -1] - weight_CD @ centre_D

    def closure() -> Tensor:
        sums = torch.zeros(1 + parameters_CD1.numel(), dtype=torch.float64)
        for means_ND, labels in means:
            loss = objective.loss(F.linear(means_ND.double(), *solution()), labels) / examples
            (gradient_CD1,) = torch.autograd.grad(loss, parameters_CD1)
            sums += torch.cat([loss.detach().reshape(1), gradient_CD1.reshape(-1)])
        summed = sum_over_workers(sums)
        penalised = decay * solution()[0].square().sum()
        (gradient_CD1,) = torch.autograd.grad(penalised, parameters_CD1)
        parameters_CD1.grad = gradient_CD1 + summed[1:].reshape(parameters_CD1.shape)
        value = summed[0] + penalised.detach()
        objectives.append(float(value))
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    weight_CD, bias_C = (part.detach().float() for part in solution())
    if not (weight_CD.isfinite().all() and bias_C.isfinite().all() and math.isfinite(objectives[-1])):
        raise DivergedError(f"logistic regression gives NaN or infinity with --C {C:g}; name another")
    assert parameters_CD1.grad is not None
    steepest = float(parameters_CD1.grad.abs().max())
    converged = optimizer.state[parameters_CD1]["n_iter"] < max_iterations and steepest <= _FLAT
    return LogisticFit(weight_CD, bias_C, objectives, converged)


def _history_size(parameters: int) -> int:
    """Return how many steps L-BFGS remembers: each is two rows of the parameters in float64."""
    least, most = _HISTORY
    return min(max(_HISTORY_BYTES // (16 * parameters), least), most)


def _average_row(
    means: Iterable[tuple[Tensor, Tensor]],
    of: Callable[[Tensor], Tensor],
    dim: int,
    examples: int,
    sum_over_workers: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return the average over all examples of what ``of`` makes of means in float64, shape [D]."""
    sum_D = torch.zeros(dim, dtype=torch.float64)
    for means_ND, _ in means:
        sum_D += of(means_ND.double()).sum(dim=0)
    return sum_over_workers(sum_D) / examples
