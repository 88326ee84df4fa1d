import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.settings.choices import FAMILIES
from w2vray.text.invisible import IGNORABLE, emoji_sequence, spellings, visible
from w2vray.text.resolution import resolve
from w2vray.text.rules import TokenRules, family
from w2vray.text.tokens import tokenizer
from w2vray.text.vocabulary import Vocabulary

SHY, ZWSP, ZWNJ, ZWJ, BOM, VS16 = "\u00ad", "\u200b", "\u200c", "\u200d", "\ufeff", "\ufe0f"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # "I want", as it is rightly written
HEART, THUMB, COMPUTER = "\u2764", "\U0001f44d", "\U0001f469\u200d\U0001f4bb"
KISS = "\U0001f469\U0001f3fd\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3fd"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
GERMANY = "\U0001f1e9\U0001f1ea"
EVERYWHERE = [
    *(SHY, ZWSP, ZWNJ, ZWJ, "\u200e", "\u200f", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", BOM, "\ufe0e", VS16),
    *("\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u180b", "\u180e", "\u3164", "\uffa0", "\ufff0"),
    *("\u2062", "\U0001d173", "\U0001bca0", "\U000e0001", "\U000e0041", "\U000e0101"),
]


def test_the_characters_are_those_that_the_definition_of_unicode_gives() -> None:
    """Format characters and variation selectors, but for those that show, and a list of others."""
    listed = re.compile(f"[{IGNORABLE}]")
    shown = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0xFFF9, 0xFFFC)}
    shown |= set(range(0x13430, 0x13456))
    selectors = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x180E), 0x180F}
    others = {0x34F, *range(0x115F, 0x1161), 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0, *range(0xFFF0, 0xFFF9)}
    others |= set(range(0xE0000, 0xE1000))
    for point in range(0x110000):
        a_format = unicodedata.category(chr(point)) == "Cf" and point not in shown
        expected = a_format or point in selectors or point in others
        assert bool(listed.match(chr(point))) == expected, hex(point)


@pytest.mark.parametrize("name", FAMILIES)
@given(
    places=st.lists(st.tuples(st.integers(0, 34), st.sampled_from(EVERYWHERE)), max_size=8),
)
def test_a_text_reads_the_same_with_and_without_them(name: str, places: list[tuple[int, str]]) -> None:
    """Wherever they stand: in a word, beside one, in a number, next to a clitic, between marks."""
    text = "He don't like awful films, 1,000.5 U.S."
    written = text
    for place, character in sorted(places, reverse=True):
        written = written[:place] + character + written[place:]
    tokenize = tokenizer(family(name))
    assert tokenize(written) == tokenize(text)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "text", [SHY, BOM, VS16, ZWSP * 3, ZWJ + ZWNJ, "\u3164 \u200e", "\U000e0067", "".join(EVERYWHERE)]
)
def test_a_text_of_nothing_else_has_no_token(name: str, text: str) -> None:
    """It is an empty text."""
    assert tokenizer(family(name))(text) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_joiners_stay_between_letters_that_join(name: str) -> None:
    """Once, and nowhere else; a zero-width space between letters of Thai parts words."""
    tokenize = tokenizer(family(name))
    assert tokenize(f"{PERSIAN} {ZWNJ}\u0645{ZWNJ} aw{ZWNJ}ful") == [PERSIAN, "\u0645", "awful"]
    assert tokenize(PERSIAN.replace(ZWNJ, ZWNJ + ZWNJ + ZWJ)) == [PERSIAN]
    assert tokenize(f"\u0915\u094d{ZWJ}\u0937") == [f"\u0915\u094d{ZWJ}\u0937"]
    assert tokenize(f"\u0e01\u0e32{ZWSP}\u0e01\u0e34") == ["\u0e01\u0e32", "\u0e01\u0e34"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_word_with_a_joiner_is_found_as_it_is_written_and_then_without(name: str) -> None:
    """Published vectors hold both kinds."""
    without = PERSIAN.replace(ZWNJ, "")
    assert resolve(Vocabulary.build([without, PERSIAN]), family(name), [PERSIAN]).rows_E.tolist() == [1]
    assert resolve(Vocabulary.build(["x", without]), family(name), [PERSIAN]).rows_E.tolist() == [1]
    missing = resolve(Vocabulary.build(["x"]), family(name), [PERSIAN])
    assert (missing.entries, missing.rows_E.tolist()) == ([PERSIAN], [-1])


VIRAMA, AVAN = "\u0d4d", "\u0d05\u0d35\u0d7b"  # Malayalam for "he"
OLD_AVAN = f"\u0d05\u0d35\u0d28{VIRAMA}{ZWJ}"
AVANU = OLD_AVAN.removesuffix(ZWJ)  # and for "to him"
CHILLUS = dict(zip("\u0d23\u0d28\u0d30\u0d32\u0d33\u0d15", "\u0d7a\u0d7b\u0d7c\u0d7d\u0d7e\u0d7f", strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_chillu_is_one_letter_however_it_is_written(name: str) -> None:
    """At a word's end, inside of it, and in a text by itself; the letter and its virama alone are another word."""
    tokenize = tokenizer(family(name))
    assert tokenize(f"{OLD_AVAN} {AVAN} {AVANU} {AVANU}{ZWNJ}") == [AVAN, AVAN, AVANU, AVANU]
    for letter, chillu in CHILLUS.items():
        old = letter + VIRAMA + ZWJ
        assert tokenize(f"{old} \u0d05{old} \u0d05{old}\u0d2e") == [chillu, f"\u0d05{chillu}", f"\u0d05{chillu}\u0d2e"]
    assert tokenize(f"\u0989\u09a4\u09cd{ZWJ}\u09b8\u09ac") == ["\u0989\u09ce\u09b8\u09ac"]  # Bengali: khanda ta
    assert tokenize(f"\u0d15{VIRAMA}{ZWJ}") != tokenize(f"\u0d2e{VIRAMA}{ZWJ}") == [f"\u0d2e{VIRAMA}"]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("written", [AVAN, OLD_AVAN])
def test_a_word_with_a_chillu_is_found_in_each_spelling_that_tables_have(name: str, written: str) -> None:
    """As one letter, then with the joiner, then as a table has it that has lost its joiners."""
    for words, row in (
        ([AVANU, OLD_AVAN, AVAN], 2),
        ([AVANU, OLD_AVAN], 1),
        ([AVANU], 0),
        (["x"], -1),
    ):
        (word,) = tokenizer(family(name))(written)
        assert resolve(Vocabulary.build(words), family(name), [word]).rows_E.tolist() == [row]


@pytest.mark.parametrize("name", FAMILIES)
def test_rules_of_before_chillus_were_letters_are_kept(name: str) -> None:
    """They lose the joiner at a word's end, and keep it inside."""
    stored = {rule: value for rule, value in family(name).as_dict().items() if rule not in {"chillus", "stacked"}}
    earlier = TokenRules.from_dict(stored)
    assert earlier.as_dict() == stored
    assert earlier.name == f"{name} of an earlier version"
    assert tokenizer(earlier)(f"{OLD_AVAN} {OLD_AVAN}\u0d2e") == [AVANU, f"{OLD_AVAN}\u0d2e"]
    assert resolve(Vocabulary.build([OLD_AVAN]), earlier, [AVAN]).rows_E.tolist() == [-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"so{HEART}{VS16}good", ["so", HEART + VS16, "good"], id="selector"),
        pytest.param(f"{HEART}\ufe0e", [HEART], id="selector-of-text"),
        pytest.param(f"{THUMB}\U0001f3fd{THUMB}", [THUMB + "\U0001f3fd", THUMB], id="skin-tone"),
        pytest.param(f"{COMPUTER}{KISS}!", [COMPUTER, KISS, "!"], id="joined"),
        pytest.param(f"{ENGLAND}{GERMANY}{GERMANY[0]}", [ENGLAND, GERMANY, GERMANY[0]], id="flags"),
        pytest.param(f"no. 1{VS16}\u20e3x #\u20e3", ["no", ".", f"1{VS16}\u20e3", "x", "#\u20e3"], id="keycaps"),
        pytest.param(f"{THUMB}{SHY}\U0001f3fd", [THUMB + "\U0001f3fd"], id="soft-hyphen-inside"),
        pytest.param(f"{THUMB}{ZWJ} {ZWJ}{THUMB} a{VS16}b", [THUMB, THUMB, "ab"], id="nothing-to-hold-together"),
        pytest.param("\U000e0067\u2190\U000e0067", ["\u2190"], id="tags-that-end-nowhere"),
        pytest.param(ZWJ.join([HEART] * 8), [ZWJ.join([HEART] * 7), HEART], id="more-than-anybody-writes"),
    ],
)
def test_an_emoji_is_one_token_where_marks_are_tokens(text: str, expected: list[str]) -> None:
    """With its selector, skin tone, joined symbols, tags, as a flag and as a keycap."""
    assert tokenizer(family("glove"))(text) == expected


@pytest.mark.parametrize("name", ["plain", "googlenews"])
def test_an_emoji_is_dropped_whole_where_marks_are(name: str) -> None:
    """The digit of a keycap stays: it is a word for them."""
    text = f"so{HEART}{VS16}good {THUMB}\U0001f3fd {KISS} {ENGLAND}{GERMANY} 1{VS16}\u20e3"
    assert tokenizer(family(name))(text) == ["so", "good", "1"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("film", []),
        (HEART, []),
        (HEART + VS16, [HEART]),
        (f"{THUMB}\U0001f3fd", [THUMB]),
        (KISS, [KISS.replace(VS16, ""), f"\U0001f469{ZWJ}{HEART}{ZWJ}\U0001f48b{ZWJ}\U0001f468", "\U0001f469"]),
        (ENGLAND, ["\U0001f3f4"]),
        (GERMANY, []),
        (f"1{VS16}\u20e3", ["1\u20e3", "1"]),
        (f"love{HEART}{VS16}", [f"love{HEART}"]),
        ("caf\u00e9", ["cafe\u0301"]),
        (PERSIAN, [PERSIAN.replace(ZWNJ, "")]),
        (AVAN, [OLD_AVAN, AVANU]),
    ],
)
def test_the_other_spellings_of_a_word(word: str, expected: list[str]) -> None:
    """Without selector, without skin tones, the first symbol; without joiners, with accents apart."""
    assert spellings(word) == expected


@pytest.mark.parametrize("name", FAMILIES)
@given(
    text=st.lists(st.sampled_from([*EVERYWHERE, HEART, THUMB, "1", "\u20e3", "\U0001f3fb", *GERMANY, "a", " "])).map(
        "".join
    )
)
def test_what_is_left_belongs_to_an_emoji(name: str, text: str) -> None:
    """No token is, or holds, an invisible character that nothing needs; and what is read again reads the same."""
    rules = family(name)
    for token in tokenizer(rules)(text):
        rest = re.sub(emoji_sequence(), "", token) if rules.emoji else token
        if rules.whitespace_only:
            rest = re.sub(rf"[0-9#*]{VS16}\u20e3", "", rest)
        assert not re.search(f"[{IGNORABLE}]", rest)
    seen = visible(unicodedata.normalize("NFC", text), emoji=rules.emoji)
    assert visible(seen, emoji=rules.emoji) == seen


def test_words_with_accents_apart_are_found_in_vectors_that_were_made_of_such_text() -> None:
    """The text's own way of writing them makes no difference."""
    table = Vocabulary.build(["x", "cafe\u0301"])
    for text in ("café", "cafe\u0301"):
        assert resolve(table, family("plain"), tokenizer(family("plain"))(text)).rows_E.tolist() == [1]
