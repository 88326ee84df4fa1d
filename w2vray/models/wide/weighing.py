"""What the runs of words of texts weigh, beside the pieces of the main part, in compiled code.

The compiled twin of ``WidePart.weighed``, and of how its pieces are put together with those of the main part.

Shape letters: CONTRIBUTING.md; T counts the words of all texts, one text after another, R the buckets with a row.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel, unordered
from w2vray.kernels.loading import half
from w2vray.kernels.weighing import Heaviest, take_heaviest

__all__ = ["Runs", "heaviest_of_both"]


class Runs(NamedTuple):
    """The wide part, and the runs of a block's texts."""

    hashes_T: npt.NDArray[np.uint64]  # of words
    offsets_N1: npt.NDArray[np.int64]  # words before each text
    word_L: npt.NDArray[np.int64]  # which word each id is of
    numbers_G: npt.NDArray[np.int32]  # of the buckets of each text, and how often it has each
    times_G: npt.NDArray[np.int32]
    bucket_offsets_N1: npt.NDArray[np.int64]
    numbers_B: npt.NDArray[np.int32]  # of all buckets
    idf_F: npt.NDArray[np.float32]
    rows_RC: npt.NDArray[np.uint16]  # the bits of float16
    longest: int
    shift: np.uint64  # of a run's product, whose upper bits name its bucket
    factor: np.uint64  # see ``WordNgrams``
    spread: np.uint64


@unordered
def _product(direction_C: npt.NDArray[np.float64], row_C: npt.NDArray[np.uint16]) -> float:
    total = 0.0
    for c in range(len(direction_C)):
        total += direction_C[c] * half(row_C[c])
    return total


@inlined
def _weigh_buckets(
    runs: Runs, text: int, direction_C: npt.NDArray[np.float64], scale: float, weight_F: npt.NDArray[np.float64]
) -> None:
    """Write what one run of each bucket of a text weighs."""
    numbers_G, times_G = runs.numbers_G, runs.times_G
    first, stop = runs.bucket_offsets_N1[text], runs.bucket_offsets_N1[text + 1]
    squares = 0.0
    for place in range(first, stop):
        weight = (1 + np.log(np.float64(times_G[place]))) * runs.idf_F[numbers_G[place]]
        squares += weight * weight
    length = np.sqrt(squares) if squares > 0 else 1.0
    for place in range(first, stop):
        number, times = np.int64(numbers_G[place]), np.float64(times_G[place])
        weight_F[number] = 0.0
        if number < len(runs.rows_RC):
            often = 1 + np.log(times)
            weight_F[number] = scale * often * _product(direction_C, runs.rows_RC[number]) / times / length


@kernel
def _heaviest(
    runs: Runs,
    main: Heaviest,
    main_N: npt.NDArray[np.float64],
    wide: float,
    label_N: npt.NDArray[np.int32],
    directions_CC: npt.NDArray[np.float64],
    most: int,
    weight_F: npt.NDArray[np.float64],
    id_offsets_N1: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    texts, longest = len(label_N), runs.longest
    room = np.int64(0)
    for text in range(texts):
        words = runs.offsets_N1[text + 1] - runs.offsets_N1[text]
        room = max(room, words * longest + main.counts_N[text])
    first_P, last_P = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)  # pieces, in their order
    weight_P, own_L = np.empty(room, dtype=np.float32), np.empty(longest, dtype=np.float64)
    bits_P = weight_P.view(np.int32)
    pieces = texts * most
    place_O, weight_O = np.empty(pieces, dtype=np.int64), np.empty(pieces, dtype=np.float32)
    first_O, last_O = np.empty(pieces, dtype=np.int64), np.empty(pieces, dtype=np.int64)
    bits_O, counts_N = weight_O.view(np.int32), np.zeros(texts, dtype=np.int64)
    done = at = 0  # at: of the pieces of the main part
    for text in range(texts):
        behind = at + main.counts_N[text]
        if label_N[text] < 0:
            at = behind
            continue
        _weigh_buckets(runs, text, directions_CC[label_N[text]], wide, weight_F)
        begin, ids = runs.offsets_N1[text], id_offsets_N1[text]
        words, scale, count = runs.offsets_N1[text + 1] - begin, main_N[text], 0
        for first in range(words):
            value = np.uint64(0)
            for more in range(min(longest, words - first)):
                value = value * runs.factor + runs.hashes_T[begin + first + more]
                number = np.int64(runs.numbers_B[np.int64(value * runs.spread >> runs.shift)])
                own_L[more] = weight_F[number] if number >= 0 else 0.0
            shorter = min(longest, words - first)
            beyond = False  # of the main part's pieces that begin here, those that are longer than runs are
            while at < behind and runs.word_L[ids + main.first_O[at]] - begin == first and not beyond:
                last = runs.word_L[ids + main.last_O[at]] - begin
                beyond = last - first >= shorter
                if not beyond:
                    own_L[last - first] += scale * main.weight_O[at]
                    at += 1
            for more in range(shorter):
                first_P[count], last_P[count], weight_P[count] = first, first + more, own_L[more]
                count += 1
            while at < behind and runs.word_L[ids + main.first_O[at]] - begin == first:
                last = runs.word_L[ids + main.last_O[at]] - begin
                first_P[count], last_P[count], weight_P[count] = first, last, scale * main.weight_O[at]
                count += 1
                at += 1
        at = behind
        before = done
        if count:
            done = take_heaviest(bits_P, 0, count, min(most, count), place_O, bits_O, done)
        for piece in range(before, done):
            first_O[piece], last_O[piece] = first_P[place_O[piece]], last_P[place_O[piece]]
        counts_N[text] = done - before
    return counts_N, first_O[:done], last_O[:done], weight_O[:done]


def heaviest_of_both(
    runs: Runs,
    main: Heaviest,
    main_N: npt.NDArray[np.float64],
    wide: float,
    label_N: npt.NDArray[np.int32],
    directions_CC: npt.NDArray[np.float64],
    most: int,
    id_offsets_N1: npt.NDArray[np.int64],
) -> Heaviest:
    """Return the pieces of texts that weigh most, from word to word; two of the same words are one.

    Args:
        runs: of the texts.
        main: all pieces of the main part, by ids, in the order of each text,
        main_N: and what each text's are multiplied by.
        wide: what those of runs are multiplied by.
        label_N: of the texts; below zero where none is explained.
        directions_CC: the direction of each label.
        most: pieces of a text.
        id_offsets_N1: ids before each text.
    """
    weight_F = np.zeros(max(len(runs.idf_F), 1))
    return Heaviest(*_heaviest(runs, main, main_N, wide, label_N, directions_CC, most, weight_F, id_offsets_N1))
