"""The expected calibration error, on rows whose error is known."""

import numpy as np
import pytest

from w2vray.scoring.calibration_error import calibration_error, error_by_chance


def test_one_bin_compares_the_mean_probability_with_the_share_that_is_right() -> None:
    confidence_N = np.array([0.9, 0.7, 0.8, 0.6], dtype=np.float32)
    right_N = np.array([True, False, True, False])
    assert calibration_error(confidence_N, right_N, bins=1) == pytest.approx(0.75 - 0.5)


def test_bins_do_not_make_up_for_one_another() -> None:
    """Half of the rows too sure by 0.4, half too timid by 0.4: level on the whole, and 0.4 off."""
    confidence_N = np.array([0.9] * 10 + [0.6] * 10)
    right_N = np.array([True] * 5 + [False] * 5 + [True] * 10)
    assert calibration_error(confidence_N, right_N, bins=1) == pytest.approx(0.0)
    assert calibration_error(confidence_N, right_N, bins=2) == pytest.approx(0.4)


def test_no_rows_have_no_error_and_few_rows_a_bin_each() -> None:
    assert calibration_error(np.empty(0), np.empty(0, dtype=bool)) == 0.0
    assert calibration_error(np.array([0.75, 0.5]), np.array([True, True])) == pytest.approx(0.375)


def test_a_perfect_model_errs_by_chance_and_less_with_more_rows() -> None:
    random = np.random.default_rng(1)
    few, many = error_by_chance(random.uniform(0.5, 1, 300)), error_by_chance(random.uniform(0.5, 1, 30_000))
    assert 0.03 < few < 0.1
    assert 0.003 < many < 0.01


def test_rows_of_one_probability_share_what_is_right_of_them_whatever_their_order() -> None:
    confidence_N, right_N = np.full(100, 0.7), np.arange(100) < 70
    shuffled_N = np.random.default_rng(0).permutation(right_N)
    assert calibration_error(confidence_N, right_N) == calibration_error(confidence_N, shuffled_N) == pytest.approx(0.0)
