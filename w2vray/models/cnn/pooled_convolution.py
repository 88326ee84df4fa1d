"""Convolutions over words and their maxima over time, as one step whose gradient is only computed where it is not zero.

A maximum passes a filter's gradient to one window of each text. A convolution's own backward pass multiplies all
windows with gradients that are nearly all zero; this one gathers the windows that were the best, and adds up. Texts
lie one behind another, so that nothing is computed for padding.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.kernels.multiplying import TILE_COLUMNS, TILE_ROWS
from w2vray.models.cnn.pooling import fill_panels, highest_windows

__all__ = ["ROOM", "pooled_convolutions"]

ROOM = TILE_ROWS
"""Rows behind the last text, beside those of the widest filter: the last tile of windows reaches there."""


def pooled_convolutions(vectors_LD: Tensor, lengths_B: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return best_BF: each filter's largest value over the windows that see a word of a text.

    Args:
        vectors_LD: of one text or more, one row of zeros less than the widest filter has words before the rows of each
            one's words (one row of zeros where it has none), and behind the last one as many, and ``ROOM``.
        lengths_B: words of each text.
        weights: of filters of one width each, weight_FDS as ``torch.nn.Conv1d`` holds it, the widest first.
    """
    best_BF: Tensor = _PooledConvolutions.apply(vectors_LD, lengths_B, *weights)  # type: ignore[no-untyped-call]
    return best_BF


class _PooledConvolutions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors_LD: Tensor, lengths_B: Tensor, *weights: Tensor) -> Tensor:
        rows_B = lengths_B.clamp(min=1) + weights[0].shape[2] - 1
        first_B = rows_B.cumsum(0) - rows_B
        best_BF, rows_BF = _best(vectors_LD, first_B, lengths_B, weights)
        ctx.save_for_backward(vectors_LD, rows_BF, *weights)
        return best_BF

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vectors_LD, rows_BF, *weights = ctx.saved_tensors
        rows_FB, gradient_FB = rows_BF.T.contiguous(), gradients[0].T.contiguous()
        vectors_LD = vectors_LD.detach()  # of what wants a gradient, embedding_bag keeps more than is needed
        of_words = [
            F.embedding_bag(
                rows_FB[: _wider(weights, word)] + word,
                vectors_LD,
                per_sample_weights=gradient_FB[: _wider(weights, word)],
                mode="sum",
            )
            for word in range(weights[0].shape[2])
        ]
        of_weights, start = [], 0
        for weight_FDS in weights:
            filters, _, width = weight_FDS.shape
            of_weight_SFD = torch.stack([each[start : start + filters] for each in of_words[:width]])
            of_weights.append(of_weight_SFD.permute(1, 2, 0).contiguous())
            start += filters
        of_vectors = _of_vectors(vectors_LD, weights, rows_BF, gradients[0]) if ctx.needs_input_grad[0] else None
        return of_vectors, None, *of_weights


def _best(vectors_LD: Tensor, first_B: Tensor, lengths_B: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the largest values and the rows of their windows, of texts that begin at these rows."""
    _, dim, widest = weights[0].shape
    words_F = np.concatenate([np.full(len(weight_FDS), weight_FDS.shape[2]) for weight_FDS in weights])
    filters, panels = len(words_F), -(-len(words_F) // TILE_COLUMNS)
    words_Z = np.pad(words_F, (0, panels * TILE_COLUMNS - filters), mode="edge")
    panels_QIJ = np.zeros((panels, widest * dim, TILE_COLUMNS), dtype=np.float32)
    start = 0
    for weight_FDS in weights:
        fill_panels(weight_FDS.contiguous().numpy(), start, panels_QIJ)
        start += len(weight_FDS)
    vectors = vectors_LD.contiguous().numpy()
    windows_LI = np.lib.stride_tricks.as_strided(vectors, (len(vectors) - widest + 1, widest * dim), vectors.strides)
    best_BZ = np.empty((len(lengths_B), len(words_Z)), dtype=np.float32)
    at_BZ = np.empty(best_BZ.shape, dtype=np.int32)
    highest_windows(windows_LI, first_B.numpy(), lengths_B.numpy(), panels_QIJ, words_Z, best_BZ, at_BZ)
    return torch.from_numpy(best_BZ)[:, :filters], first_B[:, None] + torch.from_numpy(at_BZ)[:, :filters]


def _of_vectors(vectors_LD: Tensor, weights: Sequence[Tensor], rows_BF: Tensor, gradient_BF: Tensor) -> Tensor:
    """Return the gradient of the vectors: each best window's is the sum of the filters that it is the best of."""
    filters = rows_BF.shape[1]
    ordered, order = rows_BF.flatten().sort(stable=True)
    rows_U, counts_U = torch.unique_consecutive(ordered, return_counts=True)
    gradient_LD = torch.zeros_like(vectors_LD)
    for word, weight_FD in enumerate(_side_by_side(weights)):
        of_word_UD = F.embedding_bag(
            order % filters,
            weight_FD,
            counts_U.cumsum(0) - counts_U,
            per_sample_weights=gradient_BF.flatten()[order],
            mode="sum",
        )
        within = rows_U + word < len(vectors_LD)  # behind the last text there are zeros of narrower filters
        gradient_LD.index_add_(0, rows_U[within] + word, of_word_UD[within])
    return gradient_LD


def _side_by_side(weights: Sequence[Tensor]) -> Tensor:
    """Return weight_SFD of all filters, zero behind the words of the narrower ones."""
    _, dim, widest = weights[0].shape
    weight_SFD = weights[0].new_zeros(widest, sum(map(len, weights)), dim)
    start = 0
    for weight_FDS in weights:
        filters, _, width = weight_FDS.shape
        weight_SFD[:width, start : start + filters] = weight_FDS.permute(2, 0, 1)
        start += filters
    return weight_SFD


def _wider(weights: Sequence[Tensor], word: int) -> int:
    """Return how many filters have more words than so many: they come first."""
    return sum(len(weight_FDS) for weight_FDS in weights if weight_FDS.shape[2] > word)
