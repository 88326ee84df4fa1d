"""HTML in texts: what is a tag, what is not, and that nothing makes it slow."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.settings.choices import FAMILIES
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.lookup import Lookup
from w2vray.text.markup import without_markup
from w2vray.text.pieces import Pieces
from w2vray.text.rules import PIECES, TokenRules, family
from w2vray.text.tokens import tokenizer
from w2vray.text.vocabulary import Vocabulary

READ = {
    "a film": "a film",
    "<p class='x'>one</p>two": " one two",
    "one<br/>two<BR>three": "one two three",
    "aw<b>ful</b>": "awful",
    "aw<B CLASS=x>ful</B >": "awful",
    "aw<basefont>ful": "aw ful",
    '<a title="a > b">link</a>': "link",
    "<img alt='a > b'>text": " text",
    "<p don't>it's": " it's",
    "<a\nhref=x\n>link</a>": "link",
    "<td>1</td><td>2</td>": " 1  2 ",
    "a < b and c > d": "a < b and c > d",
    "<3 <- <= <> < p >": "<3 <- <= <> < p >",
    "the end <br": "the end <br",
    "a<!-- b <i>c</i> -->d": "a d",
    "a<!-- b never ends": "a ",
    "<!DOCTYPE html><html><body>x</body></html>": "   x  ",
    "<?xml version='1.0'?>x": " x",
    "<![CDATA[some <b>text</b>]]>": " some text ",
    "a<script>if (x < y) { '<b>' }</script>b": "a b",
    "a<STYLE type='x'>p { color: red }</style>b": "a b",
    "a<script>never ends": "a ",
    "<scripted>a": " a",
    "Tom &amp; Jerry": "Tom & Jerry",
    "caf&eacute; &#233; &#xE9; &eacute": "caf\u00e9 \u00e9 \u00e9 \u00e9",
    "a&nbsp;b&shy;c": "a\u00a0b\u00adc",
    "AT&T, R&D & co.": "AT&T, R&D & co.",
    "&lt;b&gt; &amp;amp;": "<b> &amp;",
    "&#0; &#xD800; &#1114112;": "\ufffd \ufffd \ufffd",
    "&#" + "9" * 6000 + ";": "\ufffd",
    "&#x" + "9" * 6000 + ";": "\ufffd",
    "&#000000000065;": "A",
    "&#" + "0" * 6000 + "65;": "A",
}


@pytest.mark.parametrize(("text", "read"), READ.items(), ids=[text[:30] for text in READ])
def test_a_text_is_read_without_its_html(text: str, read: str) -> None:
    """What is no tag and no entity stays."""
    assert without_markup(text) == read


LONG = {"<a": 1, '<a "': 1, "<a ''": 1, "<script": 1, "&#": 1, "&a": 1, "</": 1, "<!--": 0, "<script>": 0}


@pytest.mark.parametrize(("text", "stays"), LONG.items(), ids=LONG)
def test_a_long_text_of_what_never_ends_is_read(text: str, stays: int) -> None:
    """Nothing takes the square of its length, which would be many minutes."""
    assert without_markup(text * 30_000) == (text * 30_000 if stays else " ")


def test_tokens_are_those_of_the_text_without_html() -> None:
    """Entities that are not ASCII, and those that are marks or invisible, are read as if they had been written so."""
    text = "<p>Caf&eacute;s aren&rsquo;t aw&shy;ful&hellip;</p>&#128077;&#127997;"
    for name in FAMILIES:
        written = " Caf\u00e9s aren\u2019t aw\u00adful\u2026 \U0001f44d\U0001f3fd"
        assert tokenizer(family(name, strip_html=True))(text) == tokenizer(family(name))(written)
    assert "eacute" in tokenizer(family("plain"))(text)


MARKUP = [
    "<b>",
    "</b>",
    "<p class='a'>",
    "<br/>",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<",
    ">",
    "&amp;",
    "&lt;",
    "&",
]
OTHERS = [
    "film",
    "Caf&eacute;",
    "don't",
    "&#x2019;",
    "&shy;",
    "\u00e9",
    "3",
    " ",
    " ",
    "'",
    '"',
    "&#128077;",
    "\u200d",
    ";",
]
marked = st.lists(st.sampled_from(MARKUP + OTHERS), max_size=12).map("".join)
RULES = {name: family(name, strip_html=True) for name in FAMILIES}


@pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=30)
@given(texts=st.lists(marked, max_size=6), ahead=st.integers(0, 2))
def test_the_compiled_look_up_reads_html_as_the_plain_one(rules: TokenRules, texts: list[str], ahead: int) -> None:
    """In a slice too, of which some texts hold markup and some do not."""
    words = sorted({token for text in texts for token in tokenizer(rules)(text)}) or ["film"]
    lookup = Lookup(Vocabulary.build(words), rules, "zero")
    found = FastLookup(lookup)(pa.array(["<i>x</i>"] * ahead + texts, pa.large_string())[ahead:])
    plain = lookup(texts)
    assert found.ids_L.tolist() == plain.ids_L.tolist()
    assert found.offsets_N1.tolist() == plain.offsets_N1.tolist()


def test_the_rule_is_stored_and_rules_without_it_are_as_they_were() -> None:
    for rules in (family("glove"), PIECES):
        stripping = replace(rules, strip_html=True)
        stored = json.loads(json.dumps(stripping.as_dict()))
        assert TokenRules.from_dict(stored) == stripping
        assert "strip_html" not in rules.as_dict()
        assert stripping.name == f"{rules.family}, without HTML"


def test_pieces_are_of_the_text_without_html(tmp_path: Path) -> None:
    """Of a static model the tokenizer reads what is left."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({"[UNK]": 0, "good": 1, "film": 2, "&": 3}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.save(str(tmp_path / "tokenizer.json"))
    pieces = Pieces(np.frombuffer((tmp_path / "tokenizer.json").read_bytes(), dtype=np.uint8), unit_length=False)
    lookup = Lookup(Vocabulary.build(pieces.names), replace(PIECES, strip_html=True), "skip", pieces=pieces)
    texts = ["<b>good</b>&amp;<br>film", "good film"]
    assert lookup(texts).ids_L.tolist() == [1, 3, 2, 1, 2]
    if not why_no_kernels():
        assert FastLookup(lookup)(pa.array(texts, pa.large_string())).ids_L.tolist() == [1, 3, 2, 1, 2]
