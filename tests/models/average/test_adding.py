import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.average.adding import TILE, add_rows, in_tiles, means_and_bias

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

R = 30
texts = st.lists(st.lists(st.integers(0, R - 1), max_size=20), min_size=1, max_size=8)


@given(some=texts, columns=st.integers(1, 6 * TILE), cut=st.integers(0, 160))
def test_each_text_has_the_sum_of_its_rows(some: list[list[int]], columns: int, cut: int) -> None:
    """Bit for bit, also where a span ends within a text, whether or not the columns are in tiles."""
    rows_RC = np.random.default_rng(0).standard_normal((R, columns), dtype=np.float32)
    places_L = np.array([place for text in some for place in text], dtype=np.int32)
    offsets_N1 = np.concatenate(([0], np.cumsum([len(text) for text in some]))).astype(np.int64)
    expected_NC = np.zeros((len(some), columns))
    for text, places in enumerate(some):
        for place in places:  # one after another
            expected_NC[text] += rows_RC[place]
    cut = min(cut, len(places_L))

    for rows_RP in (rows_RC, in_tiles(rows_RC)):
        sums_NP = np.zeros((len(some), rows_RP.shape[1]))
        for start, stop in ((0, cut), (cut, len(places_L))):
            first = int(np.searchsorted(offsets_N1, start, side="right")) - 1
            add_rows(places_L, start, stop, offsets_N1, first, rows_RP, sums_NP)
        assert sums_NP[:, :columns].tobytes() == expected_NC.tobytes()
        assert not sums_NP[:, columns:].any()


@given(
    lengths=st.lists(st.integers(0, 1 << 40), min_size=1, max_size=9),
    columns=st.integers(1, 20),
    seed=st.integers(0, 9),
)
def test_means_and_bias_are_those_of_numpy(lengths: list[int], columns: int, seed: int) -> None:
    """Bit for bit, also of a text without words."""
    random = np.random.default_rng(seed)
    sums_NP = random.standard_normal((len(lengths), columns + columns % TILE))
    bias_C, lengths_N = random.standard_normal(columns), np.array(lengths, dtype=np.int64)
    logits_NC = np.empty((len(lengths), columns), dtype=np.float32)
    means_and_bias(sums_NP, lengths_N, bias_C, logits_NC)
    means_NC = sums_NP[:, :columns] / np.maximum(lengths_N, 1)[:, None]
    assert logits_NC.tobytes() == (means_NC + bias_C).astype(np.float32).tobytes()


@pytest.mark.parametrize(("columns", "filled"), [(1, 8), (8, 8), (9, 16), (32, 32), (33, 33), (300, 300)])
def test_few_columns_are_filled_up_to_whole_tiles(columns: int, filled: int) -> None:
    weights_DC = np.ones((5, columns), dtype=np.float32)
    assert in_tiles(weights_DC).shape == (5, filled)
    assert in_tiles(weights_DC).sum() == 5 * columns
