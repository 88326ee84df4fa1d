"""The recurrences of ``lstm`` and ``gru`` over texts of several lengths, with gradients that cost less on a CPU.

torch's own way is a dozen operations for each step and each step back. Here steps are compiled, and the weights'
gradients are one product over all words behind them.

Words stand in order of steps, the texts longest first: step t has the first ``counts_T[t]`` texts.

Legend: L words of all texts, T steps, D width of a vector, H numbers of a state, G gates times H.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.kernels.multiplying import TILE_COLUMNS, multiply_rows, multiply_transposed, panels, whole_tiles
from w2vray.models.recurrent.backpropagating import gru_forward, gru_gradient, lstm_forward, lstm_gradient

__all__ = ["gru_states", "lstm_states"]


def lstm_states(vectors_LD: Tensor, counts_T: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return states_LH of an LSTM that starts with zeros.

    Args:
        vectors_LD: of the words in order of steps.
        counts_T: texts of each step, descending.
        weights: as ``torch.nn.LSTM`` holds them for a direction: of input and state, biases of input and state.
    """
    states_LH: Tensor = _Lstm.apply(vectors_LD, counts_T, *weights)  # type: ignore[no-untyped-call]
    return states_LH


def gru_states(vectors_LD: Tensor, counts_T: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return states_LH of a GRU, likewise."""
    states_LH: Tensor = _Gru.apply(vectors_LD, counts_T, *weights)  # type: ignore[no-untyped-call]
    return states_LH


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors_LD: Tensor, counts_T: Tensor, *weights: Tensor) -> Tensor:
        of_input_GD, of_state_GH, input_bias_G, state_bias_G = weights
        gates_LG = _product(vectors_LD, of_input_GD.T, input_bias_G + state_bias_G)
        cells, bounded, states = (_room_for(vectors_LD, of_state_GH.shape[1]) for _ in range(3))
        lstm_forward(
            gates_LG.numpy(),
            _before(counts_T),
            panels(of_state_GH.T.numpy()),
            cells.numpy(),
            bounded.numpy(),
            states.numpy(),
        )
        states_LH = states[: len(vectors_LD)]
        ctx.save_for_backward(vectors_LD, counts_T, states_LH, *weights[:2], gates_LG, cells, bounded)
        return states_LH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _, counts_T, _, _, of_state_GH, gates_LG, cells, bounded = ctx.saved_tensors
        of_gates = _room_for(gates_LG, gates_LG.shape[1])
        lstm_gradient(
            gradients[0].contiguous().numpy(),
            _before(counts_T),
            panels(of_state_GH.numpy()),
            gates_LG.numpy(),
            cells.numpy(),
            bounded.numpy(),
            of_gates.numpy(),
        )
        return _of_inputs(ctx, of_gates, of_gates)


class _Gru(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors_LD: Tensor, counts_T: Tensor, *weights: Tensor) -> Tensor:
        of_input_GD, of_state_GH, input_bias_G, state_bias_G = weights
        hidden = of_state_GH.shape[1]
        bias_G = torch.cat((input_bias_G[: 2 * hidden] + state_bias_G[: 2 * hidden], input_bias_G[2 * hidden :]))
        gates_LG = _product(vectors_LD, of_input_GD.T, bias_G)
        recurrent, states = (_room_for(vectors_LD, hidden) for _ in range(2))
        gru_forward(
            gates_LG.numpy(),
            _before(counts_T),
            panels(of_state_GH.T.numpy()),
            state_bias_G[2 * hidden :].numpy(),
            recurrent.numpy(),
            states.numpy(),
        )
        states_LH = states[: len(vectors_LD)]
        ctx.save_for_backward(vectors_LD, counts_T, states_LH, *weights[:2], gates_LG, recurrent, states)
        return states_LH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _, counts_T, _, _, of_state_GH, gates_LG, recurrent, states = ctx.saved_tensors
        of_input, of_recurrent = (_room_for(gates_LG, gates_LG.shape[1]) for _ in range(2))
        gru_gradient(
            gradients[0].contiguous().numpy(),
            _before(counts_T),
            panels(of_state_GH.numpy()),
            gates_LG.numpy(),
            recurrent.numpy(),
            states.numpy(),
            of_input.numpy(),
            of_recurrent.numpy(),
        )
        return _of_inputs(ctx, of_input, of_recurrent)


def _of_inputs(ctx: Any, of_input: Tensor, of_recurrent: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of what ``forward`` took, by those of the words' and the recurrent parts of the gates.

    These come with room for whole tiles.
    """
    vectors_LD, counts_T, states_LH, of_input_GD = ctx.saved_tensors[:4]
    words, first = len(vectors_LD), int(counts_T[0])
    of_input_LG, of_recurrent_LG = of_input[:words], of_recurrent[:words]
    earlier = torch.arange(first, len(states_LH)) - counts_T[:-1].repeat_interleave(counts_T[1:])
    return (
        _product(of_input_LG, of_input_GD, of_input_GD.new_zeros(of_input_GD.shape[1]))
        if ctx.needs_input_grad[0]
        else None,
        None,
        _transposed_product(of_input, vectors_LD),
        _transposed_product(of_recurrent[first:], states_LH.index_select(0, earlier)),
        of_input_LG.sum(dim=0),
        of_recurrent_LG.sum(dim=0),
    )


def _product(rows_LH: Tensor, weight_HG: Tensor, bias_G: Tensor) -> Tensor:
    columns = len(bias_G)
    panels_PHC = panels(weight_HG.numpy())
    bias_F = F.pad(bias_G, (0, len(panels_PHC) * TILE_COLUMNS - columns))
    products = multiply_rows(rows_LH.contiguous().numpy(), panels_PHC, bias_F.numpy())
    return torch.from_numpy(products)[:, :columns].contiguous()


def _transposed_product(left: Tensor, right_LD: Tensor) -> Tensor:
    return torch.from_numpy(multiply_transposed(left.numpy(), right_LD.numpy(), len(right_LD)))


def _room_for(rows: Tensor, columns: int) -> Tensor:
    """Return an empty tensor of as many rows, and those that fill a product's last tile."""
    return rows.new_empty(len(rows) + whole_tiles(1) - 1, columns)


def _before(counts_T: Tensor) -> Any:
    """Return before_T1: words before each step, and all of them."""
    return np.concatenate(([0], counts_T.cumsum(0).numpy()))
