"""From ids to vectors: padded, and word by word with numbers left out."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from w2vray.models.batches import Batch, RaggedIds, by_length, pad
from w2vray.models.word_vectors import WordVectors

TABLE_VD = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
OVERLAY_KD = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])


def make_batch(*texts: list[int]) -> Batch:
    """The padded batch of some texts, given by their ids."""
    ids, offsets = [id_ for text in texts for id_ in text], np.cumsum([0, *map(len, texts)])
    return pad(np.array(ids, dtype=np.int32), offsets.astype(np.int64), np.arange(len(texts)))


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
    """With ``--oov skip`` there is no row of its own."""
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


def of_words(words: WordVectors, texts: Sequence[Sequence[int]], left_out: float = 0.0) -> Tensor:
    """Read all words of texts, one text behind another, and the zeros of no word."""
    ids_L = np.array([id_ for text in texts for id_ in text], dtype=np.int32)
    read = words.reader(RaggedIds(ids_L, np.cumsum([0, *map(len, texts)])))
    return read(torch.arange(-1, len(ids_L)), left_out)


@given(
    texts=st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float16]),
)
def test_words_read_one_by_one_are_those_of_a_padded_batch(texts: list[list[int]], dtype: torch.dtype) -> None:
    """And their gradient is that of the overlay's rows, only that it is sparse."""
    padded, read = (WordVectors(TABLE_VD.to(dtype), OVERLAY_KD.clone(), trainable=True) for _ in range(2))
    inside_BT = torch.arange(max(1, *map(len, texts))) < torch.tensor([len(text) for text in texts])[:, None]
    expected_LD = padded(make_batch(*texts))[inside_BT]
    found_LD = of_words(read, texts)

    assert found_LD[0].tolist() == [0, 0]
    assert torch.equal(found_LD[1:], expected_LD)
    weigh_LD = torch.arange(float(expected_LD.numel())).view_as(expected_LD)
    (expected_LD * weigh_LD).sum().backward()
    expected: Any = padded.overlay_KD.grad
    if any(id_ >= len(TABLE_VD) for text in texts for id_ in text):
        (found_LD[1:] * weigh_LD).sum().backward()
        found: Any = read.overlay_KD.grad
        assert found.is_sparse
        torch.testing.assert_close(found.to_dense(), expected)
    else:
        assert not found_LD.requires_grad
        assert not expected.any()


def test_made_rows_are_read_behind_those_of_table_and_overlay() -> None:
    words = WordVectors(TABLE_VD, OVERLAY_KD, trainable=False)
    made_MD = torch.tensor([[7.0, 8.0], [9.0, 10.0]])
    ids = RaggedIds(np.array([6, 0, 5, 4], dtype=np.int32), np.array([0, 4]), made_MD)

    assert words.reader(ids)(torch.tensor([0, 1, 2, 3, 0]), 0.0).tolist() == [
        [9, 10],
        [1, 2],
        [7, 8],
        [-3, -4],
        [9, 10],
    ]


ONES = WordVectors(torch.ones(2, 100), torch.zeros(0, 100), trainable=False)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_share_is_left_out_and_the_mean_stays(share: float) -> None:
    """Of 90,000 numbers, within five standard deviations."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = of_words(ONES, [[0, 1, 0]] * 300, share)[1:]

    kept = out[out != 0]
    spread = 5 * (share * (1 - share) / out.numel()) ** 0.5
    assert 1 - len(kept) / out.numel() == pytest.approx(share, abs=spread)
    assert kept.tolist() == pytest.approx([1 / (1 - share)] * len(kept), rel=1e-3)


def test_what_is_left_out_gets_no_gradient() -> None:
    """The rest gets what it was scaled by; a number of values that is no multiple of four does no harm."""
    words = WordVectors(torch.zeros(0, 3), torch.ones(1, 3), trainable=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = of_words(words, [[0] * 7], 0.5)[1:]
    torch.autograd.backward(out.sum())

    assert 0 < int((out == 0).sum()) < out.numel()
    gradient: Any = words.overlay_KD.grad
    assert torch.equal(gradient.to_dense()[0], out.detach().sum(dim=0))


def test_the_same_seed_leaves_out_the_same() -> None:
    masks = []
    for seed in (1, 1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            masks.append(of_words(ONES, [[0]], 0.5))

    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_a_share_of_nearly_all_leaves_numbers() -> None:
    """There is no division by zero where the share is rounded up to one."""
    assert of_words(ONES, [[0, 1]], 1 - 1e-9).isfinite().all()
