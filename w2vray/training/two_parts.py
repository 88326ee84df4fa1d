"""A wide part beside a main one: fitted to the same examples, and what weight each has in their sum.

The weights are fitted to rows that neither part has learnt from: those for validation, or, where a model is fitted at
once and keeps none, each fold of the examples by fits that have not seen it.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from w2vray.training.cross_validation import FEW_ROWS
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.examples import Examples
from w2vray.training.held_out_answers import HeldOutAnswers, gathered
from w2vray.training.mixing import fit_weights
from w2vray.training.objectives import Objective
from w2vray.training.sparse_rows import SparseRoom
from w2vray.training.stratified import folds_of
from w2vray.training.wide import WideFit, WideRows, WideTask, fit_pruned, out_of_fold

__all__ = ["EVEN", "MEASURED", "SEEN", "TwoParts", "wide_state"]

EVEN = (0.5, 0.5)
"""The weights where no rows tell better ones."""

MEASURED = "measured"
"""In a state: whether the weights were fitted to rows, and are not even for want of them."""

SEEN = "seen"
"""In a state: how many buckets the examples have, those that are left out among them."""

Said = tuple[Tensor, Tensor, Tensor, Tensor]
"""Numbers of rows_B, logits_BC of the main part, labels, and which of these count."""


@dataclass(frozen=True, eq=False)
class TwoParts:
    """A fitted wide part, and the weights of both parts' logits; ``held_out`` is what their sum says of other rows."""

    rows: WideRows
    fit: WideFit
    unpruned: WideRows  # of all buckets
    prune: float
    weights: tuple[float, float] = EVEN
    held_out: HeldOutAnswers | None = None

    @classmethod
    def of(
        cls,
        task: WideTask,
        train: Examples,
        objective: Objective,
        workers: Workers = ALONE,
        folder: Path | None = None,
    ) -> "TwoParts":
        """Fit the wide part; ``folder`` is for temporary files, where n-grams take much memory."""
        every = WideRows.of(train, task, workers, SparseRoom(folder))
        rows, fit = fit_pruned(every, train.classes, objective, task.prune)
        return cls(rows, fit, every, task.prune)

    def weighed_by(self, validation: Examples, task: WideTask, said: Iterable[Said]) -> "TwoParts":
        """Fit the weights to rows for validation; ``said`` is of this worker's share of them."""
        told = []
        for numbers_B, main_BC, labels, kept in said:
            rows_B = numbers_B.numpy()
            wide_BC = self.fit.logits(self.rows.of_others(validation, rows_B, task.bits))
            told.append((numbers_B, _with_vector(validation, rows_B, main_BC), wide_BC, labels, kept))
        return self._weighed(told, len(validation), few=False, multi_label=validation.multi_label)

    def weighed_by_folds(
        self, train: Examples, objective: Objective, said: Iterable[Said], *, few: bool = False
    ) -> "TwoParts":
        """Fit the weights to the examples; ``said`` is out of fold.

        It is of this worker's share; where the examples are ``few``, of any of them.
        """
        workers = self.rows.workers
        near = self.fit if self.rows is self.unpruned else None
        own_N = folds_of(train)[workers.rank :: workers.count]
        wide_NC = out_of_fold(self.unpruned, train.classes, objective, own_N, near, prune=self.prune)
        if few:
            all_NC = torch.zeros(len(train), train.classes)
            all_NC[workers.rank :: workers.count] = wide_NC
            wide_NC = workers.sum(all_NC)
        told = []
        for numbers_B, main_BC, labels, kept in said:
            own_B = numbers_B if few else (numbers_B - workers.rank) // workers.count
            told.append((numbers_B, _with_vector(train, numbers_B.numpy(), main_BC), wide_NC[own_B], labels, kept))
        return self._weighed(told, len(train), few=len(train) < FEW_ROWS, multi_label=train.multi_label)

    def _weighed(
        self, told: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]], rows: int, *, few: bool, multi_label: bool
    ) -> "TwoParts":
        if not rows:
            return self
        workers = self.rows.workers
        parts = [said[1:] for said in told]
        weights = fit_weights(parts, multi_label=multi_label, few=few, sum_over_workers=workers.sum)
        main, wide = weights
        sums = [(numbers_B, main * main_BC + wide * wide_BC, labels) for numbers_B, main_BC, wide_BC, labels, _ in told]
        return replace(self, weights=weights, held_out=gathered(sums, rows, workers.sum))

    def as_state(self, weights: tuple[float, float] | None = None) -> dict[str, Any]:
        """Return what is kept of it in a checkpoint; with other ``weights``, where these are known already."""
        arrays = {name: torch.from_numpy(array) for name, array in self.fit.arrays(self.rows).items()}
        used = weights or self.weights
        measured = self.held_out is not None or tuple(used) != EVEN
        told = {"weights": list(used), "converged": self.fit.converged, MEASURED: measured}
        return {**arrays, **told, SEEN: len(self.unpruned.buckets_F)}


def wide_state(state: Mapping[str, Any]) -> tuple[dict[str, npt.NDArray[Any]], tuple[float, float]]:
    """Return the arrays and the weights of what ``TwoParts.as_state`` gave."""
    arrays = {name: value.numpy() for name, value in state.items() if isinstance(value, Tensor)}
    main, wide = state["weights"]
    return arrays, (main, wide)


def _with_vector(examples: Examples, rows_B: npt.NDArray[np.int64], main_BC: Tensor) -> Tensor:
    """Let the main part say nothing of texts without a vector."""
    return main_BC * torch.from_numpy(examples.with_vector(rows_B))[:, None]
