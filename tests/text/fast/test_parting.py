import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.static_models import TOKENIZERS, tokenizer
from tests.text.fast.test_looking_up import array, assert_same
from tests.text.test_cutting import described, hostile
from w2vray.kernels.compiling import why_no_kernels
from w2vray.text.fast import looking_up
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.fast.parting import PartReader
from w2vray.text.lookup import Lookup
from w2vray.text.rules import PIECES
from w2vray.text.vocabulary import Vocabulary

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

NAMES = [name for name in TOKENIZERS if name != "shipped"]


def look_up(name: str, oov: str = "skip") -> Lookup:
    pieces = described(tokenizer(name))
    return Lookup(Vocabulary.build(pieces.names), PIECES, oov, pieces=pieces)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=40)
@given(texts=st.lists(hostile, max_size=6), oov=st.sampled_from(["skip", "zero", "unknown"]))
def test_any_text_has_the_ids_of_the_plain_look_up(name: str, texts: list[str], oov: str) -> None:
    """The first time, and when parts are remembered."""
    lookup = look_up(name, oov)
    fast = FastLookup(lookup)

    for _ in range(2):
        assert_same(fast(array(texts)), lookup(texts))


@pytest.mark.parametrize("name", ["bert", "unigram", "uncut"])
def test_more_parts_than_there_is_room_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room grows in the middle of a text, and between blocks all is forgotten; no answer changes."""
    monkeypatch.setattr(looking_up, "_CODES", 8)
    monkeypatch.setattr(looking_up, "_MISSES", 2)
    monkeypatch.setattr(looking_up, "_MISS_BYTES", 4)
    monkeypatch.setattr(PartReader, "remembered", 20)
    blocks = [[" ".join(f"{'w' * (3 * n % 40)}{n * k}é, film" for n in range(9)) for k in range(5)] for _ in range(3)]
    lookup = look_up(name)
    fast = FastLookup(lookup)

    for block in blocks:
        assert_same(fast(array(block)), lookup(block))


def test_parts_that_differ_by_a_zero_in_front_are_two() -> None:
    """Words met lately are told apart by their bytes as numbers, in which zeros in front are lost."""
    lookup = look_up("nothing changed")
    texts = ["a \0a \0\0a a", "\0a"]

    assert_same(FastLookup(lookup)(array(texts)), lookup(texts))


def test_unknown_pieces_have_no_row() -> None:
    """They are tokens without a vector, and a part of several pieces has several ids."""
    lookup = look_up("bert")
    found = lookup.resolve(["really", "\u2603", ""])

    assert lookup(["really \u2603"]).token_counts_N.tolist() == [len(found.entries)]
    assert found.entries[-1] == "\u2603"
    assert found.rows_E.tolist()[-1] == -1
    assert found.offsets_W1.tolist() == [0, len(found.entries) - 1, len(found.entries), len(found.entries)]
