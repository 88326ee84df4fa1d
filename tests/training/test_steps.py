import hashlib
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.fixtures.steps import (
    BAD,
    DULL,
    FILM,
    GOOD,
    THE,
    Sum,
    equal_states,
    examples,
    make_training,
    some_examples,
)
from w2vray.errors import DivergedError
from w2vray.models.average.network import AverageModel
from w2vray.models.average.settings import AverageSettings
from w2vray.models.classifier import Classifier, shared_table
from w2vray.models.cnn.network import CnnModel
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.word_vectors import WordVectors
from w2vray.training.epochs import Workers
from w2vray.training.example_files import Part
from w2vray.training.examples import NO_EXAMPLES, Examples
from w2vray.training.objectives import ManyLabels, OneLabel
from w2vray.training.steps import Training, validate
from w2vray.vectors import Vectors


def even_odds(vectors: Vectors, classes: int) -> Classifier:
    """A model that has learnt nothing but prefers class 0 where all are equal."""
    words = WordVectors(shared_table(vectors.table_VD), torch.zeros(0, vectors.dim), trainable=False)
    model = CnnModel(vectors.dim, classes, CnnSettings(widths=(1,), filters=1))
    nn.init.zeros_(model.dense.weight)
    nn.init.zeros_(model.dense.bias)
    return Classifier(words, model)


def test_validation_is_a_mean_over_the_rows_without_dropout(vectors: Vectors) -> None:
    """Even odds cost ln 3 a row; the model is left as in scoring."""
    classifier = even_odds(vectors, 3).train()
    rows = examples(([GOOD], 0), ([BAD, FILM], 2), ([], 2), ([THE], 1))

    loss, accuracy = validate(classifier, rows, OneLabel())

    assert loss == pytest.approx(math.log(3))
    assert accuracy == 1 / 4
    assert not classifier.training


def test_validation_of_many_labels_counts_rows_that_are_right_in_all_of_them(vectors: Vectors) -> None:
    """A label of even odds is given; each costs ln 2."""
    lists = [[0, 1], [1], []]
    part = Part(
        np.array([GOOD, BAD, FILM], dtype=np.int32),
        np.arange(4),
        np.array([label for labels in lists for label in labels], dtype=np.int32),
        np.cumsum([0, *map(len, lists)]),
        np.arange(2),
    )

    found = validate(even_odds(vectors, 2), Examples((part,), 2, multi_label=True), ManyLabels())

    assert found == pytest.approx((2 * math.log(2), 1 / 3))


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_validation_is_shared_among_the_workers(
    vectors: Vectors, run_workers: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Three rows here and two there count by rows, not by workers, however many are taken at once."""
    monkeypatch.setattr("w2vray.training.steps.VALIDATION_ROWS", at_once)
    rows = examples(([GOOD], 0), ([BAD], 1), ([FILM], 1), ([GOOD], 0), ([DULL], 1))

    def work(rank: int, sum_over_workers: Sum) -> tuple[float | None, float | None]:
        return validate(even_odds(vectors, 3), rows, OneLabel(), Workers(rank, 2, sum_over_workers))

    assert run_workers(2, work) == [(pytest.approx(math.log(3)), 0.4)] * 2


def test_validation_without_rows_has_no_result(vectors: Vectors) -> None:
    """Zero would be the best loss there is."""
    assert validate(even_odds(vectors, 2), NO_EXAMPLES, OneLabel()) == (None, None)


def test_training_lowers_the_loss(cnn: Callable[[], Classifier]) -> None:
    """The curve has a line an epoch, and ends well below its start."""
    rows = some_examples(120, 0)
    training = make_training(cnn(), epochs=12, patience=12)

    curve = list(training.run(rows, rows))

    assert [line.epoch for line in curve] == list(range(1, 13))
    assert curve == training.curve
    assert curve[-1].train_loss < 0.8 * curve[0].train_loss
    assert curve[-1].validation_loss is not None
    assert curve[0].validation_loss is not None
    assert curve[-1].validation_loss < curve[0].validation_loss
    assert training.finished


def test_one_worker_with_the_same_seed_gets_the_same_weights(cnn: Callable[[], Classifier]) -> None:
    """Bit for bit, dropout included; another seed gives others."""
    train, validation = some_examples(60, 0), some_examples(20, 1)

    def best(seed: int) -> tuple[dict[str, Tensor], list[Any]]:
        training = make_training(cnn(), seed=seed)
        curve = list(training.run(train, validation))
        return training.best, curve

    (first, first_curve), (again, again_curve), (other, _) = best(0), best(0), best(1)

    assert equal_states(first, again)
    assert first_curve == again_curve
    assert not equal_states(first, other)


@pytest.mark.parametrize("patience", [1, 3])
def test_training_stops_patience_epochs_after_the_best_and_keeps_its_weights(vectors: Vectors, patience: int) -> None:
    """What is learnt is right for three validation rows of five: the loss falls to those odds, then rises for good."""

    def fresh() -> Classifier:
        words = WordVectors(shared_table(vectors.table_VD), torch.zeros(0, vectors.dim), trainable=False)
        return Classifier(words, AverageModel(vectors.dim, 2, AverageSettings()))  # starts with even odds

    def make(epochs: int) -> Training:
        return make_training(fresh(), learning_rate=0.01, epochs=epochs, patience=patience)

    train = examples(*[([GOOD], 0), ([BAD], 1)] * 20)
    validation = examples(*[([GOOD], 0)] * 3, *[([GOOD], 1)] * 2)
    training = make(epochs=200)

    losses = [line.validation_loss for line in training.run(train, validation)]

    assert all(loss is not None for loss in losses)
    best = int(np.argmin(np.array(losses)))
    assert best > 0
    assert len(losses) == best + 1 + patience < 200
    assert training.finished
    kept = fresh()
    kept.load_state_dict(training.best)
    assert validate(kept, validation, OneLabel())[0] == pytest.approx(losses[best], abs=1e-6)
    shorter = make(epochs=best + 1)
    list(shorter.run(train, validation))
    assert equal_states(shorter.best, training.best)


def test_a_training_that_gets_worse_at_once_keeps_its_first_epoch(cnn: Callable[[], Classifier]) -> None:
    """The best epoch may be the first."""
    train, validation = examples(*[([GOOD], 0)] * 16), examples(([GOOD], 1))
    training, single = make_training(cnn(), epochs=50, patience=2), make_training(cnn(), epochs=1)

    assert len(list(training.run(train, validation))) == 3
    list(single.run(train, validation))

    assert equal_states(training.best, single.best)


def test_without_validation_all_epochs_are_done_and_the_last_weights_kept(cnn: Callable[[], Classifier]) -> None:
    """There is nothing to stop by, and an untrained model is no result."""
    train = some_examples(30, 0)
    before = make_training(cnn()).best
    training = make_training(cnn(), epochs=5, patience=1)

    curve = list(training.run(train, NO_EXAMPLES))

    assert [(line.validation_loss, line.validation_accuracy) for line in curve] == [(None, None)] * 5
    shorter = make_training(cnn(), epochs=4, patience=1)
    list(shorter.run(train, NO_EXAMPLES))
    assert not equal_states(training.best, before)
    assert not equal_states(training.best, shorter.best)


@pytest.mark.parametrize("stop", [1, 3])
def test_a_training_goes_on_from_its_state_as_if_nothing_had_happened(cnn: Callable[[], Classifier], stop: int) -> None:
    """The state goes through a file that can hold tensors and plain values only."""
    train, validation = some_examples(60, 0), some_examples(20, 1)
    undisturbed = make_training(cnn(), epochs=6, patience=6)
    list(undisturbed.run(train, validation))

    interrupted = make_training(cnn(), epochs=6, patience=6)
    steps = interrupted.run(train, validation)
    for _ in range(stop):
        next(steps)
    file = io.BytesIO()
    torch.save(interrupted.state_dict(), file)
    next(steps)  # what is done after the state was taken does not reach it
    file.seek(0)
    resumed = make_training(cnn(), epochs=6, patience=6)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    rest = list(resumed.run(train, validation))

    assert [line.epoch for line in rest] == list(range(stop + 1, 7))
    assert resumed.curve == undisturbed.curve
    assert equal_states(resumed.best, undisturbed.best)
    assert equal_states(resumed.classifier.state_dict(), undisturbed.classifier.state_dict())


def test_a_finished_training_stays_finished_when_it_is_loaded(cnn: Callable[[], Classifier]) -> None:
    """No epoch is added to what had stopped early."""
    train, validation = examples(*[([GOOD], 0)] * 16), examples(([GOOD], 1))
    training = make_training(cnn(), epochs=50, patience=2)
    list(training.run(train, validation))

    loaded = make_training(cnn(), epochs=50, patience=2)
    loaded.load_state_dict(training.state_dict())

    assert loaded.finished
    assert list(loaded.run(train, validation)) == []
    assert equal_states(loaded.best, training.best)


def test_the_table_keeps_its_bytes_while_the_unknown_words_row_is_learnt(
    make_classifier: Callable[..., Classifier], write_vectors: Callable[..., Vectors], tmp_path: Path
) -> None:
    """Neither the file nor a writable table in memory is touched by the steps of an epoch."""
    vectors = write_vectors(tmp_path / "vectors")
    writable = Vectors(np.array(vectors.table_VD), vectors.vocabulary, vectors.rules, vectors.fingerprint, {})
    file = hashlib.sha256((tmp_path / "vectors" / "table.bin").read_bytes()).hexdigest()
    memory = hashlib.sha256(writable.table_VD.tobytes()).hexdigest()
    rows = some_examples(40, 0, special=True)

    for used in (vectors, writable):
        classifier = make_classifier("cnn", used, "unknown", trainable=True)
        before_KD = classifier.words.overlay_KD.detach().clone()
        training = make_training(classifier, epochs=2)
        list(training.run(rows, rows))
        assert not torch.equal(classifier.words.overlay_KD, before_KD)
        assert not torch.equal(training.best["words.overlay_KD"], before_KD)

    assert hashlib.sha256((tmp_path / "vectors" / "table.bin").read_bytes()).hexdigest() == file
    assert hashlib.sha256(writable.table_VD.tobytes()).hexdigest() == memory


@pytest.mark.parametrize("oov", ["skip", "zero"])
def test_a_special_row_that_is_not_trainable_keeps_its_value(
    make_classifier: Callable[..., Classifier], vectors: Vectors, oov: str
) -> None:
    """Zero stays zero, weight decay or not."""
    classifier = make_classifier("cnn", vectors, oov)
    before_KD = classifier.words.overlay_KD.detach().clone()
    training = make_training(classifier, weight_decay=0.5)

    list(training.run(some_examples(40, 0, special=oov == "zero"), NO_EXAMPLES))

    assert torch.equal(classifier.words.overlay_KD, before_KD)
    assert torch.equal(training.best["words.overlay_KD"], before_KD)


def test_a_long_gradient_is_scaled_down_and_a_short_one_left_as_it_is(cnn: Callable[[], Classifier]) -> None:
    """By the length of all gradients together."""
    rows = some_examples(40, 0)

    def last_gradient(clip_norm: float) -> Tensor:
        training = make_training(cnn(), clip_norm=clip_norm, epochs=1, learning_rate=1e-12)
        gradients: list[Tensor] = []

        def keep(*_: Any) -> None:
            gradients.append(torch.cat([p.grad.flatten() for p in training.trained if p.grad is not None]))

        training.optimizer.register_step_pre_hook(keep)
        list(training.run(rows, NO_EXAMPLES))
        return gradients[-1]

    free, clipped = last_gradient(0.0), last_gradient(1e-3)

    assert free.norm() > 0.01
    torch.testing.assert_close(clipped, free * (1e-3 / free.norm()), atol=1e-7, rtol=1e-3)
    assert torch.equal(last_gradient(1e6), free)


def test_a_loss_that_is_no_number_ends_the_training_with_what_to_change(cnn: Callable[[], Classifier]) -> None:
    rows = some_examples(24, 1)
    training = make_training(cnn(), learning_rate=1e30)
    with pytest.raises(DivergedError, match="lower --learning-rate"):
        list(training.run(rows, rows))


@pytest.mark.parametrize("validated", [True, False])
def test_weights_that_the_last_step_made_no_numbers_are_not_kept(
    cnn: Callable[[], Classifier], validated: bool
) -> None:
    """The loss is that from before the step."""
    rows = some_examples(24, 1)
    training = make_training(cnn(), learning_rate=1e38, batch_size=24, epochs=1)
    with pytest.raises(DivergedError, match="the weights became NaN or infinite in epoch 1; lower --learning-rate"):
        list(training.run(rows, rows if validated else NO_EXAMPLES))
