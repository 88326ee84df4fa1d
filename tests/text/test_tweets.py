"""Placeholders of Twitter's vectors: what they stand for in a text, and how a table writes them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.settings.vectors import FitVectorsSettings
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.lookup import Lookup
from w2vray.text.resolution import resolve
from w2vray.text.rules import family
from w2vray.text.tokens import tokenizer
from w2vray.text.tweets import with_placeholders, with_words
from w2vray.text.vocabulary import Vocabulary
from w2vray.vectors.families import guess_family
from w2vray.vectors.gensim_training import fit_vectors

TWITTER = family("twitter")

READ = {
    "@bob_1 hi": "<user> hi",
    "write a@b.com": "write a@b.com",
    "see https://t.co/Abc?x=1 www.x.org": "see <url> <url>",
    "#love #LoveIt #WOW #x2": "<hashtag> love <hashtag> Love It <hashtag> WOW <allcaps> <hashtag> x2",
    "10 3:45 1,000.5 -3.5 +5": "<number> <number> <number> <number> <number>",
    "b4 2nite u2 10pm": "b4 2nite u2 10pm",
    "in 2020.": "in <number> .",
    "yesss noooo sweeeet hmmm!": "yes <elong> no <elong> sweeeet hm <elong> !",
    "what?? wait... ok!": "what ? <repeat> wait . <repeat> ok!",
    "SO good, I AM": "SO <allcaps> good, I AM <allcaps>",
    ":) :-) 8) =D (: (-:": "<smile> <smile> <smile> <smile> <smile> <smile>",
    ":( :'( ):": "<sadface> <sadface> <sadface>",
    ":p ;-P :/ :| :l": "<lolface> <lolface> <neutralface> <neutralface> <neutralface>",
    "<3 i <3u": "<heart> i <3u",
    "said: and; d: x:d": "said: and; d: x:d",
    "<user> <URL> <Hashtag>": "<user> <url> <hashtag>",
    "<b> \uefa0\uefa5": "<b>",
}


@pytest.mark.parametrize(("text", "read"), READ.items(), ids=READ)
def test_what_is_no_word_becomes_a_placeholder(text: str, read: str) -> None:
    assert with_words(with_placeholders(text)).split() == read.split()


@pytest.mark.parametrize("text", [")", "1.1a", "+-", "@", ":'", "\u00e9\u00e8"])
def test_a_long_text_without_any_is_as_it_is(text: str) -> None:
    """And nothing takes the square of its length, which would be many minutes."""
    assert with_placeholders(text * 30_000) == text * 30_000


def test_a_placeholder_is_looked_for_as_tables_write_it() -> None:
    """By its published name or another; one that a table lacks is left out, as marks are."""
    table = Vocabulary.build(["<user>", "<elongated>", "good", "so", "!"])
    tokens = tokenizer(TWITTER)("@bob SO gooood yesss!! \u2026 http://x.y")
    found = resolve(table, TWITTER, tokens)
    assert [entry for entry, row in zip(found.entries, found.rows_E, strict=True) if row >= 0] == [
        "<user>",
        "so",
        "<elongated>",
        "!",
    ]
    assert [entry for entry, row in zip(found.entries, found.rows_E, strict=True) if row < 0] == ["gooood", "yes"]


def test_other_families_make_no_placeholders() -> None:
    assert tokenizer(family("glove"))("@bob <user>") == ["@", "bob", "<", "user", ">"]


def test_words_that_are_placeholders_give_the_family_away() -> None:
    assert guess_family(["<user>", ".", ":", "rt", ",", "<repeat>", "<hashtag>"]).family == "twitter"
    assert guess_family(["<user>", ".", ",", "the", "'s", "n't"]).family == "glove"


PARTS = [
    "@bob",
    "#",
    "#LoveIt",
    "10",
    "3.5",
    ":)",
    "<3",
    "SO",
    "yesss",
    "!!",
    "...",
    "http://t.co/x",
    "<url>",
    "<b>",
    "&amp;",
]
parts = st.sampled_from([*PARTS, "good", "\u00e9", "\U0001f44d\U0001f3fd", "\uefa1", " ", " ", "'s", ":", "-", "a@b"])
tweets = st.lists(parts, max_size=12).map("".join)


@pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")
@settings(max_examples=25)
@given(texts=st.lists(tweets, max_size=6), strip_html=st.booleans())
def test_the_compiled_look_up_reads_tweets_as_the_plain_one(texts: list[str], strip_html: bool) -> None:
    """With HTML and without."""
    rules = replace(TWITTER, strip_html=strip_html)
    words = sorted({with_words(token) for text in texts for token in tokenizer(rules)(text)} - {"<url>"}) or ["film"]
    lookup = Lookup(Vocabulary.build(words), rules, "zero")
    fast, plain = FastLookup(lookup)(pa.array(texts, pa.large_string())), lookup(texts)
    assert fast.ids_L.tolist() == plain.ids_L.tolist()
    assert fast.offsets_N1.tolist() == plain.offsets_N1.tolist()


def test_vectors_that_are_trained_on_tweets_have_placeholders_for_words(tmp_path: Path) -> None:
    """And find them by their own rules."""

    class Texts:
        rows = 40

        def __iter__(self):  # type: ignore[no-untyped-def]
            yield pa.array(["@bob SO good :)", "see http://t.co/x &lt;3"] * 20, pa.large_string())

    options: dict[str, Any] = {
        "dim": 4,
        "epochs": 1,
        "min_count": 2,
        "threads": 1,
        "family": "twitter",
        "strip_html": True,
    }
    made = fit_vectors(FitVectorsSettings(corpus=("a test",), output=str(tmp_path / "v"), **options), Texts())
    assert set(made.vocabulary) == {"<user>", "so", "<allcaps>", "good", "<smile>", "see", "<url>", "<heart>"}
    found = made.lookup(made.rules, "zero")(["@ann http://t.co/y"])
    assert found.found_counts_N.tolist() == [2]
