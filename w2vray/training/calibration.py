"""Temperatures: how much a model's logits are divided by, so that its probabilities mean what they say.

Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", 2017): the temperature that makes rows that
were not learnt from most probable. It changes no ranking of the labels of a text. A prior draws it towards 1, so that
few rows change little.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Scored", "fit_temperatures"]

SPREAD = 0.3
"""Standard deviation of the prior of the logarithm of a temperature."""

_WIDEST = 3.0
_HALVINGS = 22

Scored = Iterable[tuple[Tensor, Tensor, Tensor]]
"""Logits_BC, labels (labels_B, or ones and zeros labels_BC), and which of them count (kept_B or kept_BC, of booleans);
can be gone through any number of times."""


def fit_temperatures(
    scored: Scored,
    classes: int,
    *,
    multi_label: bool,
    sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value,
) -> tuple[float, ...]:
    """Find the temperature, or with many labels one for each, which few rows of a label draw to that of all.

    Args:
        scored: this worker's share of the rows.
        classes: number of labels.
        multi_label: whether each label is a question of its own.
        sum_over_workers: adds a tensor up.

    Returns:
        One number, or ``classes`` of them, to five digits, so that they do not depend on who added what up first.
    """
    slope = _slope_of_each if multi_label else _slope
    zero = torch.zeros(classes if multi_label else 1, dtype=torch.float64)

    def found(centre: Tensor, *, together: bool) -> Tensor:
        """Halve the interval that the sharpness (minus the logarithm of the temperature) lies in."""
        low, high = zero - _WIDEST, zero + _WIDEST
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            sums = torch.zeros_like(zero)
            for logits_BC, labels, kept in scored:
                sums += slope(logits_BC.double(), labels, kept, middle.exp())
            of_all = sum_over_workers(sums)
            rises = (of_all.sum().expand_as(zero) if together else of_all) + (middle - centre) / SPREAD**2 > 0
            low, high = torch.where(rises, low, middle), torch.where(rises, middle, high)
        return (low + high) / 2

    sharpness = found(zero, together=True)
    if multi_label:
        sharpness = found(sharpness, together=False)
    return tuple(float(f"{value:.5g}") for value in (-sharpness).exp().tolist())


def _slope(logits_BC: Tensor, labels_B: Tensor, kept_B: Tensor, sharp: Tensor) -> Tensor:
    """Return the slope of the rows' cross-entropy over the sharpness's logarithm, shape [1]."""
    probabilities_BC = F.softmax(logits_BC * sharp, dim=1)
    expected_B = (probabilities_BC * logits_BC).sum(dim=1)
    given_B = logits_BC.gather(1, labels_B[:, None])[:, 0]
    return ((expected_B - given_B) * kept_B).sum().reshape(1) * sharp


def _slope_of_each(logits_BC: Tensor, labels_BC: Tensor, kept_BC: Tensor, sharp_C: Tensor) -> Tensor:
    """Return the same for each label by itself, shape [C]."""
    wrong_BC = torch.sigmoid(logits_BC * sharp_C) - labels_BC.to(logits_BC)
    return (wrong_BC * logits_BC * kept_BC).sum(dim=0) * sharp_C
