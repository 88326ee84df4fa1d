import copy
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray import batches
from w2vray.batches import Batch, WordVectors, by_length, pad

TABLE_VD = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
OVERLAY_KD = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])

lengths_of_texts = st.lists(st.integers(0, 40), max_size=40)


def ragged(lengths: list[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Texts of these lengths; text n's ids are 1000 n, 1000 n + 1, ..."""
    ids = [1000 * text + place for text, length in enumerate(lengths) for place in range(length)]
    return np.array(ids, dtype=np.int32), np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def make_batch(*texts: list[int]) -> Batch:
    """The padded batch of some texts, given by their ids."""
    ids, offsets = [id_ for text in texts for id_ in text], np.cumsum([0, *map(len, texts)])
    return pad(np.array(ids, dtype=np.int32), offsets.astype(np.int64), np.arange(len(texts)))


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


def test_ids_below_the_table_are_its_rows_and_those_above_are_the_overlays() -> None:
    """The golden case of the way from ids to vectors."""
    words = WordVectors(TABLE_VD, OVERLAY_KD, trainable=False)

    vectors_BTD = words(make_batch([2, 0, 4], [3]))

    assert vectors_BTD.tolist() == [[[5, 6], [1, 2], [-3, -4]], [[-1, -2], [0, 0], [0, 0]]]


@pytest.mark.parametrize("overlay_KD", [OVERLAY_KD, OVERLAY_KD[:0]], ids=["overlay", "no overlay"])
def test_ids_behind_the_overlay_are_the_batchs_made_rows(overlay_KD: torch.Tensor) -> None:
    """Rows made from sub-words come last, whatever is before them."""
    words = WordVectors(TABLE_VD, overlay_KD, trainable=False)
    first = 3 + len(overlay_KD)
    made_MD = torch.tensor([[7.0, 8.0], [9.0, 10.0]])
    (batch,) = by_length(np.array([first + 1, 0, first], np.int32), np.array([0, 3]), made_MD)

    assert words(batch.to(torch.device("cpu"))).tolist() == [[[9, 10], [1, 2], [7, 8]]]


def test_vectors_behind_a_texts_last_id_are_zero_whatever_ids_are_there() -> None:
    """Models rely on zeros, not on the ids of the padding."""
    words = WordVectors(TABLE_VD, OVERLAY_KD, trainable=False)
    batch = Batch(np.arange(1), torch.tensor([[1, 2, 4]]), torch.tensor([1]))

    assert words(batch).tolist() == [[[3, 4], [0, 0], [0, 0]]]


def test_without_an_overlay_all_ids_are_rows_of_the_table() -> None:
    """The policy skip has no row of its own."""
    words = WordVectors(TABLE_VD, torch.zeros(0, 2), trainable=False)

    assert words(make_batch([2, 1])).tolist() == [[[5, 6], [3, 4]]]
    assert words.dim == 2


def test_a_float16_table_gives_its_values_in_float32() -> None:
    """Half precision is a way of storing, not of computing."""
    table_VD = torch.tensor([[0.1, 1.5], [2048.0, -3.0]], dtype=torch.float16)
    words = WordVectors(table_VD, torch.tensor([[0.1, 0.2]]), trainable=False)

    vectors_BTD = words(make_batch([0, 1, 2]))

    assert vectors_BTD.dtype == torch.float32
    # 0.1 in half precision is 1638 / 16384; the overlay is not rounded to it.
    assert vectors_BTD[0, 0].tolist() == [1638 / 16384, 1.5]
    assert vectors_BTD[0, 1].tolist() == [2048.0, -3.0]
    assert torch.equal(vectors_BTD[0, 2], torch.tensor([0.1, 0.2]))


def test_the_table_is_no_part_of_the_state_the_parameters_or_the_buffers() -> None:
    """Whatever writes to these, or copies them, cannot reach the shared pages."""
    words = WordVectors(TABLE_VD, OVERLAY_KD, trainable=True)

    assert list(words.state_dict()) == ["overlay_KD"]
    assert [name for name, _ in words.named_parameters()] == ["overlay_KD"]
    assert list(words.buffers()) == []


def test_a_copy_of_the_model_shares_the_table_and_not_the_overlay() -> None:
    """A running average of the weights is kept in a copy of the model."""
    words = WordVectors(TABLE_VD.clone(), OVERLAY_KD.clone(), trainable=True)

    copied = copy.deepcopy(words)
    with torch.no_grad():
        copied.overlay_KD.zero_()

    assert copied.shared.table_VD.data_ptr() == words.shared.table_VD.data_ptr()
    assert torch.equal(words.overlay_KD, OVERLAY_KD)


@pytest.mark.parametrize("trainable", [True, False])
def test_the_overlay_is_trained_only_where_it_is_to_be(trainable: bool) -> None:
    """A frozen row is in the state, and no optimizer moves it."""
    words = WordVectors(TABLE_VD, OVERLAY_KD, trainable=trainable)

    assert [parameter.requires_grad for parameter in words.parameters()] == [trainable]


def test_gradients_reach_the_overlay_rows_that_a_batch_uses_and_nothing_else() -> None:
    """Row 1 of the overlay is in three places, row 0 in none."""
    table_VD = TABLE_VD.clone()
    words = WordVectors(table_VD, OVERLAY_KD.clone(), trainable=True)

    words(make_batch([0, 4, 4], [4])).sum().backward()

    gradient: Any = words.overlay_KD.grad
    assert gradient.tolist() == [[0, 0], [3, 3]]
    assert table_VD.grad is None
    assert not table_VD.requires_grad


@given(texts=st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=4), own=st.booleans())
def test_training_reads_the_vectors_that_scoring_reads(texts: list[list[int]], own: bool) -> None:
    """And has the same gradients, also where all words are the overlay's and the table is not read."""
    rows = len(TABLE_VD)
    ids = [[rows + number % len(OVERLAY_KD) if own else number for number in text] for text in texts]
    found = []
    for training in (True, False):
        words = WordVectors(TABLE_VD, OVERLAY_KD.clone(), trainable=True).train(training)
        vectors_BTD = words(make_batch(*ids))
        (vectors_BTD * torch.arange(vectors_BTD.numel()).view_as(vectors_BTD)).sum().backward()
        found.append((vectors_BTD.detach(), words.overlay_KD.grad))
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)
