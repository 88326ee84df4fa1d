from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray.models import batches
from w2vray.models.batches import by_length, pad

lengths_of_texts = st.lists(st.integers(0, 40), max_size=40)


def ragged(lengths: list[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Texts of these lengths; text n's ids are 1000 n, 1000 n + 1, ..."""
    ids = [1000 * text + place for text, length in enumerate(lengths) for place in range(length)]
    return np.array(ids, dtype=np.int32), np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def test_pad_copies_the_asked_texts_in_the_asked_order_with_zeros_behind_them() -> None:
    """The golden case: order, padding and the empty text are all in it."""
    ids_L = np.array([5, 6, 7, 8, 9], dtype=np.int32)
    offsets_N1 = np.array([0, 2, 2, 5], dtype=np.int64)

    batch = pad(ids_L, offsets_N1, np.array([2, 0, 1]))

    assert batch.texts_B.tolist() == [2, 0, 1]
    assert batch.ids_BT.tolist() == [[7, 8, 9], [5, 6, 0], [0, 0, 0]]
    assert batch.lengths_B.tolist() == [3, 2, 0]
    assert batch.ids_BT.dtype == batch.lengths_B.dtype == torch.int64


@pytest.mark.parametrize(
    ("texts", "shape"),
    [pytest.param([], (0, 1), id="no text"), pytest.param([1, 1], (2, 1), id="only empty texts")],
)
def test_pad_gives_at_least_one_column(texts: list[int], shape: tuple[int, int]) -> None:
    """A model never meets a tensor without columns."""
    ids_L, offsets_N1 = ragged([2, 0])

    batch = pad(ids_L, offsets_N1, np.array(texts, dtype=np.int64))

    assert tuple(batch.ids_BT.shape) == shape
    assert batch.lengths_B.tolist() == [0] * len(texts)


@given(lengths=lengths_of_texts)
def test_by_length_covers_each_text_exactly_once_with_its_own_ids(lengths: list[int]) -> None:
    """No text is lost, doubled or given the ids of another."""
    ids_L, offsets_N1 = ragged(lengths)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "PADDED_TOKENS", 60)
        patch.setattr(batches, "MAX_TEXTS", 7)
        made = list(by_length(ids_L, offsets_N1))

    seen = [int(text) for batch in made for text in batch.texts_B]
    assert sorted(seen) == list(range(len(lengths)))
    for batch in made:
        for text, ids_T, length in zip(batch.texts_B, batch.ids_BT, batch.lengths_B, strict=True):
            assert ids_T[:length].tolist() == [1000 * text + place for place in range(lengths[text])]
            assert not ids_T[length:].any()


@given(lengths=lengths_of_texts, tokens=st.integers(1, 80), most=st.integers(1, 9))
def test_by_length_fills_each_batch_up_to_its_bounds_and_no_further(lengths: list[int], tokens: int, most: int) -> None:
    """Memory is bounded, and no batch is smaller than it has to be."""
    ids_L, offsets_N1 = ragged(lengths)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "PADDED_TOKENS", tokens)
        patch.setattr(batches, "MAX_TEXTS", most)
        made = list(by_length(ids_L, offsets_N1))

    for batch in made:
        texts, width = batch.ids_BT.shape
        assert width == max(1, *(lengths[text] for text in batch.texts_B))
        assert texts == 1 or texts * width <= tokens
        assert texts <= most
    for batch, following in pairwise(made):
        texts, next_width = len(batch.texts_B) + 1, max(1, lengths[following.texts_B[0]])
        assert batch.ids_BT.shape[1] <= next_width, "shortest first"
        assert texts > most or texts * next_width > tokens, "another text would have fitted"


def test_by_length_keeps_its_bounds_at_their_real_size() -> None:
    """A text that is longer than a batch may be is a batch of its own."""
    lengths = np.random.default_rng(0).integers(0, 300, size=3000).tolist()
    lengths[1234] = batches.PADDED_TOKENS + 1

    made = list(by_length(*ragged(lengths)))

    assert sum(len(batch.texts_B) for batch in made) == 3000
    assert made[-1].texts_B.tolist() == [1234]
    assert all(batch.ids_BT.numel() <= batches.PADDED_TOKENS for batch in made[:-1])
    assert all(len(batch.texts_B) <= batches.MAX_TEXTS for batch in made)


@given(lengths=lengths_of_texts)
def test_by_length_is_a_pure_function_of_the_lengths(lengths: list[int]) -> None:
    """Answers are equal byte for byte only if the batches are."""
    ids_L, offsets_N1 = ragged(lengths)
    ids_before, offsets_before = ids_L.copy(), offsets_N1.copy()

    first = [batch.texts_B.tolist() for batch in by_length(ids_L, offsets_N1)]
    np.random.default_rng().random()
    again = [batch.texts_B.tolist() for batch in by_length(ids_L, offsets_N1)]
    with_other_ids = [batch.texts_B.tolist() for batch in by_length(ids_L + 1, offsets_N1)]

    assert first == again == with_other_ids
    np.testing.assert_array_equal(ids_L, ids_before)
    np.testing.assert_array_equal(offsets_N1, offsets_before)


def test_texts_of_equal_length_keep_their_order() -> None:
    """The order within a batch is fixed too."""
    (batch,) = by_length(*ragged([2, 1, 2, 1, 2]))

    assert batch.texts_B.tolist() == [1, 3, 0, 2, 4]
