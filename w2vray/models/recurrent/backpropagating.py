"""``lstm`` and ``gru`` while they learn: steps that keep what the gradient needs, and its steps back.

A step back is a product with the recurrent weights and a few numbers for each gate; what the weights get is left to
the caller, as one product over all words.

Words stand in order of steps, the texts longest first: step t is of the first n(t) texts, so that a text has the same
place in every step and nothing is padded. Behind the last word stand rows that fill a product's last tile.

Loops are short and many: each has few enough arrays that the compiler can tell at once that they lie apart, and makes
vector instructions of it.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import arithmetic, kernel
from w2vray.kernels.multiplying import multiply
from w2vray.models.recurrent.recurring import ONE, SIGMOID, TANH, power_of_two

__all__ = ["gru_forward", "gru_gradient", "lstm_forward", "lstm_gradient"]

_SIGMOID, _TANH = np.float32(SIGMOID), np.float32(TANH)


@arithmetic
def _sigmoid(numbers: npt.NDArray[np.float32]) -> None:
    for n in range(len(numbers)):
        numbers[n] = ONE / (ONE + power_of_two(numbers[n] * _SIGMOID))


@arithmetic
def _tanh(numbers: npt.NDArray[np.float32]) -> None:
    for n in range(len(numbers)):
        power = power_of_two(numbers[n] * _TANH)
        numbers[n] = (power - ONE) / (power + ONE)


@arithmetic
def _lstm_text(
    gates_A: npt.NDArray[np.float32],
    recurrent_Z: npt.NDArray[np.float32],
    earlier_cell_H: npt.NDArray[np.float32],
    cell_H: npt.NDArray[np.float32],
    bounded_H: npt.NDArray[np.float32],
    state_H: npt.NDArray[np.float32],
) -> None:
    H = len(state_H)
    for a in range(4 * H):
        gates_A[a] += recurrent_Z[a]
    _sigmoid(gates_A[: 2 * H])
    _tanh(gates_A[2 * H : 3 * H])
    _sigmoid(gates_A[3 * H :])
    for h in range(H):
        cell_H[h] = gates_A[H + h] * earlier_cell_H[h] + gates_A[h] * gates_A[2 * H + h]
        bounded_H[h] = cell_H[h]
    _tanh(bounded_H)
    for h in range(H):
        state_H[h] = gates_A[3 * H + h] * bounded_H[h]


@kernel
def lstm_forward(
    gates_LA: npt.NDArray[np.float32],
    before_T1: npt.NDArray[np.int64],
    panels_QHJ: npt.NDArray[np.float32],
    cells_LH: npt.NDArray[np.float32],
    bounded_LH: npt.NDArray[np.float32],
    states_LH: npt.NDArray[np.float32],
) -> None:
    """Take all steps from zeros.

    ``gates_LA`` comes with the words' parts and the biases, and is left with the input, forget, cell and output gates.
    ``before_T1`` tells how many words there are before each step; cells, their tanh and states are written.
    """
    recurrent_XZ, zeros_H = _of_first_step(states_LH, before_T1, panels_QHJ)
    for step in range(len(before_T1) - 1):
        start, texts = before_T1[step], before_T1[step + 1] - before_T1[step]
        earlier = before_T1[step - 1] if step else 0
        if step:
            multiply(states_LH[earlier:], panels_QHJ, texts, recurrent_XZ)
        for text in range(texts):
            word = start + text
            earlier_cell_H = cells_LH[earlier + text] if step else zeros_H
            _lstm_text(
                gates_LA[word], recurrent_XZ[text], earlier_cell_H, cells_LH[word], bounded_LH[word], states_LH[word]
            )


@arithmetic
def _lstm_text_back(
    of_state_H: npt.NDArray[np.float32],
    carried_Z: npt.NDArray[np.float32],
    of_cell_H: npt.NDArray[np.float32],
    gates_A: npt.NDArray[np.float32],
    earlier_cell_H: npt.NDArray[np.float32],
    bounded_H: npt.NDArray[np.float32],
    of_gates_A: npt.NDArray[np.float32],
) -> None:
    H = len(of_state_H)
    taken_H, kept_H, new_H, shown_H = gates_A[:H], gates_A[H : 2 * H], gates_A[2 * H : 3 * H], gates_A[3 * H :]
    of_taken_H, of_kept_H = of_gates_A[:H], of_gates_A[H : 2 * H]
    of_new_H, of_shown_H = of_gates_A[2 * H : 3 * H], of_gates_A[3 * H :]
    for h in range(H):
        carried_Z[h] += of_state_H[h]
    for h in range(H):
        of_cell_H[h] += carried_Z[h] * shown_H[h] * (ONE - bounded_H[h] * bounded_H[h])
    for h in range(H):
        of_taken_H[h] = of_cell_H[h] * new_H[h] * taken_H[h] * (ONE - taken_H[h])
    for h in range(H):
        of_kept_H[h] = of_cell_H[h] * earlier_cell_H[h] * kept_H[h] * (ONE - kept_H[h])
    for h in range(H):
        of_new_H[h] = of_cell_H[h] * taken_H[h] * (ONE - new_H[h] * new_H[h])
    for h in range(H):
        of_shown_H[h] = carried_Z[h] * bounded_H[h] * shown_H[h] * (ONE - shown_H[h])
    for h in range(H):
        of_cell_H[h] *= kept_H[h]


@kernel
def lstm_gradient(
    of_states_LH: npt.NDArray[np.float32],
    before_T1: npt.NDArray[np.int64],
    panels_QAJ: npt.NDArray[np.float32],
    gates_LA: npt.NDArray[np.float32],
    cells_LH: npt.NDArray[np.float32],
    bounded_LH: npt.NDArray[np.float32],
    of_gates_LA: npt.NDArray[np.float32],
) -> None:
    """Write the gradient of what goes into the gates, by that of the states, and by what ``lstm_forward`` wrote."""
    carried_XZ, zeros_H = _of_first_step(cells_LH, before_T1, panels_QAJ)
    of_cells_XH = np.zeros((len(carried_XZ), len(zeros_H)), dtype=np.float32)
    for step in range(len(before_T1) - 2, -1, -1):
        start, texts = before_T1[step], before_T1[step + 1] - before_T1[step]
        earlier = before_T1[step - 1] if step else 0
        for text in range(texts):
            word = start + text
            earlier_cell_H = cells_LH[earlier + text] if step else zeros_H
            _lstm_text_back(
                of_states_LH[word],
                carried_XZ[text],
                of_cells_XH[text],
                gates_LA[word],
                earlier_cell_H,
                bounded_LH[word],
                of_gates_LA[word],
            )
        if step:
            multiply(of_gates_LA[start:], panels_QAJ, texts, carried_XZ)
            carried_XZ[texts:] = 0


@arithmetic
def _gru_text(
    gates_A: npt.NDArray[np.float32],
    recurrent_Z: npt.NDArray[np.float32],
    bias_H: npt.NDArray[np.float32],
    earlier_H: npt.NDArray[np.float32],
    recurrent_H: npt.NDArray[np.float32],
    state_H: npt.NDArray[np.float32],
) -> None:
    H = len(state_H)
    for a in range(2 * H):
        gates_A[a] += recurrent_Z[a]
    _sigmoid(gates_A[: 2 * H])
    for h in range(H):
        recurrent_H[h] = recurrent_Z[2 * H + h] + bias_H[h]
        gates_A[2 * H + h] += gates_A[h] * recurrent_H[h]
    _tanh(gates_A[2 * H :])
    for h in range(H):
        new = gates_A[2 * H + h]
        state_H[h] = new + gates_A[H + h] * (earlier_H[h] - new)


@kernel
def gru_forward(
    gates_LA: npt.NDArray[np.float32],
    before_T1: npt.NDArray[np.int64],
    panels_QHJ: npt.NDArray[np.float32],
    bias_H: npt.NDArray[np.float32],
    recurrent_LH: npt.NDArray[np.float32],
    states_LH: npt.NDArray[np.float32],
) -> None:
    """Take all steps, as ``lstm_forward``: gates are reset, update and candidate.

    ``bias_H`` is the candidate's recurrent bias, which the words' parts do not have; ``recurrent_LH`` is written with
    its recurrent part.
    """
    recurrent_XZ, zeros_H = _of_first_step(states_LH, before_T1, panels_QHJ)
    for step in range(len(before_T1) - 1):
        start, texts = before_T1[step], before_T1[step + 1] - before_T1[step]
        earlier = before_T1[step - 1] if step else 0
        if step:
            multiply(states_LH[earlier:], panels_QHJ, texts, recurrent_XZ)
        for text in range(texts):
            word = start + text
            earlier_H = states_LH[earlier + text] if step else zeros_H
            _gru_text(gates_LA[word], recurrent_XZ[text], bias_H, earlier_H, recurrent_LH[word], states_LH[word])


@arithmetic
def _gru_text_back(
    of_state_H: npt.NDArray[np.float32],
    carried_Z: npt.NDArray[np.float32],
    kept_H: npt.NDArray[np.float32],
    gates_A: npt.NDArray[np.float32],
    recurrent_H: npt.NDArray[np.float32],
    earlier_H: npt.NDArray[np.float32],
    of_input_A: npt.NDArray[np.float32],
    of_recurrent_A: npt.NDArray[np.float32],
) -> None:
    H = len(of_state_H)
    reset_H, update_H, new_H = gates_A[:H], gates_A[H : 2 * H], gates_A[2 * H :]
    of_reset_H, of_update_H, of_new_H = of_input_A[:H], of_input_A[H : 2 * H], of_input_A[2 * H :]
    of_recurrent_new_H = of_recurrent_A[2 * H :]
    for h in range(H):
        carried_Z[h] += of_state_H[h] + kept_H[h]
    for h in range(H):
        of_new_H[h] = carried_Z[h] * (ONE - update_H[h]) * (ONE - new_H[h] * new_H[h])
    for h in range(H):
        of_recurrent_new_H[h] = of_new_H[h] * reset_H[h]
    for h in range(H):
        of_reset_H[h] = of_recurrent_new_H[h] * recurrent_H[h] * (ONE - reset_H[h])
    for h in range(H):
        of_update_H[h] = carried_Z[h] * (earlier_H[h] - new_H[h]) * update_H[h] * (ONE - update_H[h])
    for h in range(H):
        kept_H[h] = carried_Z[h] * update_H[h]
    for a in range(2 * H):
        of_recurrent_A[a] = of_input_A[a]


@kernel
def gru_gradient(
    of_states_LH: npt.NDArray[np.float32],
    before_T1: npt.NDArray[np.int64],
    panels_QAJ: npt.NDArray[np.float32],
    gates_LA: npt.NDArray[np.float32],
    recurrent_LH: npt.NDArray[np.float32],
    states_LH: npt.NDArray[np.float32],
    of_input_LA: npt.NDArray[np.float32],
    of_recurrent_LA: npt.NDArray[np.float32],
) -> None:
    """Write the gradients of the words' and of the recurrent parts of the gates, as ``lstm_gradient``."""
    carried_XZ, zeros_H = _of_first_step(states_LH, before_T1, panels_QAJ)
    kept_XH = np.zeros((len(carried_XZ), len(zeros_H)), dtype=np.float32)
    for step in range(len(before_T1) - 2, -1, -1):
        start, texts = before_T1[step], before_T1[step + 1] - before_T1[step]
        earlier = before_T1[step - 1] if step else 0
        for text in range(texts):
            word = start + text
            earlier_H = states_LH[earlier + text] if step else zeros_H
            _gru_text_back(
                of_states_LH[word],
                carried_XZ[text],
                kept_XH[text],
                gates_LA[word],
                recurrent_LH[word],
                earlier_H,
                of_input_LA[word],
                of_recurrent_LA[word],
            )
        if step:
            multiply(of_recurrent_LA[start:], panels_QAJ, texts, carried_XZ)
            carried_XZ[texts:] = 0


@kernel
def _of_first_step(
    states_LH: npt.NDArray[np.float32], before_T1: npt.NDArray[np.int64], panels: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return zeros: of the product of the first step, in whole tiles, and of a state."""
    room = len(states_LH) - before_T1[-1] + before_T1[1]
    return (
        np.zeros((room, panels.shape[0] * panels.shape[2]), dtype=np.float32),
        np.zeros(states_LH.shape[1], dtype=np.float32),
    )
