"""Pieces of texts by their weights, in compiled code: of each text those that weigh most.

The compiled twin of ``Weighed.strongest`` (``models/evidence.py``), for all texts of a block.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel, unordered

__all__ = ["Heaviest", "heaviest_ids", "take_all", "take_heaviest", "weigh_ids"]


class Heaviest(NamedTuple):
    """The pieces that weigh most, of one text after another, the heaviest first; each text counts its own ids."""

    counts_N: npt.NDArray[np.int64]
    first_O: npt.NDArray[np.int64]
    last_O: npt.NDArray[np.int64]
    weight_O: npt.NDArray[np.float32]


_SIZE = np.int32(0x7FFFFFFF)
"""The bits of a float32 without its sign: as whole numbers they are in the order of what they stand for."""


@unordered
def _product(gain_P: npt.NDArray[np.float32], row_P: npt.NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for p in range(len(gain_P)):
        total += gain_P[p] * row_P[p]
    return total


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
    """Write what each id from ``start`` to ``stop`` weighs: its row, weighed by the gains of its text's label.

    Rows may have more numbers than there are gains for; those weigh nothing.
    """
    numbers = gains_CP.shape[1]
    gain_P = np.empty(numbers, dtype=np.float32)
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        label = label_N[text]
        if label >= 0:
            for p in range(numbers):
                gain_P[p] = gains_CP[label, p] / divisor_N[text]
            for position in range(max(start, offsets_N1[text]), min(stop, offsets_N1[text + 1])):
                weight_L[position] = _product(gain_P, rows_RP[np.uint64(places_L[np.uint64(position)])])
        text += 1


@inlined
def take_heaviest(
    bits_L: npt.NDArray[np.int32],
    begin: int,
    count: int,
    most: int,
    place_O: npt.NDArray[np.int64],
    bits_O: npt.NDArray[np.int32],
    done: int,
) -> int:
    """Append the pieces that weigh most of so many from ``begin`` on, and return how many are appended by now.

    The heaviest of those that were seen are kept in order. A piece goes behind those that weigh the same, and what
    weighs nothing is left out.

    Args:
        bits_L: what pieces weigh: the bits of float32.
        begin: place of the first.
        count: how many there are.
        most: of which so many are taken, one at least.
        place_O: written from ``done`` on: places, counted from ``begin``,
        bits_O: and the bits of weights.
        done: how many are appended already.
    """
    room, end = done + most, done
    least = np.int32(0)  # a piece has to weigh more
    for place in range(count):
        bits = bits_L[begin + place]
        if bits & _SIZE > least:
            at = min(end, room - 1)
            while at > done and bits_O[at - 1] & _SIZE < bits & _SIZE:
                place_O[at], bits_O[at] = place_O[at - 1], bits_O[at - 1]
                at -= 1
            place_O[at], bits_O[at] = place, bits
            end = min(end + 1, room)
            if end == room:
                least = bits_O[room - 1] & _SIZE
    return end


@inlined
def take_all(
    bits_L: npt.NDArray[np.int32],
    begin: int,
    count: int,
    place_O: npt.NDArray[np.int64],
    bits_O: npt.NDArray[np.int32],
    done: int,
) -> int:
    """Append all pieces that weigh something, in their order; otherwise as ``take_heaviest``."""
    for place in range(count):
        if bits_L[begin + place] & _SIZE:
            place_O[done], bits_O[done] = place, bits_L[begin + place]
            done += 1
    return done


@kernel
def heaviest_ids(
    weight_L: npt.NDArray[np.float32], offsets_N1: npt.NDArray[np.int64], label_N: npt.NDArray[np.int32], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return how many ids of each text weigh most, which, and what they weigh; a text without a label has none.

    Where ``most`` is 0, these are all ids that weigh something, in the order of the text.
    """
    texts = len(label_N)
    counts_N = np.zeros(texts, dtype=np.int64)
    room = np.int64(0)
    for text in range(texts):
        if label_N[text] >= 0:
            words = offsets_N1[text + 1] - offsets_N1[text]
            room += min(most, words) if most else words
    first_O, weight_O = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32)
    bits_L, bits_O = weight_L.view(np.int32), weight_O.view(np.int32)
    done = 0
    for text in range(texts):
        if label_N[text] >= 0:
            begin, before = offsets_N1[text], done
            words = offsets_N1[text + 1] - begin
            if not most:
                done = take_all(bits_L, begin, words, first_O, bits_O, done)
            elif words:
                done = take_heaviest(bits_L, begin, words, min(most, words), first_O, bits_O, done)
            counts_N[text] = done - before
    return counts_N, first_O[:done], weight_O[:done]
