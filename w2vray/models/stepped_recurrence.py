"""The recurrences of ``lstm`` and ``gru`` over texts of several lengths, with gradients that cost less on a CPU.

torch's own gradient goes back through each operation of each step, and adds up all weights at every step. Here a step
back is a few operations: what does not depend on later steps is computed for all words at once before, and the
weights' gradients are one product over all words behind.

Words stand in order of steps, the texts longest first: step t has the first ``counts_T[t]`` texts.

Legend: L words of all texts, T steps, D width of a vector, H numbers of a state, G gates times H.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["gru_states", "lstm_states"]


def lstm_states(vectors_LD: Tensor, counts_T: list[int], weights: Sequence[Tensor]) -> Tensor:
    """Return states_LH of an LSTM that starts with zeros.

    Args:
        vectors_LD: of the words in order of steps.
        counts_T: texts of each step, descending.
        weights: as ``torch.nn.LSTM`` holds them for a direction: of input and state, biases of input and state.
    """
    states_LH: Tensor = _Lstm.apply(vectors_LD, counts_T, *weights)  # type: ignore[no-untyped-call]
    return states_LH


def gru_states(vectors_LD: Tensor, counts_T: list[int], weights: Sequence[Tensor]) -> Tensor:
    """Return states_LH of a GRU, likewise."""
    states_LH: Tensor = _Gru.apply(vectors_LD, counts_T, *weights)  # type: ignore[no-untyped-call]
    return states_LH


class _Lstm(torch.autograd.Function):
    """Gates stand as torch has them: input, forget, cell, output."""

    @staticmethod
    def forward(ctx: Any, vectors_LD: Tensor, counts_T: list[int], *weights: Tensor) -> Tensor:
        of_input_GD, of_state_GH, input_bias_G, state_bias_G = weights
        gates_LG = torch.addmm(input_bias_G + state_bias_G, vectors_LD, of_input_GD.T)
        states_LH = gates_LG.new_empty(len(gates_LG), of_state_GH.shape[1])
        cells_LH, bounded_LH = torch.empty_like(states_LH), torch.empty_like(states_LH)
        state = cell = states_LH.new_zeros(counts_T[0], states_LH.shape[1])
        by_step = (
            torch.split(each, counts_T) for each in (gates_LG, *gates_LG.chunk(4, 1), cells_LH, bounded_LH, states_LH)
        )
        for gates, taken, kept, new, shown, next_cell, bounded, next_state in zip(*by_step, strict=True):
            texts = len(gates)
            gates.addmm_(state[:texts], of_state_GH.T)
            taken.sigmoid_(), kept.sigmoid_(), new.tanh_(), shown.sigmoid_()
            torch.mul(kept, cell[:texts], out=next_cell).addcmul_(taken, new)
            torch.tanh(next_cell, out=bounded)
            torch.mul(shown, bounded, out=next_state)
            state, cell = next_state, next_cell
        ctx.counts_T = counts_T
        ctx.save_for_backward(vectors_LD, of_input_GD, states_LH, of_state_GH, gates_LG, cells_LH, bounded_LH)
        return states_LH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _, _, _, of_state_GH, gates_LG, cells_LH, bounded_LH = ctx.saved_tensors
        taken_LH, kept_LH, new_LH, shown_LH = gates_LG.chunk(4, 1)
        slopes_LH = shown_LH * (1 - bounded_LH * bounded_LH)
        factors_LG = torch.cat(  # of the gates' gradients, beside the cell's and, for the last gate, the state's
            (
                new_LH * taken_LH * (1 - taken_LH),
                _before(cells_LH, ctx.counts_T) * kept_LH * (1 - kept_LH),
                taken_LH * (1 - new_LH * new_LH),
                bounded_LH * shown_LH * (1 - shown_LH),
            ),
            dim=1,
        )
        of_gates_L4H = factors_LG.view(len(factors_LG), 4, -1)
        of_states_LH = gradients[0].clone()
        carried_BH = of_states_LH.new_zeros(2, ctx.counts_T[0], of_states_LH.shape[1])  # back to states, and to cells
        steps = (
            torch.split(each, ctx.counts_T) for each in (of_states_LH, of_gates_L4H, factors_LG, slopes_LH, kept_LH)
        )
        for of_state, of_gates, flat, slopes, kept in reversed(list(zip(*steps, strict=True))):
            to_state, to_cell = carried_BH[:, : len(flat)]
            of_state.add_(to_state)
            to_cell.addcmul_(of_state, slopes)
            of_gates[:, :3].mul_(to_cell[:, None])
            of_gates[:, 3].mul_(of_state)
            torch.mm(flat, of_state_GH, out=to_state)
            to_cell.mul_(kept)
        return _of_inputs(ctx, factors_LG, factors_LG)


class _Gru(torch.autograd.Function):
    """Gates stand as torch has them: reset, update, candidate."""

    @staticmethod
    def forward(ctx: Any, vectors_LD: Tensor, counts_T: list[int], *weights: Tensor) -> Tensor:
        of_input_GD, of_state_GH, input_bias_G, state_bias_G = weights
        hidden = of_state_GH.shape[1]
        gates_LG = torch.addmm(input_bias_G, vectors_LD, of_input_GD.T)
        recurrent_LG = torch.empty_like(gates_LG)
        states_LH = gates_LG.new_empty(len(gates_LG), hidden)
        state = states_LH.new_zeros(counts_T[0], hidden)
        (both_LG, new_LH), (recurrent_both_LG, recurrent_LH) = (
            torch.split(each, [2 * hidden, hidden], dim=1) for each in (gates_LG, recurrent_LG)
        )
        parts = [both_LG, *both_LG.chunk(2, 1), new_LH, recurrent_LG, recurrent_both_LG, recurrent_LH, states_LH]
        by_step = (torch.split(each, counts_T) for each in parts)
        for both, reset, kept, new, recurrent, recurrent_both, recurrent_new, next_state in zip(*by_step, strict=True):
            state = state[: len(both)]
            torch.addmm(state_bias_G, state, of_state_GH.T, out=recurrent)
            both.add_(recurrent_both).sigmoid_()
            new.addcmul_(reset, recurrent_new).tanh_()
            state = torch.lerp(new, state, kept, out=next_state)
        ctx.counts_T = counts_T
        ctx.save_for_backward(vectors_LD, of_input_GD, states_LH, of_state_GH, gates_LG, recurrent_LH)
        return states_LH

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _, _, states_LH, of_state_GH, gates_LG, recurrent_LH = ctx.saved_tensors
        reset_LH, kept_LH, new_LH = gates_LG.chunk(3, 1)
        slopes_LH = (1 - kept_LH) * (1 - new_LH * new_LH)
        factors_LG = torch.cat(  # of the gradients of the recurrent product, beside the state's
            (
                slopes_LH * recurrent_LH * reset_LH * (1 - reset_LH),
                (_before(states_LH, ctx.counts_T) - new_LH) * kept_LH * (1 - kept_LH),
                slopes_LH * reset_LH,
            ),
            dim=1,
        )
        of_gates_L3H = factors_LG.view(len(factors_LG), 3, -1)
        of_states_LH = gradients[0].clone()
        carried_BH = of_states_LH.new_zeros(ctx.counts_T[0], of_states_LH.shape[1])
        steps = (torch.split(each, ctx.counts_T) for each in (of_states_LH, of_gates_L3H, factors_LG, kept_LH))
        for of_state, of_gates, flat, kept in reversed(list(zip(*steps, strict=True))):
            to_state = carried_BH[: len(flat)]
            of_state.add_(to_state)
            of_gates.mul_(of_state[:, None])
            torch.mul(of_state, kept, out=to_state).addmm_(flat, of_state_GH)
        of_input_LG = torch.cat((factors_LG[:, : 2 * slopes_LH.shape[1]], slopes_LH * of_states_LH), dim=1)
        return _of_inputs(ctx, of_input_LG, factors_LG)


def _of_inputs(ctx: Any, of_input_LG: Tensor, of_recurrent_LG: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of what ``forward`` took, by those of the products with vectors and with states."""
    vectors_LD, of_input_GD, states_LH = ctx.saved_tensors[:3]
    first = ctx.counts_T[0]
    return (
        of_input_LG @ of_input_GD if ctx.needs_input_grad[0] else None,
        None,
        of_input_LG.T @ vectors_LD,
        of_recurrent_LG[first:].T @ _before(states_LH, ctx.counts_T)[first:],
        of_input_LG.sum(dim=0),
        of_recurrent_LG.sum(dim=0),
    )


def _before(values_LH: Tensor, counts_T: list[int]) -> Tensor:
    """Return what stood in each word's text a word earlier; zeros at the first."""
    zeros_BH = values_LH.new_zeros(counts_T[0], values_LH.shape[1])
    steps = torch.split(values_LH, counts_T)
    return torch.cat((zeros_BH, *(step[:texts] for step, texts in zip(steps[:-1], counts_T[1:], strict=True))))
