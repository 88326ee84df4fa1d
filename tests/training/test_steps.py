import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from w2vray.errors import DivergedError
from w2vray.models.average.network import AverageModel
from w2vray.models.average.settings import AverageSettings
from w2vray.models.classifier import Classifier, shared_table
from w2vray.models.cnn.network import CnnModel
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.kinds import ModelSettings
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.models.word_vectors import WordVectors
from w2vray.settings.steps import StepSettings
from w2vray.training.epochs import ALONE, Workers, epoch_batches
from w2vray.training.example_files import Part
from w2vray.training.examples import NO_EXAMPLES, Examples, Numbering, joined
from w2vray.training.objectives import ManyLabels, OneLabel
from w2vray.training.steps import Training, validate
from w2vray.vectors import Vectors

GOOD, BAD, FILM, DULL, GREAT, THE, SPECIAL = range(7)  # rows of the vectors of conftest.py, then the overlay's

Sum = Callable[[Tensor], Tensor]


def examples(*rows: tuple[list[int], int]) -> Examples:
    """Examples of these ids and classes."""
    lengths = [len(ids) for ids, _ in rows]
    return Examples.of(
        np.array([id_ for ids, _ in rows for id_ in ids], dtype=np.int32),
        np.cumsum([0, *lengths]).astype(np.int64),
        np.array([label for _, label in rows], dtype=np.int64),
        3,
    )


def some_examples(count: int, seed: int, *, special: bool = False) -> Examples:
    """Random texts; the class follows the words, but not always."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        ids = random.integers(0, 7 if special else 6, size=random.integers(1, 8)).tolist()
        rows.append((ids, int(GOOD in ids) if random.random() < 0.8 else int(random.integers(3))))
    return examples(*rows)


def make_training(classifier: Classifier, *, seed: int = 0, workers: Workers = ALONE, **changes: Any) -> Training:
    """A training of a few quick steps."""
    settings: dict[str, Any] = {
        "learning_rate": 0.05,
        "weight_decay": 0.01,
        "clip_norm": 0.0,
        "averaging": 0.5,
        "epochs": 4,
        "patience": 4,
        "batch_size": 8,
    }
    return Training(classifier, StepSettings(**(settings | changes)), OneLabel(), seed=seed, workers=workers)


def equal_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states have the same names and bits."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def cnn(make_classifier: Callable[..., Classifier], vectors: Vectors) -> Callable[[], Classifier]:
    """Make a small CNN with dropout, always the same."""
    return lambda: make_classifier("cnn", vectors, "unknown", trainable=True)


# Evaluation


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


# Training


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


# Several workers


def rows_of(examples: Examples) -> list[tuple[list[int], int]]:
    """Ids and class of each example."""
    rows = np.arange(len(examples))
    ids, labels_N = examples.ids(rows), examples.labels(rows)
    of_rows = np.split(ids.ids_L, ids.offsets_B1[1:-1])
    return [(of_row.tolist(), int(label)) for of_row, label in zip(of_rows, labels_N, strict=True)]


def train_together(
    run_workers: Callable[..., list[Training]],
    make: Callable[[], Classifier],
    workers: int,
    train: Examples,
    validation: Examples,
    **changes: Any,
) -> list[Training]:
    """Train with several workers, in step."""
    classifiers = [make() for _ in range(workers)]  # before the threads: torch's random numbers are the process's

    def work(rank: int, sum_over_workers: Sum) -> Training:
        classifier = classifiers[rank]
        training = make_training(classifier, workers=Workers(rank, workers, sum_over_workers), **changes)
        list(training.run(train, validation))
        return training

    return run_workers(workers, work)


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
