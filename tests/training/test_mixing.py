import numpy as np
import pytest
import torch

from w2vray.training.mixing import fit_weights

ROWS = 4000


def drawn(weights: tuple[float, float], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of two parts, and labels drawn with the probabilities of their weighed sum."""
    chosen = torch.Generator().manual_seed(seed)
    main_BC, wide_BC = (torch.randn(ROWS, 3, generator=chosen) * 2 for _ in range(2))
    probabilities = (weights[0] * main_BC + weights[1] * wide_BC).softmax(dim=1)
    return main_BC, wide_BC, torch.multinomial(probabilities, 1, generator=chosen)[:, 0]


def test_the_weights_that_labels_were_drawn_with_are_found() -> None:
    kept_B = torch.ones(ROWS, dtype=torch.bool)
    found = fit_weights([(*drawn((0.3, 1.4)), kept_B)], multi_label=False)
    np.testing.assert_allclose(found, (0.3, 1.4), atol=0.08)


def test_a_part_that_misleads_weighs_nothing() -> None:
    main_BC, wide_BC, labels_B = drawn((1.0, 0.0))
    main, wide = fit_weights(
        [(main_BC, wide_BC - 2 * main_BC, labels_B, torch.ones(ROWS, dtype=torch.bool))], multi_label=False
    )
    assert (main > 0.3, wide) == (True, 0.0)


def test_where_both_parts_mislead_the_answers_still_depend_on_the_text() -> None:
    main_BC, wide_BC, labels_B = drawn((-1.0, -1.0))
    found = fit_weights([(main_BC, wide_BC, labels_B, torch.ones(ROWS, dtype=torch.bool))], multi_label=False)
    assert found == (0.05, 0.05)


def test_few_rows_leave_the_weights_near_a_half_and_rows_that_do_not_count_change_nothing() -> None:
    main_BC, wide_BC, labels_B = drawn((3.0, 3.0))
    few_B = torch.arange(ROWS) < 3
    found = fit_weights([(main_BC, wide_BC, labels_B, few_B)], multi_label=False)
    assert all(0.2 < weight < 1.5 for weight in found)
    assert found == fit_weights([(main_BC[:3], wide_BC[:3], labels_B[:3], few_B[:3])], multi_label=False)


def test_of_many_labels_only_those_that_count_are_looked_at() -> None:
    main_BC, wide_BC, _ = drawn((1.0, 1.0))
    labels_BC = torch.bernoulli((0.4 * main_BC + 1.2 * wide_BC).sigmoid(), generator=torch.Generator().manual_seed(2))
    kept_C = torch.tensor([True, True, False])
    wrong_BC = labels_BC.clone()
    wrong_BC[:, 2] = 1 - wrong_BC[:, 2]
    found = fit_weights([(main_BC, wide_BC, labels_BC, kept_C)], multi_label=True)
    np.testing.assert_allclose(found, (0.4, 1.2), atol=0.1)
    assert found == fit_weights([(main_BC, wide_BC, wrong_BC, kept_C)], multi_label=True)


def test_what_several_workers_hold_is_added_up() -> None:
    main_BC, wide_BC, labels_B = drawn((0.7, 0.9))
    kept_B = torch.ones(ROWS, dtype=torch.bool)
    whole = fit_weights([(main_BC, wide_BC, labels_B, kept_B)], multi_label=False)
    twice = fit_weights(
        [(main_BC, wide_BC, labels_B, kept_B)], multi_label=False, sum_over_workers=lambda value: 2 * value
    )
    np.testing.assert_allclose(whole, twice, atol=0.01)
    assert whole != twice  # the prior counts for half as much


@pytest.mark.parametrize(("rows", "of_wide"), [(30, False), (1000, True)])
def test_of_few_rows_the_wide_part_has_a_weight_only_where_they_show_what_it_gains(rows: int, of_wide: bool) -> None:
    """The same weights: 30 rows of random logits cannot show a small gain, and 1,000 can."""
    main_BC, wide_BC, labels_B = (each[:rows] for each in drawn((1.0, 0.3)))
    part = (main_BC, wide_BC, labels_B, torch.ones(rows, dtype=torch.bool))
    main, wide = fit_weights([part], multi_label=False, few=True)
    both = fit_weights([part], multi_label=False)
    assert both[1] > 0
    if of_wide:
        assert (main, wide) == both
    else:
        assert (main > 0.3, wide) == (True, 0.0)


@pytest.mark.parametrize("multi_label", [False, True])
def test_what_few_rows_show_does_not_depend_on_the_workers_that_hold_them(multi_label: bool) -> None:
    main_BC, wide_BC, labels = (each[:60] for each in drawn((1.0, 0.5)))
    kept = torch.ones(60, dtype=torch.bool)
    if multi_label:
        labels, kept = torch.nn.functional.one_hot(labels, 3), torch.ones(3, dtype=torch.bool)
    whole = fit_weights([(main_BC, wide_BC, labels, kept)], multi_label=multi_label, few=True)
    parts = [
        (main_BC[rows], wide_BC[rows], labels[rows], kept if multi_label else kept[rows])
        for rows in (slice(0, 1), slice(1, 40), slice(40, 60))
    ]
    assert fit_weights(parts, multi_label=multi_label, few=True) == pytest.approx(whole, abs=1e-4)
