"""Several workers take the steps that one would take."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.fixtures.steps import (
    BAD,
    FILM,
    GOOD,
    THE,
    equal_states,
    examples,
    make_training,
    rows_of,
    some_examples,
    train_together,
)
from w2vray.models.classifier import Classifier
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.kinds import ModelSettings
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.models.word_vectors import WordVectors
from w2vray.training.epochs import Workers, epoch_batches
from w2vray.training.examples import NO_EXAMPLES, Numbering, joined
from w2vray.training.objectives import OneLabel
from w2vray.training.steps import Training
from w2vray.vectors import Vectors


def test_joined_examples_are_the_first_ones_and_then_the_second() -> None:
    first, second = examples(([GOOD, BAD], 1), ([], 0)), examples(([FILM], 2), ([THE, GOOD, BAD], 0))

    assert rows_of(joined(first, second)) == [([GOOD, BAD], 1), ([], 0), ([FILM], 2), ([THE, GOOD, BAD], 0)]
    assert rows_of(joined(first, NO_EXAMPLES)) == rows_of(first)


WITHOUT_CHANCE: dict[str, ModelSettings] = {
    "cnn": CnnSettings(widths=(1, 2, 3), filters=3, dropout=0.0, input_dropout=0.0),
    "lstm": LstmSettings(hidden=3, dropout=0.0, input_dropout=0.0),
    "gru": GruSettings(hidden=3, dropout=0.0, input_dropout=0.0),
}
"""Small networks whose steps do not depend on chance."""


@pytest.fixture
def without_chance(make_classifier: Callable[..., Classifier], vectors: Vectors) -> Callable[[str], Classifier]:
    """Make one of these networks, always the same."""
    return lambda name: make_classifier(name, vectors, "unknown", model=WITHOUT_CHANCE[name], trainable=True)


@pytest.mark.parametrize("network", WITHOUT_CHANCE)
@pytest.mark.parametrize("workers", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [24, 7, 2])
def test_workers_together_take_the_steps_of_one(
    run_workers: Callable[..., list[Training]],
    without_chance: Callable[[str], Classifier],
    network: str,
    workers: int,
    batch_size: int,
) -> None:
    """The same examples in each step, whatever the workers; some have none of a step."""
    make = partial(without_chance, network)
    train, validation = some_examples(25, 0, special=True), some_examples(11, 1)
    settings: dict[str, Any] = {"batch_size": batch_size, "epochs": 2, "learning_rate": 0.003, "clip_norm": 0.5}

    together = train_together(run_workers, make, workers, train, validation, **settings)

    alone = make_training(make(), **settings)
    list(alone.run(train, validation))
    for training in together:
        assert equal_states(training.best, together[0].best)
        for name, value in alone.best.items():
            torch.testing.assert_close(training.best[name], value, atol=1e-4, rtol=1e-3)
        for mine, theirs in zip(training.curve, alone.curve, strict=True):
            assert (mine.workers, mine.examples) == (workers, 25)
            assert {**mine.as_dict(), "workers": 1} == pytest.approx(theirs.as_dict(), abs=1e-3)


def test_workers_begin_with_the_first_ones_weights(
    run_workers: Callable[..., list[Training]], cnn: Callable[[], Classifier]
) -> None:
    """Whatever their own would be, as those of another kind of machine."""
    classifiers = [cnn(), cnn()]
    with torch.no_grad():
        for parameter in classifiers[1].parameters():
            parameter.add_(1)

    first, second = run_workers(
        2, lambda rank, sum_over_workers: make_training(classifiers[rank], workers=Workers(rank, 2, sum_over_workers))
    )

    assert equal_states(first.best, second.best)
    assert equal_states(second.best, cnn().state_dict())


@pytest.mark.parametrize("network", WITHOUT_CHANCE)
def test_a_step_of_long_texts_is_added_up_from_parts(
    without_chance: Callable[[str], Classifier], network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is computed at once does not matter; a text longer than that is a part of its own."""
    train, validation = some_examples(25, 0, special=True), some_examples(11, 1)
    settings: dict[str, Any] = {"batch_size": 11, "epochs": 2, "learning_rate": 0.003, "clip_norm": 0.5}
    whole = make_training(without_chance(network), **settings)
    list(whole.run(train, validation))
    parts = make_training(without_chance(network), **settings)
    monkeypatch.setattr("w2vray.training.steps.WORDS_AT_ONCE", {"cpu": 5})
    sizes: list[int] = []
    parts.classifier.model.get_submodule("dense").register_forward_pre_hook(
        lambda _, inputs: sizes.append(len(inputs[0]))
    )

    list(parts.run(train, validation))

    assert max(sizes) < 11
    assert min(sizes) == 1
    assert sum(sizes) == 2 * len(train)
    for name, value in whole.best.items():
        torch.testing.assert_close(parts.best[name], value, atol=1e-4, rtol=1e-3)
    for mine, theirs in zip(parts.curve, whole.curve, strict=True):
        assert mine.as_dict() == pytest.approx(theirs.as_dict(), abs=1e-3)


@pytest.mark.parametrize("network", WITHOUT_CHANCE)
@pytest.mark.parametrize("tuned", [False, True])
def test_a_step_is_the_mean_over_the_steps_examples(
    without_chance: Callable[[str], Classifier], vectors: Vectors, network: str, *, tuned: bool
) -> None:
    """Many small steps, against plain steps over the same batches; also of words that are in some steps only."""
    every_row = np.arange(len(vectors))

    def fresh() -> Classifier:
        classifier = without_chance(network)
        if tuned:
            overlay_KD = torch.from_numpy(np.array(vectors.table_VD))
            classifier.words = WordVectors(classifier.words.shared.table_VD, overlay_KD, trainable=True)
        return classifier

    train = replace(some_examples(21, 0), numbering=Numbering(len(vectors), 0, every_row) if tuned else None)
    training = make_training(fresh(), batch_size=2, epochs=1, averaging=0.0, learning_rate=0.01, seed=3)
    list(training.run(train, NO_EXAMPLES))

    plain = fresh()
    groups: list[dict[str, Any]] = [
        {"params": plain.model.parameters()},
        {"params": plain.words.parameters(), "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.01)
    for rows_B in epoch_batches(21, train.lengths, 2, [3, 1]):
        optimizer.zero_grad(set_to_none=False)
        nn.functional.cross_entropy(plain(train.ids(rows_B).padded()), train.labels(rows_B)).backward()
        optimizer.step()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(training.best[name], value, atol=1e-4, rtol=1e-3)
    if tuned:
        assert not torch.equal(plain.words.overlay_KD, fresh().words.overlay_KD)


def test_half_precision_products_change_little(without_chance: Callable[[str], Classifier]) -> None:
    """The weights stay float32, and the loss is close to that of whole precision."""
    rows = some_examples(60, 0)
    whole = make_training(without_chance("cnn"), epochs=1)
    half = Training(without_chance("cnn"), whole.settings, OneLabel(), seed=0, precision="bfloat16")

    (exact,), (rounded,) = list(whole.run(rows, NO_EXAMPLES)), list(half.run(rows, NO_EXAMPLES))

    assert rounded.train_loss == pytest.approx(exact.train_loss, rel=0.03)
    assert rounded.train_loss != exact.train_loss
    assert {value.dtype for value in half.best.values()} == {torch.float32}
