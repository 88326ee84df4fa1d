"""The heaviest pieces of texts, in compiled code: those that the plain model takes, in its order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.kernels.weighing import heaviest_ids
from w2vray.models.evidence import Weighed

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

weights = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -2.0]) | st.floats(-9, 9, width=32)


@given(
    texts=st.lists(st.tuples(st.lists(weights, max_size=40), st.integers(-1, 2)), max_size=6), most=st.integers(1, 5)
)
def test_the_heaviest_ids_of_each_text_are_those_of_the_plain_model(
    texts: list[tuple[list[float], int]], most: int
) -> None:
    """The first of those that weigh the same comes first; what weighs nothing, and a text without a label, has none."""
    expected = [
        Weighed(np.arange(len(some)), np.arange(len(some)), np.array(some, dtype=np.float64)).strongest(most)
        if label >= 0
        else Weighed(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
        for some, label in texts
    ]
    weight_L = np.array([weight for some, _ in texts for weight in some], dtype=np.float32)
    offsets_N1 = np.cumsum([0, *(len(some) for some, _ in texts)], dtype=np.int64)
    label_N = np.array([label for _, label in texts], dtype=np.int32)

    counts_N, first_O, weight_O = heaviest_ids(weight_L, offsets_N1, label_N, most)

    assert counts_N.tolist() == [len(of_text.first_O) for of_text in expected]
    assert first_O.tolist() == [place for of_text in expected for place in of_text.first_O.tolist()]
    assert weight_O.tolist() == [weight for of_text in expected for weight in of_text.weight_O.tolist()]
