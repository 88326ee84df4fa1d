"""Thresholds for a wanted precision: exact where they can be computed by hand, kept as often as is promised."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from w2vray.errors import CorpusError
from w2vray.scoring.promises import Found, choose_thresholds, fewest_rows, find_threshold


def plain_threshold(sure: list[float], right: list[bool], precision: float, confidence: float) -> float | None:
    """Go down threshold by threshold, with Clopper and Pearson's bound as it is written in books."""
    down = sorted(sure, reverse=True)
    least = math.ceil(math.log(1 - confidence) / math.log(precision))
    first, found = max(least, min(4 * least, len(sure) // 2)), None
    for rank in sorted(set(np.linspace(first, len(sure), 200).astype(int).tolist())) if first <= len(sure) else []:
        threshold = math.floor(float(np.float32(down[rank - 1])) * 1e6) / 1e6
        kept = [value for one, value in zip(sure, right, strict=True) if np.float32(one) >= np.float32(threshold)]
        bound = beta.ppf(1 - confidence, sum(kept), len(kept) - sum(kept) + 1) if any(kept) else 0.0
        if bound < precision:
            break
        found = threshold
    return found


@given(
    rows=st.lists(st.tuples(st.integers(500, 999), st.integers(0, 99)), min_size=1, max_size=120),
    precision=st.sampled_from([0.5, 0.7, 0.8, 0.9]),
    confidence=st.sampled_from([0.8, 0.95]),
)
@settings(max_examples=50)
def test_a_threshold_is_the_one_of_the_plain_way(
    rows: list[tuple[int, int]], precision: float, confidence: float
) -> None:
    """Probabilities come several times, so that a threshold keeps all rows that are as sure."""
    sure = [number / 1000 for number, _ in rows]
    right = [chance < number / 10 for number, chance in rows]
    found = find_threshold(np.array(sure, dtype=np.float32), np.array(right), precision, confidence)
    assert found.threshold == plain_threshold(sure, right, precision, confidence)


def test_the_fewest_rows_are_those_that_all_have_to_be_right() -> None:
    assert (fewest_rows(0.9, 0.95), fewest_rows(0.95, 0.95), fewest_rows(0.99, 0.95)) == (29, 59, 299)
    every = np.ones(59, dtype=np.bool_)
    sure = np.linspace(0.9, 0.8, 59, dtype=np.float32)
    assert find_threshold(sure, every, 0.95, 0.95) == Found(0.8)
    assert find_threshold(sure[:58], every[:58], 0.95, 0.95).threshold is None


def test_where_rows_do_not_suffice_it_is_said_how_many_would() -> None:
    short = find_threshold(np.linspace(0.9, 0.8, 30, dtype=np.float32), np.ones(30, dtype=np.bool_), 0.95, 0.95)
    assert short == Found(None, 59)
    half = np.arange(400) % 2 == 0
    assert find_threshold(np.linspace(0.9, 0.8, 400, dtype=np.float32), half, 0.95, 0.95) == Found(None, None)
    assert find_threshold(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.bool_), 0.95, 0.95) == Found(None, None)


def drawn(rows: int, seed: int, labels: int = 3) -> tuple[Any, Any]:
    """Rows of a perfectly calibrated model."""
    random = np.random.default_rng(seed)
    logits_NC = 2.5 * random.normal(size=(rows, labels))
    powers_NC = np.exp(logits_NC)
    probabilities_NC = (powers_NC / powers_NC.sum(axis=1, keepdims=True)).astype(np.float32)
    true_N = (probabilities_NC.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1).clip(0, labels - 1)
    return probabilities_NC, true_N


def test_a_promise_is_broken_no_more_often_than_its_confidence_allows() -> None:
    """Of the whole distribution the precision above a threshold is known; thresholds come from 600 rows of it."""
    probabilities_NC, true_N = drawn(200_000, 0)
    sure_N, right_N = probabilities_NC.max(axis=1), probabilities_NC.argmax(axis=1) == true_N
    random, broken, kept = np.random.default_rng(1), 0, []
    for _ in range(200):
        some = random.integers(0, len(sure_N), 600)
        threshold = find_threshold(sure_N[some], right_N[some], 0.9, 0.8).threshold
        if threshold is not None:
            reached_N = sure_N >= np.float32(threshold)
            broken += bool(right_N[reached_N].mean() < 0.9)
            kept.append(float(reached_N.mean()))
    assert broken <= 0.2 * 200 + 3 * math.sqrt(200 * 0.2 * 0.8)
    best = max(float((sure_N >= t).mean()) for t in np.linspace(0.4, 0.99, 200) if right_N[sure_N >= t].mean() >= 0.9)
    assert len(kept) > 190
    assert np.mean(kept) > 0.8 * best


@pytest.mark.parametrize("several", [False, True])
def test_each_label_has_its_own_threshold_and_a_rare_one_none(several: bool) -> None:
    probabilities_NC, true_N = drawn(2000, 2)
    probabilities_NC, true_N = probabilities_NC[true_N < 2], true_N[true_N < 2]  # nobody is ever right with the third
    labels = np.eye(3, dtype=np.int64)[true_N] if several else true_N
    found = choose_thresholds(
        probabilities_NC, labels, ("a", "b", "rare"), precision=0.8, confidence=0.95, per_label=True
    )
    a, b, rare = found.values
    assert rare is None
    assert found.without_promise(("a", "b", "rare")) == ["rare"]
    assert a is not None
    assert b is not None
    given_N = probabilities_NC.argmax(axis=1)
    for label, threshold in ((0, a), (1, b)):
        sure_N = probabilities_NC[:, label]
        kept_N = sure_N >= np.float32(threshold)
        if not several:
            kept_N &= given_N == label
        assert (true_N[kept_N] == label).mean() > 0.8
    reached_NC = probabilities_NC >= np.array(found.limits, dtype=np.float32)
    keeps_N = reached_NC.any(axis=1) if several else reached_NC[np.arange(len(given_N)), given_N]
    assert found.kept == pytest.approx(float(keeps_N.mean()), abs=1e-6)


def test_a_promise_that_cannot_be_made_is_refused_with_what_would_help() -> None:
    probabilities_NC, true_N = drawn(40, 3)
    with pytest.raises(CorpusError, match=r"0.99 with 0.95 confidence: 40 rows are too few .* about \d+ would do"):
        choose_thresholds(probabilities_NC, true_N, "abc", precision=0.99, confidence=0.95, per_label=False)
    with pytest.raises(CorpusError, match=r"for any label; rows that would: '[abc]' about [\d,]+.* Give more rows"):
        choose_thresholds(probabilities_NC, true_N, "abc", precision=0.99, confidence=0.95, per_label=True)
    wrong_N = (probabilities_NC.argmax(axis=1) + 1) % 3
    with pytest.raises(CorpusError, match=r"no threshold reaches it .* lower --target-precision, or train"):
        choose_thresholds(probabilities_NC, wrong_N, "abc", precision=0.9, confidence=0.95, per_label=False)


def test_a_label_that_the_model_does_not_know_is_wrong() -> None:
    probabilities_NC, true_N = drawn(2000, 4)
    strange_N = np.where(np.arange(2000) % 4 == 0, -1, true_N)
    with pytest.raises(CorpusError, match="no threshold reaches it"):
        choose_thresholds(probabilities_NC, strange_N, "abc", precision=0.9, confidence=0.95, per_label=False)
