import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.settings.choices import FAMILIES
from w2vray.text.resolution import NOT_FOUND, WAYS, resolve
from w2vray.text.rules import TokenRules, family
from w2vray.text.tokens import tokenizer
from w2vray.text.vocabulary import MISSING, Vocabulary
from w2vray.vectors.readers import open_source

GOOGLE_NEWS_FILE = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "GoogleNews-8007words-300d.bin"
GOOGLE_NEWS = family("googlenews")
ENTRIES = ["A", "And", "Of", "To", "the", "film", "London", "NATO", "John", "####", "#.#", "##th", "#,###", "7", "1st"]
ENTRIES += [
    "3D",
    "e_mail",
    "co_op",
    "mother_in_law",
    "B_##",
    "maker",
    "U.S.",
    "don't",
    "$",
    "May",
    "'ve",
    "D",
    "S",
    "s",
]

PIECES = ["a", "and", "film", "FILM", "Film", "london", "nato", "john", "us", "7", "10", "1999", "1.5", "-", "/", "'s"]
PIECES += [
    "'S",
    "th",
    "e",
    "mail",
    "E",
    "é",
    "É",
    "n't",
    "l'",
    "'",
    ".",
    "\uff46\uff49\uff4c\uff4d",
    "\uff11",
    "\u2026",
]
spellings = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
any_rules = st.builds(
    replace,
    st.sampled_from([family(name) for name in FAMILIES]),
    mask_digits=st.booleans(),
    other_case=st.booleans(),
    strip_possessive=st.booleans(),
    hyphen_as=st.sampled_from(["", "_"]),
    split_unknown=st.sampled_from(["", "-", "-/&"]),
    usual_form=st.booleans(),
    split_apostrophes=st.booleans(),
    drop_unknown_marks=st.booleans(),
)


def found(words: list[str], asked: str, rules: TokenRules = GOOGLE_NEWS) -> list[tuple[str, str | None]]:
    """The entries that a word is resolved to, and the way each one was found."""
    table = Vocabulary.build(words)
    resolution = resolve(table, rules, [asked])
    for entry, row in zip(resolution.entries, resolution.rows_E, strict=True):
        assert row == (words.index(entry) if entry in words else MISSING)
    ways = [None if way == NOT_FOUND else WAYS[way] for way in resolution.ways_E]
    return list(zip(resolution.entries, ways, strict=True))


@pytest.mark.parametrize(
    ("word", "entry", "way"),
    [
        ("film", "film", "exact"),
        ("don't", "don't", "exact"),
        ("'ve", "'ve", "exact"),
        ("'VE", "'ve", "case"),
        ("1999", "####", "number"),
        ("1.5", "#.#", "number"),
        ("10th", "##th", "number"),
        ("4,500", "#,###", "number"),
        ("7", "7", "exact"),
        ("1st", "1st", "exact"),
        ("3D", "3D", "exact"),
        ("Film", "film", "case"),
        ("FILM", "film", "case"),
        ("london", "London", "case"),
        ("LONDON", "London", "case"),
        ("nato", "NATO", "case"),
        ("Nato", "NATO", "case"),
        ("10TH", "##th", "case"),
        ("The", "the", "case"),
        ("John's", "John", "possessive"),
        ("JOHN'S", "John", "possessive"),
        ("film's", "film", "possessive"),
        ("1999's", "####", "possessive"),
        ("e-mail", "e_mail", "joined"),
        ("E-Mail", "e_mail", "joined"),
        ("co-op's", "co_op", "joined"),
        ("mother-in-law", "mother_in_law", "joined"),
        ("b-52", "B_##", "joined"),
    ],
)
def test_each_way_finds_what_was_worked_out_by_hand(word: str, entry: str, way: str) -> None:
    """One entry, by the first way that has it."""
    assert found(ENTRIES, word) == [(entry, way)]


@pytest.mark.parametrize(
    "word", ["a", "and", "of", "to", "AND", "may", "A's", "9", "8th", "films", "and's", "'s", "'S", "'d", "'M"]
)
def test_what_no_way_should_find_is_not_found(word: str) -> None:
    """Closed-class words are no headline words or names; one digit is no number; there is no stemming."""
    words = [entry for entry in ENTRIES if entry != word and (entry, word) != ("A", "A's")]
    assert found(words, word) == [(word, None)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("film-maker", [("film", "split"), ("maker", "split")]),
        ("London/John's", [("London", "split"), ("John", "split")]),
        ("FILM-2010", [("film", "split"), ("####", "split")]),
        ("zzz-film-and", [("zzz", None), ("film", "split"), ("and", None)]),
        ("x-y", [("x", None), ("y", None)]),
        ("-film", [("-film", None)]),
    ],
)
def test_a_word_is_split_last_and_its_parts_are_looked_for_in_every_way(
    word: str, expected: list[tuple[str, str | None]]
) -> None:
    """A part that is not there stays, as a word without a vector."""
    assert found(ENTRIES, word) == expected


@pytest.mark.parametrize(
    ("words", "word", "expected"),
    [
        pytest.param(["10th", "##th"], "10th", ("10th", "exact"), id="exact-first"),
        pytest.param(["##TH", "##th"], "10TH", ("##TH", "number"), id="number-before-case"),
        pytest.param(["john's", "John"], "John's", ("john's", "case"), id="case-before-possessive"),
        pytest.param(["film", "Film", "FILM"], "fIlm", ("film", "case"), id="lower-case-first"),
        pytest.param(["Film", "FILM"], "fIlm", ("Film", "case"), id="then-capitalised"),
        pytest.param(["e-mail", "e_mail's"], "e-mail's", ("e-mail", "possessive"), id="possessive-before-joined"),
        pytest.param(["e_mail", "e", "mail"], "e-mail", ("e_mail", "joined"), id="joined-before-split"),
    ],
)
def test_the_order_of_the_ways_is_fixed(words: list[str], word: str, expected: tuple[str, str]) -> None:
    """Where two ways lead to a row, the earlier one is taken."""
    assert found(words, word) == [expected]


@pytest.mark.parametrize("name", ["plain", "glove", "fasttext"])
@pytest.mark.parametrize("word", ["1999", "Film", "John's"])
def test_other_families_do_not_respell(name: str, word: str) -> None:
    """Each family has the rules its vectors were made with, and no others."""
    assert found(ENTRIES, word, family(name)) == [(word, None)]


CASED, UNCASED = family("cased"), family("uncased")
CRAWL = [",", ".", "the", "The", "do", "n't", "'s", "I", "'ll", "film", "London", "US", "us", "O", "Neil"]
EUROPARL = [",", "'", "don", "'t", "l'", "d'", "qu'", "eau", "il", "film", "s", "t"]
WIKI = [",", "'", "-", "don", "t", "s", "film", "john"]


@pytest.mark.parametrize(
    ("words", "rules", "word", "expected"),
    [
        pytest.param(CRAWL, CASED, "don't", [("do", "split"), ("n't", "split")], id="n't"),
        pytest.param(CRAWL, CASED, "DON'T", [("do", "split"), ("n't", "split")], id="N'T"),
        pytest.param(CRAWL, CASED, "London's", [("London", "split"), ("'s", "split")], id="'s"),
        pytest.param(CRAWL, CASED, "I'll", [("I", "split"), ("'ll", "split")], id="'ll"),
        pytest.param(CRAWL, CASED, "xyz's", [("xyz", None), ("'s", "split")], id="unknown word with 's"),
        pytest.param(CRAWL, CASED, "O'Neil", [("O", "split"), ("Neil", "split")], id="an Irish name"),
        pytest.param(CRAWL, CASED, "x'y", [("x'y", None)], id="nothing of it"),
        pytest.param(EUROPARL, CASED, "don't", [("don", "split"), ("'t", "split")], id="'t"),
        pytest.param(EUROPARL, CASED, "l'eau", [("l'", "split"), ("eau", "split")], id="elided article"),
        pytest.param(
            EUROPARL, CASED, "d'l'eau", [("d'", "split"), ("l'", "split"), ("eau", "split")], id="two of them"
        ),
        pytest.param(EUROPARL, CASED, "Qu'il", [("qu'", "split"), ("il", "split")], id="elided, with a capital"),
        pytest.param(
            EUROPARL, CASED, "film-l'eau", [("film", "split"), ("l'", "split"), ("eau", "split")], id="and a hyphen"
        ),
        pytest.param(
            WIKI, UNCASED, "don't", [("don", "split"), ("'", "split"), ("t", "split")], id="a lone apostrophe"
        ),
        pytest.param(["film"], UNCASED, "film's", [("film", "split")], id="no clitic has a row"),
        pytest.param(WIKI, UNCASED, "film-john", [("film", "split"), ("john", "split")], id="hyphen"),
        pytest.param(["don't", "do", "n't"], CASED, "don't", [("don't", "exact")], id="whole first"),
        pytest.param(CRAWL, CASED, "Film", [("film", "case")], id="case"),
        pytest.param(CRAWL, CASED, "US", [("US", "exact")], id="case that means something"),
        pytest.param(CRAWL, CASED, ";", [], id="a mark without a row"),
        pytest.param(CRAWL, CASED, ",", [(",", "exact")], id="a mark with a row"),
        pytest.param(CRAWL, CASED, "\uff0c", [(",", "form")], id="a full-width mark"),
        pytest.param(CRAWL, CASED, "\uff26\uff29\uff2c\uff2d", [("film", "case")], id="full-width letters"),
        pytest.param(["...", '"', "-"], CASED, "\u2026", [("...", "form")], id="dots in one character"),
        pytest.param(["...", '"', "-"], CASED, "\u201c", [('"', "form")], id="curly quote"),
        pytest.param(["\u201c", '"'], CASED, "\u201c", [("\u201c", "exact")], id="curly quote of its own"),
        pytest.param(["####"], CASED, "1999", [("####", "number")], id="masked digits"),
        pytest.param(CRAWL, CASED, "\U0001f600", [("\U0001f600", None)], id="a picture is a word"),
    ],
)
def test_the_words_of_the_table_decide_how_a_word_is_split(
    words: list[str], rules: TokenRules, word: str, expected: list[tuple[str, str | None]]
) -> None:
    """Publishers split ``don't`` in four ways; marks that they left out are no words without a vector."""
    assert found(words, word, rules) == expected


def model_whole(words: list[str], rules: TokenRules, word: str) -> tuple[str, str | None]:
    """One word by one, in the words of the rules."""

    def number(text: str) -> str:
        several = sum(character in "0123456789" for character in text) > 1
        return re.sub("[0-9]", "#", text) if rules.mask_digits and several else text

    def cases(text: str) -> list[str]:
        if not rules.other_case:
            return []
        if text.lower() in rules.closed_class.split():
            return [text.lower()]
        return [text.lower(), text[:1].upper() + text[1:].lower(), text.upper()]

    def form(text: str) -> str:
        return unicodedata.normalize("NFKC", text).replace("\u2019", "'") if rules.usual_form else text

    def alike(text: str) -> list[str]:
        return [text, form(text), number(form(text)), *cases(number(form(text)))]

    stem = word[:-2] if rules.strip_possessive and word.endswith(("'s", "'S")) else ""
    tries = [("exact", word), ("form", form(word)), ("number", number(form(word)))]
    tries += [("case", spelling) for spelling in cases(number(form(word)))]
    tries += [("possessive", spelling) for spelling in alike(stem) if stem]
    for text in (word, stem):
        if rules.hyphen_as and "-" in text:
            tries += [("joined", spelling) for spelling in alike(text.replace("-", rules.hyphen_as))]
    return next(((spelling, way) for way, spelling in tries if spelling in words), (word, None))


def model(words: list[str], rules: TokenRules, word: str) -> list[tuple[str, str | None]]:
    """The entries of a word, and how each was found."""
    entry, way = model_whole(words, rules, word)
    marks = rules.split_unknown
    parts = [part for part in re.split(f"[{re.escape(marks)}]", word) if part] if marks else []
    parts = parts if len(parts) > 1 else [word]
    if rules.split_apostrophes and way is None:
        parts = [piece for part in parts for piece in model_apostrophes(words, rules, part)]
    if way is not None or parts == [word]:
        found = [(entry, way)]
    else:
        found = [(entry, way and "split") for entry, way in (model_whole(words, rules, part) for part in parts)]
    return [pair for pair in found if pair[1] or not (rules.drop_unknown_marks and re.fullmatch(r"[\W_]+", pair[0]))]


def model_apostrophes(words: list[str], rules: TokenRules, word: str) -> list[str]:
    """The parts around apostrophes, in whichever of the ways to split most are found."""
    if "'" not in word[1:-1]:
        return [word]
    ways = [
        [word],
        re.split("(?i)(?=n't$)", word),
        re.split("(?=')", word),
        re.split("(?<=')", word),
        re.split("(')", word),
        word.split("'"),
        [word[:-2]] if re.fullmatch("(?i)[^']+'s", word) else [word],
    ]
    splits = [[part for part in parts if part] for parts in ways]
    return max(splits, key=lambda parts: sum(bool(model_whole(words, rules, part)[1]) for part in parts) / len(parts))


@given(words=st.lists(spellings, min_size=1, unique=True), asked=st.lists(spellings, max_size=8), rules=any_rules)
def test_words_together_resolve_as_a_plain_model_does_one_by_one(
    words: list[str], asked: list[str], rules: TokenRules
) -> None:
    """Whatever the rules, and whichever of them are on."""
    words = sorted({word.replace("-", "_") if index % 2 else word for index, word in enumerate(words)})
    resolution = resolve(Vocabulary.build(words), rules, asked)
    assert resolution.offsets_W1[-1] == len(resolution.entries) == len(resolution.rows_E) == len(resolution.ways_E)
    ways = [None if way == NOT_FOUND else WAYS[way] for way in resolution.ways_E]
    entries = list(zip(resolution.entries, ways, strict=True))
    assert [
        entries[start:stop] for start, stop in zip(resolution.offsets_W1, resolution.offsets_W1[1:], strict=False)
    ] == [model(words, rules, word) for word in asked]
    expected_rows = [words.index(entry) if way is not None else MISSING for entry, way in entries]
    assert resolution.rows_E.tolist() == expected_rows


@given(asked=st.lists(spellings, max_size=8), rules=any_rules)
def test_a_word_resolves_the_same_alone_as_among_others(asked: list[str], rules: TokenRules) -> None:
    """What a row is scored with depends on the row alone."""
    table = Vocabulary.build(ENTRIES)
    together = resolve(table, rules, asked)
    alone = [resolve(table, rules, [word]) for word in asked]
    assert together.entries == [entry for one in alone for entry in one.entries]
    assert together.rows_E.tolist() == [row for one in alone for row in one.rows_E.tolist()]
    assert np.diff(together.offsets_W1).tolist() == [len(one.entries) for one in alone]


@pytest.mark.skipif(not GOOGLE_NEWS_FILE.exists(), reason=f"{GOOGLE_NEWS_FILE.name} is not beside the checkout")
def test_real_google_news_words_are_found_in_each_way() -> None:
    """Eight thousand of the published words, none with a mark or a digit; `a and of to` are not among them."""
    with open_source(GOOGLE_NEWS_FILE) as source:
        table = Vocabulary.build([word for block in source.blocks for word in block.words])
    text = "The MOVIE's director of London-based IBM: a film and MAY's washington"
    resolution = resolve(table, GOOGLE_NEWS, tokenizer(GOOGLE_NEWS)(text))
    ways = [None if way == NOT_FOUND else WAYS[way] for way in resolution.ways_E]
    assert list(zip(resolution.entries, ways, strict=True)) == [
        ("the", "case"),
        ("movie", "possessive"),
        ("director", "exact"),
        ("of", None),
        ("London", "split"),
        ("based", "split"),
        ("IBM", "exact"),
        ("a", None),
        ("film", "exact"),
        ("and", None),
        ("may", "possessive"),
        ("Washington", "case"),
    ]


def test_real_glove_words_are_found_in_each_way(real_words: list[str]) -> None:
    """All of them are lower-cased, and ``a and of to`` are among them."""
    text = "The MOVIE's director of London-based IBM: a film and MAY's washington"
    resolution = resolve(Vocabulary.build(real_words), GOOGLE_NEWS, tokenizer(GOOGLE_NEWS)(text))
    ways = [None if way == NOT_FOUND else WAYS[way] for way in resolution.ways_E]
    assert list(zip(resolution.entries, ways, strict=True)) == [
        ("the", "case"),
        ("movie", "possessive"),
        ("director", "exact"),
        ("of", "exact"),
        ("london", "split"),
        ("based", "split"),
        ("ibm", "case"),
        ("a", "exact"),
        ("film", "exact"),
        ("and", "exact"),
        ("may", "possessive"),
        ("washington", "exact"),
    ]
    assert [real_words[row] for row in resolution.rows_E] == resolution.entries
