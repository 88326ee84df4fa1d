from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from w2vray.models.average.network import AverageModel
from w2vray.models.average.settings import AverageSettings
from w2vray.models.word_vectors import ReadWords

number = st.floats(-4, 4, width=32)
some_texts = st.lists(st.lists(st.tuples(number, number), max_size=6), min_size=1, max_size=5)


@pytest.fixture
def model() -> AverageModel:
    """Two numbers a word, two classes, whole numbers for weights."""
    model = AverageModel(2, 2, AverageSettings())
    with torch.no_grad():
        model.dense.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, -1.0]]))
        model.dense.bias.copy_(torch.tensor([0.5, -0.5]))
    return model


def padded(texts: list[list[tuple[float, float]]], columns: int = 1) -> tuple[Tensor, Tensor]:
    """Vectors with zeros behind each text, at least ``columns`` wide, and the lengths."""
    width = max(columns, *map(len, texts))
    rows = [[*text, *[(0.0, 0.0)] * (width - len(text))] for text in texts]
    return torch.tensor(rows), torch.tensor([len(text) for text in texts])


def test_logits_are_the_dense_layer_of_the_mean(model: AverageModel) -> None:
    """The golden case, by hand."""
    logits_BC = model(*padded([[(1, 0), (0, 2)], [(4, -2)]]))

    # means: (0.5, 1) and (4, -2), each over the text's own words
    assert logits_BC.tolist() == [
        [1 * 0.5 + 2 * 1 + 0.5, 3 * 0.5 - 1 * 1 - 0.5],
        [1 * 4 + 2 * -2 + 0.5, 3 * 4 - 1 * -2 - 0.5],
    ]


def test_a_text_without_words_has_the_mean_zero(model: AverageModel) -> None:
    """What is left is the bias, and no division by zero."""
    assert model(*padded([[], [(1, 0)]]))[0].tolist() == [0.5, -0.5]


def test_means_may_be_scaled_to_length_1(model: AverageModel) -> None:
    """By hand: of (6, 8) it is (0.6, 0.8); a text without words keeps the mean zero."""
    model.unit_length = True

    logits_BC = model(*padded([[(12, 8), (0, 8)], []]))

    torch.testing.assert_close(logits_BC, torch.tensor([[0.6 + 2 * 0.8 + 0.5, 3 * 0.6 - 0.8 - 0.5], [0.5, -0.5]]))
    assert AverageModel(2, 2, AverageSettings(unit_length=True)).unit_length
    assert not AverageModel(2, 2, AverageSettings()).unit_length


@given(texts=some_texts, extra=st.integers(1, 5))
def test_more_padding_changes_nothing(texts: list[list[tuple[float, float]]], extra: int) -> None:
    """The sum grows by zeros, and is not divided by the padded width."""
    model = AverageModel(2, 3, AverageSettings())
    torch.nn.init.normal_(model.dense.weight)
    vectors_BTD, lengths_B = padded(texts)
    wider_BTD, _ = padded(texts, columns=vectors_BTD.shape[1] + extra)

    torch.testing.assert_close(model(wider_BTD, lengths_B), model(vectors_BTD, lengths_B), atol=1e-5, rtol=0)


@given(texts=some_texts)
def test_a_text_alone_has_the_logits_it_has_in_a_batch(texts: list[list[tuple[float, float]]]) -> None:
    """Neighbours in a batch do not reach each other."""
    model = AverageModel(2, 3, AverageSettings())
    torch.nn.init.normal_(model.dense.weight)

    together_BC = model(*padded(texts))

    alone_BC = torch.cat([model(*padded([text])) for text in texts])
    torch.testing.assert_close(alone_BC, together_BC, atol=1e-5, rtol=0)


@given(texts=some_texts)
def test_words_read_one_by_one_give_the_same(
    reader_of: Callable[[Tensor, Tensor], ReadWords], texts: list[list[tuple[float, float]]]
) -> None:
    """Logits, and what each word and weight gets; texts without words are among them."""
    model = AverageModel(2, 3, AverageSettings())
    torch.nn.init.normal_(model.dense.weight)
    vectors_BTD, lengths_B = padded(texts)
    vectors_BTD.requires_grad_()

    expected_BC, found_BC = model(vectors_BTD, lengths_B), model.read(reader_of(vectors_BTD, lengths_B), lengths_B)

    torch.testing.assert_close(found_BC, expected_BC, atol=1e-5, rtol=0)
    learnt = [vectors_BTD, *model.parameters()]
    found, expected = (torch.autograd.grad(logits_BC.square().sum(), learnt) for logits_BC in (found_BC, expected_BC))
    inside_BT = torch.arange(vectors_BTD.shape[1]) < lengths_B[:, None]  # the sum of a padded text reads the padding
    torch.testing.assert_close(found[0][inside_BT], expected[0][inside_BT], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[1:], expected[1:], atol=1e-4, rtol=1e-4)


def test_a_fresh_model_gives_even_odds() -> None:
    """The first weights are zero: the optimum does not depend on chance."""
    model = AverageModel(3, 4, AverageSettings())

    assert model(torch.randn(2, 5, 3), torch.tensor([5, 5])).tolist() == [[0] * 4] * 2
