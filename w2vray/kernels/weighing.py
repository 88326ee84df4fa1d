"""Pieces of texts by their weights, in compiled code: of each text those that weigh most.

The compiled twin of ``Weighed.strongest`` (``models/evidence.py``), for all texts of a block.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel

__all__ = ["Heaviest", "heaviest_ids", "heaviest_rows", "keep_if_heavy", "weigh_ids"]


class Heaviest(NamedTuple):
    """The pieces that weigh most, of one text after another, the heaviest first; each text counts its own ids."""

    counts_N: npt.NDArray[np.int64]
    first_O: npt.NDArray[np.int64]
    last_O: npt.NDArray[np.int64]
    weight_O: npt.NDArray[np.float32]


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
    weight_L: npt.NDArray[np.float64],
) -> None:
    """Write what each id from ``start`` to ``stop`` adds up to, its row weighed by the gains of its text's label."""
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        label = label_N[text]
        if label >= 0:
            for position in range(max(start, offsets_N1[text]), min(stop, offsets_N1[text + 1])):
                row = places_L[position]
                total = 0.0
                for p in range(rows_RP.shape[1]):
                    total += gains_CP[label, p] * rows_RP[row, p]
                weight_L[position] = total
        text += 1


@inlined
def keep_if_heavy(
    first: int,
    last: int,
    weight: np.float32,
    count: int,
    first_M: npt.NDArray[np.int64],
    last_M: npt.NDArray[np.int64],
    weight_M: npt.NDArray[np.float32],
) -> int:
    """Put a piece among the heaviest so far, where it is one, and return how many there are.

    Of pieces that weigh the same, the one that came first stays first.
    """
    size = abs(weight)
    if weight == 0 or (count == len(weight_M) and size <= abs(weight_M[count - 1])):
        return count
    place = min(count, len(weight_M) - 1)
    while place and abs(weight_M[place - 1]) < size:
        first_M[place], last_M[place], weight_M[place] = first_M[place - 1], last_M[place - 1], weight_M[place - 1]
        place -= 1
    first_M[place], last_M[place], weight_M[place] = first, last, weight
    return min(count + 1, len(weight_M))


@kernel
def heaviest_ids(
    weight_L: npt.NDArray[np.float64],
    offsets_N1: npt.NDArray[np.int64],
    label_N: npt.NDArray[np.int32],
    divisor_N: npt.NDArray[np.float64],
    most: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return how many ids of each text weigh most, which, and what they weigh; a text without a label has none."""
    texts = len(label_N)
    counts_N = np.zeros(texts, dtype=np.int64)
    first_O, last_O, weight_O = _room(offsets_N1, label_N, most)
    done = 0
    for text in range(texts):
        if label_N[text] < 0:
            continue
        begin, end = offsets_N1[text], offsets_N1[text + 1]
        stop = done + min(most, end - begin)
        first_M, last_M, weight_M = first_O[done:stop], last_O[done:stop], weight_O[done:stop]
        count, least = 0, np.float32(0)
        for position in range(begin, end):
            weight = np.float32(weight_L[position] / divisor_N[text])
            if abs(weight) > least:
                place = position - begin
                count = keep_if_heavy(place, place, weight, count, first_M, last_M, weight_M)
                least = abs(weight_M[count - 1]) if count == len(weight_M) else np.float32(0)
        counts_N[text] = count
        done += count
    return counts_N, first_O[:done], weight_O[:done]


@inlined
def _room(
    offsets_N1: npt.NDArray[np.int64], label_N: npt.NDArray[np.int32], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    room = 0
    for text in range(len(label_N)):
        if label_N[text] >= 0:
            room += min(most, offsets_N1[text + 1] - offsets_N1[text])
    return np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32)


@kernel
def heaviest_rows(
    places_L: npt.NDArray[np.int32],
    offsets_N1: npt.NDArray[np.int64],
    rows_RP: npt.NDArray[np.float32],
    label_N: npt.NDArray[np.int32],
    gains_CP: npt.NDArray[np.float64],
    divisor_N: npt.NDArray[np.float64],
    most: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Do what ``weigh_ids`` and then ``heaviest_ids`` do, where the rows of a whole block are in place."""
    texts = len(label_N)
    counts_N = np.zeros(texts, dtype=np.int64)
    first_O, last_O, weight_O = _room(offsets_N1, label_N, most)
    done = 0
    for text in range(texts):
        label = label_N[text]
        if label < 0:
            continue
        begin, end = offsets_N1[text], offsets_N1[text + 1]
        stop = done + min(most, end - begin)
        first_M, last_M, weight_M = first_O[done:stop], last_O[done:stop], weight_O[done:stop]
        count, least = 0, np.float32(0)
        for position in range(begin, end):
            row = places_L[position]
            total = 0.0
            for p in range(rows_RP.shape[1]):
                total += gains_CP[label, p] * rows_RP[row, p]
            weight = np.float32(total / divisor_N[text])
            if abs(weight) > least:
                place = position - begin
                count = keep_if_heavy(place, place, weight, count, first_M, last_M, weight_M)
                least = abs(weight_M[count - 1]) if count == len(weight_M) else np.float32(0)
        counts_N[text] = count
        done += count
    return counts_N, first_O[:done], weight_O[:done]
