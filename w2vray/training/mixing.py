"""How the logits of two parts of a model are added: two weights, fitted to rows that neither part has learnt from.

They are at once the temperature of the sum. A prior draws both towards a half, so that few rows change little.

Shape letters: CONTRIBUTING.md.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor

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
    parts: Parts,
    *,
    multi_label: bool,
    few: bool = False,
    sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value,
) -> tuple[float, float]:
    """Find the weights of the main and of the wide logits that make the labels most probable.

    Args:
        parts: this worker's share of the rows.
        multi_label: whether each label is a question of its own.
        few: whether rows are few. What the wide part gains may then be chance: it has a weight only where the loss with
            it is lower by more than one standard error of the difference.
        sum_over_workers: adds a tensor up.

    Returns:
        Two numbers, from 0 on and not both 0, to five digits, so that they do not depend on who added what up first.
    """

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        sums = torch.zeros(3, dtype=torch.float64)
        for part in parts:
            both = torch.tensor(weights, requires_grad=True)
            of_all = _losses(part, both, multi_label=multi_label).sum()
            sums[0] += of_all.detach()
            sums[1:] += torch.autograd.grad(of_all, both)[0]
        value, *slopes = sum_over_workers(sums).tolist()
        apart = (weights - _CENTRE) / _SPREAD
        return value + float(apart @ apart) / 2, np.array(slopes) + apart / _SPREAD

    def found(most_of_wide: float | None = None) -> tuple[float, float]:
        start = np.array([_CENTRE, _CENTRE if most_of_wide is None else most_of_wide])
        best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (0.0, most_of_wide)]).x
        main, wide = best.tolist()
        if max(main, wide) < _LEAST:
            main, wide = _LEAST, _LEAST if most_of_wide is None else most_of_wide
        return float(f"{main:.5g}"), float(f"{wide:.5g}")

    both = found()
    if not few:
        return both
    alone = found(most_of_wide=0.0)
    sums = torch.zeros(3, dtype=torch.float64)
    for part in parts:
        of_both, of_main = (
            _losses(part, torch.tensor(weights, dtype=torch.float64), multi_label=multi_label)
            for weights in (both, alone)
        )
        gains_B = of_main - of_both
        sums += torch.stack((torch.ones_like(gains_B).sum(), gains_B.sum(), gains_B @ gains_B))
    rows, total, squares = sum_over_workers(sums).tolist()
    if not rows:
        return both
    error = math.sqrt(max(squares / rows - (total / rows) ** 2, 0.0) / rows)
    return both if total / rows > error else alone


def _losses(part: tuple[Tensor, Tensor, Tensor, Tensor], weights: Tensor, *, multi_label: bool) -> Tensor:
    """Return the cross-entropy of each row that counts; with many labels, the sum over those that count."""
    main_BC, wide_BC, labels, kept = part
    logits_BC = weights[0] * main_BC.double() + weights[1] * wide_BC.double()
    if not multi_label:
        return F.cross_entropy(logits_BC[kept], labels[kept], reduction="none")
    losses_BC = F.binary_cross_entropy_with_logits(logits_BC, labels.to(logits_BC), reduction="none")
    return (losses_BC * kept).sum(dim=1)
