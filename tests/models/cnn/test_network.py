from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.cnn.network import CnnModel
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.word_vectors import ReadWords

DIM = 2

needs_kernels = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

number = st.floats(-3, 3, width=32)
some_texts = st.lists(st.lists(st.tuples(number, number), max_size=7), min_size=1, max_size=4)
some_widths = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(tuple)


@pytest.fixture
def model() -> CnnModel:
    """One filter of width 1 and one of width 2, with weights that are easy to multiply by."""
    model = CnnModel(DIM, 2, CnnSettings(widths=(1, 2), filters=1, dropout=0.5)).eval()
    one, two = model.convolutions
    assert isinstance(one, nn.Conv1d)
    assert isinstance(two, nn.Conv1d)
    with torch.no_grad():
        # [filter, number of the vector, word of the window]
        one.weight.copy_(torch.tensor([[[1.0], [1.0]]]))
        two.weight.copy_(torch.tensor([[[1.0, 2.0], [-1.0, 0.0]]]))
        for convolution, bias in ((one, 0.0), (two, -1.0)):
            assert convolution.bias is not None
            convolution.bias.fill_(bias)
        model.dense.weight.copy_(torch.tensor([[1.0, 1.0], [0.5, -1.0]]))
        model.dense.bias.copy_(torch.tensor([0.0, 1.0]))
    return model


def random_model(widths: Sequence[int], *, filters: int = 3, classes: int = 3) -> CnnModel:
    """A model without dropout whose biases are often above 0, so that a window of padding would be seen."""
    model = CnnModel(DIM, classes, CnnSettings(widths=tuple(widths), filters=filters, dropout=0.0, input_dropout=0.0))
    with torch.random.fork_rng():
        torch.manual_seed(len(widths))
        for parameter in model.parameters():
            nn.init.normal_(parameter)
    return model


def padded(texts: Sequence[Sequence[tuple[float, float]]], columns: int = 1) -> tuple[Tensor, Tensor]:
    """Vectors with zeros behind each text, at least ``columns`` wide, and the lengths."""
    width = max(columns, *map(len, texts))
    rows = [[*text, *[(0.0, 0.0)] * (width - len(text))] for text in texts]
    return torch.tensor(rows, dtype=torch.float32), torch.tensor([len(text) for text in texts])


def loop_logits(model: CnnModel, text: Sequence[tuple[float, float]]) -> list[float]:
    """The model written as loops over windows, filters, words and numbers of one text."""
    features = []
    for width, convolution in zip(model.widths, model.convolutions, strict=True):
        weight_FDS, bias_F = (parameter.tolist() for parameter in convolution.parameters())
        edge = [(0.0, 0.0)] * (width - 1)
        words = [*edge, *(text or [(0.0, 0.0)]), *edge]
        for weight_DS, bias in zip(weight_FDS, bias_F, strict=True):
            windows = [
                bias + sum(weight_DS[d][k] * words[start + k][d] for k in range(width) for d in range(DIM))
                for start in range(len(words) - width + 1)
            ]
            features.append(max(max(window, 0.0) for window in windows))
    weight_CF, bias_C = model.dense.weight.tolist(), model.dense.bias.tolist()
    return [
        bias + sum(w * feature for w, feature in zip(weight_F, features, strict=True))
        for weight_F, bias in zip(weight_CF, bias_C, strict=True)
    ]


def test_logits_come_from_the_best_window_of_each_filter(model: CnnModel) -> None:
    """The golden case, by hand."""
    logits_BC = model(*padded([[(1, 0), (0, 2), (3, 1)]]))

    one = max(1 + 0, 0 + 2, 3 + 1)
    # what starts one word before the text, then at word 0, 1 and 2; each with the numbers of its first and second word
    two = max(0 + (2 * 1), (1 - 0) + (2 * 0), (0 - 2) + (2 * 3), (3 - 1) + 0) - 1
    assert (one, two) == (4, 3)
    assert logits_BC.tolist() == [[1 * 4 + 1 * 3 + 0, 0.5 * 4 - 1 * 3 + 1]]


def test_a_negative_window_counts_as_zero(model: CnnModel) -> None:
    """ReLU comes before the maximum."""
    logits_BC = model(*padded([[(0, 2), (0, 2)]]))

    # width 1: 2 and 2; width 2: 0 + 0 - 1, (0 - 2) + 0 - 1, (0 - 2) + 0 - 1
    assert logits_BC.tolist() == [[1 * 2 + 1 * 0 + 0, 0.5 * 2 - 1 * 0 + 1]]


def test_filters_reach_beyond_both_ends_of_a_text(model: CnnModel) -> None:
    """The same alone, where the text is shorter than the filter, and beside a longer text."""
    short = [(3.0, 1.0)]

    alone_BC = model(*padded([short]))
    beside_BC = model(*padded([short, [(9, 9)] * 5]))

    # width 1: 3 + 1; width 2: 0 + 2 * 3 - 1, which starts before the text, is more than (3 - 1) + 0 - 1
    expected = [1 * 4 + 1 * 5 + 0, 0.5 * 4 - 1 * 5 + 1]
    assert alone_BC.tolist() == [expected]
    assert beside_BC[0].tolist() == expected


def test_a_text_without_words_is_a_word_of_zeros(model: CnnModel) -> None:
    """Each filter gives its bias, or zero."""
    logits_BC = model(*padded([[], [(1, 0)]]))

    # width 1: 0; width 2: -1, below 0
    assert logits_BC[0].tolist() == [0, 1]


@given(texts=some_texts, widths=some_widths)
def test_the_model_equals_loops_over_each_text(texts: list[list[tuple[float, float]]], widths: tuple[int, ...]) -> None:
    """No window sees another text, whatever stands beside it."""
    model = random_model(widths).eval()

    logits_BC = model(*padded(texts))

    expected_BC = torch.tensor([loop_logits(model, text) for text in texts])
    torch.testing.assert_close(logits_BC, expected_BC, atol=1e-4, rtol=1e-4)


@needs_kernels
@given(texts=some_texts, widths=some_widths)
def test_words_read_one_by_one_give_the_same(
    reader_of: Callable[[Tensor, Tensor], ReadWords], texts: list[list[tuple[float, float]]], widths: tuple[int, ...]
) -> None:
    """Up to the order of sums."""
    model = random_model(widths)
    vectors_BTD, lengths_B = padded(texts)

    found_BC = model.read(reader_of(vectors_BTD, lengths_B), lengths_B)

    torch.testing.assert_close(found_BC, model(vectors_BTD, lengths_B), atol=1e-4, rtol=1e-4)


@given(texts=some_texts, widths=some_widths, extra=st.integers(1, 6))
def test_more_padding_changes_nothing(
    texts: list[list[tuple[float, float]]], widths: tuple[int, ...], extra: int
) -> None:
    """Neither below the width of a filter nor above it."""
    model = random_model(widths).eval()
    vectors_BTD, lengths_B = padded(texts)
    wider_BTD, _ = padded(texts, columns=vectors_BTD.shape[1] + extra)

    torch.testing.assert_close(model(wider_BTD, lengths_B), model(vectors_BTD, lengths_B), atol=1e-5, rtol=1e-5)


@given(texts=some_texts, widths=some_widths)
def test_a_text_alone_has_the_logits_it_has_in_a_batch(
    texts: list[list[tuple[float, float]]], widths: tuple[int, ...]
) -> None:
    """Neighbours in a batch do not reach each other."""
    model = random_model(widths).eval()

    together_BC = model(*padded(texts))

    alone_BC = torch.cat([model(*padded([text])) for text in texts])
    torch.testing.assert_close(alone_BC, together_BC, atol=1e-5, rtol=1e-5)


@needs_kernels
@pytest.mark.parametrize(("dropout", "input_dropout"), [(0.5, 0.0), (0.0, 0.5)])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_dropout_is_for_training_only(
    reader_of: Callable[[Tensor, Tensor], ReadWords], dropout: float, input_dropout: float, one_by_one: bool
) -> None:
    """Scoring gives the same answer each time; training does not."""
    model = CnnModel(DIM, 2, CnnSettings(widths=(1, 2), dropout=dropout, input_dropout=input_dropout))
    batch = padded([[(1, 0), (0, 2), (3, 1)]])
    of_words = partial(model.read, reader_of(*batch), batch[1])
    logits = of_words if one_by_one else partial(model, *batch)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.eval()
        scored = {tuple(logits()[0].tolist()) for _ in range(20)}
        model.train()
        trained = {tuple(logits()[0].tolist()) for _ in range(20)}

    assert len(scored) == 1
    assert len(trained) > 1


def test_a_batch_without_texts_gives_no_logits_and_can_be_learnt_from(model: CnnModel) -> None:
    """A worker that has nothing left for a step takes part in it all the same."""
    logits_BC = model(torch.zeros(0, 1, DIM), torch.zeros(0, dtype=torch.int64))
    logits_BC.sum().backward()

    assert tuple(logits_BC.shape) == (0, 2)
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())
