import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.settings.choices import FAMILIES
from w2vray.text.invisible import visible, with_chillus
from w2vray.text.rules import TokenRules, family
from w2vray.text.tokens import _pattern, tokenizer

PLAIN, GLOVE, GOOGLE_NEWS, FASTTEXT, CASED, UNCASED, TWITTER = map(family, FAMILIES)
EVERY_RULES = [
    PLAIN,
    GLOVE,
    GOOGLE_NEWS,
    FASTTEXT,
    CASED,
    UNCASED,
    replace(TWITTER, tweets=False),
    replace(PLAIN, punctuation=True),
    replace(PLAIN, lowercase=False, joiners=""),
    replace(PLAIN, number_joiners=".,", straighten_apostrophes=False),
    replace(GLOVE, clitics=False),
    replace(GLOVE, acronyms=False, joiners="-"),
    replace(GLOVE, punctuation=False, joiners="]^\\-"),
    replace(GLOVE, lowercase=False),
    replace(GOOGLE_NEWS, acronyms=False, joiners="-"),
    replace(GOOGLE_NEWS, joiners="", kept_marks=""),
    replace(PLAIN, lone_clitics=True),
    replace(GLOVE, drop_invisible=False, emoji=False),
    replace(FASTTEXT, drop_invisible=False, emoji=False),
    replace(GLOVE, emoji=False),
]
APOSTROPHES = {"\u2018": "'", "\u2019": "'", "\u02bc": "'"}
MARKS = {"\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "--", "\u2026": "..."}

# What the rules turn on: letters, digits, joiners, clitics, marks, white space of all kinds.
ASCII_PIECES = [
    "n't",
    "'s",
    "'ve",
    "'D",
    "'re",
    " 'll",
    " 'RE",
    " 'm ",
    "'",
    "''",
    "``",
    "...",
    "--",
    "-",
    "/",
    "&",
    ".",
    ",",
    ":",
    "_",
    " ",
    "\n",
    "\x1f",
]
ASCII_PIECES += ["a", "U.S.", "b", "N", "t", "s", "don't", "1", "23", "e-mail", "x", "]", "\\", "^"]
OTHER_PIECES = [
    "é",
    "e\u0301",
    "\u0301",
    "\u2019",
    "\u2018s",
    " \u2019d",
    "\u2019LL ",
    "\u02bc",
    "\u00a0",
    "\u2028",
    "ß",
    "İ",
    "ΑΣ",
    "J\u030c",
]
OTHER_PIECES += ["\u00ad", "\u200b", "\u200c", "\ufeff", "\u0645\u06cc", "\U0001f3fd", "1\ufe0f\u20e3", "\u20e3"]
OTHER_PIECES += [*MARKS, "हिन्दी", "中文", "❤\ufe0f", "\u200d", "½", "\u212b", "\u1100\u1161", "🙂", "٣"]

ascii_text = st.one_of(
    st.lists(st.sampled_from(ASCII_PIECES), max_size=12).map("".join),
    st.text(st.characters(max_codepoint=127), max_size=30),
)
any_text = st.one_of(
    st.lists(st.sampled_from(ASCII_PIECES + OTHER_PIECES), max_size=12).map("".join),
    st.text(max_size=30),
)
any_rules = st.sampled_from(EVERY_RULES)


def prepared(rules: TokenRules, text: str) -> str:
    """The text as the rules read it, before it is split."""
    text = unicodedata.normalize("NFC", text)
    if rules.chillus:
        text = with_chillus(text)
    if rules.drop_invisible:
        text = unicodedata.normalize("NFC", visible(text, emoji=rules.emoji, apart=not rules.whitespace_only))
    if rules.whitespace_only:
        text = text.replace("\u00a0", " ")
    if rules.straighten_apostrophes:
        text = "".join(APOSTROPHES.get(character, character) for character in text)
    if rules.straighten_marks:
        text = "".join(MARKS.get(character, character) for character in text)
    return unicodedata.normalize("NFC", text.lower()) if rules.lowercase else text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("The quick, brown FOX.", ["the", "quick", "brown", "fox"], id="punctuation-dropped"),
        pytest.param("Don't stop", ["don't", "stop"], id="apostrophe-inside"),
        pytest.param("rock 'n' roll, dogs'", ["rock", "n", "roll", "dogs"], id="apostrophe-outside"),
        pytest.param("a''b", ["a", "b"], id="two-apostrophes"),
        pytest.param("It\u2019s \u2018so\u2018 O\u02bcNeil", ["it's", "so", "o'neil"], id="curly-apostrophes"),
        pytest.param("e-mail snake_case", ["e", "mail", "snake", "case"], id="hyphen-and-underscore-split"),
        pytest.param("U.S. 1,000.5 B2B", ["u", "s", "1", "000", "5", "b2b"], id="numbers"),
        pytest.param("Cafe\u0301 ÉTÉ", ["caf\u00e9", "été"], id="composed"),
        pytest.param("हिन्दी भाषा", ["हिन्दी", "भाषा"], id="hindi-marks-stay-inside"),
        pytest.param("கிழமை", ["கிழமை"], id="tamil-marks-stay-inside"),
        pytest.param("no\u00a0break\u2003em\ttab\nline", ["no", "break", "em", "tab", "line"], id="white-space"),
        pytest.param("中文 テスト", ["中文", "テスト"], id="no-spaces-not-split"),
        pytest.param("ΟΔΟΣ", ["οδος"], id="final-sigma"),
        pytest.param("?!... --", [], id="punctuation-only"),
        pytest.param(" \n\u00a0", [], id="white-space-only"),
        pytest.param("", [], id="empty"),
    ],
)
def test_plain_splits_as_worked_out_by_hand(text: str, expected: list[str]) -> None:
    """Runs of letters, marks and digits, apostrophes inside; the rest is dropped."""
    assert tokenizer(PLAIN)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("The U.S. don't e-mail.", ["the", "u.s.", "do", "n't", "e-mail", "."], id="docstring"),
        pytest.param("It's John's", ["it", "'s", "john", "'s"], id="possessive"),
        pytest.param(
            "I'd they've we'll I'm you're",
            ["i", "'d", "they", "'ve", "we", "'ll", "i", "'m", "you", "'re"],
            id="clitics",
        ),
        pytest.param("I'd've", ["i", "'d", "'ve"], id="two-clitics"),
        pytest.param("can't won't CAN'T", ["ca", "n't", "wo", "n't", "ca", "n't"], id="not"),
        pytest.param("n't 's", ["n't", "'s"], id="clitics-alone"),
        pytest.param("O'Reilly rock'n'roll", ["o'reilly", "rock'n'roll"], id="apostrophe-inside"),
        pytest.param("'twas dogs' '", ["'", "twas", "dogs", "'", "'"], id="apostrophe-outside"),
        pytest.param("1,000.50 at 10:30", ["1,000.50", "at", "10:30"], id="numbers"),
        pytest.param("1, 2. x.5 3.x", ["1", ",", "2", ".", "x", ".", "5", "3", ".", "x"], id="no-numbers"),
        pytest.param("AT&T and/or well-known", ["at&t", "and/or", "well-known"], id="joiners"),
        pytest.param("-a- b&", ["-", "a", "-", "b", "&"], id="joiners-outside"),
        pytest.param("Wait... what?!", ["wait", "...", "what", "?", "!"], id="ellipsis"),
        pytest.param("yes--no", ["yes", "--", "no"], id="dashes"),
        pytest.param("``quoted''", ["``", "quoted", "''"], id="quotes"),
        pytest.param("snake_case (50%)", ["snake", "_", "case", "(", "50", "%", ")"], id="marks"),
        pytest.param("e.g. the Ph.D.", ["e.g.", "the", "ph", ".", "d", "."], id="acronyms-of-single-letters"),
        pytest.param("“Zoë\u2019s” café", ["“", "zoë", "'s", "”", "café"], id="not-ascii"),
        pytest.param("हिन्दी।", ["हिन्दी", "।"], id="hindi"),
        pytest.param("", [], id="empty"),
    ],
)
def test_glove_splits_as_worked_out_by_hand(text: str, expected: list[str]) -> None:
    """As the published vectors: marks and clitics are tokens of their own."""
    assert tokenizer(GLOVE)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("The U.S. don't e-mail.", ["The", "U.S.", "don't", "e-mail"], id="whole-words-case-kept"),
        pytest.param(
            "It's the 10th, at 10:30; 1,000.5", ["It's", "the", "10th", "at", "10:30", "1,000.5"], id="numbers"
        ),
        pytest.param("$5 & 50% @home (#1)!", ["$", "5", "&", "50", "%", "@", "home", "1"], id="four-marks-are-tokens"),
        pytest.param("\u201cSo\u201d it\u2019s", ["So", "it's"], id="curly-quotes"),
        pytest.param("e\u2013mail, yes\u2014no", ["e-mail", "yes", "no"], id="en-dash-joins-em-dash-parts"),
        pytest.param("AT&T and/or 9/11", ["AT&T", "and/or", "9/11"], id="joiners"),
        pytest.param("New_York dogs'", ["New", "York", "dogs"], id="phrases-are-not-joined"),
        pytest.param(
            "they 've he 'd, we 'll you 're John 's I 'm",
            ["they", "'ve", "he", "'d", "we", "'ll", "you", "'re", "John", "'s", "I", "'m"],
            id="clitics-alone",
        ),
        pytest.param("THEY 'VE he \u2019D U.S.'s", ["THEY", "'VE", "he", "'D", "U.S.", "'s"], id="clitics-in-any-case"),
        pytest.param("he'd They'VE I'd've", ["he'd", "They'VE", "I'd've"], id="clitics-attached"),
        pytest.param("'dad 'd\u0301 've_ 'd", ["dad", "d\u0301", "'ve", "'d"], id="clitics-begin-no-word"),
        pytest.param(
            "'re-elected' 'D.C.' 'd've 'M&M", ["re-elected", "D.C.", "d've", "M&M"], id="clitics-begin-no-longer-token"
        ),
        pytest.param("", [], id="empty"),
    ],
)
def test_googlenews_splits_as_worked_out_by_hand(text: str, expected: list[str]) -> None:
    """Case and clitics stay; of the marks only those with a vector are tokens."""
    assert tokenizer(GOOGLE_NEWS)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Don't stop, U.S.!", ["Don't", "stop,", "U.S.!"], id="marks-stay"),
        pytest.param("a\tb\nc\vd\fe\rf\0g  h ", list("abcdefgh"), id="ASCII-white-space"),
        pytest.param("a\u00a0b", ["a", "b"], id="no-break-space"),
        pytest.param("a\u2003b a\x1fb", ["a\u2003b", "a\x1fb"], id="no-other-white-space"),
        pytest.param("Cafe\u0301 \u2019s", ["Caf\u00e9", "\u2019s"], id="composed-and-no-more"),
        pytest.param(" \n\u00a0", [], id="white-space-only"),
        pytest.param("", [], id="empty"),
    ],
)
def test_fasttext_splits_as_worked_out_by_hand(text: str, expected: list[str]) -> None:
    """At ASCII white space, where its own reader does."""
    assert tokenizer(FASTTEXT)(text) == expected


def test_case_and_curly_apostrophes_are_kept_where_the_rules_say_so() -> None:
    """The rules decide, not the name of the family."""
    rules = replace(PLAIN, lowercase=False, straighten_apostrophes=False)
    assert tokenizer(rules)("It\u2019s Mine Café") == ["It", "s", "Mine", "Café"]


@given(rules=any_rules, text=ascii_text)
def test_the_ascii_path_equals_the_general_path(rules: TokenRules, text: str) -> None:
    """The faster expression for ASCII is an optimisation, and nothing else."""
    general = _pattern(rules, ascii_only=False).findall(prepared(rules, text))
    assert tokenizer(rules)(text) == general


@given(rules=any_rules, text=any_text)
def test_an_ascii_text_reads_the_same_beside_other_characters(rules: TokenRules, text: str) -> None:
    """The general path is taken for the whole of a text that is not ASCII; what is ASCII in it does not notice."""
    assert tokenizer(rules)(text + " \u4e2d")[:-1] == tokenizer(rules)(text)


@given(rules=any_rules, text=any_text)
def test_tokens_are_never_empty_and_hold_no_white_space(rules: TokenRules, text: str) -> None:
    """Tokens can be written on a line, parted by spaces, and read back."""
    white_space = set(" \t\n\v\f\r\0\u00a0")
    tokens = tokenizer(rules)(text)
    if rules.whitespace_only:
        assert [token for token in tokens if not token or white_space & set(token)] == []
    else:
        assert [token for token in tokens if token.split() != [token]] == []


@given(text=any_text)
def test_glove_drops_nothing_but_white_space(text: str) -> None:
    """Every mark is a token, whatever it is."""
    assert "".join(tokenizer(GLOVE)(text)) == "".join(prepared(GLOVE, text).split())


@given(text=any_text)
def test_plain_keeps_every_letter_and_digit_and_no_mark_but_apostrophes(text: str) -> None:
    """Nothing that makes a word gets lost."""
    kept = re.sub(r"[\W_]", "", prepared(PLAIN, text))
    joined = "".join(tokenizer(PLAIN)(text))
    assert re.sub(r"\W", "", joined) == kept
    assert {character for character in joined if unicodedata.category(character)[0] not in "LNM"} <= {"'"}


@given(text=any_text)
def test_splitting_plain_tokens_again_gives_the_same_tokens(text: str) -> None:
    """Vectors trained on split text know the words of unsplit text."""
    tokens = tokenizer(PLAIN)(text)
    assert tokenizer(PLAIN)(" ".join(tokens)) == tokens


@given(rules=any_rules, text=any_text)
def test_canonically_equal_texts_give_equal_tokens(rules: TokenRules, text: str) -> None:
    """How a letter and its accent are stored makes no difference."""
    tokens = tokenizer(rules)(text)
    assert tokenizer(rules)(unicodedata.normalize("NFD", text)) == tokens
    assert tokenizer(rules)(unicodedata.normalize("NFC", text)) == tokens


@pytest.mark.parametrize(("capital", "small"), [("J\u030c", "\u01f0"), ("Ϊ\u0301", "ΐ"), ("H\u0331", "\u1e96")])
def test_tokens_are_normalised_after_they_are_lower_cased(capital: str, small: str) -> None:
    """Some letters are one character as a small letter only, and vectors hold that one."""
    assert tokenizer(PLAIN)(capital) == tokenizer(PLAIN)(small) == [small]


@given(
    letters=st.lists(st.sampled_from("कखगतदनabé"), min_size=1, max_size=4),
    marks=st.lists(st.characters(categories=["Mn", "Mc"], min_codepoint=0x900, max_codepoint=0xD80), max_size=4),
)
def test_combining_marks_never_split_a_word(letters: list[str], marks: list[str]) -> None:
    """Vowel signs and viramas belong to their word, as accents do."""
    word = "".join(letter + mark for letter, mark in zip(letters, [*marks, *[""] * len(letters)], strict=False))
    assert tokenizer(PLAIN)(f"x {word}, y") == ["x", unicodedata.normalize("NFC", word), "y"]


@settings(max_examples=30)
@given(rules=any_rules, text=any_text)
def test_rules_that_went_through_json_split_in_the_same_way(rules: TokenRules, text: str) -> None:
    """A stored model reads text as it did when it was trained."""
    stored = TokenRules.from_dict(json.loads(json.dumps(rules.as_dict())))
    assert stored == rules
    assert tokenizer(stored)(text) == tokenizer(rules)(text)
