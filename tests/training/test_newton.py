import pytest
import torch
from torch import Tensor

from w2vray.training.newton import minimise


class Quartic:
    """The sum over i of ``x_i^4 / 4 + s_i x_i^2 / 2 - b_i x_i``: convex, with one minimum that can be computed."""

    def __init__(self, s: Tensor, b: Tensor) -> None:
        self.s, self.b = s, b
        self.bends = torch.empty(0)
        self.calls = 0

    def value(self, weights: Tensor) -> tuple[float, Tensor]:
        self.calls += 1
        self.bends = 3 * weights**2 + self.s
        value = weights**4 / 4 + self.s * weights**2 / 2 - self.b * weights
        return float(value.sum()), weights**3 + self.s * weights - self.b

    def product(self, direction: Tensor) -> Tensor:
        self.calls += 1
        return self.bends * direction

    def preconditioned(self, gradient: Tensor) -> Tensor:
        return gradient / self.s


def test_the_minimum_is_found_where_the_gradient_is_zero() -> None:
    """``x^3 + s x = b``: for s and b from this x, x is found, however unlike the scales are."""
    at = torch.tensor([[0.5, -2.0], [3.0, 0.0]], dtype=torch.float64)
    s = torch.tensor([[1e-3, 1.0], [10.0, 1e4]], dtype=torch.float64)
    problem = Quartic(s, at**3 + s * at)

    found = minimise(problem, torch.zeros_like(at), tolerance=1e-9, most_passes=200)

    torch.testing.assert_close(found.weights, at, atol=1e-7, rtol=0)
    assert found.steepest <= 1e-9
    assert found.passes == problem.calls
    assert found.values == sorted(found.values, reverse=True) or min(found.values) == pytest.approx(found.values[-1])


def test_the_largest_number_of_passes_is_kept() -> None:
    """But for the last step's evaluations."""
    s = torch.full((4,), 1.0, dtype=torch.float64)
    problem = Quartic(s, torch.tensor([1.0, 10, 100, 1000], dtype=torch.float64))

    found = minimise(problem, torch.zeros(4, dtype=torch.float64), tolerance=1e-9, most_passes=3)

    assert problem.calls <= 3 + 30
    assert found.steepest > 1e-9


def test_at_the_minimum_nothing_is_done() -> None:
    start = torch.ones(2, dtype=torch.float64)
    problem = Quartic(torch.ones(2, dtype=torch.float64), torch.full((2,), 2.0, dtype=torch.float64))

    found = minimise(problem, start, tolerance=1e-9, most_passes=100)

    assert torch.equal(found.weights, start)
    assert found.values == [-2.5]
    assert found.passes == 1
