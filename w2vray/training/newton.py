"""The minimum of a convex function, by truncated Newton steps: for problems whose passes over the examples are dear.

Each step solves for the direction by preconditioned conjugate gradients, only as exactly as pays at that distance from
the optimum, and goes along it as far as the value falls. What a problem computes may be summed over workers: all of
them see the same numbers, and so take the same steps.

Source: Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithm 7.1.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Minimum", "Problem", "minimise"]

_COARSEST = 0.3
"""The first directions are solved for until the residual is this share of the gradient; later ones more exactly."""

_ENOUGH = 1e-4
"""Share of what the slope promises by which the value has to fall."""

_HALVINGS = 30
_ROUNDING = 1e-12
"""By so much of itself the value may rise: it is not known more exactly."""


class Problem(Protocol):
    """What is minimised. Its tensors are all of the shape of the weights."""

    def value(self, weights: Tensor) -> tuple[float, Tensor]:
        """Return the value and its gradient; the place is what ``product`` and ``preconditioned`` speak of then."""
        ...

    def product(self, direction: Tensor) -> Tensor:
        """Return the second derivatives times a direction."""
        ...

    def preconditioned(self, gradient: Tensor) -> Tensor:
        """Return about what of which the second derivatives make ``gradient``: cheap, symmetric, positive."""
        ...


@dataclass(frozen=True)
class Minimum:
    """The weights, the value after each evaluation, and the largest component of the gradient at the end."""

    weights: Tensor
    values: list[float]
    steepest: float
    passes: int


def minimise(problem: Problem, start: Tensor, *, tolerance: float, most_passes: int) -> Minimum:
    """Go to the minimum.

    Args:
        problem: what is minimised.
        start: where to start from.
        tolerance: largest component of the gradient to stop at.
        most_passes: largest number of calls of ``value`` and ``product`` together, but for the last step's.
    """
    weights = start
    value, gradient = problem.value(weights)
    values, passes = [value], 1
    while math.isfinite(value) and float(gradient.abs().max()) > tolerance and passes < most_passes:
        direction, taken = _direction(problem, gradient, most_passes - passes)
        passes += taken
        slope = _dot(gradient, direction)
        length = 1.0
        for _ in range(_HALVINGS):
            there = weights + length * direction
            value_there, gradient_there = problem.value(there)
            passes += 1
            values.append(value_there)
            if value_there <= value + _ENOUGH * length * slope + _ROUNDING * abs(value):
                break
            length /= 2
        else:  # the value cannot fall any more by what can be computed
            values.append(value)
            break
        weights, value, gradient = there, value_there, gradient_there
    return Minimum(weights, values, float(gradient.abs().max()), passes)


def _direction(problem: Problem, gradient: Tensor, most_products: int) -> tuple[Tensor, int]:
    """Solve for the step about as exactly as the optimum is near; return it, and how many products that took."""
    direction = torch.zeros_like(gradient)
    residual = -gradient
    prepared = problem.preconditioned(residual)
    search, size = prepared, _dot(residual, prepared)
    share = min(_COARSEST, math.sqrt(max(size, 0.0)))
    target = share * share * size
    for products in range(1, most_products + 1):
        bent = problem.product(search)
        curvature = _dot(search, bent)
        if not curvature > 0:
            return (direction if products > 1 else prepared), products
        direction = direction + (size / curvature) * search
        residual = residual - (size / curvature) * bent
        prepared = problem.preconditioned(residual)
        before, size = size, _dot(residual, prepared)
        if size <= target:
            return direction, products
        search = prepared + (size / before) * search
    return direction, max(most_products, 0)


def _dot(first: Tensor, second: Tensor) -> float:
    return float(torch.dot(first.flatten(), second.flatten()))
