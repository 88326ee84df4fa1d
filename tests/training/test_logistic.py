from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import Tensor

from w2vray.errors import DivergedError
from w2vray.models.word_vectors import WordVectors
from w2vray.training.epochs import Workers
from w2vray.training.examples import Examples
from w2vray.training.logistic import LogisticFit, Means, fit_logistic
from w2vray.training.objectives import ManyLabels, Objective, OneLabel

TABLE_VD = torch.tensor([[1.0, 2.0], [3.0, -4.0]])


def make_data(classes: int, *, rows: int = 120, dim: int = 4) -> tuple[Tensor, Tensor]:
    """Classes of different sizes that overlap, so that the intercepts matter and the optimum is finite."""
    random = np.random.default_rng(classes)
    labels_N = random.choice(classes, size=rows, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    centres_CD = random.normal(size=(classes, dim))
    means_ND = 3 + centres_CD[labels_N] + random.normal(size=(rows, dim))
    return torch.from_numpy(means_ND), torch.from_numpy(labels_N)


def fit(
    means_ND: Tensor, labels_N: Tensor, classes: int, objective: Objective | None = None, **changes: Any
) -> LogisticFit:
    """The optimum, by the settings' defaults; in chunks, as a large set is gone through."""
    chunks = [(means_ND[start : start + 50], labels_N[start : start + 50]) for start in range(0, len(labels_N), 50)]
    settings = {"C": 1.0, "most_passes": 1000, "examples": len(labels_N)} | changes
    return fit_logistic(chunks, means_ND.shape[1], classes, objective or OneLabel(), **settings)


def penalised(weight_CD: Any, bias_C: Any, means_ND: Tensor, labels_N: Tensor, penalty: float) -> float:
    """Summed cross-entropy plus the penalty on the weights, in float64."""
    weight_CD = torch.as_tensor(weight_CD, dtype=torch.float64)
    logits_NC = means_ND @ weight_CD.T + torch.as_tensor(bias_C, dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(logits_NC, labels_N, reduction="sum")
    return float(loss + penalty * weight_CD.square().sum())


def test_text_means_are_over_each_texts_own_words() -> None:
    """The golden case, with a special row and an empty text."""
    words = WordVectors(TABLE_VD, torch.tensor([[10.0, 0.0]]), trainable=False)
    ids_L, offsets_N1 = np.array([0, 1, 2, 0], dtype=np.int32), np.array([0, 2, 2, 4])

    found = Means(words, Examples.of(ids_L, offsets_N1, np.array([1, 0, 1]), 2))

    ((means_ND, labels_N),) = found
    assert means_ND.tolist() == [[2, -1], [0, 0], [5.5, 1]]
    assert labels_N.tolist() == [1, 0, 1]


def test_text_means_may_be_scaled_to_length_1() -> None:
    """All but that of a text without words."""
    words = WordVectors(torch.tensor([[3.0, 4.0], [0.0, -2.0]]), torch.zeros(0, 2), trainable=False)
    ids_L, offsets_N1 = np.array([0, 1], dtype=np.int32), np.array([0, 1, 1, 2])

    found = Means(words, Examples.of(ids_L, offsets_N1, np.array([1, 0, 1]), 2), unit_length=True)

    torch.testing.assert_close(torch.from_numpy(found.means_ND), torch.tensor([[0.6, 0.8], [0, 0], [0, -1]]))


def test_means_of_a_share_lie_in_a_file_where_they_are_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same numbers, in chunks, and nothing is left behind."""
    random = np.random.default_rng(0)
    offsets_N1 = np.concatenate(([0], np.cumsum(random.integers(0, 5, size=100))))
    ids_L = random.integers(0, 2, size=offsets_N1[-1]).astype(np.int32)
    examples = Examples.of(ids_L, offsets_N1, random.integers(0, 3, size=100), 3)
    words = WordVectors(TABLE_VD, torch.zeros(0, 2), trainable=False)
    ((all_ND, all_N),) = Means(words, examples)
    monkeypatch.setattr("w2vray.training.logistic._CHUNK_ROWS", 16)
    monkeypatch.setattr("w2vray.training.logistic._IN_MEMORY", 0)

    found = Means(words, examples, workers=Workers(1, 3), folder=tmp_path)

    chunks = list(found)
    assert [len(labels_N) for _, labels_N in chunks] == [16, 16, 1]
    torch.testing.assert_close(torch.cat([means_ND for means_ND, _ in chunks]), all_ND[1::3])
    assert torch.equal(torch.cat([labels_N for _, labels_N in chunks]), all_N[1::3])
    assert list(tmp_path.iterdir()) == []


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
    mine = penalised(found.weight_CD, found.bias_C, means_ND, labels_N, 1 / C)
    theirs = penalised(half_CD, half_C, means_ND, labels_N, 1 / C)
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
    mine = penalised(found.weight_CD, found.bias_C, means_ND, labels_N, 0.5 / C)
    theirs = penalised(reference.coef_, reference.intercept_, means_ND, labels_N, 0.5 / C)
    assert mine == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_weighted_labels_have_scikit_learns_optimum_for_the_same_class_weight(classes: int) -> None:
    means_ND, labels_N = make_data(classes)
    weights = {label: 0.5 + 2 * label for label in range(classes)}
    reference = LogisticRegression(class_weight=weights, solver="newton-cg", tol=1e-8)
    reference.fit(means_ND.numpy(), labels_N.numpy())

    found = fit(means_ND, labels_N, classes, OneLabel(torch.tensor(list(weights.values()))))

    mine = found.weight_CD[1:] - found.weight_CD[:1] if classes == 2 else found.weight_CD
    np.testing.assert_allclose(mine, reference.coef_, atol=5e-3)


def test_many_labels_have_the_optima_of_scikit_learns_one_against_the_rest() -> None:
    """Each label is a problem of its own, balanced or not."""
    means_ND, labels_N = make_data(3)
    labels_NC = torch.nn.functional.one_hot(labels_N) | torch.nn.functional.one_hot((labels_N + 1) % 3)
    labels_NC[:10] = 0
    count_C = labels_NC.sum(dim=0)
    weights_2C = len(labels_N) / (2 * torch.stack([len(labels_N) - count_C, count_C]).double())

    for class_weight, objective in ((None, ManyLabels()), ("balanced", ManyLabels(weights_2C))):
        plain = LogisticRegression(class_weight=class_weight, solver="newton-cg", tol=1e-8)
        reference = OneVsRestClassifier(plain).fit(means_ND.numpy(), labels_NC.numpy())
        found = fit(means_ND, labels_NC.bool(), 3, objective)
        for c, estimator in enumerate(reference.estimators_):
            np.testing.assert_allclose(found.weight_CD[c], estimator.coef_[0], atol=5e-3)
            assert float(found.bias_C[c]) == pytest.approx(estimator.intercept_[0], abs=2e-2)


def test_the_objectives_fall_from_even_odds_to_the_optimums_own() -> None:
    """Each is a mean over the examples, so that stores of different sizes can be compared."""
    means_ND, labels_N = make_data(3)

    found = fit(means_ND, labels_N, 3, C=2.0)

    optimum = penalised(found.weight_CD, found.bias_C, means_ND, labels_N, 0.5 / 2.0) / len(labels_N)
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
        return fit(means_ND[part], labels_N[part], classes, examples=120, sum_over_workers=sum_over_workers)

    one, two = run_workers(2, work)

    assert torch.equal(one.weight_CD, two.weight_CD)
    assert torch.equal(one.bias_C, two.bias_C)
    alone = fit(means_ND, labels_N, classes)
    np.testing.assert_allclose(one.weight_CD, alone.weight_CD, atol=1e-4)
    np.testing.assert_allclose(one.bias_C, alone.bias_C, atol=1e-3)
    assert one.objectives[-1] == pytest.approx(alone.objectives[-1], abs=1e-8)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        pytest.param([1e6, 1, 1, 1e-3], 0.0, id="one number far larger"),
        pytest.param([1e10] * 4, 0.0, id="all large"),
        pytest.param([1e-10] * 4, 0.0, id="all small"),
        pytest.param([1.0] * 4, 1e5, id="far from zero"),
    ],
)
def test_the_optimum_is_found_whatever_the_size_of_the_numbers(scale: list[float], offset: float) -> None:
    """Nowhere does a step of any direction lower the objective; the optimum is told as such."""
    means_ND, labels_N = make_data(3)
    means_ND = (means_ND - means_ND.mean(dim=0)) * torch.tensor(scale) + offset
    # the penalty is of use where numbers are of the size of one
    C = 1e20 if scale[0] == 1e-10 else 1.0

    found = fit(means_ND, labels_N, 3, C=C)

    assert found.converged
    at_optimum = penalised(found.weight_CD, found.bias_C, means_ND, labels_N, 0.5 / C)
    for step in np.random.default_rng(0).normal(size=(40, 3, 4)):
        for length in (1e-1, 1e-2, -1e-2, -1e-1):
            weight_CD = found.weight_CD.double() + length * torch.from_numpy(step) / torch.tensor(scale)
            bias_C = found.bias_C - (weight_CD - found.weight_CD) @ means_ND.mean(dim=0)
            assert penalised(weight_CD, bias_C, means_ND, labels_N, 0.5 / C) > at_optimum


def test_a_number_that_is_the_same_in_all_texts_has_no_weight() -> None:
    """Whatever the penalty: the intercept says as much, and is free."""
    means_ND, labels_N = make_data(3)
    with_constant_ND = torch.cat([means_ND, torch.full((len(means_ND), 1), 0.1)], dim=1)

    for C in (1.0, 1e300):
        found, without = fit(with_constant_ND, labels_N, 3, C=C), fit(means_ND, labels_N, 3, C=C)
        assert not found.weight_CD[:, -1].any()
        assert found.objectives[-1] == pytest.approx(without.objectives[-1], abs=1e-8)


@pytest.mark.parametrize("C", [1e-300, 1e-20, 1e300])
def test_any_penalty_has_a_finite_optimum(C: float) -> None:
    """So strong that no weight is left but the intercepts, or so weak that there is none."""
    means_ND, labels_N = make_data(3)

    found = fit(means_ND, labels_N, 3, C=C)

    assert found.converged
    if C < 1:
        shares = np.bincount(labels_N.numpy()) / len(labels_N)
        assert found.weight_CD.abs().max() < 1e-6
        np.testing.assert_allclose(torch.softmax(found.bias_C, dim=0), shares, atol=1e-5)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e200])
def test_means_that_are_no_numbers_are_refused(value: float) -> None:
    """No weights come of them."""
    means_ND, labels_N = make_data(3)
    means_ND[7, 2] = value

    with pytest.raises(DivergedError, match="the means of the texts' vectors are not finite"):
        fit(means_ND, labels_N, 3)


def test_what_does_not_fit_into_memory_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimum is the same, for labels of a softmax and for labels that are each a question."""
    means_ND, labels_N = make_data(3)
    labels_NC = torch.nn.functional.one_hot(labels_N).bool()
    cases: list[tuple[Tensor, Objective]] = [
        (labels_N, OneLabel()),
        (labels_N, OneLabel(torch.tensor([1.0, 2.0, 3.0]))),
        (labels_NC, ManyLabels()),
    ]
    for labels, objective in cases:
        kept = fit(means_ND, labels, 3, objective)
        with monkeypatch.context() as patch:
            patch.setattr("w2vray.training.logistic._IN_MEMORY", 1 << 11)
            again = fit(means_ND, labels, 3, objective)
        assert again.converged
        np.testing.assert_allclose(again.weight_CD, kept.weight_CD, atol=1e-5)


def test_classes_of_very_different_sizes_take_few_passes() -> None:
    """Means that vary far more along some directions than along others, and labels few examples have."""
    random = np.random.default_rng(1)
    labels_N = torch.from_numpy(random.choice(5, size=600, p=[0.7, 0.2, 0.07, 0.02, 0.01]))
    mixed_DD = random.normal(size=(40, 40)) / np.arange(1, 41)[:, None]
    means_ND = torch.from_numpy((random.normal(size=(600, 40)) + 0.3 * labels_N.numpy()[:, None]) @ mixed_DD)
    passes = 0

    class Counted:
        def __iter__(self) -> Any:
            nonlocal passes
            passes += 1
            return iter([(means_ND, labels_N)])

    found = fit_logistic(Counted(), 40, 5, OneLabel(), examples=600, C=1.0, most_passes=200)

    assert found.converged
    assert passes < 20
    reference = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-8, max_iter=1000)
    reference.fit(means_ND.numpy(), labels_N.numpy())
    np.testing.assert_allclose(found.weight_CD, reference.coef_, atol=1e-4)


def test_the_optimum_does_not_depend_on_where_the_fit_starts() -> None:
    """So a fit without a fold may start from the optimum of all examples, and knows nothing of the fold."""
    means_ND, labels_N = make_data(3)
    of_all, others = fit(means_ND, labels_N, 3), torch.arange(120) % 5 != 0

    cold = fit(means_ND[others], labels_N[others], 3)
    warm = fit(means_ND[others], labels_N[others], 3, start=of_all, tolerance=1e-5)

    assert (of_all.weight_CD - cold.weight_CD).abs().max() > 0.02
    np.testing.assert_allclose(warm.weight_CD, cold.weight_CD, atol=1e-3)


def test_the_limit_of_passes_is_kept() -> None:
    """Two passes end well before the optimum."""
    means_ND, labels_N = make_data(3)

    few, many = fit(means_ND, labels_N, 3, most_passes=2), fit(means_ND, labels_N, 3)

    assert len(few.objectives) <= 8
    assert (few.converged, many.converged) == (False, True)
    assert few.objectives[-1] > many.objectives[-1] + 1e-3


def test_the_result_is_ready_for_the_models_float32_layer() -> None:
    """It is computed in float64, and stored as the model's weights are."""
    found = fit(*make_data(3), 3)

    assert (found.weight_CD.dtype, tuple(found.weight_CD.shape)) == (torch.float32, (3, 4))
    assert (found.bias_C.dtype, tuple(found.bias_C.shape)) == (torch.float32, (3,))
    assert not found.weight_CD.requires_grad
