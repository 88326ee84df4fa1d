from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from w2vray.batches import WordVectors
from w2vray.logistic import LogisticFit, fit_logistic, text_means
from w2vray.training import Examples

TABLE_VD = torch.tensor([[1.0, 2.0], [3.0, -4.0]])


def make_data(classes: int, *, rows: int = 120, dim: int = 4) -> tuple[Tensor, Tensor]:
    """Classes of different sizes that overlap, so that the intercepts matter and the optimum is finite."""
    random = np.random.default_rng(classes)
    labels_N = random.choice(classes, size=rows, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    centres_CD = random.normal(size=(classes, dim))
    means_ND = 3 + centres_CD[labels_N] + random.normal(size=(rows, dim))
    return torch.from_numpy(means_ND), torch.from_numpy(labels_N)


def fit(means_ND: Tensor, labels_N: Tensor, classes: int, **changes: Any) -> LogisticFit:
    """The optimum, by the settings' defaults."""
    return fit_logistic(means_ND, labels_N, classes, **({"C": 1.0, "max_iterations": 1000} | changes))


def objective(weight_CD: Any, bias_C: Any, means_ND: Tensor, labels_N: Tensor, penalty: float) -> float:
    """Summed cross-entropy plus the penalty on the weights, in float64."""
    weight_CD = torch.as_tensor(weight_CD, dtype=torch.float64)
    logits_NC = means_ND @ weight_CD.T + torch.as_tensor(bias_C, dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(logits_NC, labels_N, reduction="sum")
    return float(loss + penalty * weight_CD.square().sum())


def test_text_means_are_over_each_texts_own_words() -> None:
    """The golden case, with a special row and an empty text."""
    words = WordVectors(TABLE_VD, torch.tensor([[10.0, 0.0]]), trainable=False)
    ids_L, offsets_N1 = np.array([0, 1, 2, 0], dtype=np.int32), np.array([0, 2, 2, 4])

    means_ND = text_means(words, Examples(ids_L, offsets_N1, np.zeros(3, dtype=np.int64)))

    assert means_ND.tolist() == [[2, -1], [0, 0], [5.5, 1]]
    assert means_ND.dtype == torch.float64


@pytest.mark.parametrize("C", [0.05, 1.0, 20.0])
def test_two_classes_have_the_optimum_of_scikit_learns_one_weight_vector(C: float) -> None:
    """The difference of the two rows is its vector; they are each other's negative."""
    means_ND, labels_N = make_data(2)
    reference = LogisticRegression(C=C, solver="newton-cg", tol=1e-8).fit(means_ND.numpy(), labels_N.numpy())

    found = fit(means_ND, labels_N, 2, C=C)

    np.testing.assert_allclose(found.weight_CD[1] - found.weight_CD[0], reference.coef_[0], atol=2e-3)
    assert float(found.bias_C[1] - found.bias_C[0]) == pytest.approx(reference.intercept_[0], abs=5e-3)
    np.testing.assert_allclose(found.weight_CD[1], -found.weight_CD[0], atol=1e-4)
    half_CD = np.concatenate([-reference.coef_ / 2, reference.coef_ / 2])
    half_C = np.concatenate([-reference.intercept_ / 2, reference.intercept_ / 2])
    mine = objective(found.weight_CD, found.bias_C, means_ND, labels_N, 1 / C)
    theirs = objective(half_CD, half_C, means_ND, labels_N, 1 / C)
    assert mine == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("C", [0.05, 1.0, 20.0])
def test_several_classes_have_scikit_learns_optimum(classes: int, C: float) -> None:
    """Weights are determined by the penalty; intercepts only up to one number for all."""
    means_ND, labels_N = make_data(classes)
    reference = LogisticRegression(C=C, solver="newton-cg", tol=1e-8).fit(means_ND.numpy(), labels_N.numpy())

    found = fit(means_ND, labels_N, classes, C=C)

    np.testing.assert_allclose(found.weight_CD, reference.coef_, atol=5e-3)
    np.testing.assert_allclose(
        found.bias_C - found.bias_C.mean(), reference.intercept_ - reference.intercept_.mean(), atol=2e-2
    )
    mine = objective(found.weight_CD, found.bias_C, means_ND, labels_N, 0.5 / C)
    theirs = objective(reference.coef_, reference.intercept_, means_ND, labels_N, 0.5 / C)
    assert mine == pytest.approx(theirs, abs=1e-3)


def test_the_objectives_fall_from_even_odds_to_the_optimums_own() -> None:
    """Each is a mean over the examples, so that stores of different sizes can be compared."""
    means_ND, labels_N = make_data(3)

    found = fit(means_ND, labels_N, 3, C=2.0)

    optimum = objective(found.weight_CD, found.bias_C, means_ND, labels_N, 0.5 / 2.0) / len(labels_N)
    assert found.objectives[0] == pytest.approx(np.log(3))
    assert found.objectives[-1] == pytest.approx(optimum, abs=1e-6)
    assert found.objectives[-1] == pytest.approx(min(found.objectives), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "first", [pytest.param(60, id="halves"), pytest.param(7, id="unequal"), pytest.param(0, id="one without examples")]
)
def test_two_workers_find_the_optimum_of_one_that_has_all_examples(
    run_workers: Callable[..., list[LogisticFit]], classes: int, first: int
) -> None:
    """Only sums cross between workers, and each worker arrives at the same weights."""
    means_ND, labels_N = make_data(classes)
    parts = [slice(0, first), slice(first, None)]

    def work(rank: int, sum_over_workers: Callable[[Tensor], Tensor]) -> LogisticFit:
        part = parts[rank]
        return fit(means_ND[part], labels_N[part], classes, sum_over_workers=sum_over_workers)

    one, two = run_workers(2, work)

    assert torch.equal(one.weight_CD, two.weight_CD)
    assert torch.equal(one.bias_C, two.bias_C)
    alone = fit(means_ND, labels_N, classes)
    np.testing.assert_allclose(one.weight_CD, alone.weight_CD, atol=1e-4)
    np.testing.assert_allclose(one.bias_C, alone.bias_C, atol=1e-3)
    assert one.objectives[-1] == pytest.approx(alone.objectives[-1], abs=1e-8)


def test_the_limit_of_iterations_is_kept() -> None:
    """Two iterations end well before the optimum."""
    means_ND, labels_N = make_data(3)

    few, many = fit(means_ND, labels_N, 3, max_iterations=2), fit(means_ND, labels_N, 3)

    assert len(few.objectives) <= 8
    assert few.objectives[-1] > many.objectives[-1] + 1e-3


def test_the_result_is_ready_for_the_models_float32_layer() -> None:
    """It is computed in float64, and stored as the model's weights are."""
    found = fit(*make_data(3), 3)

    assert (found.weight_CD.dtype, tuple(found.weight_CD.shape)) == (torch.float32, (3, 4))
    assert (found.bias_C.dtype, tuple(found.bias_C.shape)) == (torch.float32, (3,))
    assert not found.weight_CD.requires_grad
