"""Dropout of word vectors: how many numbers it leaves out, and what becomes of the others."""

import pytest
import torch

from w2vray.models.dropout import InputDropout


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_share_is_left_out_and_the_mean_stays(share: float) -> None:
    """Of 90,000 numbers, within five standard deviations."""
    dropout = InputDropout(share)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = dropout(torch.ones(30, 30, 100))

    kept = out[out != 0]
    spread = 5 * (share * (1 - share) / out.numel()) ** 0.5
    assert 1 - len(kept) / out.numel() == pytest.approx(share, abs=spread)
    assert kept.tolist() == pytest.approx([1 / (1 - share)] * len(kept), rel=1e-3)


def test_what_is_left_out_gets_no_gradient() -> None:
    """The rest gets what it was scaled by; a number of values that is no multiple of four does no harm."""
    vectors = torch.ones(7, 3, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = InputDropout(0.5)(vectors)
    torch.autograd.backward(out.sum())

    assert 0 < int((out == 0).sum()) < out.numel()
    assert vectors.grad is not None
    assert torch.equal(vectors.grad, out.detach())


def test_the_same_seed_leaves_out_the_same() -> None:
    masks = []
    for seed in (1, 1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            masks.append(InputDropout(0.5)(torch.ones(40)))

    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_nothing_is_left_out_when_scoring_or_where_the_share_is_none() -> None:
    vectors = torch.ones(5, 4)

    assert InputDropout(0.5).eval()(vectors) is vectors
    assert InputDropout(0.0)(vectors) is vectors
