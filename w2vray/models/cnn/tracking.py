"""``cnn``, folded, for its evidence: the maxima over time as in ``convolving.py``, and where each was found first.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel
from w2vray.kernels.weighing import take_all, take_heaviest
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
    highest_QNJ: npt.NDArray[np.float32],
    at_QNJ: npt.NDArray[np.int32],
) -> None:
    """Do what ``keep_highest`` does, and write where in its text each filter's highest window starts."""
    padded_L, first_N = around(places_L, start, stop, offsets_N1, first_text, edge, rows_QRJ.shape[1] - 1)
    for tile in range(len(rows_QRJ)):
        rows_RJ, highest_NJ, at_NJ = rows_QRJ[tile], highest_QNJ[tile], at_QNJ[tile]
        for number in range(len(first_N)):
            text = first_text + number
            begin = offsets_N1[text]
            words = min(stop, offsets_N1[text + 1]) - max(start, begin)
            if words > 0:
                before, at = start <= begin, np.int32(max(start, begin) - begin)
                part = padded_L, first_N[number], words, before, highest_NJ, text
                _run(shapes, rows_RJ, *part, at, at_NJ)


_MOST_WORDS = 4096
"""Of a text, for which there is a place for each window; of a longer one, the windows that were chosen are numbered."""


@inlined
def _windows_of(
    at_QNJ: npt.NDArray[np.int32],
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
        for f in range(filters):
            start = np.int64(at_QNJ[f // TILE, text, k * TILE + f % TILE])
            first = start if start > 0 else np.int64(0)
            window_F[k * filters + f] = first * longest + min(start + width, words) - first - 1


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
    at_QNJ: npt.NDArray[np.int32],
    offsets_N1: npt.NDArray[np.int64],
    widths: npt.NDArray[np.int64],
    label_N: npt.NDArray[np.int32],
    gains_CF: npt.NDArray[np.float64],
    most: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return how many windows of each text weigh most, their first and last ids, and what they weigh.

    Filters that chose the same window, as far as it lies in the text, are added up. Where ``most`` is 0, these are all
    windows that weigh something, in the order of their first ids, then of their last ones.
    """
    texts, filters = at_QNJ.shape[1], features_XF.shape[1]
    room_of_text = min(most, filters) if most else filters
    longest, most_words = widths.max(), np.int64(0)
    for text in range(texts):
        words = offsets_N1[text + 1] - offsets_N1[text]
        if words <= _MOST_WORDS:
            most_words = max(most_words, words)
    room = max(most_words * longest, filters)
    counts_N = np.zeros(texts, dtype=np.int64)
    window_F, order_F = np.empty(filters, dtype=np.int64), np.empty(filters, dtype=np.int64)
    total_T, weight_T = np.zeros(room, dtype=np.float64), np.empty(room, dtype=np.float32)
    pieces = texts * room_of_text
    window_O, weight_O = np.empty(pieces, dtype=np.int64), np.empty(pieces, dtype=np.float32)
    bits_T, bits_O = weight_T.view(np.int32), weight_O.view(np.int32)
    done = 0
    for text in range(texts):
        label, words = label_N[text], offsets_N1[text + 1] - offsets_N1[text]
        if label < 0 or not words:
            continue
        before, windows = done, words * longest
        _windows_of(at_QNJ, text, widths, words, longest, window_F)
        if words > _MOST_WORDS:
            windows = _number(window_F, order_F)
        for f in range(filters):
            total_T[np.uint64(window_F[f])] += gains_CF[label, f] * features_XF[text, f]
        for window in range(windows):
            weight_T[window], total_T[window] = total_T[window], 0.0
        if most:
            done = take_heaviest(bits_T, 0, windows, room_of_text, window_O, bits_O, done)
        else:
            done = take_all(bits_T, 0, windows, window_O, bits_O, done)
        if words > _MOST_WORDS:
            for piece in range(before, done):
                window_O[piece] = order_F[window_O[piece]]
        counts_N[text] = done - before
    first_O = window_O[:done] // longest
    return counts_N, first_O, first_O + window_O[:done] % longest, weight_O[:done]
