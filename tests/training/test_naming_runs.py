"""The words of the strongest runs, found again in the examples: by hand, with shared buckets and unknown words."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from w2vray.models.wide.named_runs import NamedRun
from w2vray.models.wide.part import WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.text.lookup import Lookup
from w2vray.text.rules import family
from w2vray.text.vocabulary import Vocabulary
from w2vray.text.word_ngrams import WordNgrams, hashes_of
from w2vray.training import naming_runs
from w2vray.training.example_files import Part

WORDS = ["not", "good", "bad", "film", "the", "very"]
VOCABULARY = Vocabulary.build(WORDS)
SETTINGS = WideSettings(longest=3, bits=20)


def bucket_of(run: str) -> int:
    every = WordNgrams(3, 20).runs(hashes_of(run.split()).tolist())
    return next(bucket for first, last, bucket in every if last - first == len(run.split()) - 1)


def examples(texts: list[str]) -> Part:
    lookup = Lookup(VOCABULARY, family("glove"), "skip", word_ngrams=WordNgrams(3, 20))
    ids = lookup(pa.array(texts, pa.large_string()))
    ones = np.arange(len(texts) + 1)
    return Part(ids.ids_L, ids.offsets_N1, np.zeros(len(texts), np.int32), ones, np.arange(2), None, ids.ngrams)


def weights(runs: Mapping[int, float]) -> dict[str, Any]:
    """Of two labels: a bucket speaks for the second one, or against it."""
    numbers = np.array(list(runs.values()))
    return {
        WIDE + "buckets_F": np.array([*runs, 5], dtype=np.int32),  # the last one has no row
        WIDE + "idf_F": np.full(len(runs) + 1, 2.0, dtype=np.float32),
        WIDE + "rows_RC": np.stack([-numbers, numbers], axis=1).astype(np.float16),
        WIDE + "bias_C": np.zeros(2, dtype=np.float32),
    }


def named(part: Part, runs: Mapping[int, float], settings: WideSettings = SETTINGS) -> list[NamedRun]:
    return naming_runs.named_runs(settings, weights(runs), [part], VOCABULARY)


def test_runs_of_several_words_are_named_and_single_words_are_not() -> None:
    part = examples(["not good", "the film, not very good", "bad", "good not"])
    runs = {
        bucket_of(run): weight for run, weight in {"not good": -3, "bad": -4, "not very good": 1, "good": 2}.items()
    }

    assert named(part, runs) == [
        NamedRun(bucket_of("not good"), ("not", "good"), 1.0),
        NamedRun(bucket_of("not very good"), ("not", "very", "good"), 1.0),
    ]


def test_a_run_with_a_word_that_has_no_vector_stays_without_a_name() -> None:
    """Nor are the words before and behind such a word a run."""
    part = examples(["not xyzzy good"])
    assert named(part, {bucket_of("not xyzzy"): 3.0, bucket_of("not good"): 2.0}) == []


def test_no_run_goes_from_one_text_to_the_next() -> None:
    assert named(examples(["the not", "good film"]), {bucket_of("not good"): 3.0}) == []


@pytest.mark.parametrize(("often", "seldom", "share"), [(3, 1, 0.75), (1, 3, None), (1, 1, None)])
def test_what_shares_a_bucket_is_named_where_it_is_most_of_it_and_its_share_is_told(
    often: int, seldom: int, share: float | None
) -> None:
    """The other run of the bucket has a word that the examples do not know."""
    part = examples(["not good"] * often + ["not xyzzy"] * seldom)
    counts, chosen = part.ngrams, bucket_of("not good")
    assert counts is not None
    met = np.where(counts.buckets_G == bucket_of("not xyzzy"), chosen, counts.buckets_G).astype(np.int32)
    shared = replace(part, ngrams=replace(counts, buckets_G=met))

    assert named(shared, {chosen: 1.0}) == ([] if share is None else [NamedRun(chosen, ("not", "good"), share)])


def test_the_strongest_of_each_label_are_named_and_stretches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming_runs, "MOST_NAMED", 1)
    pairs = ["not good", "very good", "the film", "bad film"]
    part = examples([*pairs, "very very bad good", *pairs])
    runs = {bucket_of(pair): weight for pair, weight in zip(pairs, (-3, 2, -1, 1), strict=True)}
    expected = {NamedRun(bucket_of(pair), tuple(pair.split()), 1.0) for pair in pairs[:2]}
    assert set(named(part, runs)) == expected
    monkeypatch.setattr(naming_runs, "_IDS_AT_ONCE", 3)
    assert set(named(part, runs)) == expected


def test_of_single_words_alone_nothing_is_named() -> None:
    assert named(examples(["not good"]), {bucket_of("good"): 1.0}, WideSettings(longest=1, bits=20)) == []


def test_where_no_run_tells_labels_apart_none_is_named() -> None:
    assert named(examples(["not good", "bad"]), {}) == []
