"""Two models on the same rows: the difference, its interval, and when the rows do not suffice."""

import math

import pytest

from w2vray.scoring.comparing import Comparison


def compare(only_first: int, only_model: int, rows: int = 100) -> Comparison:
    return Comparison.of("one", "other", rows=rows, only_first=only_first, only_model=only_model)


def exact_p(only_first: int, only_model: int) -> float:
    """McNemar's exact test: twice the tail of a fair coin."""
    tosses, least = only_first + only_model, min(only_first, only_model)
    tail = sum(math.comb(tosses, heads) for heads in range(least + 1)) / 2**tosses
    return float(min(1.0, 2 * tail))


@pytest.mark.parametrize(("only_first", "only_model"), [(0, 5), (0, 6), (4, 15), (5, 15), (30, 10), (12, 12), (1, 0)])
def test_the_interval_agrees_with_the_exact_test(only_first: int, only_model: int) -> None:
    found = compare(only_first, only_model)
    assert found.p == pytest.approx(exact_p(only_first, only_model))
    assert found.difference == pytest.approx((only_model - only_first) / 100)
    assert found.low <= found.difference <= found.high
    assert (found.better is not None) == (found.p < 0.05)
    if found.better:
        assert found.better == ("other" if only_model > only_first else "one")


def test_all_rows_of_one_model_have_a_known_interval() -> None:
    """Of 10 rows that differ, all for one: the share is 0.025^(1/10) at least."""
    found = compare(0, 10, rows=200)
    assert found.low == pytest.approx((2 * 0.025 ** (1 / 10) - 1) * 10 / 200)
    assert found.high == pytest.approx(10 / 200)
    assert found.sentence.startswith(
        "other is better: accuracy of other less that of one: +5.00 points (+1.92 to +5.00"
    )


def test_equal_answers_tell_nothing() -> None:
    found = compare(0, 0)
    assert (found.difference, found.low, found.high, found.p, found.better) == (0.0, 0.0, 0.0, 1.0, None)
    assert found.sentence.startswith("these rows do not suffice to tell which is better")
