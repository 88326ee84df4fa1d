import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from w2vray.kernels.answering import answer
from w2vray.kernels.compiling import read_only
from w2vray.scoring.answers import plain_answer
from w2vray.scoring.metrics import NO_LABEL

some_logits = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 6), st.integers(1, 7)),
    elements=st.floats(-(2.0**99), 2.0**99, width=32)
    | st.floats(-9, 9, width=32)
    | st.sampled_from([0.0, -0.0, 88.0, -104.0]),
)


@pytest.mark.parametrize("multi_label", [False, True])
@given(logits_NC=some_logits, without=st.integers(0, 6))
def test_the_compiled_answer_is_the_plain_one(*, multi_label: bool, logits_NC: np.ndarray, without: int) -> None:
    evidence_N = np.arange(len(logits_NC)) != without

    probabilities_NC, label_N = answer(logits_NC, evidence_N, multi_label, NO_LABEL)

    expected_NC, _ = plain_answer(logits_NC, evidence_N, multi_label)
    np.testing.assert_allclose(probabilities_NC, expected_NC, rtol=2e-7, atol=1e-44)
    assert (label_N[evidence_N] == probabilities_NC[evidence_N].argmax(axis=1)).all()
    best_N = np.take_along_axis(expected_NC, np.maximum(label_N, 0)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(best_N, expected_NC.max(axis=1, initial=0), rtol=2e-7, atol=1e-44)
    assert (label_N[~evidence_N] == NO_LABEL).all()
    assert not probabilities_NC[~evidence_N].any()


@pytest.mark.parametrize("multi_label", [False, True])
@given(logits_NC=some_logits)
def test_probabilities_are_torchs(*, multi_label: bool, logits_NC: np.ndarray) -> None:
    evidence_N = np.ones(len(logits_NC), dtype=bool)
    logits = torch.from_numpy(logits_NC)
    expected = torch.sigmoid(logits) if multi_label else torch.softmax(logits, dim=1)

    np.testing.assert_allclose(answer(logits_NC, evidence_N, multi_label, NO_LABEL)[0], expected.numpy(), atol=1e-6)


def test_of_equal_logits_the_first_label_is_given() -> None:
    logits_NC = np.array([[1, 2, 2], [0, 0, 0]], dtype=np.float32)

    _, label_N = answer(read_only(logits_NC), np.ones(2, dtype=bool), False, NO_LABEL)

    assert label_N.tolist() == [1, 0]
