"""Dropout of the numbers of word vectors, whose mask costs less on a CPU than torch's own.

A share is left out to the next of 65,536 parts: a draw is 16 bits, so that four come of one random number.
"""

import torch
from torch import Tensor, nn

__all__ = ["InputDropout"]

_DRAWS = 1 << 16


class InputDropout(nn.Module):
    """As ``torch.nn.Dropout``: in training each number is left out by itself, and the others are scaled up."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, vectors: Tensor) -> Tensor:
        """Return vectors of the same shape."""
        if not self.training or not self.share:
            return vectors
        if vectors.device.type != "cpu":
            return nn.functional.dropout(vectors, self.share)
        left_out = round(self.share * _DRAWS)
        numbers = torch.empty(-(-vectors.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        draws = numbers.view(torch.int16)[: vectors.numel()].view(vectors.shape)
        return vectors.masked_fill(draws < left_out - _DRAWS // 2, 0.0).mul_(_DRAWS / (_DRAWS - left_out))
