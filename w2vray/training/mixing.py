"""How the logits of two parts of a model are added: two weights, fitted to rows that neither part has learnt from.

They are at once the temperature of the sum. A prior draws both towards a half, so that few rows change little.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from w2vray.training.objectives import ManyLabels, OneLabel

__all__ = ["Parts", "fit_weights"]

Parts = Iterable[tuple[Tensor, Tensor, Tensor, Tensor]]
"""Logits_BC of the main part and of the wide part, labels (labels_B, or ones and zeros labels_BC), and which of them
count (kept_B or kept_BC, of booleans); can be gone through any number of times."""

_CENTRE, _SPREAD = 0.5, 1.0
"""Mean and standard deviation of the prior of each weight."""

_LEAST = 0.05
"""What both weights are where none would be more. Few rows may say that neither part knows anything; with weights near
zero all texts would get one answer, whatever their words. So they get what both parts say, at nearly even odds."""


def fit_weights(
    parts: Parts, *, multi_label: bool, sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value
) -> tuple[float, float]:
    """Find the weights of the main and of the wide logits that make the labels most probable.

    Args:
        parts: this worker's share of the rows.
        multi_label: whether each label is a question of its own.
        sum_over_workers: adds a tensor up.

    Returns:
        Two numbers, from 0 on and not both 0, to five digits, so that they do not depend on who added what up first.
    """
    objective = ManyLabels() if multi_label else OneLabel()

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        sums = torch.zeros(3, dtype=torch.float64)
        for main_BC, wide_BC, labels, kept in parts:
            both = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
            logits_BC = both[0] * main_BC.double() + both[1] * wide_BC.double()
            if multi_label:  # what does not count has no odds to be right or wrong about
                logits_BC = torch.where(kept, logits_BC, torch.zeros_like(logits_BC))
                of_all = objective.loss(logits_BC, labels)
            else:
                of_all = objective.loss(logits_BC[kept], labels[kept])
            (gradient,) = torch.autograd.grad(of_all, both)
            sums[0] += of_all.detach()
            sums[1:] += gradient
        value, *slopes = sum_over_workers(sums).tolist()
        apart = (weights - _CENTRE) / _SPREAD
        return value + float(apart @ apart) / 2, np.array(slopes) + apart / _SPREAD

    start = np.full(2, _CENTRE)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 2)
    weights = found.x.tolist() if max(found.x) > _LEAST else [_LEAST, _LEAST]
    main, wide = (float(f"{weight:.5g}") for weight in weights)
    return main, wide
