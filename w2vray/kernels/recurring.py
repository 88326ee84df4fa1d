"""``lstm`` and ``gru``, folded: a word's part in all gates is a look-up; only the recurrent product is left to compute.

Texts of like lengths go side by side, longest first, so that step t is of the first n(t) of them and nothing is padded.
Gates are kept scaled (by -1 where a sigmoid follows, by 2 where a tanh does), so that each is a quotient of
exponentials: ``sigmoid(x) = 1 / (1 + exp(-x))``, ``tanh(x) = (exp(2 x) - 1) / (exp(2 x) + 1)``; scaling by these is
exact. Their products are divided once. Exponents are held within 40, where both are flat and no product overflows.

Legend: L ids of a batch in order of steps, B texts of it, H numbers of a state, G gates times H, R places.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel

__all__ = ["by_step", "gru_step", "lstm_step"]

_LOG2_E, _LN2_HIGH, _LN2_LOW = np.float32(1.4426950408889634), np.float32(0.693359375), np.float32(-2.12194440e-4)
_LIMIT = np.float32(40)
_EXPONENT_BIAS, _EXPONENT_SHIFT = 127, 23
_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)
_1_2, _1_6, _1_24, _1_120, _1_720, _1_5040 = (np.float32(1 / n) for n in (2, 6, 24, 120, 720, 5040))


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


@inlined
def _exponentials(
    values: npt.NDArray[np.float32],
    count: int,
    powers: npt.NDArray[np.float32],
    power_bits: npt.NDArray[np.int32],
) -> None:
    """Replace values by their exponentials: e^x = 2^n e^r with |r| <= ln 2 / 2, and seven terms of the series.

    ``power_bits`` is ``powers`` seen as whole numbers: 2^n is written as the exponent that it is.
    """
    for index in range(count):
        x = min(max(values[index], -_LIMIT), _LIMIT)
        n = np.floor(x * _LOG2_E + _HALF)
        power_bits[index] = (np.int32(n) + _EXPONENT_BIAS) << _EXPONENT_SHIFT
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        values[index] = _ONE + r * (
            _ONE + r * (_1_2 + r * (_1_6 + r * (_1_24 + r * (_1_120 + r * (_1_720 + r * _1_5040)))))
        )
    for index in range(count):
        values[index] *= powers[index]


@inlined
def _lstm_text(
    gates_G: npt.NDArray[np.float32],
    cell_H: npt.NDArray[np.float32],
    state_H: npt.NDArray[np.float32],
    powers: npt.NDArray[np.float32],
    power_bits: npt.NDArray[np.int32],
) -> None:
    """Input, forget, cell and output gates of one text, scaled, to its next cell and state."""
    H = len(state_H)
    _exponentials(gates_G, 4 * H, powers, power_bits)
    for h in range(H):
        taken = (gates_G[2 * H + h] - _ONE) / ((gates_G[2 * H + h] + _ONE) * (_ONE + gates_G[h]))
        cell_H[h] = cell_H[h] / (_ONE + gates_G[H + h]) + taken
        gates_G[h] = _TWO * cell_H[h]
    _exponentials(gates_G, H, powers, power_bits)
    for h in range(H):
        state_H[h] = (gates_G[h] - _ONE) / ((gates_G[h] + _ONE) * (_ONE + gates_G[3 * H + h]))


@inlined
def _gru_text(
    gates_G: npt.NDArray[np.float32],
    row_G: npt.NDArray[np.float32],
    bias_H: npt.NDArray[np.float32],
    state_H: npt.NDArray[np.float32],
    powers: npt.NDArray[np.float32],
    power_bits: npt.NDArray[np.int32],
) -> None:
    """Recurrent parts of the reset and update gates and the candidate of one text, scaled, to its next state."""
    H = len(state_H)
    for h in range(2 * H):
        gates_G[h] += row_G[h]
    _exponentials(gates_G, 2 * H, powers, power_bits)
    for h in range(H):
        gates_G[2 * H + h] = row_G[2 * H + h] + (gates_G[2 * H + h] + bias_H[h]) / (_ONE + gates_G[h])
    _exponentials(gates_G[2 * H :], H, powers, power_bits)
    for h in range(H):
        more, less = gates_G[2 * H + h] + _ONE, gates_G[2 * H + h] - _ONE
        state_H[h] = (gates_G[H + h] * less + state_H[h] * more) / (more * (_ONE + gates_G[H + h]))


@kernel
def lstm_step(
    gates_BG: npt.NDArray[np.float32],
    places_B: npt.NDArray[np.int32],
    rows_RP: npt.NDArray[np.float32],
    first: int,
    cells_BH: npt.NDArray[np.float32],
    states_BH: npt.NDArray[np.float32],
    highest_BH: npt.NDArray[np.float32],
) -> None:
    """Take one step with each text; ``gates_BG`` holds the recurrent product, and is used up.

    ``first`` is where this direction's part of a projected row begins; ``highest_BH`` keeps each number's maximum.
    """
    H = states_BH.shape[1]
    power_bits = np.empty(4 * H, dtype=np.int32)
    powers = power_bits.view(np.float32)
    for text in range(len(places_B)):
        gates_G = gates_BG[text]
        row_G = rows_RP[places_B[text], first : first + 4 * H]
        for g in range(4 * H):
            gates_G[g] += row_G[g]
        _lstm_text(gates_G, cells_BH[text], states_BH[text], powers, power_bits)
        for h in range(H):
            highest_BH[text, h] = max(highest_BH[text, h], states_BH[text, h])


@kernel
def gru_step(
    gates_BG: npt.NDArray[np.float32],
    places_B: npt.NDArray[np.int32],
    rows_RP: npt.NDArray[np.float32],
    first: int,
    bias_H: npt.NDArray[np.float32],
    states_BH: npt.NDArray[np.float32],
    highest_BH: npt.NDArray[np.float32],
) -> None:
    """Take one step with each text, as ``lstm_step``; ``bias_H`` is the candidate's recurrent bias, scaled."""
    H = states_BH.shape[1]
    power_bits = np.empty(3 * H, dtype=np.int32)
    powers = power_bits.view(np.float32)
    for text in range(len(places_B)):
        row_G = rows_RP[places_B[text], first : first + 3 * H]
        _gru_text(gates_BG[text], row_G, bias_H, states_BH[text], powers, power_bits)
        for h in range(H):
            highest_BH[text, h] = max(highest_BH[text, h], states_BH[text, h])
