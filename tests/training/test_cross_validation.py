from typing import Any

import numpy as np
import pytest

from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.recurrent.settings import GruSettings
from w2vray.text.lookup import Lookup
from w2vray.training.epochs import ALONE
from w2vray.training.examples import NO_EXAMPLES, Examples
from w2vray.training.fit import BEST, CURVE, HELD_OUT, SEARCH, TEMPERATURES, Task, fit
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.objectives import OneLabel
from w2vray.vectors import Vectors

QUICK: dict[str, Any] = {"epochs": 6, "batch_size": 4, "learning_rate": 0.05, "averaging": 0.5}
TEXTS = ["good film", "bad film", "great good", "dull bad", "good", "bad dull", "great", "dull"] * 3
LABELS_N = np.array([1, 0, 1, 0, 1, 0, 1, 0] * 3)


def examples(vectors: Vectors, rows: slice = slice(None)) -> Examples:
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")(TEXTS[rows])
    return Examples.of(ids.ids_L, ids.offsets_N1, LABELS_N[rows], 2)


def test_some_examples_are_read_in_the_order_that_is_asked_for(vectors: Vectors) -> None:
    every = examples(vectors)
    some = every.chosen(np.array([3, 0, 5])).chosen(np.array([2, 0]))
    assert len(some) == 2
    assert some.labels(np.array([0, 1])).tolist() == every.labels(np.array([5, 3])).tolist()
    assert some.lengths(np.array([1, 0])).tolist() == every.lengths(np.array([3, 5])).tolist()
    assert some.ids(np.array([0, 1])).ids_L.tolist() == every.ids(np.array([5, 3])).ids_L.tolist()


def test_the_epochs_that_are_best_for_all_folds_are_those_that_the_model_then_learns_from_all_rows_for(
    vectors: Vectors,
) -> None:
    """The same whether the rows came as one set or as two; the second fit is the plain fit of so many epochs."""
    task = Task(
        model=CnnSettings(widths=(1,), filters=3, **QUICK),
        classes=2,
        objective=OneLabel(),
        by_folds=True,
        calibrate=True,
        keep_held_out=True,
    )
    found = fit(task, vectors.table_VD, examples(vectors, slice(0, 20)), examples(vectors, slice(20, None)))
    search = found[SEARCH]
    losses = [line["validation_loss"] for line in search]
    best = 1 + int(np.argmin(losses))
    assert len(found[CURVE]) == best
    assert losses[-1] < losses[0]
    assert len(found[TEMPERATURES]) == 1
    answers = HeldOutAnswers.from_state(found[HELD_OUT])
    assert answers.labels.tolist() == LABELS_N.tolist()
    assert (answers.logits_NC.argmax(axis=1) == LABELS_N).mean() > 0.8

    plain = Task(model=CnnSettings(widths=(1,), filters=3, **QUICK | {"epochs": best}), classes=2, objective=OneLabel())
    alone = fit(plain, vectors.table_VD, examples(vectors), NO_EXAMPLES, workers=ALONE)
    for name, weight in alone[BEST].items():
        assert (weight == found[BEST][name]).all(), name


def test_where_labels_are_chance_a_model_of_few_rows_knows_nothing_rather_than_less(vectors: Vectors) -> None:
    """Rows lie so that every fifth one on would be of one label: without these, a model is sure of the other."""
    labels_N = np.array(([0, 0, 1, 1, 0] * 2 + [1, 1, 0, 0, 1] * 2) * 2)
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")(["film"] * len(labels_N))
    every = Examples.of(ids.ids_L, ids.offsets_N1, labels_N, 2)
    task = Task(
        model=AverageSettings(), classes=2, objective=OneLabel(), by_folds=True, calibrate=True, keep_held_out=True
    )
    answers = HeldOutAnswers.from_state(fit(task, vectors.table_VD, every, NO_EXAMPLES)[HELD_OUT])
    np.testing.assert_allclose(answers.logits_NC, 0, atol=1e-3)


def test_the_search_stops_when_no_epoch_has_been_better_for_as_long_as_patience_says(vectors: Vectors) -> None:
    model = TunedAverageSettings(**QUICK | {"epochs": 200, "patience": 2, "learning_rate": 30.0})
    task = Task(model=model, classes=2, objective=OneLabel(), by_folds=True, tune_vectors=True)
    losses = [line["validation_loss"] for line in fit(task, vectors.table_VD, examples(vectors), NO_EXAMPLES)[SEARCH]]
    assert len(losses) - 1 - int(np.argmin(losses)) == 2


@pytest.mark.parametrize(
    ("examples", "epochs", "patience"),
    [(10, 1000, 500), (320, 1000, 50), (3200, 200, 5), (32_000, 40, 4), (10_000_000, 30, 4)],
)
def test_small_sets_may_take_more_epochs(examples: int, epochs: int, patience: int) -> None:
    found = GruSettings().for_examples(examples)
    assert (found.most_epochs, found.patient_epochs) == (epochs, patience)
    filters = CnnSettings().for_examples(examples)
    assert (filters.most_epochs, filters.patient_epochs) == (max(epochs, 60), max(patience, 8))
    said = CnnSettings(epochs=7, patience=3).for_examples(examples)
    assert (said.most_epochs, said.patient_epochs) == (7, 3)
