from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from w2vray.text.vocabulary import Vocabulary
from w2vray.vectors import Vectors
from w2vray.vectors.overview import overview


def test_the_first_words_and_one_word_of_each_odd_kind_are_shown(
    write_vectors: Callable[..., Vectors], tmp_path: Path
) -> None:
    """Five at most; the first of its kind, and no word twice."""
    words = [
        "the",
        "of",
        "and",
        "Film",
        "3d",
        "n't",
        "été",
        "extraordinarily",
        "日本",
        "New York",
        "London",
        "a\x85b",
        ",",
    ]
    found = overview(write_vectors(tmp_path / "v", words=words, table_VD=np.eye(len(words))))
    assert found.first_words == words[:10]
    assert dict(found.odd_words) == {
        "longest": "extraordinarily",
        "unprintable": "a\x85b",
        "with a space": "New York",
        "not Latin": "日本",
        "with capitals": "Film",
    }
    assert found.largest == {"number": 1.0, "word": "the"}
    assert list(found.as_dict()) == ["first_words", "odd_words", "largest"]


def test_plain_words_have_a_longest_one(write_vectors: Callable[..., Vectors], tmp_path: Path) -> None:
    found = overview(write_vectors(tmp_path / "v", words=["the", "film"], table_VD=[[1, -3], [2, 0.5]]))
    assert (found.first_words, dict(found.odd_words)) == (["the", "film"], {"longest": "film"})
    assert found.largest == {"number": 3.0, "word": "the"}


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("été", "not ASCII"),
        ("1990s", "with digits"),
        ("don't", "with marks"),
        ("e-mail", "with marks"),
        ("...", "marks alone"),
        ("Ёж", "not Latin"),
        ("a b", "with a space"),
        ("a\xa0b", "unprintable"),
        ("a\u200bb", "unprintable"),
        ("USA", "with capitals"),
    ],
)
def test_each_kind_is_known(word: str, kind: str) -> None:
    words = ["plainwords", "of", word]
    vectors = Vectors(np.eye(3), Vocabulary.build(words), None, "", {})  # type: ignore[arg-type]
    assert dict(overview(vectors).odd_words) == {"longest": "plainwords", kind: word}


def test_vectors_of_before_do_not_say_their_largest_number() -> None:
    """It is written when they are made, and the whole table is not read for it."""
    vectors = Vectors(np.eye(1), Vocabulary.build(["a"]), None, "", {"path": "x"})  # type: ignore[arg-type]
    assert overview(vectors).largest is None
