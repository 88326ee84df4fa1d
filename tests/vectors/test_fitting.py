"""Vectors of one's own, by gensim: the same as gensim trains, and n-grams where they are asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from gensim.models import FastText, Word2Vec

from w2vray.errors import VectorsError
from w2vray.tokens import family, tokenizer
from w2vray.vectors import Vectors
from w2vray.vectors.fitting import _write_tokens, fit_vectors
from w2vray.vectors_config import FitVectorsSettings

TEXTS = ["A good film, really good", "the film was bad", "good bad ugly", "e-mail the ugly film", "Film"] * 8


class Texts:
    """Texts in two arrays."""

    rows = len(TEXTS)

    def __iter__(self) -> Iterator[pa.Array]:
        yield pa.array(TEXTS[:7], pa.large_string())
        yield pa.array(TEXTS[7:], pa.large_string())


def fitted(output: Path, **given: Any) -> Vectors:
    options = {"dim": 6, "epochs": 2, "min_count": 2, "threads": 1, "seed": 3, **given}
    return fit_vectors(FitVectorsSettings(corpus=("a test",), output=str(output), **options), Texts())


def split(folder: Path, rules: str) -> str:
    """The file of tokens that gensim is to train on."""
    tokenize = tokenizer(family(rules))
    path = folder / "tokens.txt"
    path.write_text("".join(" ".join(tokenize(text)) + "\n" for text in TEXTS))
    return str(path)


@pytest.mark.parametrize("rules", ["plain", "glove", "googlenews", "fasttext"])
def test_word2vec_vectors_are_those_that_gensim_trains(rules: str, tmp_path: Path) -> None:
    """On the tokens of the family asked for, which is stored with them."""
    vectors = fitted(tmp_path / "vectors", family=rules)
    oracle = Word2Vec(
        corpus_file=split(tmp_path, rules), vector_size=6, epochs=2, min_count=2, negative=5, workers=1, seed=3
    )
    assert list(vectors.vocabulary) == oracle.wv.index_to_key
    assert np.array_equal(vectors.table_VD, oracle.wv.vectors)
    assert (vectors.rules, vectors.ngrams) == (family(rules), None)
    assert (vectors.source["algorithm"], vectors.source["texts"]) == ("word2vec", len(TEXTS))


def test_fasttext_vectors_and_ngrams_are_those_that_gensim_trains(tmp_path: Path) -> None:
    """So that unseen words get the vectors that gensim would give them."""
    vectors = fitted(tmp_path / "vectors", algorithm="fasttext", shortest=2, longest=4, buckets=70, skip_gram=True)
    oracle = FastText(
        corpus_file=split(tmp_path, "plain"),
        vector_size=6,
        epochs=2,
        min_count=2,
        negative=5,
        workers=1,
        seed=3,
        sg=1,
        min_n=2,
        max_n=4,
        bucket=70,
    )
    assert list(vectors.vocabulary) == oracle.wv.index_to_key
    assert np.array_equal(vectors.table_VD, oracle.wv.vectors)
    assert vectors.ngrams is not None
    unseen = ["films", "unseen", "x"]
    assert np.array_equal(vectors.ngrams.rows(unseen), np.array([oracle.wv[word] for word in unseen]))
    assert vectors.source["algorithm"] == "fasttext"


def test_half_precision_rounds_what_was_trained(tmp_path: Path) -> None:
    """Words and n-grams, once."""
    options = {"algorithm": "fasttext", "buckets": 70}
    exact, half = fitted(tmp_path / "exact", **options), fitted(tmp_path / "half", **options, dtype="float16")
    assert half.table_VD.dtype == np.float16
    assert np.array_equal(half.table_VD, exact.table_VD.astype(np.float16))
    assert exact.ngrams is not None
    assert half.ngrams is not None
    assert np.array_equal(half.ngrams.table_GD, exact.ngrams.table_GD.astype(np.float16))


@pytest.mark.parametrize("algorithm", ["word2vec", "fasttext"])
def test_with_one_thread_the_same_seed_gives_the_same_vectors(algorithm: str, tmp_path: Path) -> None:
    """N-grams too; another seed gives others."""
    seeds = {"first": 3, "again": 3, "other": 4}
    prints = [fitted(tmp_path / name, algorithm=algorithm, seed=seed).fingerprint for name, seed in seeds.items()]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


def test_words_that_are_too_rare_leave_nothing_behind(tmp_path: Path) -> None:
    """The message names the option."""
    with pytest.raises(VectorsError, match="no word is in the texts 1000 times; lower --min-count"):
        fitted(tmp_path / "vectors", min_count=1000, algorithm="fasttext", buckets=10)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_by_the_name_of_what_needs_the_room() -> None:
    settings = FitVectorsSettings(corpus=("a test",), output="vectors")
    with pytest.raises(VectorsError, match=r"/dev/full cannot be written \(No space left .*\); it takes as much room"):
        _write_tokens(Path("/dev/full"), settings, Texts(), Texts.rows, lambda _, __, ___: None)
