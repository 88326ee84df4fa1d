"""The recurrences of ``lstm`` and ``gru`` over texts of several lengths, with gradients that cost less on a CPU.

torch's own way is a dozen operations for each step and each step back. Here steps are compiled, and the weights'
gradients are one product over all words behind them.

Words stand in order of steps, the texts longest first: step t has the first ``counts_T[t]`` texts.

Shape letters: CONTRIBUTING.md.
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
        of_input_AD, of_state_AH, input_bias_A, state_bias_A = weights
        gates_LA = _product(vectors_LD, of_input_AD.T, input_bias_A + state_bias_A)
        cells, bounded, states = (_room_for(vectors_LD, of_state_AH.shape[1]) for _ in range(3))
        lstm_forward(
            gates_LA.numpy(),
            _before(counts_T),
            panels(of_state_AH.T.numpy()),
            cells.numpy(),
            bounded.numpy(),
            states.numpy(),
        )
        states_LH = states[: len(vectors_LD)]
        ctx.save_for_backward(vectors_LD, counts_T, states_LH, *weights[:2], gates_LA, cells, bounded)
        return states_LH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _, counts_T, _, _, of_state_AH, gates_LA, cells, bounded = ctx.saved_tensors
        of_gates = _room_for(gates_LA, gates_LA.shape[1])
        lstm_gradient(
            gradients[0].contiguous().numpy(),
            _before(counts_T),
            panels(of_state_AH.numpy()),
            gates_LA.numpy(),
            cells.numpy(),
            bounded.numpy(),
            of_gates.numpy(),
        )
        return _of_inputs(ctx, of_gates, of_gates)


class _Gru(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors_LD: Tensor, counts_T: Tensor, *weights: Tensor) -> Tensor:
        of_input_AD, of_state_AH, input_bias_A, state_bias_A = weights
        hidden = of_state_AH.shape[1]
        bias_A = torch.cat((input_bias_A[: 2 * hidden] + state_bias_A[: 2 * hidden], input_bias_A[2 * hidden :]))
        gates_LA = _product(vectors_LD, of_input_AD.T, bias_A)
        recurrent, states = (_room_for(vectors_LD, hidden) for _ in range(2))
        gru_forward(
            gates_LA.numpy(),
            _before(counts_T),
            panels(of_state_AH.T.numpy()),
            state_bias_A[2 * hidden :].numpy(),
            recurrent.numpy(),
            states.numpy(),
        )
        states_LH = states[: len(vectors_LD)]
        ctx.save_for_backward(vectors_LD, counts_T, states_LH, *weights[:2], gates_LA, recurrent, states)
        return states_LH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _, counts_T, _, _, of_state_AH, gates_LA, recurrent, states = ctx.saved_tensors
        of_input, of_recurrent = (_room_for(gates_LA, gates_LA.shape[1]) for _ in range(2))
        gru_gradient(
            gradients[0].contiguous().numpy(),
            _before(counts_T),
            panels(of_state_AH.numpy()),
            gates_LA.numpy(),
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
    vectors_LD, counts_T, states_LH, of_input_AD = ctx.saved_tensors[:4]
    words, first = len(vectors_LD), int(counts_T[0])
    of_input_LA, of_recurrent_LA = of_input[:words], of_recurrent[:words]
    earlier = torch.arange(first, len(states_LH)) - counts_T[:-1].repeat_interleave(counts_T[1:])
    return (
        _product(of_input_LA, of_input_AD, of_input_AD.new_zeros(of_input_AD.shape[1]))
        if ctx.needs_input_grad[0]
        else None,
        None,
        _transposed_product(of_input, vectors_LD),
        _transposed_product(of_recurrent[first:], states_LH.index_select(0, earlier)),
        of_input_LA.sum(dim=0),
        of_recurrent_LA.sum(dim=0),
    )


def _product(rows_NI: Tensor, weight_IP: Tensor, bias_P: Tensor) -> Tensor:
    columns = len(bias_P)
    panels_QIJ = panels(weight_IP.numpy())
    bias_Z = F.pad(bias_P, (0, len(panels_QIJ) * TILE_COLUMNS - columns))
    products = multiply_rows(rows_NI.contiguous().numpy(), panels_QIJ, bias_Z.numpy())
    return torch.from_numpy(products)[:, :columns].contiguous()


def _transposed_product(left: Tensor, right_IP: Tensor) -> Tensor:
    return torch.from_numpy(multiply_transposed(left.numpy(), right_IP.numpy(), len(right_IP)))


def _room_for(rows: Tensor, columns: int) -> Tensor:
    """Return an empty tensor of as many rows, and those that fill a product's last tile."""
    return rows.new_empty(len(rows) + whole_tiles(1) - 1, columns)


def _before(counts_T: Tensor) -> Any:
    """Return before_T1: words before each step, and all of them."""
    return np.concatenate(([0], counts_T.cumsum(0).numpy()))
