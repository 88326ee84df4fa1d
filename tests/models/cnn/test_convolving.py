import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.cnn.convolving import TILE, in_tiles, keep_highest, shapes_of, whole_tiles_of

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

R = 30
texts = st.lists(st.lists(st.integers(0, R - 1), max_size=20), min_size=1, max_size=8)
widths = st.sampled_from([[1], [3, 4, 5], [7, 2], [2, 2, 1]])  # a kernel is compiled for each choice


def highest_of(text: list[int], widths: list[int], filters: int, rows_RP: npt.NDArray[np.float32]) -> list[float]:
    """The plain model: each window by itself, its pieces added in the order of words."""
    highest: list[float] = []
    column = 0
    for width in widths:
        starts = range(1 - width, len(text)) if text else []
        windows = [[(j, start + j) for j in range(width) if 0 <= start + j < len(text)] for start in starts]
        maximum_F = np.full(filters, -np.inf, dtype=np.float32)
        for window in windows:
            sum_F = np.zeros(filters, dtype=np.float32)
            for j, position in window:
                first = column + j * filters
                sum_F += rows_RP[text[position], first : first + filters]
            maximum_F = np.maximum(maximum_F, sum_F)
        highest.extend(maximum_F)
        column += width * filters
    return highest


def tiled(rows_RP: npt.NDArray[np.float32], widths: list[int], filters: int) -> npt.NDArray[np.float32]:
    """The rows as the kernel reads them: tile by tile, each with a row of zeros behind the others."""
    ends = np.cumsum([width * filters for width in widths])
    parts = np.split(np.concatenate([rows_RP, np.zeros_like(rows_RP[:1])]), ends[:-1], axis=1)
    rows_RP = in_tiles([part.reshape(R + 1, -1, filters).transpose(2, 0, 1) for part in parts])
    return np.ascontiguousarray(rows_RP.reshape(R + 1, whole_tiles_of(filters) // TILE, -1).transpose(1, 0, 2))


@given(some=texts, widths=widths, filters=st.integers(1, 50), cut=st.integers(0, 160))
def test_each_filter_has_the_highest_of_its_windows(
    some: list[list[int]], widths: list[int], filters: int, cut: int
) -> None:
    """Bit for bit, for any widths and number of filters, also where a span ends within a text."""
    rows_RP = np.random.default_rng(0).standard_normal((R, filters * sum(widths)), dtype=np.float32)
    tiled_QRJ = tiled(rows_RP, widths, filters)
    places_L = np.array([place for text in some for place in text], dtype=np.int32)
    offsets_N1 = np.concatenate(([0], np.cumsum([len(text) for text in some]))).astype(np.int64)
    highest_QNJ = np.full((len(tiled_QRJ), len(some), len(widths) * TILE), -np.inf, dtype=np.float32)
    cut = min(cut, len(places_L))

    for start, stop in ((0, cut), (cut, len(places_L))):
        first = int(np.searchsorted(offsets_N1, start, side="right")) - 1
        part = places_L, start, stop, offsets_N1, first
        keep_highest(*part, shapes_of(widths), max(widths) - 1, tiled_QRJ, highest_QNJ)

    of_tiles = highest_QNJ.reshape(len(tiled_QRJ), len(some), len(widths), TILE)
    highest_NF = of_tiles.transpose(1, 2, 0, 3).reshape(len(some), len(widths), -1)[:, :, :filters]
    expected = [highest_of(text, widths, filters, rows_RP) for text in some]
    assert highest_NF.tobytes() == np.array(expected, dtype=np.float32).tobytes()
