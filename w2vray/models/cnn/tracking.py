"""``cnn``, folded, for its evidence: the maxima over time as in ``convolving.py``, and where each was found first.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel
from w2vray.kernels.weighing import keep_if_heavy
from w2vray.models.cnn.convolving import TILE, Shapes, around, run_of

__all__ = ["heaviest_windows", "track_highest"]

_run = run_of(tracked=True)


@kernel
def track_highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    shapes: Shapes,
    edge: int,
    rows_QRJ: npt.NDArray[np.float32],
    highest_NZ: npt.NDArray[np.float32],
    at_NZ: npt.NDArray[np.int32],
) -> None:
    """Do what ``keep_highest`` does, and write where in its text each filter's highest window starts."""
    padded_L, first_N = around(places_L, start, stop, offsets_N1, first_text, edge, rows_QRJ.shape[1] - 1)
    filters = len(rows_QRJ) * TILE
    for tile in range(len(rows_QRJ)):
        rows_RJ = rows_QRJ[tile]
        for number in range(len(first_N)):
            text = first_text + number
            begin = offsets_N1[text]
            words = min(stop, offsets_N1[text + 1]) - max(start, begin)
            if words > 0:
                before, at = start <= begin, np.int32(max(start, begin) - begin)
                part = padded_L, first_N[number], words, before, highest_NZ, text, tile * TILE, filters
                _run(shapes, rows_RJ, *part, at, at_NZ)


@kernel
def heaviest_windows(
    features_XF: npt.NDArray[np.float32],
    at_NF: npt.NDArray[np.int32],
    offsets_N1: npt.NDArray[np.int64],
    widths: npt.NDArray[np.int64],
    label_N: npt.NDArray[np.int32],
    gains_CF: npt.NDArray[np.float64],
    most: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return how many windows of each text weigh most, their first and last ids, and what they weigh.

    Filters that chose the same window, as far as it lies in the text, are added up.
    """
    texts, filters = at_NF.shape
    most = min(most, filters)
    counts_N = np.zeros(texts, dtype=np.int64)
    first_O, last_O = np.empty(texts * most, dtype=np.int64), np.empty(texts * most, dtype=np.int64)
    weight_O = np.empty(texts * most, dtype=np.float32)
    slots = 4
    while slots < 4 * filters:
        slots *= 2
    key_I, weight_I = np.full(slots, -1, dtype=np.int64), np.empty(slots, dtype=np.float64)  # open addressing
    place_F = np.empty(filters, dtype=np.int64)
    done = 0
    for text in range(texts):
        label, words = label_N[text], offsets_N1[text + 1] - offsets_N1[text]
        if label < 0:
            continue
        windows = 0
        for f in range(filters):
            start = np.int64(at_NF[text, f])
            end = min(start + widths[f * len(widths) // filters], words)
            key = max(start, 0) * (words + 1) + end
            place = (key * 0x9E3779B1 >> 8) & (slots - 1)
            while key_I[place] != key:
                if key_I[place] < 0:
                    key_I[place], weight_I[place], place_F[windows] = key, 0.0, place
                    windows += 1
                    break
                place = (place + 1) & (slots - 1)
            weight_I[place] += gains_CF[label, f] * features_XF[text, f]
        count = 0
        for window in range(windows):
            key, weight = key_I[place_F[window]], np.float32(weight_I[place_F[window]])
            key_I[place_F[window]] = -1
            count = keep_if_heavy(
                key // (words + 1),
                key % (words + 1) - 1,
                weight,
                count,
                first_O[done : done + most],
                last_O[done : done + most],
                weight_O[done : done + most],
            )
        counts_N[text] = count
        done += count
    return counts_N, first_O[:done], last_O[:done], weight_O[:done]
