"""Pieces of texts by their weights, in compiled code: of each text those that weigh most.

The compiled twin of ``Weighed.strongest`` (``models/evidence.py``), for all texts of a block.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel

__all__ = ["Heaviest", "heaviest_ids", "take_heaviest", "weigh_ids"]


class Heaviest(NamedTuple):
    """The pieces that weigh most, of one text after another, the heaviest first; each text counts its own ids."""

    counts_N: npt.NDArray[np.int64]
    first_O: npt.NDArray[np.int64]
    last_O: npt.NDArray[np.int64]
    weight_O: npt.NDArray[np.float32]


_SIZE = np.int32(0x7FFFFFFF)
"""The bits of a float32 without its sign: as whole numbers they are in the order of what they stand for."""

_PLACES = np.int64(0xFFFFFFFF)


@kernel
def weigh_ids(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    rows_RP: npt.NDArray[np.float32],
    label_N: npt.NDArray[np.int32],
    gains_CP: npt.NDArray[np.float64],
    divisor_N: npt.NDArray[np.float64],
    weight_L: npt.NDArray[np.float32],
) -> None:
    """Write what each id from ``start`` to ``stop`` weighs: its row, weighed by the gains of its text's label."""
    numbers = rows_RP.shape[1]
    gain_P = np.empty(numbers, dtype=np.float64)
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        label = label_N[text]
        if label >= 0:
            divisor = divisor_N[text]
            for p in range(numbers):
                gain_P[p] = gains_CP[label, p]
            for position in range(max(start, offsets_N1[text]), min(stop, offsets_N1[text + 1])):
                row = np.uint32(places_L[position])
                total = 0.0
                for p in range(numbers):
                    total += gain_P[p] * rows_RP[row, p]
                weight_L[position] = total / divisor
        text += 1


@inlined
def take_heaviest(
    weight_L: npt.NDArray[np.float32],
    bits_L: npt.NDArray[np.int32],
    begin: int,
    count: int,
    most: int,
    key_T: npt.NDArray[np.int64],
    place_O: npt.NDArray[np.int64],
    weight_O: npt.NDArray[np.float32],
    done: int,
) -> int:
    """Append the pieces that weigh most of so many from ``begin`` on, and return how many are appended by now.

    Each is looked for among all that are left, without a branch that a processor could guess wrong. A piece's key has
    the size of its weight, then its place from the end: of pieces that weigh the same, the first has the greatest key.

    Args:
        weight_L: what pieces weigh,
        bits_L: and the same memory as whole numbers.
        begin: place of the first.
        count: how many there are.
        most: of which so many are taken.
        key_T: room for as many keys.
        place_O: written from ``done`` on: places, counted from ``begin``,
        weight_O: and weights.
        done: how many are appended already.
    """
    for place in range(count):
        key_T[place] = np.int64(bits_L[begin + place] & _SIZE) << 32 | (_PLACES - place)
    for _ in range(min(most, count)):
        highest = np.int64(0)
        for place in range(count):
            highest = max(highest, key_T[place])
        if highest >> 32 == 0:
            break
        place = _PLACES - (highest & _PLACES)
        place_O[done], weight_O[done] = place, weight_L[begin + place]
        key_T[place] = 0
        done += 1
    return done


@kernel
def heaviest_ids(
    weight_L: npt.NDArray[np.float32], offsets_N1: npt.NDArray[np.int64], label_N: npt.NDArray[np.int32], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return how many ids of each text weigh most, which, and what they weigh; a text without a label has none."""
    texts = len(label_N)
    counts_N = np.zeros(texts, dtype=np.int64)
    room = longest = np.int64(0)
    for text in range(texts):
        words = offsets_N1[text + 1] - offsets_N1[text]
        longest = max(longest, words)
        if label_N[text] >= 0:
            room += min(most, words)
    key_T = np.empty(longest, dtype=np.int64)
    first_O, weight_O = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32)
    bits_L = weight_L.view(np.int32)
    done = 0
    for text in range(texts):
        if label_N[text] >= 0:
            begin, before = offsets_N1[text], done
            words = offsets_N1[text + 1] - begin
            done = take_heaviest(weight_L, bits_L, begin, words, most, key_T, first_O, weight_O, done)
            counts_N[text] = done - before
    return counts_N, first_O[:done], weight_O[:done]
