"""``cnn``, folded: a convolution of width k over words is k look-ups and adds.

The filters of width k see, at window t, ``sum_j K_j v_(t+j)``, where K_j are their weights for the j-th word. So a
word's projected row holds ``K_j v`` for each width and each j, side by side, and a window adds k pieces of k rows. ReLU
and the bias come after the maximum over time: both keep the order of numbers, so the result is the same.

Legend: N texts, L ids, R places, P numbers of a row, F filters of each width, S filters of all widths, K widths.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel

__all__ = ["keep_highest"]


@inlined
def _highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    end: int,
    width: int,
    rows_RP: npt.NDArray[np.float32],
    column: int,
    highest_F: npt.NDArray[np.float32],
) -> None:
    """Raise ``highest_F`` to the windows that start from ``start`` to ``stop`` in a text that goes to ``end``."""
    filters = len(highest_F)
    sums_F = np.empty(filters, dtype=np.float32)
    for position in range(start, stop):
        row_0 = rows_RP[places_L[position], column : column + filters]
        words = min(width, end - position)
        if words >= 3:
            row_1 = rows_RP[places_L[position + 1], column + filters : column + 2 * filters]
            row_2 = rows_RP[places_L[position + 2], column + 2 * filters : column + 3 * filters]
            if words == 3:
                for f in range(filters):
                    value = row_0[f] + row_1[f] + row_2[f]
                    highest_F[f] = max(highest_F[f], value)
                continue
            row_3 = rows_RP[places_L[position + 3], column + 3 * filters : column + 4 * filters]
            if words == 4:
                for f in range(filters):
                    value = row_0[f] + row_1[f] + row_2[f] + row_3[f]
                    highest_F[f] = max(highest_F[f], value)
                continue
            row_4 = rows_RP[places_L[position + 4], column + 4 * filters : column + 5 * filters]
            if words == 5:
                for f in range(filters):
                    value = row_0[f] + row_1[f] + row_2[f] + row_3[f] + row_4[f]
                    highest_F[f] = max(highest_F[f], value)
                continue
        sums_F[:] = row_0
        for j in range(1, words):
            row_j = rows_RP[places_L[position + j], column + j * filters : column + (j + 1) * filters]
            for f in range(filters):
                sums_F[f] += row_j[f]
        for f in range(filters):
            highest_F[f] = max(highest_F[f], sums_F[f])


@kernel
def keep_highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    widths_K: npt.NDArray[np.int64],
    rows_RP: npt.NDArray[np.float32],
    highest_NS: npt.NDArray[np.float32],
) -> None:
    """Raise each filter's maximum over time to the windows that start from ``start`` to ``stop``.

    A text shorter than a filter has one window, which ends where the text does.
    """
    filters = highest_NS.shape[1] // len(widths_K)
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        begin, end = offsets_N1[text], offsets_N1[text + 1]
        column = 0
        for k in range(len(widths_K)):
            width = widths_K[k]
            windows_end = max(end - width + 1, begin + 1) if end > begin else begin
            _highest(
                places_L,
                max(start, begin),
                min(stop, windows_end),
                end,
                width,
                rows_RP,
                column,
                highest_NS[text, k * filters : (k + 1) * filters],
            )
            column += width * filters
        text += 1
