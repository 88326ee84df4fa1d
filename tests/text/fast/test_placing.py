"""The compiled look-up with places: for every id the place that the plain one gives."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures import static_models
from tests.fixtures.hostile_texts import hostile_texts
from w2vray.kernels.compiling import why_no_kernels
from w2vray.settings.choices import FAMILIES
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.lookup import Lookup
from w2vray.text.pieces import Pieces
from w2vray.text.rules import PIECES, family
from w2vray.text.spans import look_up_places
from w2vray.text.vocabulary import Vocabulary

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

WORDS = [
    "film",
    "maker",
    "do",
    "n't",
    "l'",
    "eau",
    "John",
    "e_mail",
    "##th",
    "\u6211",
    "\u5317\u4eac",
    "\u30ac",
    "mail",
    "e",
    ".",
]


@cache
def lookups(name: str, oov: str, *, strip_html: bool) -> tuple[Lookup, FastLookup]:
    lookup = Lookup(Vocabulary.build(WORDS), family(name, strip_html=strip_html), oov)
    return lookup, FastLookup(lookup, places=True)


@cache
def pieces_lookups(name: str) -> tuple[Lookup, FastLookup]:
    made = static_models.tokenizer(name)
    pieces = Pieces(np.frombuffer(made.to_str().encode(), dtype=np.uint8), unit_length=False)
    lookup = Lookup(Vocabulary.build(pieces.names), PIECES, "skip", pieces=pieces)
    return lookup, FastLookup(lookup, places=True)


def assert_same(both: tuple[Lookup, FastLookup], texts: list[str]) -> None:
    """The places of all ids, and the bytes that they are."""
    plain, fast = both
    array = pa.array(["x", *texts], pa.large_string())[1:]  # it does not start at the first byte
    expected = look_up_places(plain, texts)

    ids, places = fast.placed(array)

    assert ids.ids_L.tolist() == expected.ids.ids_L.tolist()
    text_O = np.repeat(np.arange(len(texts)), ids.lengths_N)
    number_O = np.arange(len(ids.ids_L)) - ids.offsets_N1[text_O]
    spans = places.spans(text_O, number_O, number_O)
    assert spans.starts_O.tolist() == expected.starts_L.tolist()
    assert spans.ends_O.tolist() == expected.ends_L.tolist()
    data = places.scanned.source.data
    for text, start, end, first, last in zip(text_O.tolist(), *(array_O.tolist() for array_O in spans), strict=True):
        assert data[first:last].tobytes().decode() == texts[text][start:end]


@pytest.mark.parametrize("name", FAMILIES)
@given(texts=st.lists(hostile_texts, max_size=5), oov=st.sampled_from(["skip", "zero"]), strip_html=st.booleans())
def test_every_id_is_where_the_plain_look_up_finds_it(name: str, texts: list[str], oov: str, strip_html: bool) -> None:
    """Whatever the text and the family; again, when words are remembered, too."""
    both = lookups(name, oov, strip_html=strip_html)

    assert_same(both, texts)
    assert_same(both, texts[::-1])


@pytest.mark.parametrize("name", ["bert", "spaced marks", "uncut"])
@settings(max_examples=25)
@given(texts=st.lists(hostile_texts, max_size=3))
def test_every_piece_is_where_the_plain_look_up_finds_it(name: str, texts: list[str]) -> None:
    assert_same(pieces_lookups(name), texts)


def test_a_piece_of_several_ids_goes_from_the_first_to_the_last() -> None:
    _, fast = lookups("glove", "skip", strip_html=False)
    text = "A Film\u00ad, don\u2019t e-mail"
    ids, places = fast.placed(pa.array(["", text], pa.large_string()))

    spans = places.spans(np.array([1, 1]), np.array([0, 1]), np.array([1, 4]))

    assert ids.lengths_N.tolist() == [0, 5]
    assert [text[start:end] for start, end in zip(spans.starts_O, spans.ends_O, strict=True)] == [
        "Film\u00ad, do",
        "don\u2019t e-mail",
    ]


def test_many_entries_of_few_tokens_find_room() -> None:
    _, fast = lookups("glove", "zero", strip_html=False)
    text = "-".join(["x"] * 50)

    ids, places = fast.placed(pa.array([text], pa.large_string()))

    number_O = np.arange(50)
    spans = places.spans(number_O * 0, number_O, number_O)
    assert ids.lengths_N.tolist() == [50]
    assert spans.starts_O.tolist() == (number_O * 2).tolist()
