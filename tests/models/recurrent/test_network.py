import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.recurrent.network import RecurrentModel
from w2vray.models.recurrent.settings import GruSettings, LstmSettings, RecurrentSettings
from w2vray.models.word_vectors import ReadWords

DIM, HIDDEN = 2, 3

needs_kernels = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

number = st.floats(-2, 2, width=32)
some_texts = st.lists(st.lists(st.tuples(number, number), max_size=6), min_size=1, max_size=4)
some_settings = st.builds(
    lambda kind, pooling, bidirectional: kind(
        hidden=HIDDEN, pooling=pooling, bidirectional=bidirectional, dropout=0.0, input_dropout=0.0
    ),
    st.sampled_from([LstmSettings, GruSettings]),
    st.sampled_from(["last", "max"]),
    st.booleans(),
)


def random_model(settings: RecurrentSettings, classes: int = 3) -> RecurrentModel:
    """A model of large random weights: a state that is read at the wrong place would be seen."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.hidden)
        model = RecurrentModel(DIM, classes, settings)
        for parameter in model.parameters():
            nn.init.normal_(parameter)
    return model


def padded(texts: Sequence[Sequence[tuple[float, float]]], columns: int = 1, behind: float = 0.0) -> tuple[Any, Any]:
    """Vectors with ``behind`` behind each text, at least ``columns`` wide, and the lengths."""
    width = max(columns, *map(len, texts))
    rows = [[*text, *[(behind, behind)] * (width - len(text))] for text in texts]
    return torch.tensor(rows, dtype=torch.float32), torch.tensor([len(text) for text in texts])


def set_golden_weights(model: RecurrentModel, weight_ih: Sequence[Sequence[float]], bias: Sequence[float]) -> None:
    """One number a state, nothing from the state before, and a dense layer that shows the state as it is."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        names = dict(model.recurrent.named_parameters())
        names["weight_ih_l0"].copy_(torch.tensor(weight_ih))
        names["bias_ih_l0"].copy_(torch.tensor(bias))
        model.dense.weight.copy_(torch.tensor([[1.0], [-1.0]]))


def test_an_lstm_gives_the_state_after_the_last_word() -> None:
    """The golden case, by hand: gates wide open, so that the cell is a sum and the state its tanh."""
    model = RecurrentModel(DIM, 2, LstmSettings(hidden=1)).eval()
    # input gate, forget gate, cell, output gate: the cell takes tanh of the first number
    set_golden_weights(model, [[0, 0], [0, 0], [1, 0], [0, 0]], [100, 100, 0, 100])

    logits_BC = model(*padded([[(0.5, 9), (-1, 9), (2, 9)], [(1, 9)]]))

    of_three = math.tanh(math.tanh(0.5) + math.tanh(-1) + math.tanh(2))
    of_one = math.tanh(math.tanh(1))
    expected = torch.tensor([[of_three, -of_three], [of_one, -of_one]])
    torch.testing.assert_close(logits_BC, expected, atol=1e-6, rtol=0)


def test_a_gru_gives_the_state_after_the_last_word() -> None:
    """The golden case, by hand: an update gate half open, so that each word halves what was before it."""
    model = RecurrentModel(DIM, 2, GruSettings(hidden=1)).eval()
    # reset gate, update gate, candidate: the candidate is tanh of the second number
    set_golden_weights(model, [[0, 0], [0, 0], [0, 1]], [0, 0, 0])

    logits_BC = model(*padded([[(9, 0.5), (9, -1), (9, 2)], [(9, 1)]]))

    of_three = math.tanh(0.5) / 8 + math.tanh(-1) / 4 + math.tanh(2) / 2
    expected = torch.tensor([[of_three, -of_three], [math.tanh(1) / 2, -math.tanh(1) / 2]])
    torch.testing.assert_close(logits_BC, expected, atol=1e-6, rtol=0)


def test_pooling_by_maximum_takes_the_largest_state_of_the_text_though_it_be_negative() -> None:
    """Zeros behind a text are no states."""
    model = RecurrentModel(DIM, 2, GruSettings(hidden=1, pooling="max")).eval()
    set_golden_weights(model, [[0, 0], [0, 0], [0, 1]], [0, 0, 0])

    logits_BC = model(*padded([[(0, -1), (0, -2)], [(0, 2), (0, -2), (0, 0)]]))

    # states of the first: tanh(-1) / 2, then lower; of the second: the first word's is the largest
    assert logits_BC[:, 0].tolist() == pytest.approx([math.tanh(-1) / 2, math.tanh(2) / 2], abs=1e-6)


def loop_features(model: RecurrentModel, text: Sequence[tuple[float, float]]) -> list[float]:
    """The features of one text, by torch's cells, word by word in each direction."""
    lstm = isinstance(model.recurrent, nn.LSTM)
    directions = ["", "_reverse"] if model.recurrent.bidirectional else [""]
    last: list[float] = []
    largest: list[float] = []
    for direction in directions:
        cell: Any = (nn.LSTMCell if lstm else nn.GRUCell)(DIM, HIDDEN)
        names = dict(model.recurrent.named_parameters())
        cell.load_state_dict({name: names[f"{name}_l0{direction}"] for name in cell.state_dict()})
        state = torch.zeros(1, HIDDEN), torch.zeros(1, HIDDEN)
        seen = []
        for word in reversed(text) if direction else text:
            word_1D = torch.tensor([word])
            state = cell(word_1D, state) if lstm else (cell(word_1D, state[0]), state[1])
            seen.append(state[0])
        last += state[0][0].tolist()
        largest += torch.stack(seen).amax(dim=0)[0].tolist() if seen else [0.0] * HIDDEN
    return last if model.pooling == "last" else largest


@given(texts=some_texts, settings=some_settings)
def test_features_equal_a_loop_over_the_words_of_each_text(
    texts: list[list[tuple[float, float]]], settings: RecurrentSettings
) -> None:
    """Whatever stands beside a text; one without words has zeros."""
    model = random_model(settings).eval()

    with torch.no_grad():
        features_BF = model.features(*padded(texts))
        expected_BF = torch.tensor([loop_features(model, text) for text in texts])

    torch.testing.assert_close(features_BF, expected_BF, atol=1e-5, rtol=1e-5)


@given(texts=some_texts, settings=some_settings, extra=st.integers(1, 5), behind=number)
def test_what_stands_behind_a_text_changes_nothing(
    texts: list[list[tuple[float, float]]], settings: RecurrentSettings, extra: int, behind: float
) -> None:
    """Not one bit: padding is never read."""
    model = random_model(settings).eval()
    vectors_BTD, lengths_B = padded(texts)
    wider_BTD, _ = padded(texts, columns=vectors_BTD.shape[1] + extra, behind=behind)

    with torch.no_grad():
        assert torch.equal(model(wider_BTD, lengths_B), model(vectors_BTD, lengths_B))


@given(texts=some_texts, settings=some_settings)
def test_a_text_alone_has_the_logits_it_has_in_a_batch(
    texts: list[list[tuple[float, float]]], settings: RecurrentSettings
) -> None:
    """Neighbours in a batch do not reach each other."""
    model = random_model(settings).eval()

    with torch.no_grad():
        together_BC = model(*padded(texts))
        alone_BC = torch.cat([model(*padded([text])) for text in texts])

    torch.testing.assert_close(alone_BC, together_BC, atol=1e-5, rtol=1e-5)


@needs_kernels
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=7),
    settings=some_settings,
    hidden=st.sampled_from([1, 3, 8, 33]),
    seed=st.integers(0, 99),
)
def test_words_read_one_by_one_give_the_same_logits_and_gradients(
    *,
    reader_of: Callable[[Tensor, Tensor], ReadWords],
    lengths: list[int],
    settings: RecurrentSettings,
    hidden: int,
    seed: int,
) -> None:
    """Of the vectors and of every weight, whatever the loss, as torch has them in double precision."""
    model = random_model(replace(settings, hidden=hidden))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.2)  # with large weights a gradient in float32 is far from the true one, torch's too
    random = torch.Generator().manual_seed(seed)
    vectors_BTD = torch.randn(len(lengths), max(1, *lengths), DIM, generator=random)
    toward_BC = torch.randn(len(lengths), 3, generator=random)
    lengths_B = torch.tensor(lengths)
    gradients = []
    for model_ in (model, copy.deepcopy(model).double()):
        inputs_BTD = vectors_BTD.to(model_.dense.weight.dtype).requires_grad_()
        one_by_one = model_ is model
        logits_BC = (
            model_.read(reader_of(inputs_BTD, lengths_B), lengths_B) if one_by_one else model_(inputs_BTD, lengths_B)
        )
        loss = (logits_BC * toward_BC).sum()
        found = torch.autograd.grad(loss, [inputs_BTD, *model_.parameters()], allow_unused=True)
        gradients.append([logits_BC.float(), *(None if each is None else each.float() for each in found)])

    torch.testing.assert_close(gradients[0], gradients[1], atol=2e-4, rtol=2e-4)


@needs_kernels
@pytest.mark.parametrize("kind", [LstmSettings, GruSettings])
@pytest.mark.parametrize(("dropout", "input_dropout"), [(0.5, 0.0), (0.0, 0.5)])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_dropout_is_for_training_only(
    *,
    reader_of: Callable[[Tensor, Tensor], ReadWords],
    kind: type[RecurrentSettings],
    dropout: float,
    input_dropout: float,
    one_by_one: bool,
) -> None:
    """Scoring gives the same answer each time; training does not."""
    model = random_model(kind(hidden=HIDDEN, dropout=dropout, input_dropout=input_dropout))
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


@given(settings=some_settings)
def test_a_batch_without_texts_gives_no_logits_and_can_be_learnt_from(settings: RecurrentSettings) -> None:
    """A worker that has nothing left for a step takes part in it all the same."""
    model = random_model(settings)
    logits_BC = model(torch.zeros(0, 1, DIM), torch.zeros(0, dtype=torch.int64))
    logits_BC.sum().backward()

    assert tuple(logits_BC.shape) == (0, 3)
    gradients: list[Tensor | None] = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)
