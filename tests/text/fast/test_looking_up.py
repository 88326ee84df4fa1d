import random
import re
import unicodedata
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.settings.choices import FAMILIES
from w2vray.text.fast import looking_up
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.fast.words import WordReader
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.patient import PatientLookup
from w2vray.text.rules import TokenRules, family
from w2vray.text.tokens import tokenizer
from w2vray.text.vocabulary import Vocabulary
from w2vray.vectors.ngrams import NGrams

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

ENGLISH = """
good Film DON'T n't can't I'll rock'n'roll x's 's 're re ll s e-mail U.S. a.b i.e.x 10th 1,000.50
3:45 7 1. 2-3 and/or R&D John's naïve İstanbul ΣΑΣ straße ŽIVOT क्षि 日本 😀 _ a_b
. ... .... - -- --- ' '' ``` " , $ % & @ # / ://
"""
PIECES = [
    *ENGLISH.split(),
    *("e\u0301", "\u0301", "A\u030a", "\u1100\u1161\u11a8", "\uac00\u11a8"),
    *("\U00020000", "\U000e0100", "\U0001d400"),
    *map(chr, (0x2018, 0x2019, 0x201C, 0x201D, 0x2013, 0x2014, 0x2026, 0x2212, 0x2BC, 0xB4, 0xAB, 0xFEFF, 0x200B)),
    *("日本語", "映画を", "iPhone手机", "ー", "ไทย", "\uff76\uff9e", "\uff21\uff22", "。"),
    *("don\u2019t", "\xa0", "\u2003", "\u2028", "w" * 16, "w" * 17, "é" * 9),
    *(" ", " ", " ", "\t", "\n", "\r\n", "\x00", "\x1c", "\x85", "\x0b", "\x7f"),
]
UNSEEN = [
    *("\u00ad", "\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\u2066", "\ufeff", "\ufe0f", "\ufe0e", "\u034f"),
    *("\u115f", "\u3164", "\u180e", "\U000e0067", "\U000e007f", "\U000e0101", "\U0001d173"),
]
EMOJI = [
    *("\u2764", "\U0001f469", "\U0001f4bb", "\U0001f44d", "\u00a9", "\U0001f3f4", "\u2642", "\u2190", "\u24c2"),
    *("\U0001f3fb", "\U0001f3ff", "\U0001f1e9", "\U0001f1ea", "\u20e3", "1", "#", "10"),
    *(
        "\u2764\ufe0f",
        "\U0001f469\u200d\U0001f4bb",
        "\U0001f44d\U0001f3fd",
        "1\ufe0f\u20e3",
        "\U0001f3f4\U000e0067\U000e007f",
    ),
]
LETTERS = [
    "a",
    "film",
    "\u0645\u06cc",
    "\u0915\u094d",
    "\u0d28\u0d4d",
    "\u0d7b",
    "\u0e01\u0e32",
    "\u1780",
    "\u4e2d",
    "e\u0301",
    "\u0338",
    ".",
    "-",
    "'s",
    " ",
]
# What nobody sees, between what it may belong to.
unseen = st.lists(st.sampled_from(UNSEEN) | st.sampled_from(EMOJI) | st.sampled_from(LETTERS), max_size=16).map("".join)
pieces = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
latin = st.text(st.characters(max_codepoint=0x17F), max_size=40)
# What looks like a clitic, with what may stand before and behind it.
clitic = st.tuples(
    st.sampled_from(["", " ", " ", "he", "U.S.", "'", "-", "1", "é"]),
    st.sampled_from(["'", "'", "\u2019", ""]),
    st.sampled_from(["s", "M", "d", "re", "VE", "Ll", "S", "t", "n't"]),
    st.sampled_from(
        ["", " ", " ", "'", "-", ".", "&", ",", "_", "$", "e", "1", "é", "\u0301", "'ve", "'e", ".C.", "-e"]
    ),
)
clitics = st.lists(clitic.map("".join), max_size=5).map("".join)
some_texts = st.lists(pieces | clitics | unseen | characters | latin, max_size=6)
oov_choices = st.sampled_from(["skip", "zero", "unknown", "subword"])


def words_of(texts: list[str], name: str, chosen: random.Random) -> list[str]:
    """Some of the words that the texts have, and some that they have when looked for in other ways."""
    found = {token for text in texts for token in tokenizer(family(name))(text)}
    found |= {"日本", "本", "映", "を", "手机", "ガ", "ไ"}
    found |= {"film", "Film", "do", "n't", "##th", "e_mail", "John", ".", "re"}
    return sorted(word for word in found if chosen.random() < 0.5) or ["film"]


def assert_same(fast: Ids, plain: Ids) -> None:
    assert fast.made_words == plain.made_words
    for name in ("ids_L", "offsets_N1", "token_counts_N", "found_counts_N", "evidence_N"):
        ours, theirs = getattr(fast, name), getattr(plain, name)
        assert ours.tolist() == theirs.tolist(), name
        assert ours.dtype == theirs.dtype, name


def array(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize("name", FAMILIES)
@given(texts=some_texts, oov=oov_choices, shortest=st.integers(1, 7), seed=st.integers(0, 1000))
def test_any_text_has_the_ids_of_the_plain_look_up(
    name: str, texts: list[str], oov: str, shortest: int, seed: int
) -> None:
    """Whatever the family, the vocabulary, ``oov`` and the n-grams; again, when words are remembered, too."""
    words = words_of(texts, name, random.Random(seed))
    replaced = np.array([row for row in range(len(words)) if (row * 7 + seed) % 3 == 0], dtype=np.int64)
    covers = NGrams(np.empty((1, 1)), shortest, 7).covers
    lookup = Lookup(Vocabulary.build(words), family(name), oov, replaced if seed % 2 else replaced[:0], covers)
    fast = FastLookup(lookup)

    assert_same(fast(array(texts)), lookup(texts))
    assert_same(fast(array(texts[::-1])), lookup(texts[::-1]))


GOOGLE_NEWS = family("googlenews")
CLITIC_RULES = {
    "googlenews": GOOGLE_NEWS,
    "no acronyms": replace(GOOGLE_NEWS, acronyms=False),
    "no apostrophe inside": replace(GOOGLE_NEWS, joiners="-", kept_marks="."),
    "none": replace(GOOGLE_NEWS, lone_clitics=False),
    "always, case kept": replace(family("glove"), lowercase=False),
    "lower-case": replace(family("plain"), lone_clitics=True),
}


@pytest.mark.parametrize("rules", CLITIC_RULES.values(), ids=CLITIC_RULES)
@given(texts=st.lists(clitics, min_size=1, max_size=6))
def test_clitics_are_read_as_the_plain_look_up_reads_them(rules: TokenRules, texts: list[str]) -> None:
    """Alone, attached, and where they only look like ones; every token has a row, so that each is told from others."""
    words = sorted({token for text in texts for token in tokenizer(rules)(text)}) or ["film"]
    lookup = Lookup(Vocabulary.build(words), rules, "zero")

    assert_same(FastLookup(lookup)(array(texts)), lookup(texts))


EARLIER = {name: replace(family(name), drop_invisible=False, emoji=False) for name in FAMILIES}
UNSEEN_RULES = {
    **{name: family(name) for name in FAMILIES},
    **{f"{name} of an earlier version": rules for name, rules in EARLIER.items()},
    "words of emoji alone": replace(family("glove"), punctuation=False),
    "no emoji": replace(family("glove"), emoji=False),
}


@pytest.mark.parametrize("rules", UNSEEN_RULES.values(), ids=UNSEEN_RULES)
@given(texts=st.lists(unseen, min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_invisible_characters_and_emoji_are_read_as_the_plain_look_up_reads_them(
    rules: TokenRules, texts: list[str], seed: int
) -> None:
    """Every token has a row or nearly every one, so that each is told from others."""
    chosen = random.Random(seed)
    words = sorted({token for text in texts for token in tokenizer(rules)(text) if chosen.random() < 0.9}) or ["film"]
    lookup = Lookup(Vocabulary.build(words), rules, "zero")

    assert_same(FastLookup(lookup)(array(texts)), lookup(texts))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_character_is_read_as_the_plain_look_up_reads_it(name: str) -> None:
    """Each one between two letters, and by itself, as far as Unicode goes."""
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    texts = [f"a{c}b {c} B{c}'s {c}." for c in map(chr, [*points[:0x3000], *points[0x3000::37]])]
    rules = family(name)
    words = {token for text in texts[::2] for token in tokenizer(rules)(text)}
    lookup = Lookup(Vocabulary.build(sorted(words)), rules, "zero")

    assert_same(FastLookup(lookup)(array(texts)), lookup(texts))


@pytest.mark.parametrize("name", FAMILIES)
@given(seed=st.integers(0, 1 << 30), sizes=st.lists(st.integers(0, 300), max_size=5))
@settings(max_examples=25)
def test_texts_of_many_tokens_have_the_ids_of_the_plain_look_up(name: str, seed: int, sizes: list[int]) -> None:
    """Tokens are found some dozens together, over the ends of texts, by looking at some dozens of bytes at once."""
    chosen = random.Random(seed)
    parts = (
        [*PIECES, *(" ",) * 40, "w" * 31, "w" * 32, "w" * 33, "Film " * 3, *LETTERS]
        if seed % 2
        else ["a", "B", " ", "1"]
    )
    texts = ["".join(chosen.choices(parts, k=size)) for size in sizes]
    lookup = Lookup(Vocabulary.build(words_of(texts, name, chosen)), family(name), "zero")
    fast = FastLookup(lookup)

    assert_same(fast(array(texts)), lookup(texts))
    assert_same(fast(array(["x", *texts])[1:]), lookup(texts))


def test_words_that_share_their_last_bytes_are_told_apart() -> None:
    """Also where they are met again and again, and where the first ones stand at the very start of the block."""
    words = [end[-length:] for end in ("abcdefghijklmnopqrst", "zbcdefghijklmnopqrst") for length in range(1, 21)]
    texts = [" ".join([*words, *words, *map(str.upper, words)])] * 2
    lookup = Lookup(Vocabulary.build(sorted(set(words))[::2]), family("plain"), "zero")

    assert_same(FastLookup(lookup)(array(texts)), lookup(texts))
    assert_same(FastLookup(lookup)(array(words)), lookup(words))


def test_texts_are_read_where_they_lie_in_a_slice() -> None:
    """Blocks are slices of larger arrays."""
    lookup = Lookup(Vocabulary.build(["good", "film"]), family("plain"), "skip")
    whole = array(["film", "good film", "", "bad", "good good"])

    assert_same(FastLookup(lookup)(whole[1:4]), lookup(["good film", "", "bad"]))
    assert_same(FastLookup(lookup)(whole[2:2]), lookup([]))


@pytest.mark.parametrize("name", ["plain", "googlenews"])
def test_more_unknown_words_than_there_is_room_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room grows in the middle of a text, and between blocks all is forgotten; no answer changes."""
    monkeypatch.setattr(looking_up, "_CODES", 8)
    monkeypatch.setattr(looking_up, "_MISSES", 2)
    monkeypatch.setattr(looking_up, "_MISS_BYTES", 4)
    monkeypatch.setattr(WordReader, "remembered", 20)
    chosen = random.Random(0)
    blocks = [
        [" ".join(f"{'w' * chosen.randrange(40)}{chosen.randrange(50)}é-film" for _ in range(9)) for _ in range(5)]
        for _ in range(6)
    ]
    lookup = Lookup(Vocabulary.build(["film", "w7é-film", "##é"]), family(name), "zero")
    fast = FastLookup(lookup)

    for block in blocks:
        assert_same(fast(array(block)), lookup(block))


def test_a_text_that_is_one_long_word_and_one_that_is_all_marks() -> None:
    """Nothing but bytes bounds a token's length, or a text's tokens."""
    texts = ["x" * 300_000, "!?" * 100_000, "\u2019" * 100_000]
    lookup = Lookup(Vocabulary.build(["!", "x" * 300_000]), family("glove"), "zero")

    assert_same(FastLookup(lookup)(array(texts)), lookup(texts))


HOSTILE = {
    "NULs": "\0" * 1000 + "film\0film",
    "one token of megabytes": "x" * 1_000_000,
    "one token of megabytes, not ASCII": "\u00e9" * 200_000,
    "invisible": "\u200b\u200d\ufe0f\u00ad" * 50_000,
    "joiners": "\u0645" + "\u200c" * 100_000 + "\u06cc",
    "an emoji without end": "\U0001f469" + "\u200d\U0001f469\U0001f3fd\ufe0f" * 50_000,
    "right to left": "\u202e\u200fmlif \u2067good\u2069" * 1000,
    "Zalgo": "".join(letter + "\u0301\u0316\u0334\u20dd" * 40 for letter in "awful film"),
    "keycaps": "1\ufe0f\u20e3" * 50_000,
    "flags": "\U0001f1e9" * 50_001,
}


@pytest.mark.parametrize("name", ["plain", "glove", "fasttext", "cased"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_read_as_the_plain_look_up_reads_them(name: str, text: str) -> None:
    """Each is read to its end, and what follows it is read too."""
    lookup = Lookup(Vocabulary.build(["film", "good", "\U0001f469", "1", "x" * 3000]), family(name), "zero")
    assert_same(FastLookup(lookup)(array([text, "good film"])), lookup([text, "good film"]))


def test_tables_say_which_characters_python_must_prepare() -> None:
    """A combining accent joins the letter before it; most letters of most texts stand by themselves."""
    from w2vray.text.fast.alphabet import COMPLEX, PACKED, Characters  # noqa: PLC0415 - only this test looks inside

    written: Any = Characters.of(family("googlenews")).written
    for point in (0x301, 0x3A3, 0x130, 0x212B, 0x1161, 0x11A8):
        assert (written[point] == COMPLEX) == (point != 0x130), unicodedata.name(chr(point))
    assert written[0x2026] == PACKED | 0x2E2E2E
    assert written[ord("é")] == ord("é")
    letters = [chr(point) for point in range(0x80, 0x250) if re.match(r"\w", chr(point))]
    assert all(written[ord(letter)] == ord(letter) for letter in letters)


def test_little_text_is_looked_up_without_compiling_and_much_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientLookup, "LITTLE", 40)
    made: list[Lookup] = []

    def compiled(lookup: Lookup) -> FastLookup:
        made.append(lookup)
        return FastLookup(lookup)

    monkeypatch.setattr(looking_up, "fastest", compiled)
    lookup = Lookup(Vocabulary.build(["good", "film"]), family("plain"), "skip")
    patient = PatientLookup(lookup)
    texts = pa.array(["a good film", "no word", "film film"], pa.large_string())
    counts = []
    for _ in range(4):
        assert patient(texts).ids_L.tolist() == lookup(texts).ids_L.tolist() == [0, 1, 1, 1]
        counts.append(len(made))
    assert counts == [0, 1, 1, 1], "so many bytes were read after the first call; compiled once"
