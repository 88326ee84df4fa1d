"""The wide part of a model, fitted: logistic regression on the weighed runs of words of the examples.

The problem is convex. What passes over the examples come to is summed over the workers, and Newton steps go to the
optimum, as for the means of ``average``. Examples lie in sparse rows: a worker's share of them in its memory, or, where
they are many, in files that are mapped.

Shape letters: CONTRIBUTING.md; F counts the buckets that some example has.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from w2vray.errors import DivergedError
from w2vray.text.word_ngrams import NgramCounts
from w2vray.training.epochs import Workers
from w2vray.training.examples import Examples
from w2vray.training.newton import minimise
from w2vray.training.objectives import Bends, Objective, OneLabel
from w2vray.training.sparse_rows import SparseRoom, stretches
from w2vray.training.stratified import FOLDS, Fold

__all__ = ["WideFit", "WideRows", "WideTask", "fit_pruned", "fit_wide", "out_of_fold"]

C = 10.0
"""Inverse strength of the penalty on the weights, as scikit-learn's."""

_PASSES = 1000
_TOLERANCE = 1e-6
"""Largest component of the gradient to stop at. Near that, float32 rounds as much."""

_LEAST_BEND = 1e-10

_AT_ONCE = 1 << 22
"""Logits that a pass holds at once. Those of all examples may be more than memory has."""

_KEPT = 1 << 28
"""Second derivatives that are kept from pass to pass; of more, each pass computes them again."""

_ROWS_AT_ONCE = 1 << 16
"""Examples that are weighed at once."""

_NEAR = 1e-5
"""What counts as the optimum."""


@dataclass(frozen=True)
class WideTask:
    """Which runs of words are learnt from, and how many of the buckets are kept."""

    longest: int
    bits: int
    prune: float = 0.0  # share of the buckets that are left out


@dataclass(frozen=True, eq=False)
class WideRows:
    """A worker's share of the examples: weighed rows of length 1, and their labels."""

    rows_NF: csr_array
    labels: Tensor
    buckets_F: npt.NDArray[np.int32]
    idf_F: npt.NDArray[np.float32]
    examples: int  # of all workers
    workers: Workers
    room: SparseRoom = SparseRoom()  # noqa: RUF009 - it cannot be changed

    @classmethod
    def of(cls, examples: Examples, task: WideTask, workers: Workers, room: SparseRoom = SparseRoom()) -> "WideRows":  # noqa: B008 - it cannot be changed
        """Count in how many examples each bucket is, and weigh them; in two passes, a part of the examples at once."""
        own_N = np.arange(workers.rank, len(examples), workers.count)
        parts = [own_N[start : start + _ROWS_AT_ONCE] for start in range(0, len(own_N), _ROWS_AT_ONCE)]
        with_bucket_B = np.zeros(1 << task.bits, dtype=np.int64)
        for rows_B in parts:
            with_bucket_B += np.bincount(examples.ngrams(rows_B).buckets_G, minlength=1 << task.bits)
        with_bucket_B = workers.sum(torch.from_numpy(with_bucket_B.astype(np.float64))).numpy()
        buckets_F = np.flatnonzero(with_bucket_B).astype(np.int32)
        idf_F = (1 + np.log((1 + len(examples)) / (1 + with_bucket_B[buckets_F]))).astype(np.float32)
        weighed_parts = (weighed(examples.ngrams(rows_B), buckets_F, idf_F, task.bits) for rows_B in parts)
        rows_NF = room.joined(weighed_parts, len(buckets_F))
        return cls(rows_NF, examples.labels(own_N), buckets_F, idf_F, len(examples), workers, room)

    def of_others(self, examples: Examples, rows_B: npt.NDArray[np.int64], bits: int) -> csr_array:
        """Weigh examples that are not learnt from."""
        return weighed(examples.ngrams(rows_B), self.buckets_F, self.idf_F, bits)

    def of_buckets(self, kept_F: npt.NDArray[np.int64]) -> "WideRows":
        """Leave all other buckets out, as if no text had them."""
        rows_NF = csr_array(self.rows_NF[:, kept_F])
        return replace(self, rows_NF=_of_length_1(rows_NF), buckets_F=self.buckets_F[kept_F], idf_F=self.idf_F[kept_F])

    def without(self, fold: Fold) -> "WideRows":
        """Leave the examples of a fold out."""
        others = np.flatnonzero(~fold.member(0, len(self.labels)).numpy())
        kept = int(self.workers.sum(torch.tensor([len(others)], dtype=torch.float64)))
        labels = self.labels[torch.from_numpy(others)]
        parts = (csr_array(self.rows_NF[rows_B]) for rows_B in stretches(self.rows_NF, others))
        rows_NF = self.room.joined(parts, len(self.buckets_F))
        return replace(self, rows_NF=rows_NF, labels=labels, examples=kept)


@dataclass(frozen=True, eq=False)
class WideFit:
    """The optimum: what each bucket adds to the logits, for a weight of 1, and what these start from."""

    weight_FC: npt.NDArray[np.float32]
    bias_C: npt.NDArray[np.float32]
    converged: bool

    def logits(self, rows_BF: csr_array) -> Tensor:
        """Return logits_BC of weighed rows."""
        return torch.from_numpy(rows_BF @ self.weight_FC + self.bias_C)

    def strongest(self, share: float, idf_F: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return all but this share of the buckets: those that move the logits most, over all texts.

        What a bucket adds counts times the root of how many examples have it. So a rare one, whose weight is large
        since it was seen with one label alone, does not go before a frequent one that other texts have, too.
        """
        # what all labels get alike changes nothing
        apart_FC = self.weight_FC - self.weight_FC.mean(axis=1, keepdims=True) * (self.weight_FC.shape[1] > 1)
        says_F = np.abs(apart_FC).max(axis=1) * np.exp(-idf_F / 2)
        return np.sort(np.argsort(-says_F, kind="stable")[: len(says_F) - round(share * len(says_F))])

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
    return _of_length_1(csr_array((weights_G, numbers_G, starts_N1), shape=(len(counts), len(buckets_F))))


def _of_length_1(rows: csr_array) -> csr_array:
    """Scale rows, in their place; those of zeros stay."""
    lengths_N = np.sqrt(rows.multiply(rows).sum(axis=1))
    lengths_G = np.repeat(np.where(lengths_N > 0, lengths_N, 1), np.diff(rows.indptr))
    rows.data = (rows.data / lengths_G).astype(np.float32)
    return rows


def fit_wide(rows: WideRows, classes: int, objective: Objective, start: WideFit | None = None) -> WideFit:
    """Minimise the summed loss times ``C`` plus half the squared weights, as scikit-learn's logistic regression does.

    Args:
        rows: this worker's share.
        classes: number of labels.
        objective: gives the loss.
        start: weights to start from; zeros where there are none. A bucket that none of the rows has starts from zero.

    Raises:
        DivergedError: the optimum became NaN or infinite; on all workers alike.
    """
    problem = _WideProblem(rows, classes, objective)
    weights_F1C = torch.zeros(len(rows.buckets_F) + 1, classes)
    if start is not None:
        weights_F1C[:-1] = torch.from_numpy(start.weight_FC) * (problem.squares_F1[:-1, None] > 0)
        weights_F1C[-1] = torch.from_numpy(start.bias_C)
    found = minimise(problem, problem.apart(weights_F1C), tolerance=_TOLERANCE, most_passes=_PASSES)
    if not found.weights.isfinite().all() or not math.isfinite(found.values[-1]):
        raise DivergedError("the n-grams' logistic regression gives NaN or infinity")
    weights = found.weights.numpy()
    return WideFit(weights[:-1].copy(), weights[-1].copy(), found.steepest <= _NEAR)


def fit_pruned(
    rows: WideRows, classes: int, objective: Objective, share: float, start: WideFit | None = None
) -> tuple[WideRows, WideFit]:
    """Fit, leave a share of the buckets out, and fit again; return the rows of those that are left, and their optimum.

    Raises:
        DivergedError: the optimum became NaN or infinite; on all workers alike.
    """
    found = fit_wide(rows, classes, objective, start)
    if not round(share * len(rows.buckets_F)):
        return rows, found
    kept_F = found.strongest(share, rows.idf_F)
    kept = rows.of_buckets(kept_F)
    return kept, fit_wide(kept, classes, objective, WideFit(found.weight_FC[kept_F], found.bias_C, found.converged))


class _WideProblem:
    """Logistic regression on sparse rows for ``minimise``; the last row of weights are the intercepts."""

    def __init__(self, rows: WideRows, classes: int, objective: Objective) -> None:
        self._rows, self._objective = rows, objective
        self._examples = max(rows.examples, 1)
        self._together = isinstance(objective, OneLabel)
        penalty = 1.0 if classes == 2 and self._together else 0.5  # see ``fit_logistic``
        self._decay = 2 * penalty / C / self._examples
        every = max(_AT_ONCE // classes, 1)
        self._chunks = [_Chunk.of(rows, start, start + every) for start in range(0, len(rows.labels), every)]
        self._keeps = len(rows.labels) * classes <= _KEPT
        squares_F = np.bincount(rows.rows_NF.indices, rows.rows_NF.data.astype(np.float64) ** 2, len(rows.buckets_F))
        squares_F1 = torch.from_numpy(np.append(squares_F, len(rows.labels)))
        self.squares_F1 = (rows.workers.sum(squares_F1) / self._examples).float()
        self._kept: list[Bends] = []
        self._weights_F1C = self._bends_C = torch.empty(0)

    def value(self, weights_F1C: Tensor) -> tuple[float, Tensor]:
        """Return the penalised loss, a mean over all examples, and its gradient."""
        self._weights_F1C, self._kept = weights_F1C, []
        gradient_F1C = torch.zeros_like(weights_F1C)
        told = torch.zeros(1 + weights_F1C.shape[1], dtype=torch.float64)
        for chunk in self._chunks:
            loss, slopes_NC, bends = self._objective.slopes(chunk.logits(weights_F1C).double(), chunk.labels)
            told += torch.cat([loss.reshape(1), bends.diagonal().sum(dim=0)])
            gradient_F1C += chunk.gathered(slopes_NC.float())
            if self._keeps:
                self._kept.append(bends.to(torch.float32))
        told = self._rows.workers.sum(told) / self._examples
        self._bends_C = told[1:].float()
        penalised = self._decay / 2 * float(weights_F1C[:-1].double().square().sum())
        return float(told[0]) + penalised, self._mean_of(gradient_F1C, weights_F1C)

    def product(self, direction_F1C: Tensor) -> Tensor:
        """Return the second derivatives times a direction."""
        bent_F1C = torch.zeros_like(direction_F1C)
        for index, chunk in enumerate(self._chunks):
            bends = self._kept[index] if self._keeps else self._again(chunk)
            bent_F1C += chunk.gathered(bends.times(chunk.logits(direction_F1C)))
        return self._mean_of(bent_F1C, direction_F1C)

    def preconditioned(self, gradient_F1C: Tensor) -> Tensor:
        """Divide by about the diagonal of the second derivatives."""
        bends_F1C = self.squares_F1[:, None] * self._bends_C
        bends_F1C[:-1] += self._decay
        return self.apart(self.apart(gradient_F1C) / bends_F1C.clamp_(min=_LEAST_BEND))

    def apart(self, weights_F1C: Tensor) -> Tensor:
        """Return what labels differ by: what all of a softmax get alike changes no answer."""
        return weights_F1C - weights_F1C.mean(dim=1, keepdim=True) if self._together else weights_F1C

    def _again(self, chunk: "_Chunk") -> Bends:
        """Compute what would take too much memory to keep."""
        return self._objective.slopes(chunk.logits(self._weights_F1C), chunk.labels)[2]

    def _mean_of(self, sums_F1C: Tensor, weights_F1C: Tensor) -> Tensor:
        """Return the mean over the examples of all workers, with the penalty's share for these weights."""
        mean_F1C = self._rows.workers.sum(sums_F1C) / self._examples
        mean_F1C[:-1] += self._decay * weights_F1C[:-1]
        return mean_F1C


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Some of the rows, also by columns, and their labels."""

    rows_NF: csr_array
    columns_FN: csr_array
    labels: Tensor

    @classmethod
    def of(cls, rows: WideRows, start: int, stop: int) -> "_Chunk":
        """Take the rows from ``start`` on; they are not copied."""
        ends = rows.rows_NF.indptr[start : stop + 1]
        own = slice(ends[0], ends[-1])
        shape = (len(ends) - 1, rows.rows_NF.shape[1])
        taken = csr_array((rows.rows_NF.data[own], rows.rows_NF.indices[own], ends - ends[0]), shape=shape)
        return cls(taken, rows.room.by_columns(taken, of=rows.rows_NF.nnz), rows.labels[start:stop])

    def logits(self, weights_F1C: Tensor) -> Tensor:
        """Return logits_NC."""
        weights = weights_F1C.numpy()
        return torch.from_numpy(self.rows_NF @ weights[:-1] + weights[-1])

    def gathered(self, slopes_NC: Tensor) -> Tensor:
        """Return the sum over the rows of what slopes over logits are over weights."""
        slopes = slopes_NC.numpy()
        of_bias_1C = slopes.sum(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
        return torch.from_numpy(np.concatenate([self.columns_FN @ slopes, of_bias_1C]))


def out_of_fold(
    rows: WideRows,
    classes: int,
    objective: Objective,
    fold_N: npt.NDArray[np.uint8],
    found: WideFit | None = None,
    *,
    prune: float = 0.0,
) -> Tensor:
    """Return logits_NC of this worker's examples, each by a fit that has not seen its fold, ``fold_N``.

    Each fit starts from ``found``, the optimum of all buckets and examples, which is near; what only the fold's rows
    have starts from zero, and stays there. Where a share of the buckets is left out, each fit chooses its own.
    """
    logits_NC = torch.zeros(len(rows.labels), classes)
    for fold in (Fold(index, fold_N) for index in range(FOLDS)):
        member_N = fold.member(0, len(fold_N))
        kept, fit = fit_pruned(rows.without(fold), classes, objective, prune, found)
        own = csr_array(rows.rows_NF[np.flatnonzero(member_N.numpy())])
        if len(kept.buckets_F) < len(rows.buckets_F):
            own = _of_length_1(csr_array(own[:, np.searchsorted(rows.buckets_F, kept.buckets_F)]))
        logits_NC[member_N] = fit.logits(own)
    return logits_NC
