import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, models, pre_tokenizers
from tokenizers import Tokenizer as Made

from tests.fixtures.static_models import TOKENIZERS, tokenizer, unigram, word_pieces
from w2vray.errors import VectorsError
from w2vray.text.cutting import GLUED, Cuts
from w2vray.text.pieces import Pieces, read_tokenizer

ATOMS = [
    *(" ", " ", " ", "\t", "\n", "\r\n", "  ", " \n", "\x0b", "\x1c", "\x85", "\xa0", "\u3000", "\u2028"),
    *("\u200b", "\u200d", "\u00ad", "\ufeff", "\ufffd", "\0", "\x7f", "\u0600", "\u0d4e", "\u2581", "\U00020000"),
    *("\u0301", "\u0301\u0301", "\u0338", "\u0340", "\u093f", "\u0e33", "\uff9e", "\ufe0f", "\u1100", "\u1161"),
    *("[UNK]", "[PAD]", "[pad]", "<pad>", "<unk>", "[", "]", "<", ">", "_", "'", "don't", "c++", "...", "!", "=", "-"),
    *(
        "中",
        "文",
        "\uff0c",
        "。",
        "の",
        "カ",
        "か\u3099",
        "각",
        "é",
        "e\u0301",
        "ß",
        "İ",
        "ﬁ",
        "½",
        "⑴",
        "①",
        "℀",
        "\xb4",
        "¨",
    ),
    *("…", "“", "”", "\u2013", "€", "😀", "👩\u200d👧", "Σ", "ς", "ก", "привет", "fine", "aaa", "word", "1", "42", "a"),
    "w" * 101,
]
hostile = st.lists(st.sampled_from(ATOMS) | st.characters(exclude_categories=["Cs"]), max_size=10).map("".join)


@cache
def described(made: Made) -> Pieces:
    return Pieces(np.frombuffer(made.to_str().encode(), dtype=np.uint8), unit_length=False)


def pieces_of(made: Made, text: str) -> list[int]:
    return list(made.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name == "shipped")) for name in TOKENIZERS]
)
@settings(deadline=None, max_examples=60)
@given(text=hostile)
def test_the_parts_of_a_text_have_the_pieces_that_the_whole_has(name: str, text: str) -> None:
    """Whatever stands beside a cut; the library reads the whole. Of ties it may choose another, of the same pieces."""
    made = tokenizer(name)

    parts = described(made).cuts(text)

    found = [piece for part in parts for piece in pieces_of(made, part)]
    order = sorted if name.endswith("whole") else list
    assert order(found) == order(pieces_of(made, text))


TEXT = "A fine film, really (1st)! “x” 中文 test"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("bert", "A|fine|film|,|really|(|1st|)|!|“|x|”|中|文|test"),
        ("white space", "A|fine|film|,|really|(|1st|)!|“|x|”|中文|test"),
        ("unigram of words", "A|fine|film,|really| (1st)!| “x”|中文|test"),
        ("spaced marks", "A| fine| film,| really| (1st)!| “x”| 中文| test"),
        ("bytes", "A| fine| film,| really| (1st)!| “x”| 中文| test"),
        ("uncut", TEXT),
    ],
)
def test_a_text_is_cut_where_words_begin_and_beside_marks(name: str, parts: str) -> None:
    """Where the tokenizer's description is not known in all its parts, nowhere."""
    assert described(tokenizer(name)).cuts(TEXT) == parts.split("|")


def cuts(made: Made) -> Cuts:
    return described(made).cuts


def is_uncut(made: Made) -> bool:
    return bool((cuts(made).kinds == GLUED).all())


class TestWhatIsReadWhole:
    """Tokenizers for which a cut may change pieces."""

    def test_added_tokens_of_several_words(self) -> None:
        """Two words may be one piece, which a cut would part."""
        made = word_pieces(None, pre_tokenizers.Whitespace())
        made.add_tokens([AddedToken("new york", normalized=False)])

        assert is_uncut(made)

    def test_added_tokens_that_take_the_spaces_behind_them(self) -> None:
        """Where spaces count, the word behind has one fewer."""
        made = unigram(None, pre_tokenizers.Metaspace())
        made.add_tokens([AddedToken("<mask>", rstrip=True)])

        assert is_uncut(made)

    def test_pieces_of_several_words(self) -> None:
        """Where no splitter parts words, a piece may go on from one into the next."""
        model = models.Unigram([("<unk>", 0.0), ("\u2581new\u2581york", -1.0), ("\u2581", -2.0)], unk_id=0)
        made = Made(model)
        made.pre_tokenizer = pre_tokenizers.Metaspace(split=False)

        assert is_uncut(made)

    def test_chance(self) -> None:
        """Pairs are left out by chance."""
        made = Made(models.BPE({"<unk>": 0, "a": 1}, [], unk_token="<unk>", dropout=0.5))
        made.pre_tokenizer = pre_tokenizers.Whitespace()

        assert is_uncut(made)


def test_an_added_token_of_marks_is_not_cut() -> None:
    """It is looked for in the text before that is split."""
    made = word_pieces(None, pre_tokenizers.BertPreTokenizer())
    made.add_tokens(["c++", "中文"])

    assert cuts(made)("a, c++, c-中文") == ["a", ",", "c++,", "c", "-", "中文"]


def test_what_cannot_be_read_is_named() -> None:
    """Neither a tokenizer nor JSON."""
    with pytest.raises(VectorsError, match="here cannot be read by the library tokenizers"):
        read_tokenizer(json.dumps({"model": {"type": "Morse"}}).encode(), "here")
