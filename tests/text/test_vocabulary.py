from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import VectorsError
from w2vray.text import vocabulary
from w2vray.text.vocabulary import MISSING, Vocabulary, hash_words

WORD_MASK = 2**64 - 1

# What an index could trip over: beginnings of each other, zero bytes, spaces, one letter in several spellings.
HOSTILE = ["a", "aa", "aaa", "aaaa", "ab", "b", "\x00", "\x00\x00", "a\x00", " ", "a b", "\n", "é", "e\u0301", "e"]
HOSTILE += [
    "日本",
    "日",
    "🙂",
    "\U0010ffff",
    "\x7f",
    "\x80",
    "ß",
    "SS",
    "İ",
    "x" * 300,
    "x" * 299 + "y",
    "y" + "x" * 299,
]
words = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=20))
word_lists = st.lists(words, unique=True, max_size=30)


def fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits, as published."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & WORD_MASK
    return value


def mixed(value: int) -> int:
    """The first step of MurmurHash3's finaliser, with the fold that begins its second."""
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & WORD_MASK
    return value ^ value >> 33


def flat(data: list[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Words one after another, and where each one starts."""
    offsets = np.cumsum([0, *map(len, data)], dtype=np.int64)
    return np.frombuffer(b"".join(data), dtype=np.uint8), offsets


def model(rows: list[str], asked: list[str]) -> list[int]:
    """The rows of words, by a dict."""
    row_of = {word: row for row, word in enumerate(rows)}
    return [row_of.get(word, MISSING) for word in asked]


@pytest.mark.parametrize(
    ("word", "expected"),
    [(b"", 0xCBF29CE484222325), (b"a", 0xAF63DC4C8601EC8C), (b"foobar", 0x85944171F73967E8)],
    ids=["empty", "a", "foobar"],
)
def test_the_golden_hash_is_the_published_one(word: bytes, expected: int) -> None:
    """The model of the other tests agrees with the test vectors of FNV's authors."""
    assert fnv1a(word) == expected


@given(data=st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(HOSTILE).map(str.encode)), max_size=20))
def test_hashes_equal_the_golden_hash(data: list[bytes]) -> None:
    """Any bytes, empty ones included; vectors directories on disk depend on the value."""
    hashes = hash_words(*flat(data))
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == [mixed(fnv1a(word)) for word in data]


@given(rows=word_lists, asked=st.lists(words, max_size=20), data=st.data())
def test_rows_equal_those_of_a_dict(rows: list[str], asked: list[str], data: st.DataObject) -> None:
    """Words that are there, words that are not, and words asked for more than once."""
    if rows:
        asked = asked + data.draw(st.lists(st.sampled_from(rows), max_size=20))
    index = Vocabulary.build(rows)
    found = index.rows(asked)
    assert found.dtype == np.int64
    assert found.tolist() == model(rows, asked)


@given(rows=word_lists, asked=st.lists(words, max_size=20), values=st.lists(st.integers(0, WORD_MASK), min_size=1))
def test_words_whose_hashes_collide_are_told_apart(rows: list[str], asked: list[str], values: list[int]) -> None:
    """With few hashes for all words: tags and slots say nothing, and the words' bytes decide."""

    def few_hashes(blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        few = np.array(values, dtype=np.uint64)
        return few[(hash_words(blob, offsets) % np.uint64(len(few))).astype(np.int64)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "hash_words", few_hashes)
        index = Vocabulary.build(rows)
        assert index.rows(asked + rows).tolist() == model(rows, asked + rows)


def test_probing_goes_on_at_the_first_slot_behind_the_last() -> None:
    """Ten words that all want the last slot."""
    slots = 32
    wanting_last = (word for word in map(str, count()) if mixed(fnv1a(word.encode())) % slots == slots - 1)
    rows = [next(wanting_last) for _ in range(10)]
    index = Vocabulary.build(rows)
    assert len(index.slot_rows) == slots
    assert index.slot_rows.tolist() == [*range(1, 10), *[-1] * 22, 0]
    assert index.rows([*rows, next(wanting_last)]).tolist() == [*range(10), MISSING]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 8, 9, 1000, 1024, 1025])
def test_slots_are_a_power_of_two_and_at_least_twice_the_words(number: int) -> None:
    """At most half are used, so that probing ends soon."""
    index = Vocabulary.build([str(row) for row in range(number)])
    slots = len(index.slot_rows)
    assert slots == len(index.slot_tags)
    assert slots >= 2 * number
    assert slots & (slots - 1) == 0
    assert sorted(row for row in index.slot_rows.tolist() if row >= 0) == list(range(number))


def test_twenty_thousand_words_are_found_and_others_are_not() -> None:
    """Enough words for every kind of accident, in words that differ in a letter."""
    rows = [f"word{number}" for number in range(20_000)]
    index = Vocabulary.build(rows)
    assert index.rows(rows).tolist() == list(range(20_000))
    assert set(index.rows([word + "0" for word in rows if len(word) == 9] + ["word"]).tolist()) == {MISSING}


@pytest.mark.parametrize("length", [255, 256, 257, 300, 100_000])
def test_the_hash_of_a_long_word_is_the_golden_one(length: int) -> None:
    """Its first bytes are hashed beside those of others, the rest by itself."""
    data = [b"a", bytes(range(256)) * (length // 256) + b"x" * (length % 256), b"", b"x" * length]
    assert hash_words(*flat(data)).tolist() == [mixed(fnv1a(word)) for word in data]


def test_a_word_longer_than_any_of_the_table_is_not_in_it() -> None:
    """Whatever it is, and beside others that are."""
    table = Vocabulary.build(["film", "a"])
    assert table.rows(["film", "x" * 10_000_000, "a", "films"]).tolist() == [0, MISSING, 1, MISSING]
    assert table.rows(["filmfilm"]).tolist() == [MISSING]


def test_very_long_words_are_told_apart() -> None:
    """Among short ones, and though they differ in the last letter only."""
    long = "x" * 20_000
    rows = [long + "a", "x", long + "b", long]
    assert Vocabulary.build(rows).rows([long, long + "b", long + "c", "x", long + "a"]).tolist() == [3, 2, -1, 1, 0]


@given(rows=word_lists)
def test_words_come_back_in_row_order(rows: list[str]) -> None:
    """By row, by going through them, and counted; built from text or from UTF-8."""
    for index in (Vocabulary.build(rows), Vocabulary.build([word.encode() for word in rows])):
        assert len(index) == len(rows)
        assert list(index) == rows
        assert [index.word(row) for row in range(len(rows))] == rows


def test_asking_for_nothing_finds_nothing() -> None:
    """Nor is an empty index in the way."""
    assert Vocabulary.build(["a"]).rows([]).tolist() == []
    assert Vocabulary.build([]).rows(["a", "b"]).tolist() == [MISSING, MISSING]
    assert Vocabulary.build([]).rows([]).tolist() == []


def test_words_are_found_in_arrays_that_cannot_be_written(tmp_path: Path) -> None:
    """Shared memory and memory maps are read-only."""
    rows = [word for word in HOSTILE if word]
    built = Vocabulary.build(rows)
    mapped = []
    for name in ("blob", "offsets", "slot_rows", "slot_tags"):
        array = getattr(built, name)
        array.tofile(tmp_path / name)
        mapped.append(np.memmap(tmp_path / name, dtype=array.dtype, mode="r"))
    assert Vocabulary(*mapped).rows([*rows, "none"]).tolist() == [*range(len(rows)), MISSING]


@pytest.mark.parametrize(
    ("rows", "pieces"),
    [
        pytest.param(["a", "a"], ["'a'", "rows 0 and 1"], id="neighbours"),
        pytest.param(["b", "é", "c", "d", "é"], ["'é'", "rows 1 and 4"], id="apart"),
        pytest.param(["a", "b", "b", "a"], ["'b'", "rows 1 and 2"], id="the-first-of-several"),
    ],
)
def test_a_word_that_is_there_twice_is_refused_with_both_rows(rows: list[str], pieces: list[str]) -> None:
    """One of its vectors could never be reached."""
    with pytest.raises(VectorsError) as raised:
        Vocabulary.build(rows)
    assert [piece for piece in pieces if piece not in str(raised.value)] == []


@given(rows=word_lists.filter(bool), data=st.data())
def test_any_doubled_word_is_refused(rows: list[str], data: st.DataObject) -> None:
    """Wherever its second row is."""
    word = data.draw(st.sampled_from(rows))
    doubled = rows.copy()
    doubled.insert(data.draw(st.integers(0, len(rows))), word)
    with pytest.raises(VectorsError, match="each may be once"):
        Vocabulary.build(doubled)
