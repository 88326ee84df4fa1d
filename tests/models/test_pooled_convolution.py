"""The convolution with its maximum in one step equals torch's own, forwards and backwards."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from w2vray.models.pooled_convolution import pooled_convolution

lengths = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def plain(vectors_BTD: Tensor, weight_FDK: Tensor, bias_F: Tensor, last_B: Tensor) -> Tensor:
    """Convolve all windows, put those behind a text's last one out of the way, and take the maximum."""
    windows_BFW = F.conv1d(vectors_BTD.transpose(1, 2), weight_FDK, bias_F)
    behind_BW = torch.arange(windows_BFW.shape[2]) > last_B[:, None]
    return windows_BFW.masked_fill(behind_BW[:, None, :], float("-inf")).amax(dim=2).relu()


def made(
    lengths: list[int], width: int, filters: int, dim: int, *, tuned: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Vectors, weights and biases of double precision, and the last windows."""
    random = torch.Generator().manual_seed(width + 10 * filters + 100 * dim + sum(lengths))
    longest = max(width, *lengths)
    vectors_BTD = torch.randn(len(lengths), longest, dim, generator=random, dtype=torch.float64)
    for row, length in enumerate(lengths):
        vectors_BTD[row, length:] = 0.0
    weight_FDK = torch.randn(filters, dim, width, generator=random, dtype=torch.float64).requires_grad_()
    bias_F = torch.randn(filters, generator=random, dtype=torch.float64).requires_grad_()
    return vectors_BTD.requires_grad_(tuned), weight_FDK, bias_F, (torch.tensor(lengths) - width).clamp(min=0)


@given(lengths, st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_it_equals_the_plain_one(lengths: list[int], width: int, filters: int, dim: int, tuned: bool) -> None:
    inputs = made(lengths, width, filters, dim, tuned=tuned)
    wanted, found = plain(*inputs), pooled_convolution(*inputs)
    torch.testing.assert_close(found, wanted)
    weigh_BF = torch.linspace(-1, 1, wanted.numel(), dtype=torch.float64).view_as(wanted)
    learnt = [value for value in inputs if value.requires_grad]
    gradients = [torch.autograd.grad((features * weigh_BF).sum(), learnt) for features in (found, wanted)]
    torch.testing.assert_close(*gradients)


def test_its_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(pooled_convolution, made([5, 2, 0, 7], 3, 4, 3, tuned=True))


def test_no_gradient_goes_through_a_filter_that_is_below_zero_everywhere() -> None:
    vectors_BTD, weight_FDK, bias_F, last_B = made([4, 6], 2, 3, 2, tuned=True)
    features_BF = pooled_convolution(vectors_BTD, weight_FDK, bias_F - 100, last_B)
    assert not features_BF.any()
    for gradient in torch.autograd.grad(features_BF.sum(), (vectors_BTD, weight_FDK, bias_F)):
        assert not gradient.any()


@pytest.mark.parametrize("tuned", [False, True])
def test_vectors_that_are_no_neighbours_in_memory_are_read_as_well(tuned: bool) -> None:
    vectors_BTD, *others = made([4, 6, 3], 2, 3, 2, tuned=tuned)
    apart_BTD = torch.stack((vectors_BTD, vectors_BTD), dim=3)[..., 0]
    torch.testing.assert_close(pooled_convolution(apart_BTD, *others), plain(vectors_BTD, *others))
