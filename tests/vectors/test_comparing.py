from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from w2vray.settings.choices import FAMILIES
from w2vray.text.rules import family
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.comparing import compare_families, coverage_warnings, recommended, share_found
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import Block

TEXTS = [pa.array(["The plot, the film.", "A good, good film!", "Plot? Film."], pa.large_string())]
CRAWL = ["the", "The", ",", ".", "!", "?", "good", "film", "plot", "A"]
MakeVectors = Callable[..., Vectors]


@pytest.fixture
def make_vectors(tmp_path: Path) -> MakeVectors:
    """Write vectors of some words."""

    def make(words: list[str], name: str, *, buckets: int = 0, **source: object) -> Vectors:
        ngrams = NGrams(np.ones((buckets, 2), dtype=np.float32), 3, 4) if buckets else None
        with VectorsWriter(tmp_path / "vectors") as writer:
            writer.append(Block(words, np.ones((len(words), 2), dtype=np.float32)), origin="made up")
            return writer.finish(family(name), source, ngrams)

    return make


def warnings(vectors: Vectors, tokens: int, found: int) -> list[str]:
    """What is told of so many tokens found, with ``TEXTS`` for a sample."""
    return coverage_warnings(tokens, found, vectors, vectors.rules, lambda: TEXTS)


def test_every_family_is_measured_and_the_best_is_first(make_vectors: MakeVectors) -> None:
    """With the words that each one does not find, the commonest first."""
    vectors = make_vectors(CRAWL, "fasttext")
    compared = compare_families(vectors, TEXTS, vectors.rules)
    assert sorted(one.family for one in compared) == sorted(FAMILIES)
    found = {one.family: (one.found.tokens, one.found.found, one.found.missing) for one in compared}
    assert found["cased"] == (16, 16, {})
    assert found["googlenews"] == (10, 10, {})
    assert found["glove"] == (16, 15, {"a": 1})
    assert found["fasttext"] == (10, 4, {"plot,": 1, "film.": 1, "good,": 1, "film!": 1, "Plot?": 1})
    assert compared[-1].as_dict() == {
        "family": "fasttext",
        "tokens": 10,
        "found": 4,
        "coverage": 0.4,
        "missing": {"plot,": 1, "film.": 1, "good,": 1, "film!": 1, "Plot?": 1},
    }


@pytest.mark.parametrize(
    ("words", "stored", "best"),
    [
        pytest.param(CRAWL, "fasttext", "cased", id="of those that find all, the one that finds more tokens"),
        pytest.param(CRAWL, "cased", "cased", id="already"),
        pytest.param(CRAWL, "googlenews", "cased", id="marks are words too"),
        pytest.param(["The", "A", "Good", "Film", "Plot"], "googlenews", "googlenews", id="another is no better"),
        pytest.param(["the", "a", "good", "film", "plot"], "plain", "plain", id="no marks"),
        pytest.param(["zzz"], "glove", "glove", id="nothing is found by any"),
    ],
)
def test_the_family_that_makes_use_of_most_of_the_text_is_recommended(
    words: list[str], stored: str, best: str, make_vectors: MakeVectors
) -> None:
    """The stored one where no other is better by more than a little."""
    vectors = make_vectors(words, stored)
    assert recommended(compare_families(vectors, TEXTS, vectors.rules), vectors, vectors.rules).family == best


def test_few_tokens_found_are_told_with_the_better_family_and_how_to_have_it(make_vectors: MakeVectors) -> None:
    """As a sentence that can be acted on."""
    vectors = make_vectors(CRAWL, "fasttext", path="/data/my crawl.vec")
    (told,) = warnings(vectors, 1000, 400)
    assert told == (
        "only 40.0% of the tokens have a vector; the texts are read as fasttext. Read as cased, 100.0% of the tokens "
        "of a sample have one: import the vectors anew with `w2vray vectors import '/data/my crawl.vec' --output NEW "
        "--family cased`, and train the model on those"
    )


@pytest.mark.parametrize(
    ("source", "command"),
    [
        (
            {"format": "trained"},
            "train the vectors anew with `w2vray vectors train CORPUS --output NEW --family cased`",
        ),
        (
            {"format": "joined"},
            "join the vectors anew with `w2vray vectors join VECTORS VECTORS --output NEW --family cased`",
        ),
        ({}, "import the vectors anew with `w2vray vectors import SOURCE --output NEW --family cased`"),
    ],
)
def test_vectors_are_made_anew_as_they_were_made(
    source: dict[str, object], command: str, make_vectors: MakeVectors
) -> None:
    """Imported, trained or joined."""
    (told,) = warnings(make_vectors(CRAWL, "fasttext", **source), 1000, 400)
    assert command in told


def test_where_no_family_finds_more_the_language_is_asked_for(make_vectors: MakeVectors) -> None:
    """A family that finds a little more is not worth new vectors."""
    expected = (
        "only 10.0% of the tokens have a vector; the texts are read as cased, and no other family of token rules finds "
        "many more: are these vectors of another language?"
    )
    vectors = make_vectors(["der", "Film", ","], "cased")
    assert coverage_warnings(1000, 100, vectors, vectors.rules, list) == [expected]
    rare = [pa.array(["zzz " * 10 + "film"], pa.large_string())]
    assert coverage_warnings(1000, 100, vectors, vectors.rules, lambda: rare) == [expected]


@pytest.mark.parametrize(("tokens", "found"), [(1000, 600), (1000, 1000), (0, 0)])
def test_nothing_is_told_where_most_tokens_are_found_or_there_are_none(
    tokens: int, found: int, make_vectors: MakeVectors
) -> None:
    """And no text is read for it."""
    vectors = make_vectors(CRAWL, "fasttext")
    assert coverage_warnings(tokens, found, vectors, vectors.rules, lambda: pytest.fail("a sample was read")) == []


def test_with_subwords_only_a_family_that_finds_twice_as_many_is_told(make_vectors: MakeVectors) -> None:
    """The other words have vectors made of n-grams."""
    vectors = make_vectors(CRAWL, "fasttext", buckets=5)
    assert warnings(vectors, 1000, 550) == []
    assert len(warnings(vectors, 1000, 400)) == 1


def test_the_share_of_no_tokens_is_none() -> None:
    """It is neither 0 nor 1."""
    assert (share_found(0, 0), share_found(4, 1)) == (None, 0.25)
