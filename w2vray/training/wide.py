"""The wide part of a model, fitted: logistic regression on the weighed runs of words of the examples.

The problem is convex. Loss and gradient are summed over the workers, and full-batch L-BFGS goes to the optimum, as for
the means of ``average``; examples lie in sparse rows, a worker's share of them in its memory.

Shape letters: CONTRIBUTING.md; F counts the buckets that some example has.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from w2vray.errors import DivergedError
from w2vray.text.word_ngrams import NgramCounts
from w2vray.training.calibration import FOLDS, Fold
from w2vray.training.epochs import Workers
from w2vray.training.examples import Examples
from w2vray.training.objectives import Objective, OneLabel

__all__ = ["WideFit", "WideRows", "WideTask", "fit_wide", "out_of_fold"]

C = 10.0
"""Inverse strength of the penalty on the weights, as scikit-learn's."""

_ITERATIONS = 200
_TOLERANCE = 1e-6
_HISTORY = (4, 20)
_HISTORY_BYTES = 1 << 30
"""L-BFGS remembers between 4 and 20 of its last steps, as many as fit into so much memory."""


@dataclass(frozen=True)
class WideTask:
    """Which runs of words are learnt from, and how many of the buckets keep a row."""

    longest: int
    bits: int
    prune: float = 0.0  # share of the buckets whose rows, the smallest, are left out


@dataclass(frozen=True, eq=False)
class WideRows:
    """A worker's share of the examples: weighed rows of length 1, and their labels."""

    rows_NF: csr_array
    labels: Tensor
    buckets_F: npt.NDArray[np.int32]
    idf_F: npt.NDArray[np.float32]
    examples: int  # of all workers
    workers: Workers

    @classmethod
    def of(cls, examples: Examples, task: WideTask, workers: Workers) -> "WideRows":
        """Count in how many examples each bucket is, and weigh them."""
        own_N = np.arange(workers.rank, len(examples), workers.count)
        counts = examples.ngrams(own_N)
        with_bucket_B = np.bincount(counts.buckets_G, minlength=1 << task.bits)
        with_bucket_B = workers.sum(torch.from_numpy(with_bucket_B.astype(np.float64))).numpy()
        buckets_F = np.flatnonzero(with_bucket_B).astype(np.int32)
        idf_F = (1 + np.log((1 + len(examples)) / (1 + with_bucket_B[buckets_F]))).astype(np.float32)
        rows_NF = weighed(counts, buckets_F, idf_F, task.bits)
        return cls(rows_NF, examples.labels(own_N), buckets_F, idf_F, len(examples), workers)

    def of_others(self, examples: Examples, rows_B: npt.NDArray[np.int64], bits: int) -> csr_array:
        """Weigh examples that are not learnt from."""
        return weighed(examples.ngrams(rows_B), self.buckets_F, self.idf_F, bits)

    def without(self, fold: Fold) -> "WideRows":
        """Leave the examples of a fold out."""
        others = np.flatnonzero(~fold.member(0, len(self.labels)).numpy())
        kept = int(self.workers.sum(torch.tensor([len(others)], dtype=torch.float64)))
        labels = self.labels[torch.from_numpy(others)]
        return WideRows(self.rows_NF[others], labels, self.buckets_F, self.idf_F, kept, self.workers)


@dataclass(frozen=True, eq=False)
class WideFit:
    """The optimum: what each bucket adds to the logits, for a weight of 1, and what these start from."""

    weight_FC: npt.NDArray[np.float32]
    bias_C: npt.NDArray[np.float32]
    converged: bool

    def logits(self, rows_BF: csr_array) -> Tensor:
        """Return logits_BC of weighed rows."""
        return torch.from_numpy(rows_BF @ self.weight_FC + self.bias_C)

    def pruned(self, share: float) -> "WideFit":
        """Leave out the rows of this share of the buckets: those that move the logits least."""
        least = round(share * len(self.weight_FC))
        if not least:
            return self
        # what all labels get alike changes nothing
        apart_FC = self.weight_FC - self.weight_FC.mean(axis=1, keepdims=True) * (self.weight_FC.shape[1] > 1)
        dropped = np.argsort(np.abs(apart_FC).max(axis=1), kind="stable")[:least]
        weight_FC = self.weight_FC.copy()
        weight_FC[dropped] = 0
        return WideFit(weight_FC, self.bias_C, self.converged)

    def arrays(self, rows: WideRows) -> dict[str, npt.NDArray[np.generic]]:
        """Return it as the model directory holds it: see ``WidePart``."""
        has_row_F = self.weight_FC.any(axis=1)
        order_F = np.argsort(~has_row_F, kind="stable")
        idf_F = rows.idf_F[order_F]
        with_row = int(has_row_F.sum())
        rows_RC = (self.weight_FC[order_F[:with_row]] * idf_F[:with_row, None]).astype(np.float16)
        return {"buckets_F": rows.buckets_F[order_F], "idf_F": idf_F, "rows_RC": rows_RC, "bias_C": self.bias_C}


def weighed(
    counts: NgramCounts, buckets_F: npt.NDArray[np.int32], idf_F: npt.NDArray[np.float32], bits: int
) -> csr_array:
    """Return the rows of counted texts, each of length 1, or 0 where it has no known bucket."""
    numbers_B = np.full(1 << bits, -1, dtype=np.int32)
    numbers_B[buckets_F] = np.arange(len(buckets_F), dtype=np.int32)
    numbers_G = numbers_B[counts.buckets_G]
    known_G = numbers_G >= 0
    starts_N1 = np.concatenate(([0], np.cumsum(known_G)))[counts.offsets_N1]
    numbers_G = numbers_G[known_G]
    weights_G = (1 + np.log(counts.times_G[known_G].astype(np.float32))) * idf_F[numbers_G]
    rows = csr_array((weights_G, numbers_G, starts_N1), shape=(len(counts), len(buckets_F)))
    lengths_N = np.sqrt(rows.multiply(rows).sum(axis=1))
    lengths_G = np.repeat(np.where(lengths_N > 0, lengths_N, 1), np.diff(starts_N1))
    rows.data = (rows.data / lengths_G).astype(np.float32)
    return rows


def fit_wide(rows: WideRows, classes: int, objective: Objective) -> WideFit:
    """Minimise the summed loss times ``C`` plus half the squared weights, as scikit-learn's logistic regression does.

    Args:
        rows: this worker's share.
        classes: number of labels.
        objective: gives the loss.

    Raises:
        DivergedError: the optimum is no number; on all workers alike.
    """
    seen = len(rows.buckets_F)
    penalty = 1.0 if classes == 2 and isinstance(objective, OneLabel) else 0.5  # see ``fit_logistic``
    decay = penalty / C / max(rows.examples, 1)
    parameters = torch.zeros((seen + 1) * classes, dtype=torch.float32)
    parameters.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [parameters],
        max_iter=_ITERATIONS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=1e-9,
        history_size=min(max(_HISTORY_BYTES // (8 * parameters.numel()), _HISTORY[0]), _HISTORY[1]),
        line_search_fn="strong_wolfe",
    )
    columns_FN = rows.rows_NF.T.tocsr()

    def closure() -> Tensor:
        flat = parameters.detach()
        weight_FC, bias_C = flat[:-classes].view(seen, classes).numpy(), flat[-classes:].numpy()
        logits_NC = torch.from_numpy(rows.rows_NF @ weight_FC + bias_C).requires_grad_()
        loss = objective.loss(logits_NC.double(), rows.labels) / rows.examples
        (slope_NC,) = torch.autograd.grad(loss, logits_NC)
        slopes = slope_NC.numpy()
        gradient = np.concatenate([(columns_FN @ slopes).reshape(-1), slopes.sum(axis=0, dtype=np.float64)])
        summed = rows.workers.sum(torch.from_numpy(gradient.astype(np.float32)))
        summed[:-classes] += 2 * decay * flat[:-classes]
        parameters.grad = summed
        of_all = rows.workers.sum(loss.detach().double().reshape(1))
        return of_all[0] + decay * flat[:-classes].double().square().sum()

    final = optimizer.step(closure)  # type: ignore[no-untyped-call]
    flat = parameters.detach()
    if not flat.isfinite().all() or not math.isfinite(float(final)):
        raise DivergedError("the n-grams' logistic regression gives NaN or infinity")
    taken = optimizer.state[parameters]["n_iter"]
    return WideFit(
        flat[:-classes].view(seen, classes).numpy().copy(), flat[-classes:].numpy().copy(), taken < _ITERATIONS
    )


def out_of_fold(rows: WideRows, classes: int, objective: Objective) -> Tensor:
    """Return logits_NC of this worker's examples, each by a fit that has not seen its fold.

    Each fit starts from zeros: what only the fold's rows have would keep its weight for long.
    """
    logits_NC = torch.zeros(len(rows.labels), classes)
    for fold, member_N in _folds(rows):
        fit = fit_wide(rows.without(fold), classes, objective)
        logits_NC[member_N] = fit.logits(rows.rows_NF[np.flatnonzero(member_N.numpy())])
    return logits_NC


def _folds(rows: WideRows) -> Iterator[tuple[Fold, Tensor]]:
    for index in range(FOLDS):
        fold = Fold(index, rows.workers.rank, rows.workers.count)
        yield fold, fold.member(0, len(rows.labels))
