"""Temperatures: found again where they are known, drawn to 1 where rows are few, the same by any number of workers."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from w2vray.settings.logistic import LogisticSettings
from w2vray.training import held_out_answers
from w2vray.training.calibration import fit_temperatures
from w2vray.training.epochs import Workers
from w2vray.training.folds import ByFolds, fit_by_folds
from w2vray.training.logistic import fit_logistic
from w2vray.training.objectives import ManyLabels, OneLabel
from w2vray.training.stratified import FOLDS, dealt

ALL = torch.ones(1, dtype=torch.bool)


def drawn(rows: int, classes: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return logits, and labels that are drawn from their softmax: calibrated as well as can be."""
    random = torch.Generator().manual_seed(seed)
    logits_NC = 2 * torch.randn(rows, classes, generator=random)
    return logits_NC, torch.multinomial(logits_NC.softmax(dim=1), 1, generator=random)[:, 0]


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_a_temperature_that_logits_were_multiplied_by_is_found_again(true: float) -> None:
    logits_NC, labels_N = drawn(20_000, 5)
    (found,) = fit_temperatures([(logits_NC * true, labels_N, ALL)], 5, multi_label=False)
    assert found == pytest.approx(true, rel=0.03)


def test_few_rows_change_little() -> None:
    """What 30 rows say of a factor of 4 is believed in part; what 20,000 say, nearly wholly."""
    found: list[float] = []
    for rows in (3, 30, 20_000):
        logits_NC, labels_N = drawn(rows, 5)
        found += fit_temperatures([(logits_NC * 4, labels_N, ALL)], 5, multi_label=False)
    assert 1.0 < found[0] < found[1] < found[2] == pytest.approx(4.0, rel=0.05)


def test_no_rows_leave_probabilities_as_they_are() -> None:
    assert fit_temperatures([], 5, multi_label=False) == (1.0,)
    assert fit_temperatures([], 2, multi_label=True) == (1.0, 1.0)


def test_each_of_many_labels_has_its_own_temperature_and_a_rare_one_that_of_all() -> None:
    random = torch.Generator().manual_seed(1)
    logits_NC = 2 * torch.randn(20_000, 3, generator=random)
    labels_NC = (torch.rand(20_000, 3, generator=random) < logits_NC.sigmoid()).long()
    kept_NC = torch.ones(20_000, 3, dtype=torch.bool)
    kept_NC[10:, 2] = False
    scaled_NC = logits_NC * torch.tensor([0.5, 2.0, 2.0])

    often, other, rare = fit_temperatures([(scaled_NC, labels_NC, kept_NC)], 3, multi_label=True)

    assert [often, other] == pytest.approx([0.5, 2.0], rel=0.05)
    of_all = math.sqrt(often * other)
    assert abs(math.log(rare / of_all)) < 0.7, "between the two others, as all rows together say"


def test_rows_that_do_not_count_change_nothing() -> None:
    logits_NC, labels_N = drawn(2_000, 4)
    wrong_N = (labels_N + 1) % 4
    both = torch.cat((logits_NC, logits_NC)), torch.cat((labels_N, wrong_N)), torch.arange(4_000) < 2_000
    expected = fit_temperatures([(logits_NC, labels_N, ALL)], 4, multi_label=False)
    assert fit_temperatures([both], 4, multi_label=False) == pytest.approx(expected, rel=1e-5)


def _by_folds(*given: Any, **options: Any) -> ByFolds:
    found = fit_by_folds(*given, **options)
    assert found is not None
    return found


class Rows(list[Any]):
    """Chunks of means and labels."""


def means_of(rows: int, classes: int, *, multi_label: bool = False) -> Rows:
    random = torch.Generator().manual_seed(3)
    means_ND = torch.randn(rows, 6, generator=random)
    logits_NC = 3 * means_ND @ torch.randn(6, classes, generator=random)
    if multi_label:
        labels = torch.rand(rows, classes, generator=random) < logits_NC.sigmoid()
        return Rows(zip(means_ND.split(64), labels.split(64), strict=True))
    labels = torch.multinomial(logits_NC.softmax(dim=1), 1, generator=random)[:, 0]
    return Rows(zip(means_ND.split(64), labels.split(64), strict=True))


@pytest.mark.parametrize("multi_label", [False, True])
def test_folds_find_a_model_that_is_too_timid_or_too_sure(multi_label: bool) -> None:
    """A strong penalty makes logits too small: temperatures below 1. None at all, on few rows: above 1."""
    objective = ManyLabels() if multi_label else OneLabel()
    found = {}
    for C, rows in ((0.003, 800), (1000.0, 60)):
        settings = replace(LogisticSettings(), C=C, iterations=500)
        means = means_of(rows, 3, multi_label=multi_label)
        fitted = fit_logistic(means, 6, 3, objective, examples=rows, C=C, most_passes=500)
        found[C] = _by_folds(
            means,
            fitted,
            settings,
            objective,
            fold_N=np.arange(rows) % FOLDS,
            workers=Workers(),
        ).temperatures()
    assert all(len(temperatures) == (3 if multi_label else 1) for temperatures in found.values())
    assert max(found[0.003]) < 0.8
    assert min(found[1000.0]) > 1.05


def test_a_label_that_only_one_fold_has_does_not_make_the_model_timid() -> None:
    """No fit could know it there: without the row the temperature is the same."""
    means = means_of(400, 3)
    settings = LogisticSettings()

    def temperatures(chunks: Rows, classes: int) -> tuple[float, ...]:
        rows = sum(len(labels) for _, labels in chunks)
        fitted = fit_logistic(chunks, 6, classes, OneLabel(), examples=rows, C=settings.C, most_passes=500)
        return _by_folds(
            chunks,
            fitted,
            settings,
            OneLabel(),
            fold_N=np.arange(rows) % FOLDS,
            workers=Workers(),
        ).temperatures()

    alone = Rows([*means, (torch.full((1, 6), 0.1), torch.tensor([3]))])
    assert temperatures(alone, 4) == pytest.approx(temperatures(means, 3), rel=0.05)


def test_too_few_examples_for_folds_are_not_calibrated() -> None:
    means = Rows([(torch.eye(4), torch.tensor([0, 1, 0, 1]))])
    fitted = fit_logistic(means, 4, 2, OneLabel(), examples=4, C=1.0, most_passes=100)
    found = fit_by_folds(
        means, fitted, LogisticSettings(), OneLabel(), fold_N=dealt(np.array([0, 1, 0, 1])), workers=Workers()
    )
    assert found is None


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_answers_of_all_workers_are_put_together_in_the_order_of_the_rows(
    count: int, multi_label: bool, run_workers: Callable[..., list[Any]]
) -> None:
    """Each row's logits are those of the fit without its fold, which is computed here from all rows at once."""
    rows, classes = 61, 3
    fold_N = np.random.default_rng(0).permutation(np.arange(rows) % FOLDS)
    (means_ND, labels), *more = means_of(rows, classes, multi_label=multi_label)
    assert not more
    objective = ManyLabels() if multi_label else OneLabel()
    settings = LogisticSettings()
    whole = fit_logistic([(means_ND, labels)], 6, classes, objective, examples=rows, C=1.0, most_passes=500)

    def work(rank: int, total: Callable[[Tensor], Tensor]) -> Any:
        own = Rows([(means_ND[rank::count], labels[rank::count])])
        workers = Workers(rank, count, total)
        return _by_folds(own, whole, settings, objective, fold_N=fold_N, workers=workers).answers()

    for found in run_workers(count, work):
        np.testing.assert_array_equal(found.labels, labels.long().numpy())
        assert found.multi_label == multi_label
        for fold in range(FOLDS):
            others = torch.from_numpy(fold_N != fold)
            chunk = [(means_ND[others], labels[others])]
            fitted = fit_logistic(
                chunk, 6, classes, objective, examples=int(others.sum()), C=settings.C, most_passes=500
            )
            expected_BC = means_ND[~others] @ fitted.weight_CD.T + fitted.bias_C
            np.testing.assert_allclose(found.logits_NC[~others.numpy()], expected_BC.numpy(), atol=0.05)


def test_of_very_many_logits_every_second_row_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_answers, "MOST_NUMBERS", 12)
    rows_N, labels_N = torch.arange(8), torch.arange(8) % 3
    found = held_out_answers.gathered([(rows_N, torch.arange(24.0).reshape(8, 3), labels_N)], 8)
    np.testing.assert_array_equal(found.logits_NC[:, 0], [0, 6, 12, 18])
    np.testing.assert_array_equal(found.labels, [0, 2, 1, 0])
    again = held_out_answers.HeldOutAnswers.from_state(found.as_state())
    np.testing.assert_array_equal(again.take(again.labels == 0).logits_NC, [[0, 1, 2], [18, 19, 20]])
