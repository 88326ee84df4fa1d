"""``lstm`` and ``gru``, folded: a word's part in all gates is a look-up; only the recurrent product is left to compute.

Texts of like lengths go side by side, longest first, so that step t is of the first n(t) of them and nothing is padded.
Gates are kept scaled (by -log2 e where a sigmoid follows, by 2 log2 e where a tanh does), so that each is a quotient of
powers of two: ``sigmoid(x) = 1 / (1 + 2^scaled)``, ``tanh(x) = (2^scaled - 1) / (2^scaled + 1)``. Their products are
divided once. Exponents are held within 42, where both are flat and no product of three overflows.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import arithmetic, kernel
from w2vray.kernels.multiplying import multiply

__all__ = ["ONE", "SIGMOID", "TANH", "by_step", "gru_steps", "lstm_steps", "power_of_two"]

SIGMOID, TANH = -1 / np.log(2), 2 / np.log(2)
"""What a number is scaled by before its sigmoid, or its tanh, is taken."""

_TANH = np.float32(TANH)
_LIMIT = np.float32(42)
ONE = np.float32(1)
"""In kernels, which would compute with a Python number in float64."""

_ROUNDING = np.float32(3 << 22)
"""A float of this size has no room for fractions: what is added to it is rounded, into its lowest bits."""

_EXPONENT_SHIFT = np.int32(23)
_C1, _C2, _C3, _C4, _C5, _C6 = (
    np.float32(number) for number in (0.69314721, 0.24022651, 0.055503272, 0.0096180567, 0.0013400428, 0.00015461445)
)
"""2^r for |r| <= 1/2, interpolated at Chebyshev's points: within 3e-9 of it, before rounding."""


@kernel
def by_step(
    ids_L: npt.NDArray[np.int32], starts_B: npt.NDArray[np.int64], lengths_B: npt.NDArray[np.int64], backward: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the ids of texts, longest first, in order of steps, and how many there are before each step."""
    steps = lengths_B[0]
    order_L = np.empty(lengths_B.sum(), dtype=np.int32)
    before = np.zeros(steps + 1, dtype=np.int64)
    texts = len(lengths_B)
    at = 0
    for step in range(steps):
        while lengths_B[texts - 1] <= step:
            texts -= 1
        for text in range(texts):
            place = lengths_B[text] - 1 - step if backward else step
            order_L[at] = ids_L[starts_B[text] + place]
            at += 1
        before[step + 1] = at
    return order_L, before


@arithmetic
def power_of_two(x: np.float32) -> np.float32:
    """Return 2^x = 2^n 2^r with |r| <= 1/2; n is added to the exponent as the whole number that it is."""
    x = min(max(x, -_LIMIT), _LIMIT)
    rounded = x + _ROUNDING
    r = x - (rounded - _ROUNDING)
    power = ONE + r * (_C1 + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))
    n = np.float32(rounded).view(np.int32) << _EXPONENT_SHIFT
    return np.int32(np.float32(power).view(np.int32) + n).view(np.float32)


@arithmetic
def _lstm_text(
    gates_Z: npt.NDArray[np.float32],
    row_A: npt.NDArray[np.float32],
    cell_H: npt.NDArray[np.float32],
    state_H: npt.NDArray[np.float32],
) -> None:
    """Recurrent parts of the input, forget, cell and output gates of one text, to its next cell and state."""
    H = len(state_H)
    for a in range(4 * H):
        gates_Z[a] = power_of_two(gates_Z[a] + row_A[a])
    for h in range(H):
        forgotten, new = ONE + gates_Z[H + h], gates_Z[2 * H + h]
        taken = (ONE + new) * (ONE + gates_Z[h])
        cell_H[h] = (cell_H[h] * taken + (new - ONE) * forgotten) / (taken * forgotten)
    for h in range(H):
        power = power_of_two(cell_H[h] * _TANH)
        state_H[h] = (power - ONE) / ((power + ONE) * (ONE + gates_Z[3 * H + h]))


@arithmetic
def _gru_text(
    gates_Z: npt.NDArray[np.float32],
    row_A: npt.NDArray[np.float32],
    bias_H: npt.NDArray[np.float32],
    state_H: npt.NDArray[np.float32],
) -> None:
    """Recurrent parts of the reset and update gates and the candidate of one text, to its next state."""
    H = len(state_H)
    for a in range(2 * H):
        gates_Z[a] = power_of_two(gates_Z[a] + row_A[a])
    for h in range(H):
        candidate = row_A[2 * H + h] + (gates_Z[2 * H + h] + bias_H[h]) / (ONE + gates_Z[h])
        power = power_of_two(candidate)
        more, less = power + ONE, power - ONE
        state_H[h] = (gates_Z[H + h] * less + state_H[h] * more) / (more * (ONE + gates_Z[H + h]))


@arithmetic
def _keep_highest(state_H: npt.NDArray[np.float32], highest_H: npt.NDArray[np.float32]) -> None:
    for h in range(len(state_H)):
        highest_H[h] = max(highest_H[h], state_H[h])


@kernel
def lstm_steps(
    places_L: npt.NDArray[np.int32],
    before: npt.NDArray[np.int64],
    steps: tuple[int, int],
    rows_RP: npt.NDArray[np.float32],
    first: int,
    panels_QHJ: npt.NDArray[np.float32],
    gates_XZ: npt.NDArray[np.float32],
    cells_XH: npt.NDArray[np.float32],
    states_XH: npt.NDArray[np.float32],
    highest_XH: npt.NDArray[np.float32],
) -> None:
    """Take the steps from one to before another with each text; ``gates_XZ`` is used up.

    ``before`` is as ``by_step`` gives it, ``first`` is where this direction's part of a projected row begins, and
    ``highest_XH`` keeps each number's maximum.
    """
    A = 4 * states_XH.shape[1]
    for step in range(steps[0], steps[1]):
        start, texts = before[step], before[step + 1] - before[step]
        multiply(states_XH, panels_QHJ, texts, gates_XZ)
        for text in range(texts):
            row_A = rows_RP[places_L[start + text], first : first + A]
            _lstm_text(gates_XZ[text], row_A, cells_XH[text], states_XH[text])
            _keep_highest(states_XH[text], highest_XH[text])


@kernel
def gru_steps(
    places_L: npt.NDArray[np.int32],
    before: npt.NDArray[np.int64],
    steps: tuple[int, int],
    rows_RP: npt.NDArray[np.float32],
    first: int,
    panels_QHJ: npt.NDArray[np.float32],
    gates_XZ: npt.NDArray[np.float32],
    bias_H: npt.NDArray[np.float32],
    states_XH: npt.NDArray[np.float32],
    highest_XH: npt.NDArray[np.float32],
) -> None:
    """Take steps, as ``lstm_steps``; ``bias_H`` is the candidate's recurrent bias, scaled."""
    A = 3 * states_XH.shape[1]
    for step in range(steps[0], steps[1]):
        start, texts = before[step], before[step + 1] - before[step]
        multiply(states_XH, panels_QHJ, texts, gates_XZ)
        for text in range(texts):
            row_A = rows_RP[places_L[start + text], first : first + A]
            _gru_text(gates_XZ[text], row_A, bias_H, states_XH[text])
            _keep_highest(states_XH[text], highest_XH[text])
