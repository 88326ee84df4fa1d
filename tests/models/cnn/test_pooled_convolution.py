"""Convolutions with their maxima in one step equal torch's own, forwards and backwards."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.cnn.pooled_convolution import ROOM, _best, pooled_convolutions

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

some_lengths = st.lists(st.integers(0, 9) | st.integers(230, 500), min_size=1, max_size=6)
some_widths = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(
    lambda widths: sorted(widths, reverse=True)
)


def plain(vectors_LD: Tensor, lengths_B: Tensor, *weights: Tensor) -> Tensor:
    """Text by text and width by width, convolve all windows that see a word, and take the maximum."""
    before = weights[0].shape[2] - 1
    rows = [max(length, 1) + before for length in lengths_B.tolist()]
    best = []
    for text_TD in vectors_LD.split(rows):
        of_text = []
        for weight_FDS in weights:
            windows_FT = F.conv1d(text_TD[before:].T, weight_FDS, padding=weight_FDS.shape[2] - 1)
            of_text.append(windows_FT.amax(dim=1))
        best.append(torch.cat(of_text))
    return torch.stack(best)


def pooled(vectors_LD: Tensor, lengths_B: Tensor, *weights: Tensor) -> Tensor:
    """The same in single precision, with room behind the last text."""
    room = weights[0].shape[2] + ROOM
    return pooled_convolutions(
        F.pad(vectors_LD.float(), (0, 0, 0, room)), lengths_B, [weight_FDS.float() for weight_FDS in weights]
    )


def made(lengths: list[int], widths: list[int], filters: int, dim: int, *, tuned: bool) -> tuple[Tensor, ...]:
    """Vectors of double precision, lengths and weights."""
    random = torch.Generator().manual_seed(sum(widths) + 10 * filters + 100 * dim + sum(lengths))
    texts = []
    for length in lengths:
        words_TD = torch.randn(length, dim, generator=random, dtype=torch.float64)
        texts.append(F.pad(words_TD, (0, 0, widths[0] - 1, 0 if length else 1)))
    weights = [torch.randn(filters, dim, width, generator=random, dtype=torch.float64) for width in widths]
    vectors_LD = torch.cat(texts).requires_grad_(tuned)
    return vectors_LD, torch.tensor(lengths), *(weight.requires_grad_() for weight in weights)


@given(some_lengths, some_widths, st.integers(1, 40), st.integers(1, 4), st.booleans())
def test_they_equal_the_plain_ones(lengths: list[int], widths: list[int], filters: int, dim: int, tuned: bool) -> None:
    """Values and gradients; where words are not tuned, there is none of the vectors."""
    inputs = made(lengths, widths, filters, dim, tuned=tuned)
    wanted, found = plain(*inputs), pooled(*inputs)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)
    weigh_BF = torch.linspace(-1, 1, wanted.numel(), dtype=torch.float64).view_as(wanted)
    learnt = [value for value in inputs if value.requires_grad]
    gradients = [list(torch.autograd.grad((best * weigh_BF).sum(), learnt)) for best in (found, wanted)]
    if tuned:  # of rows that are no word's, nobody wants a gradient
        for of_all in gradients:
            of_all[0] = of_all[0] * inputs[0].detach().any(dim=1, keepdim=True)
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


@given(some_lengths, some_widths, st.integers(1, 40), st.integers(1, 4))
def test_whole_numbers_have_their_very_values(lengths: list[int], widths: list[int], filters: int, dim: int) -> None:
    """Their sums are exact; and each value is that of the window that is named for it."""
    vectors_LD, lengths_B, *weights = (value.detach() for value in made(lengths, widths, filters, dim, tuned=False))
    vectors_LD = (vectors_LD * 8).round().float()
    weights = [(weight_FDS * 8).round().float() for weight_FDS in weights]
    rows_B = lengths_B.clamp(min=1) + widths[0] - 1
    first_B = rows_B.cumsum(0) - rows_B

    roomy_LD = F.pad(vectors_LD, (0, 0, 0, widths[0] + ROOM))
    best_BF, rows_BF = _best(roomy_LD, first_B, lengths_B, weights)

    assert torch.equal(best_BF, plain(vectors_LD, lengths_B, *weights))
    assert (rows_BF >= first_B[:, None]).all()
    start = 0
    for weight_FDS in weights:
        of_width = slice(start, start + filters)
        assert (rows_BF[:, of_width] < (first_B + rows_B)[:, None]).all()
        values_FL = F.conv1d(roomy_LD.T, weight_FDS)
        assert torch.equal(values_FL.T.gather(0, rows_BF[:, of_width]), best_BF[:, of_width])
        start += filters


def test_what_is_no_number_has_no_values() -> None:
    """A filter, or a word inside a text: a training that has diverged must not look as if it had not."""
    vectors_LD, lengths_B, *weights = (value.detach() for value in made([4, 0], [3, 1], 2, 3, tuned=False))
    weights[0][0] = torch.nan
    assert pooled(vectors_LD, lengths_B, *weights).isnan().tolist() == [[True, False, False, False]] * 2
    vectors_LD, lengths_B, *weights = (value.detach() for value in made([5, 9], [2], 40, 3, tuned=False))
    vectors_LD[2, 0] = torch.nan
    assert pooled(vectors_LD, lengths_B, *weights).isnan().tolist() == [[True] * 40, [False] * 40]


def test_vectors_that_are_no_neighbours_in_memory_are_read_as_well() -> None:
    vectors_LD, lengths_B, *weights = (value.detach().float() for value in made([4, 6, 3], [2], 3, 2, tuned=False))
    roomy_LD, lengths_B = F.pad(vectors_LD, (0, 0, 0, 2 + ROOM)), lengths_B.long()
    apart_LD = torch.stack((roomy_LD, roomy_LD), dim=2)[..., 0]
    assert torch.equal(
        pooled_convolutions(apart_LD, lengths_B, weights), pooled_convolutions(roomy_LD, lengths_B, weights)
    )
