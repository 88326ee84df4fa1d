import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.text.fast import counting_ngrams
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.rules import family
from w2vray.text.vocabulary import MISSING, Vocabulary
from w2vray.text.word_ngrams import WordNgrams

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

WORDS = [
    "film",
    "Film",
    "a",
    "John's",
    "xyzzy",
    "don't",
    "1999",
    "film-maker",
    "É",
    "映画日本",
    "!",
    "\U0001f600",
    "w" * 40,
]
texts_of_words = st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), max_size=6)


def assert_same(fast: Ids, plain: Ids) -> None:
    assert fast.ngrams is not None
    assert plain.ngrams is not None
    for name in ("buckets_G", "times_G", "offsets_N1"):
        ours, theirs = getattr(fast.ngrams, name), getattr(plain.ngrams, name)
        assert ours.tolist() == theirs.tolist(), name
        assert ours.dtype == theirs.dtype, name
    assert fast.evidence_N.tolist() == plain.evidence_N.tolist()


def array(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize("name", ["glove", "googlenews", "plain", "twitter"])
@settings(max_examples=40)
@given(texts=texts_of_words, longest=st.integers(1, 3), seed=st.integers(0, 1000), known=st.booleans())
def test_any_text_has_the_counts_of_the_plain_look_up(
    name: str, texts: list[str], longest: int, seed: int, known: bool
) -> None:
    """With few buckets, so that runs collide; where all count, and where a model knows some; again in another order."""
    chosen = random.Random(seed)
    words = [word for word in ["film", "a", "John", "####", "映画", "É", "!", "do"] if chosen.random() < 0.6] or [
        "film"
    ]
    some: dict[str, Any] = {}
    if known:
        numbers_B = np.random.default_rng(seed).permutation(64).astype(np.int32)
        some["numbers_B"] = np.where(numbers_B < 40, numbers_B, MISSING).astype(np.int32)
    lookup = Lookup(Vocabulary.build(words), family(name), "skip", word_ngrams=WordNgrams(longest, 6, **some))
    fast = FastLookup(lookup)
    assert_same(fast(array(texts)), lookup(texts))
    assert_same(fast(array(texts[::-1])), lookup(texts[::-1]))


def test_what_there_is_too_little_room_for_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_ngrams, "_BUCKETS", 4)
    monkeypatch.setattr(counting_ngrams, "_LEAST_SLOTS", 2)
    monkeypatch.setattr(counting_ngrams, "_KEPT_BUCKETS", 16)
    lookup = Lookup(Vocabulary.build(["film"]), family("glove"), "skip", word_ngrams=WordNgrams(2, 20))
    texts = ["a film", "", " ".join(f"w{number % 300}" for number in range(900)), "film film film"]
    fast = FastLookup(lookup)
    for _ in range(2):
        assert_same(fast(array(texts)), lookup(texts))
