from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from w2vray.text.lookup import Lookup
from w2vray.text.rules import family
from w2vray.text.vocabulary import MISSING, Vocabulary, hash_words
from w2vray.text.word_ngrams import NGRAM_FACTOR, SPREAD, NgramCounts, WordNgrams, hashes_of

ALL = 2**64 - 1


def bucket_of(*words: str, bits: int = 20) -> int:
    """The bucket of a run, by the sum as fastText writes it down."""
    value = 0
    for word in words:
        data = word.encode()
        value = value * NGRAM_FACTOR + int(hash_words(np.frombuffer(data, np.uint8), np.array([0, len(data)]))[0]) & ALL
    return (value * SPREAD & ALL) >> (64 - bits)


def as_dicts(counts: NgramCounts) -> list[dict[int, int]]:
    ends = counts.offsets_N1.tolist()
    pairs = list(zip(counts.buckets_G.tolist(), counts.times_G.tolist(), strict=True))
    return [dict(pairs[start:stop]) for start, stop in pairwise(ends)]


def counted(texts: list[str], longest: int, name: str = "glove", **rules: Any) -> list[dict[int, int]]:
    lookup = Lookup(
        Vocabulary.build(["film", "a", "John", "####"]),
        family(name),
        "skip",
        word_ngrams=WordNgrams(longest, 20, **rules),
    )
    ngrams = lookup(texts).ngrams
    assert ngrams is not None
    return as_dicts(ngrams)


def test_runs_are_of_one_word_and_more_with_how_often_each_is_there() -> None:
    (one,) = counted(["a film a film"], 1)
    assert one == {bucket_of("a"): 2, bucket_of("film"): 2}
    (three,) = counted(["a film a film"], 3)
    assert three == {
        bucket_of("a"): 2,
        bucket_of("film"): 2,
        bucket_of("a", "film"): 2,
        bucket_of("film", "a"): 1,
        bucket_of("a", "film", "a"): 1,
        bucket_of("film", "a", "film"): 1,
    }


def test_words_without_a_vector_count_and_no_run_goes_on_from_text_to_text() -> None:
    first, second, none = counted(["xyzzy film", "a", ""], 2)
    assert first == {bucket_of("xyzzy"): 1, bucket_of("film"): 1, bucket_of("xyzzy", "film"): 1}
    assert second == {bucket_of("a"): 1}
    assert none == {}


def test_case_does_not_part_words_where_the_family_keeps_it() -> None:
    """``john's`` is found as ``John``, and a year as ``####``: what the look-up found is what counts."""
    small, large = counted(["xyzzy john's 1999", "XYZZY John 2004"], 2, "googlenews")
    assert small == large
    assert bucket_of("john") in small


def test_a_bucket_that_a_model_does_not_know_is_not_counted() -> None:
    numbers_B = np.full(1 << 20, MISSING, dtype=np.int32)
    numbers_B[bucket_of("a", "film")] = 7
    assert counted(["a film a film", "a"], 2, numbers_B=numbers_B) == [{7: 2}, {}]


def test_a_text_of_runs_that_a_model_knows_is_evidence_without_any_vector() -> None:
    lookup = Lookup(Vocabulary.build(["film"]), family("glove"), "skip", word_ngrams=WordNgrams(1, 10))
    texts = ["xyzzy", "film", "", "!"]
    assert lookup(texts).evidence_N.tolist() == [True, True, False, True]
    assert lookup(texts).vectors_N.tolist() == [False, True, False, False]
    assert replace(lookup, word_ngrams=None)(texts).evidence_N.tolist() == [False, True, False, False]


def test_counts_of_some_texts_are_copied_and_put_together_again() -> None:
    lookup = Lookup(Vocabulary.build(["film"]), family("glove"), "skip", word_ngrams=WordNgrams(2, 20))
    counts = lookup(["a b", "", "c c", "d"]).ngrams
    assert counts is not None
    first, nothing, third, last = as_dicts(counts)
    assert as_dicts(counts.of(np.array([2, 0]))) == [third, first]
    assert as_dicts(counts.first(2)) == [first, nothing]
    assert as_dicts(NgramCounts.joined([counts.of(np.array([3])), counts.first(1)])) == [last, first]
    assert len(NgramCounts.joined([])) == 0


@pytest.mark.parametrize("word", ["Film", "FILM", "film"])
def test_letters_of_ascii_are_hashed_in_lower_case_and_no_others(word: str) -> None:
    assert hashes_of([word, "\u00c9"]).tolist() == hashes_of(["film", "\u00c9"]).tolist()
    assert hashes_of(["\u00c9"]).tolist() != hashes_of(["\u00e9"]).tolist()
