"""A convolution over words and its maximum over time, as one step whose gradient is only computed where it is not zero.

The maximum passes a filter's gradient to one window of each text. A convolution's own backward pass multiplies all
windows with gradients that are nearly all zero; this one gathers the windows that were the best, and adds up.

Legend: B texts, T ids of the longest, D width of a vector, F filters, K width of a filter in words, W windows, U
windows that are the best of some filter.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pooled_convolution"]


def pooled_convolution(vectors_BTD: Tensor, weight_FDK: Tensor, bias_F: Tensor, last_B: Tensor) -> Tensor:
    """Return features_BF: each filter's largest value over the windows 0 .. ``last_B`` of a text, and not below zero.

    Args:
        vectors_BTD: of one text or more, at least K ids wide.
        weight_FDK: as ``torch.nn.Conv1d`` holds it.
        bias_F: likewise.
        last_B: first word of each text's last window, T - K at most.
    """
    features_BF: Tensor = _PooledConvolution.apply(vectors_BTD, weight_FDK, bias_F, last_B)  # type: ignore[no-untyped-call]
    return features_BF


class _PooledConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors_BTD: Tensor, weight_FDK: Tensor, bias_F: Tensor, last_B: Tensor) -> Tensor:
        texts, longest, dim = vectors_BTD.shape
        filters, _, width = weight_FDK.shape
        vectors_BTD = vectors_BTD.contiguous()
        # the windows of all texts as rows, without a copy: those that reach into the next text are never looked at
        count = texts * longest - width + 1
        windows = vectors_BTD.as_strided((count, width * dim), (dim, 1))
        values = vectors_BTD.new_empty(texts * longest, filters)
        torch.mm(windows, weight_FDK.transpose(1, 2).reshape(filters, -1).T, out=values[:count])
        values_BWF = values.view(texts, longest, filters)[:, : longest - width + 1]
        beyond_BW = torch.arange(values_BWF.shape[1], device=last_B.device) > last_B[:, None]
        best_BF, at_BF = values_BWF.masked_fill_(beyond_BW[:, :, None], float("-inf")).max(dim=1)
        features_BF = torch.relu(best_BF + bias_F)
        ctx.save_for_backward(vectors_BTD, weight_FDK, at_BF, features_BF > 0)
        return features_BF

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        vectors_BTD, weight_FDK, at_BF, above_BF = ctx.saved_tensors
        texts, longest, dim = vectors_BTD.shape
        gradient_BF = gradients[0] * above_BF
        rows_BF = at_BF + longest * torch.arange(texts, device=at_BF.device)[:, None]
        vectors = vectors_BTD.detach().view(
            -1, dim
        )  # of what wants a gradient, embedding_bag keeps more than is needed
        rows_FB, gradient_FB = rows_BF.T.contiguous(), gradient_BF.T.contiguous()
        of_words = [
            F.embedding_bag(rows_FB + word, vectors, per_sample_weights=gradient_FB, mode="sum")
            for word in range(weight_FDK.shape[2])
        ]
        of_vectors = _of_vectors(vectors_BTD, weight_FDK, rows_BF, gradient_BF) if ctx.needs_input_grad[0] else None
        return of_vectors, torch.stack(of_words, dim=2), gradient_BF.sum(dim=0), None


def _of_vectors(vectors_BTD: Tensor, weight_FDK: Tensor, rows_BF: Tensor, gradient_BF: Tensor) -> Tensor:
    """Return the gradient of the vectors: each best window's is the sum of the filters that it is the best of."""
    dim, width = vectors_BTD.shape[2], weight_FDK.shape[2]
    ordered, order = rows_BF.flatten().sort(stable=True)
    rows_U, counts_U = torch.unique_consecutive(ordered, return_counts=True)
    windows = F.embedding_bag(
        order % len(weight_FDK),
        weight_FDK.transpose(1, 2).reshape(len(weight_FDK), -1),
        counts_U.cumsum(0) - counts_U,
        per_sample_weights=gradient_BF.flatten()[order],
        mode="sum",
    )
    gradient_BTD = torch.zeros_like(vectors_BTD)
    flat = gradient_BTD.view(-1, dim)
    for word in range(width):
        flat.index_add_(0, rows_U + word, windows[:, word * dim : (word + 1) * dim])
    return gradient_BTD
