import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.cnn.convolving import keep_highest

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

R = 30
texts = st.lists(st.lists(st.integers(0, R - 1), max_size=20), min_size=1, max_size=8)
widths = st.lists(st.integers(1, 7), min_size=1, max_size=4)


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


@given(some=texts, widths=widths, filters=st.integers(1, 50), cut=st.integers(0, 160))
def test_each_filter_has_the_highest_of_its_windows(
    some: list[list[int]], widths: list[int], filters: int, cut: int
) -> None:
    """Bit for bit, for any widths and number of filters, also where a span ends within a text."""
    rows_RP = np.random.default_rng(0).standard_normal((R, filters * sum(widths)), dtype=np.float32)
    places_L = np.array([place for text in some for place in text], dtype=np.int32)
    offsets_N1 = np.concatenate(([0], np.cumsum([len(text) for text in some]))).astype(np.int64)
    highest_NF = np.full((len(some), filters * len(widths)), -np.inf, dtype=np.float32)
    cut = min(cut, len(places_L))

    for start, stop in ((0, cut), (cut, len(places_L))):
        first = int(np.searchsorted(offsets_N1, start, side="right")) - 1
        keep_highest(places_L, start, stop, offsets_N1, first, np.array(widths, dtype=np.int64), rows_RP, highest_NF)

    expected = [highest_of(text, widths, filters, rows_RP) for text in some]
    assert highest_NF.tobytes() == np.array(expected, dtype=np.float32).tobytes()
