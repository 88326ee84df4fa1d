"""``cnn`` while it learns: convolutions over words and their maxima over time, in one pass.

The vectors of a window's words lie one behind another, so that a text's windows are rows that overlap, and a
convolution is their product with the filters. A tile of it is compared while it is in the nearest cache. Where a
filter's highest window begins is kept for the gradient.

Legend: B texts, L windows, D width of a vector, H numbers of the widest filter, F filters of all widths in whole panels
(of a weight: of one width), K words of a filter, P panels, C columns of a panel, T rows of a tile.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import arithmetic, kernel
from w2vray.kernels.multiplying import TILE_COLUMNS, TILE_ROWS, multiply_tile

__all__ = ["fill_panels", "highest_windows"]

_BLOCK = 240
"""Windows that stay in the processor's cache while they are multiplied with one panel after another."""


@kernel
def fill_panels(weight_FDK: npt.NDArray[np.float32], start: int, panels_PHC: npt.NDArray[np.float32]) -> None:
    """Write the filters of one width into the columns from ``start``."""
    filters, dim, width = weight_FDK.shape
    for filter_ in range(filters):
        panel_HC, column = panels_PHC[(start + filter_) // TILE_COLUMNS], (start + filter_) % TILE_COLUMNS
        for number in range(dim):
            for word in range(width):
                panel_HC[word * dim + number, column] = weight_FDK[filter_, number, word]


@arithmetic
def _keep_higher(
    values_C: npt.NDArray[np.float32],
    window: np.int32,
    first_C: npt.NDArray[np.int32],
    highest_C: npt.NDArray[np.float32],
    at_C: npt.NDArray[np.int32],
) -> None:
    for c in range(len(values_C)):
        # a NaN is higher than any number, and stays
        higher = (not values_C[c] <= highest_C[c]) & (highest_C[c] == highest_C[c]) & (window >= first_C[c])
        highest_C[c] = values_C[c] if higher else highest_C[c]
        at_C[c] = window if higher else at_C[c]


@kernel
def highest_windows(
    windows_LH: npt.NDArray[np.float32],
    first_B: npt.NDArray[np.int64],
    lengths_B: npt.NDArray[np.int64],
    panels_PHC: npt.NDArray[np.float32],
    words_F: npt.NDArray[np.int64],
    highest_BF: npt.NDArray[np.float32],
    at_BF: npt.NDArray[np.int32],
) -> None:
    """Write each filter's highest product in each text, and the number of its window in the text.

    Args:
        windows_LH: windows of the widest filter, with a tile's rows behind the last text's.
        first_B: the windows that texts start with, one word less than the widest filter before their first.
        lengths_B: words of texts; of one without any, a word of zeros is read.
        panels_PHC: the filters, the widest first, zeros behind the words of the narrower ones.
        words_F: words of each filter; what fills the last panel is as the narrowest.
        highest_BF: written.
        at_BF: written.
    """
    widest = words_F[0]
    dim = windows_LH.shape[1] // widest
    tile_TC = np.empty((TILE_ROWS, TILE_COLUMNS), dtype=np.float32)
    first_C = np.empty(TILE_COLUMNS, dtype=np.int32)
    highest_BF[:] = -np.inf
    at_BF[:] = 0
    first_text = 0
    for start in range(0, first_B[-1] + widest - 1 + max(lengths_B[-1], 1), _BLOCK):
        while first_text + 1 < len(first_B) and first_B[first_text + 1] <= start:
            first_text += 1
        for panel in range(len(panels_PHC)):
            column = panel * TILE_COLUMNS
            panel_HC = panels_PHC[panel, : words_F[column] * dim]
            for c in range(TILE_COLUMNS):
                first_C[c] = widest - words_F[column + c]
            text = first_text
            while text < len(first_B) and first_B[text] < start + _BLOCK:
                highest_C = highest_BF[text, column : column + TILE_COLUMNS]
                at_C = at_BF[text, column : column + TILE_COLUMNS]
                stop = min(start + _BLOCK - first_B[text], widest - 1 + max(lengths_B[text], 1))
                for window in range(max(start - first_B[text], first_C[0]), stop, TILE_ROWS):
                    multiply_tile(windows_LH[first_B[text] + window :], panel_HC, tile_TC, False)
                    for row in range(min(TILE_ROWS, stop - window)):
                        _keep_higher(tile_TC[row], np.int32(window + row), first_C, highest_C, at_C)
                text += 1
