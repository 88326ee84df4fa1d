"""``cnn``, folded, for its evidence: the maxima over time as in ``convolving.py``, and where each was found first.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel
from w2vray.kernels.weighing import keep_if_heavy
from w2vray.models.cnn.convolving import AHEAD, LANES, window_of

__all__ = ["heaviest_windows", "track_highest"]

_window_of_1, _window_of_2, _window_of_3, _window_of_4, _window_of_5 = (
    window_of(words, tracked=True) for words in range(1, 6)
)


@inlined
def _highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    last: int,
    begin: int,
    end: int,
    width: int,
    rows_RP: npt.NDArray[np.float32],
    column: int,
    highest_F: npt.NDArray[np.float32],
    at_F: npt.NDArray[np.int32],
) -> None:
    """Do what that of ``convolving.py`` does; ``at_F`` becomes where a higher window starts, counted from ``begin``."""
    filters = len(highest_F)
    sums_F = np.empty(filters, dtype=np.float32)
    for window in range(start, stop):
        position = max(window, begin)
        missing = position - window
        words = min(width - missing, end - position)
        first = column + missing * filters
        ahead = min(position + AHEAD, last)
        at = np.int32(window - begin)
        fast = words if filters >= LANES else 0
        if fast == 1:
            _window_of_1(rows_RP, places_L, position, ahead, first, highest_F, at, at_F)
        elif fast == 2:
            _window_of_2(rows_RP, places_L, position, ahead, first, highest_F, at, at_F)
        elif fast == 3:
            _window_of_3(rows_RP, places_L, position, ahead, first, highest_F, at, at_F)
        elif fast == 4:
            _window_of_4(rows_RP, places_L, position, ahead, first, highest_F, at, at_F)
        elif fast == 5:
            _window_of_5(rows_RP, places_L, position, ahead, first, highest_F, at, at_F)
        else:
            sums_F[:] = rows_RP[places_L[position], first : first + filters]
            for j in range(1, words):
                row_j = rows_RP[places_L[position + j], first + j * filters : first + (j + 1) * filters]
                for f in range(filters):
                    sums_F[f] += row_j[f]
            for f in range(filters):
                if sums_F[f] > highest_F[f]:
                    highest_F[f], at_F[f] = sums_F[f], at


@kernel
def track_highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    widths: npt.NDArray[np.int64],
    rows_RP: npt.NDArray[np.float32],
    highest_NF: npt.NDArray[np.float32],
    at_NF: npt.NDArray[np.int32],
) -> None:
    """Do what ``keep_highest`` does, and write where each filter's highest window starts."""
    filters = highest_NF.shape[1] // len(widths)
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        begin, end = offsets_N1[text], offsets_N1[text + 1]
        column = 0
        for k in range(len(widths)):
            width = widths[k]
            before = width - 1 if start <= begin < end else 0
            _highest(
                places_L,
                max(start, begin) - before,
                min(stop, end),
                stop - 1,
                begin,
                end,
                width,
                rows_RP,
                column,
                highest_NF[text, k * filters : (k + 1) * filters],
                at_NF[text, k * filters : (k + 1) * filters],
            )
            column += width * filters
        text += 1


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
