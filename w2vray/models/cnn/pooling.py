"""``cnn`` while it learns: convolutions over words and their maxima over time, in one pass.

The vectors of a window's words lie one behind another, so that a text's windows are rows that overlap, and a
convolution is their product with the filters. A tile of it is compared while it is in the nearest cache. Where a
filter's highest window begins is kept for the gradient.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import arithmetic, kernel
from w2vray.kernels.multiplying import TILE_COLUMNS, TILE_ROWS, multiply_tile

__all__ = ["fill_panels", "highest_windows"]

_BLOCK = 240
"""Windows that stay in the processor's cache while they are multiplied with one panel after another."""


@kernel
def fill_panels(weight_FDS: npt.NDArray[np.float32], start: int, panels_QIJ: npt.NDArray[np.float32]) -> None:
    """Write the filters of one width into the columns from ``start``."""
    filters, dim, width = weight_FDS.shape
    for filter_ in range(filters):
        panel_IJ, column = panels_QIJ[(start + filter_) // TILE_COLUMNS], (start + filter_) % TILE_COLUMNS
        for number in range(dim):
            for word in range(width):
                panel_IJ[word * dim + number, column] = weight_FDS[filter_, number, word]


@arithmetic
def _keep_higher(
    values_J: npt.NDArray[np.float32],
    window: np.int32,
    first_J: npt.NDArray[np.int32],
    highest_J: npt.NDArray[np.float32],
    at_J: npt.NDArray[np.int32],
) -> None:
    for j in range(len(values_J)):
        # a NaN is higher than any number, and stays
        higher = (not values_J[j] <= highest_J[j]) & (highest_J[j] == highest_J[j]) & (window >= first_J[j])
        highest_J[j] = values_J[j] if higher else highest_J[j]
        at_J[j] = window if higher else at_J[j]


@kernel
def highest_windows(
    windows_LI: npt.NDArray[np.float32],
    first_B: npt.NDArray[np.int64],
    lengths_B: npt.NDArray[np.int64],
    panels_QIJ: npt.NDArray[np.float32],
    words_Z: npt.NDArray[np.int64],
    highest_BZ: npt.NDArray[np.float32],
    at_BZ: npt.NDArray[np.int32],
) -> None:
    """Write each filter's highest product in each text, and the number of its window in the text.

    Args:
        windows_LI: windows of the widest filter, with a tile's rows behind the last text's.
        first_B: the windows that texts start with, one word less than the widest filter before their first.
        lengths_B: words of texts; of one without any, a word of zeros is read.
        panels_QIJ: the filters, the widest first, zeros behind the words of the narrower ones.
        words_Z: words of each filter; what fills the last panel is as the narrowest.
        highest_BZ: written.
        at_BZ: written.
    """
    widest = words_Z[0]
    dim = windows_LI.shape[1] // widest
    tile_XJ = np.empty((TILE_ROWS, TILE_COLUMNS), dtype=np.float32)
    first_J = np.empty(TILE_COLUMNS, dtype=np.int32)
    highest_BZ[:] = -np.inf
    at_BZ[:] = 0
    first_text = 0
    for start in range(0, first_B[-1] + widest - 1 + max(lengths_B[-1], 1), _BLOCK):
        while first_text + 1 < len(first_B) and first_B[first_text + 1] <= start:
            first_text += 1
        for panel in range(len(panels_QIJ)):
            column = panel * TILE_COLUMNS
            panel_IJ = panels_QIJ[panel, : words_Z[column] * dim]
            for j in range(TILE_COLUMNS):
                first_J[j] = widest - words_Z[column + j]
            text = first_text
            while text < len(first_B) and first_B[text] < start + _BLOCK:
                highest_J = highest_BZ[text, column : column + TILE_COLUMNS]
                at_J = at_BZ[text, column : column + TILE_COLUMNS]
                stop = min(start + _BLOCK - first_B[text], widest - 1 + max(lengths_B[text], 1))
                for window in range(max(start - first_B[text], first_J[0]), stop, TILE_ROWS):
                    multiply_tile(windows_LI[first_B[text] + window :], panel_IJ, tile_XJ, False)
                    for row in range(min(TILE_ROWS, stop - window)):
                        _keep_higher(tile_XJ[row], np.int32(window + row), first_J, highest_J, at_J)
                text += 1
