"""``cnn``, folded, for its evidence: the maxima over time as in ``convolving.py``, and where each was found first.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel
from w2vray.kernels.weighing import take_heaviest
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


_MOST_WORDS = 4096
"""Of a text, for which there is a place for each window; of a longer one, the windows that were chosen are numbered."""


@inlined
def _windows_of(
    at_NF: npt.NDArray[np.int32],
    text: int,
    widths: npt.NDArray[np.int64],
    words: int,
    longest: int,
    window_F: npt.NDArray[np.int64],
) -> None:
    """Write which window each filter chose, as far as it lies in the text: its first word, then how many it has."""
    filters = len(window_F) // len(widths)
    for k in range(len(widths)):
        width = widths[k]
        for f in range(k * filters, (k + 1) * filters):
            start = np.int64(at_NF[text, f])
            first = start if start > 0 else np.int64(0)
            window_F[f] = first * longest + min(start + width, words) - first - 1


@inlined
def _number(window_F: npt.NDArray[np.int64], order_F: npt.NDArray[np.int64]) -> int:
    """Put the numbers 0, 1, 2 in place of windows, in their order, which is written; return how many there are."""
    windows = 0
    for f in np.argsort(window_F, kind="mergesort"):
        if not windows or order_F[windows - 1] != window_F[f]:
            order_F[windows] = window_F[f]
            windows += 1
        window_F[f] = windows - 1
    return windows


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
    longest, most_words = widths.max(), np.int64(0)
    for text in range(texts):
        words = offsets_N1[text + 1] - offsets_N1[text]
        if words <= _MOST_WORDS:
            most_words = max(most_words, words)
    room = max(most_words * longest, filters)
    counts_N = np.zeros(texts, dtype=np.int64)
    window_F, order_F = np.empty(filters, dtype=np.int64), np.empty(filters, dtype=np.int64)
    total_T, weight_T = np.zeros(room, dtype=np.float64), np.empty(room, dtype=np.float32)
    bits_T, key_T = weight_T.view(np.int32), np.empty(room, dtype=np.int64)
    window_O, weight_O = np.empty(texts * most, dtype=np.int64), np.empty(texts * most, dtype=np.float32)
    done = 0
    for text in range(texts):
        label, words = label_N[text], offsets_N1[text + 1] - offsets_N1[text]
        if label < 0 or not words:
            continue
        before, windows = done, words * longest
        _windows_of(at_NF, text, widths, words, longest, window_F)
        if words > _MOST_WORDS:
            windows = _number(window_F, order_F)
        for f in range(filters):
            total_T[np.uint64(window_F[f])] += gains_CF[label, f] * features_XF[text, f]
        for window in range(windows):
            weight_T[window], total_T[window] = total_T[window], 0.0
        done = take_heaviest(weight_T, bits_T, 0, windows, most, key_T, window_O, weight_O, done)
        if words > _MOST_WORDS:
            for piece in range(before, done):
                window_O[piece] = order_F[window_O[piece]]
        counts_N[text] = done - before
    first_O = window_O[:done] // longest
    return counts_N, first_O, first_O + window_O[:done] % longest, weight_O[:done]
