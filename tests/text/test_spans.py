"""Where in a text each id was written: as the text has it, whatever was done to it before it was split."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures import static_models
from tests.fixtures.hostile_texts import hostile_texts
from w2vray.settings.choices import FAMILIES
from w2vray.text.lookup import Lookup
from w2vray.text.pieces import Pieces
from w2vray.text.rules import PIECES, TokenRules, family
from w2vray.text.spans import look_up_places
from w2vray.text.tokens import placed_tokens, prepared, rewritten, tokenizer
from w2vray.text.tracing import Traced
from w2vray.text.vocabulary import Vocabulary

families = st.sampled_from(FAMILIES)
vocabulary = [
    "film",
    "maker",
    "do",
    "n't",
    "l'",
    "eau",
    "John",
    "e_mail",
    "##th",
    "我",
    "北京",
    "日本",
    "ガ",
    "mail",
    "e",
]


def rules_of(name: str, *, strip_html: bool) -> TokenRules:
    return family(name, strip_html=strip_html)


def written(
    text: str, rules: TokenRules, words: list[str], oov: str = "skip", lookup: Lookup | None = None
) -> list[str]:
    """What each id of a text was written as."""
    placed = look_up_places(lookup or Lookup(Vocabulary.build(words), rules, oov), [text])
    return [text[start:end] for start, end in zip(placed.starts_L, placed.ends_L, strict=True)]


@given(text=hostile_texts, name=families, strip_html=st.booleans())
def test_a_traced_text_is_the_text_that_is_split(text: str, name: str, strip_html: bool) -> None:
    """One set of rules, for text and for traced text; and each character stands for characters of the source."""
    rules = rules_of(name, strip_html=strip_html)
    traced, spans = placed_tokens(rules, text)

    assert traced.text == prepared(rules, rewritten(rules, text))
    assert [traced.text[start:end] for start, end in spans] == tokenizer(rules)(text)
    assert len(traced.text) == len(traced.starts) == len(traced.ends)
    places = [traced.span(start, end) for start, end in spans]
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(before[0] <= after[0] for before, after in pairwise(places))


@given(
    some=st.lists(hostile_texts, max_size=4),
    name=families,
    strip_html=st.booleans(),
    oov=st.sampled_from(["skip", "zero"]),
)
def test_the_ids_are_those_of_the_look_up(some: list[str], name: str, strip_html: bool, oov: str) -> None:
    lookup = Lookup(Vocabulary.build(vocabulary), rules_of(name, strip_html=strip_html), oov)

    placed, plain = look_up_places(lookup, some), lookup(some)

    assert placed.ids.ids_L.tolist() == plain.ids_L.tolist()
    assert placed.ids.offsets_N1.tolist() == plain.offsets_N1.tolist()
    assert placed.ids.token_counts_N.tolist() == plain.token_counts_N.tolist()
    for text, first, stop in zip(some, plain.offsets_N1, plain.offsets_N1[1:], strict=False):
        for start, end in zip(placed.starts_L[first:stop], placed.ends_L[first:stop], strict=True):
            assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    ("name", "words", "text", "expected"),
    [
        ("glove", ["awful", "film"], "An aw\u00adful FILM", ["aw\u00adful", "FILM"]),
        ("glove", ["do", "n't", "film", "maker"], "Don't, film-maker", ["Do", "n't", "film", "maker"]),
        (
            "glove",
            ["i\u0307stanbul", "straße", "caf\u00e9"],
            "İstanbul Straße cafe\u0301",
            ["İstanbul", "Straße", "cafe\u0301"],
        ),
        ("glove", ["...", "film"], "😀 \u2026film...", ["film", "..."]),
        (
            "googlenews",
            ["John", "e_mail", "##th", "Paris"],
            "John's e-mail, 10th PARIS's",
            ["John's", "e-mail", "10th", "PARIS's"],
        ),
        ("googlenews", ["New_York", "York"], "New York New-York", ["York", "New-York"]),
        ("cased", ["l'", "eau", "film"], "L l\u2019eau \ufb01lm", ["l\u2019", "eau", "\ufb01lm"]),
        (
            "cased",
            ["我", "爱", "北京", "iPhone", "手机"],
            "我爱北京 iPhone手机!",
            ["我", "爱", "北京", "iPhone", "手机"],
        ),
        ("cased", ["ガ", "ス", "株式会社"], "\uff76\uff9e\uff7d ㍿", ["\uff76\uff9e", "\uff7d", "㍿"]),
        ("cased", ["ไทย", "รัก"], "รักไทย", ["รัก", "ไทย"]),
        ("fasttext", ["Film.", "x"], "\ufeffFilm.\xa0x", ["Film.", "x"]),
        (
            "twitter",
            ["<user>", "foo", "bar", "yes", "<elong>", "<url>"],
            "@bob #FooBar yesss https://x.y",
            ["@bob", "Foo", "Bar", "yesss", "sss", "https://x.y"],
        ),
        ("plain", ["awful", "b"], "<p>aw<b>ful</b> A&amp;b", ["aw<b>ful", "b"]),
        ("plain", ["a"], "&lt;&#97;", ["&#97;"]),
    ],
)
def test_an_id_points_at_the_text_as_it_was_written(
    name: str, words: list[str], text: str, expected: list[str]
) -> None:
    assert written(text, rules_of(name, strip_html=name == "plain"), words) == expected


def test_a_mark_without_a_row_is_left_out_and_the_others_stay_in_place() -> None:
    assert written("rock'n'roll", family("cased"), ["rock", "n", "roll"]) == ["rock", "n", "roll"]
    assert written("(l'eau)", replace(family("cased"), drop_unknown_marks=False), ["l", "eau"]) == ["l", "eau"]


def test_a_word_without_a_row_has_a_place_where_it_counts() -> None:
    assert written("a film zzz-zz", family("glove"), ["film"], "zero") == ["a", "film", "zzz", "zz"]


def test_what_cannot_be_aligned_stands_for_what_differs() -> None:
    other = Traced.of("one two three").as_text("one 2 three")

    assert [other.span(place, place + 1) for place in (0, 4, 6)] == [(0, 1), (4, 7), (8, 9)]


@cache
def pieces_lookup(name: str) -> Lookup:
    made = static_models.tokenizer(name)
    pieces = Pieces(np.frombuffer(made.to_str().encode(), dtype=np.uint8), unit_length=False)
    return Lookup(Vocabulary.build(pieces.names), PIECES, "skip", pieces=pieces)


@pytest.mark.parametrize("name", ["bert", "unigram of words", "bytes", "uncut"])
@settings(max_examples=25)
@given(text=hostile_texts)
def test_a_piece_points_at_a_part_of_its_word(name: str, text: str) -> None:
    """Of any tokenizer; the ids are those of the look-up."""
    lookup = pieces_lookup(name)

    placed = look_up_places(lookup, [text])

    assert placed.ids.ids_L.tolist() == lookup([text]).ids_L.tolist()
    for start, end in zip(placed.starts_L, placed.ends_L, strict=True):
        assert 0 <= start < end <= len(text)


def test_pieces_stand_for_the_letters_that_they_have() -> None:
    """Without the spaces between words."""
    text = "Really fine,  moving films"

    pieces = written(text, PIECES, [], lookup=pieces_lookup("bert"))

    assert "".join(pieces) == text.replace(" ", "")
    assert len(pieces) > 4
