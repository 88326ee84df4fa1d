"""Vectors of one's own, by gensim: the same as gensim trains, and n-grams where they are asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from gensim.models import FastText, Word2Vec

from w2vray.errors import VectorsError
from w2vray.settings.vectors import FitVectorsSettings
from w2vray.text.lookup import Lookup
from w2vray.text.rules import family
from w2vray.text.tokens import tokenizer
from w2vray.vectors import Vectors
from w2vray.vectors.gensim_training import _write_tokens, fit_vectors
from w2vray.vectors.ngrams import hash_ngrams, word_ngrams

TEXTS = ["A good film, really good", "the film was bad", "good bad ugly", "e-mail the ugly film", "Film"] * 8


class Texts:
    """Texts in two arrays."""

    def __init__(self, texts: list[str] = TEXTS) -> None:
        self.texts = texts
        self.rows = len(texts)

    def __iter__(self) -> Iterator[pa.Array]:
        yield pa.array(self.texts[:7], pa.large_string())
        yield pa.array(self.texts[7:], pa.large_string())


def fitted(output: Path, texts: list[str] = TEXTS, /, **given: Any) -> Vectors:
    options = {"dim": 6, "epochs": 2, "min_count": 2, "threads": 1, "seed": 3, **given}
    return fit_vectors(FitVectorsSettings(corpus=("a test",), output=str(output), **options), Texts(texts))


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


@pytest.mark.parametrize("rules", ["plain", "glove", "googlenews", "fasttext"])
@pytest.mark.parametrize("algorithm", ["word2vec", "fasttext"])
def test_every_word_of_the_texts_is_found_whatever_white_space_it_holds(
    rules: str, algorithm: str, tmp_path: Path
) -> None:
    """A family parts words where it says, and gensim at any white space of Unicode; escapes do not get mixed up."""
    inside = [*filter(str.isspace, map(chr, range(0x10000))), "\ufdd0", "\ufdd03000", "\ufeff", "\u200b"]
    texts = [f"alpha{c}beta {c} gamma{c}\tdelta{c}{c}alpha" for c in inside] * 2
    vectors = fitted(tmp_path / "vectors", texts, family=rules, algorithm=algorithm)
    tokenize = tokenizer(family(rules))
    assert set(vectors.vocabulary) == {token for text in texts for token in tokenize(text)}
    assert ("alpha\u3000beta" in set(vectors.vocabulary)) == (rules == "fasttext")
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")(texts)
    assert ids.found_counts_N.tolist() == ids.token_counts_N.tolist()


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("plain", {"informa\u00adtion": "information", "\u200bgood": "good"}),
        (
            "glove",
            {
                "informa\u00adtion": "information",
                "\u2764\ufe0f": "\u2764",
                "\U0001f469\u200d\U0001f4bb": "\U0001f469\u200d\U0001f4bb",
            },
        ),
    ],
)
def test_invisible_characters_make_no_words(rules: str, words: dict[str, str], tmp_path: Path) -> None:
    """Words are whole; an emoji is a word without its selector, and is found with it."""
    texts = ["the informa\u00adtion is \u200bgood \u2764\ufe0f \u2764\U0001f469\u200d\U0001f4bb"] * 8
    vectors = fitted(tmp_path / "vectors", texts, family=rules)
    assert {"information", "good", "the"} < set(vectors.vocabulary) <= {"the", "is", *words.values(), "good"}
    found = vectors.lookup(vectors.rules, "skip")(list(words)).ids_L
    assert [vectors.vocabulary.word(row) for row in found] == list(words.values())


def test_ngrams_are_learnt_of_words_as_the_texts_have_them(tmp_path: Path) -> None:
    """With the white space that they hold, as unseen words are looked up; the other buckets stay as they began."""
    word, texts = "ab\u3000cd", ["ab\u3000cd film " * 200] * 50
    tables = []
    for epochs in (1, 2):
        options = {"shortest": 2, "longest": 3, "buckets": 5000, "epochs": epochs}
        made = fitted(tmp_path / f"{epochs}", texts, family="fasttext", algorithm="fasttext", **options)
        assert made.ngrams is not None
        tables.append(np.asarray(made.ngrams.table_GD))
    learnt = np.flatnonzero((tables[0] != tables[1]).any(axis=1))
    ngrams = [ngram for seen in (word, "film") for ngram in word_ngrams(seen, 2, 3)]
    assert learnt.tolist() == sorted({number % 5000 for number in hash_ngrams(ngrams).tolist()})


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
    with pytest.raises(VectorsError, match="no word occurs 1000 times in the texts; lower --min-count"):
        fitted(tmp_path / "vectors", min_count=1000, algorithm="fasttext", buckets=10)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_by_the_name_of_what_needs_the_room() -> None:
    settings = FitVectorsSettings(corpus=("a test",), output="vectors")
    with pytest.raises(VectorsError, match=r"/dev/full cannot be written \(No space left .*\); it takes as much room"):
        _write_tokens(Path("/dev/full"), settings, Texts(), len(TEXTS), lambda _, __, ___: None)


def test_vectors_of_html_are_those_of_what_it_says(tmp_path: Path) -> None:
    """The rule is stored, and a look-up by the vectors' own rules strips as the training did."""
    marked = ["<p>A good film,<br>really g<b>oo</b>d &amp; bad</p>", "the film was caf&eacute; &hearts;&#xFE0F;"] * 20
    said = [" A good film, really good & bad ", "the film was caf\u00e9 \u2665"] * 20
    vectors = fitted(tmp_path / "marked", marked, family="glove", strip_html=True)
    plain = fitted(tmp_path / "plain", said, family="glove")
    assert list(vectors.vocabulary) == list(plain.vocabulary)
    assert np.array_equal(vectors.table_VD, plain.table_VD)
    opened = Vectors.open(tmp_path / "marked")
    assert opened.rules == family("glove", strip_html=True)
    found = opened.lookup(opened.rules, "skip")(marked[:2])
    assert found.ids_L.tolist() == plain.lookup(plain.rules, "skip")(said[:2]).ids_L.tolist()
