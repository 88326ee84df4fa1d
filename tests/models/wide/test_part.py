from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.wide.part import WIDE, WidePart, misfit
from w2vray.models.wide.settings import WideSettings
from w2vray.text.lookup import Ids
from w2vray.text.word_ngrams import NgramCounts

SETTINGS = WideSettings(longest=2, bits=10, main=0.5, wide=2.0)
TWO_BUCKETS: dict[str, npt.NDArray[Any]] = {
    "buckets_F": np.array([9, 3], dtype=np.int32),
    "idf_F": np.array([2.0, 1.0], dtype=np.float32),
    "rows_RC": np.array([[2.0, -2.0]], dtype=np.float16),
    "bias_C": np.array([0.5, 0.0], dtype=np.float32),
}


def weights_of(**changes: Any) -> dict[str, npt.NDArray[Any]]:
    return {WIDE + name: array for name, array in (TWO_BUCKETS | changes).items()}


def counts_of(texts: list[Mapping[int, int]]) -> NgramCounts:
    buckets = [bucket for text in texts for bucket in text]
    times = [text[bucket] for text in texts for bucket in text]
    offsets = np.cumsum([0, *map(len, texts)])
    return NgramCounts(np.array(buckets, np.int32), np.array(times, np.int32), offsets.astype(np.int64))


@pytest.mark.parametrize("kernels", [False, True])
def test_logits_are_of_weighed_runs_scaled_to_length_1(kernels: bool) -> None:
    """A bucket without a row (number 1) weighs in the length; of a text without any, the bias is left."""
    part = WidePart(SETTINGS, weights_of(), kernels=kernels)
    found = part.logits(counts_of([{0: 1}, {0: 3, 1: 1}, {}, {1: 2}, {0: 100}]))
    often = 1 + np.log(3)
    share = often * 2.0 / np.hypot(often * 2.0, 1.0)  # a row has the idf in it
    np.testing.assert_allclose(
        found, [[1.5, -1.0], [0.5 + share, -share], [0.5, 0.0], [0.5, 0.0], [1.5, -1.0]], rtol=1e-6
    )
    assert found.dtype == np.float32


def test_the_look_up_numbers_the_buckets_that_the_model_knows() -> None:
    rules = WidePart(SETTINGS, weights_of(), kernels=False).word_ngrams
    assert (rules.longest, rules.bits) == (2, 10)
    assert np.flatnonzero(rules.numbers_B >= 0).tolist() == [3, 9]
    assert rules.numbers_B[[3, 9]].tolist() == [1, 0]


def test_both_parts_are_added_and_a_text_without_a_vector_has_the_wide_one_alone() -> None:
    part = WidePart(SETTINGS, weights_of(), kernels=False)
    ids = Ids(
        np.zeros(1, np.int32),
        np.array([0, 1, 1]),
        np.ones(2, np.int32),
        np.array([1, 0], np.int32),
        ngrams=counts_of([{0: 1}, {0: 1}]),
    )
    main_NC = np.array([[10.0, 20.0], [10.0, 20.0]], dtype=np.float32)
    assert part.added(ids, main_NC).tolist() == [[5.0 + 3.0, 10.0 - 2.0], [3.0, -2.0]]


@pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")
@settings(max_examples=30)
@given(
    texts=st.lists(st.dictionaries(st.integers(0, 29), st.integers(1, 90), max_size=25), max_size=5),
    classes=st.integers(2, 20),
    seed=st.integers(0, 100),
)
def test_the_kernel_adds_as_the_plain_model_does(texts: list[Mapping[int, int]], classes: int, seed: int) -> None:
    """Numbers of float16 of any size among the rows, the smallest too."""
    chosen = np.random.default_rng(seed)
    rows_RC = (chosen.normal(size=(20, classes)) * 10.0 ** chosen.integers(-8, 3, (20, 1))).astype(np.float16)
    weights = weights_of(
        buckets_F=chosen.permutation(1024)[:30].astype(np.int32),
        idf_F=chosen.uniform(1, 9, 30).astype(np.float32),
        rows_RC=rows_RC,
        bias_C=chosen.normal(size=classes).astype(np.float32),
    )
    plain, fast = (WidePart(SETTINGS, weights, kernels=kernels).logits(counts_of(texts)) for kernels in (False, True))
    np.testing.assert_allclose(fast, plain, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        ({"idf_F": np.ones(3, np.float32)}, "shapes"),
        ({"rows_RC": np.ones((3, 2), np.float16)}, "shapes"),
        ({"rows_RC": np.ones((1, 3), np.float16)}, "shapes"),
        ({"rows_RC": np.ones((1, 2), np.float32)}, "not int32 and float16"),
        ({"buckets_F": np.array([3, 1024], np.int32)}, "name 2 of 1,024 buckets"),
        ({"buckets_F": np.array([3, 3], np.int32)}, "name 2 of 1,024 buckets"),
        ({"buckets_F": np.array([3, -1], np.int32)}, "name 2 of 1,024 buckets"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes: dict[str, Any], told: str) -> None:
    assert told in misfit(SETTINGS, weights_of(**changes), 2)
    assert bool(misfit(SETTINGS, weights_of(**changes), 2)) == bool(told)


def test_a_missing_array_is_named() -> None:
    weights = weights_of()
    del weights[f"{WIDE}idf_F"]
    assert misfit(SETTINGS, weights, 2) == "there is no wide.idf_F"


@pytest.mark.parametrize(
    "changes",
    [
        {"longest": 0},
        {"longest": 4},
        {"longest": True},
        {"buckets": 1000},
        {"buckets": 1 << 25},
        {"weights": [1.0]},
        {"weights": [1.0, -1.0]},
        {"weights": [1.0, float("inf")]},
        {"weights": "ab"},
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    stored = SETTINGS.as_dict()
    assert WideSettings.from_dict(stored) == SETTINGS
    with pytest.raises(ValueError, match="expected"):
        WideSettings.from_dict(stored | changes)
