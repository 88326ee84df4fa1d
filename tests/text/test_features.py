"""The features of a text: the plain model by hand, and the compiled look-up against it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.text.fast.features import FastFeatures
from w2vray.text.features import FeatureLookup, Features, hash_bytes
from w2vray.text.rules import FEATURES
from w2vray.text.vocabulary import Vocabulary

WORDS = ["film", "</s>", "é", "a", "東京"]
NONE = np.empty(0, dtype=np.int32)


def lookup(
    shortest: int = 0,
    longest: int = 0,
    *,
    word_ngrams: int = 1,
    buckets: int = 0,
    bucket_rows: npt.NDArray[np.int32] = NONE,
    labels: tuple[str, ...] = ("__label__x", "#tag"),
    words: list[str] = WORDS,
) -> FeatureLookup:
    features = Features(shortest, longest, word_ngrams, buckets, bucket_rows, Vocabulary.build(labels))
    return FeatureLookup(Vocabulary.build(words), FEATURES, "skip", features=features)


def rows(found: FeatureLookup, text: str) -> list[int]:
    return [int(row) for row in found([text]).ids_L]


def test_words_end_at_ascii_white_space_and_the_lines_end_comes_last() -> None:
    assert rows(lookup(), "film\ta\nfilm\x00é\u00a0a 東京") == [0, 3, 0, 4, 1]


def test_nothing_is_read_behind_an_end_of_line_that_is_written_out() -> None:
    assert rows(lookup(), "a </s> film") == [3, 1]


def test_labels_are_no_words() -> None:
    found = lookup()([" __label__x a __label__unheard #tag #tags"])
    assert found.ids_L.tolist() == [3, 1]
    assert found.token_counts_N.tolist() == [2]  # a and #tags, which is no label of these
    assert found.found_counts_N.tolist() == [1]


def test_a_text_without_any_feature_has_no_evidence() -> None:
    """A dictionary that was pruned may lack the line's end."""
    found = lookup(words=["film"])(["nothing known", "film", ""])
    assert found.evidence_N.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("data", "value"), [(b"", 2166136261), (b"a", 0xE40C292C), ("é".encode(), 0xAF4E2E6D), (b"foobar", 0xBF9CF968)]
)
def test_the_hash_is_fnv_of_signed_bytes(data: bytes, value: int) -> None:
    """Those of ``a`` and ``foobar`` are published test vectors of FNV-1a; é is worked out below."""
    expected = value
    if not data.isascii():
        expected = 2166136261
        for byte in data:
            expected = ((expected ^ (byte - 256 & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    assert hash_bytes(data) == expected


def test_character_ngrams_are_of_the_word_between_angle_brackets() -> None:
    """Of one character, those at an end are none: they are the brackets."""
    found = lookup(1, 2, buckets=1000)
    expected = [3, *(5 + hash_bytes(part) % 1000 for part in (b"<a", b"a", b"a>")), 1]
    assert rows(found, "a") == expected


def test_a_character_of_several_bytes_is_one() -> None:
    found = lookup(2, 2, buckets=1000)
    expected = [2, *(5 + hash_bytes(part.encode()) % 1000 for part in ("<é", "é>")), 1]
    assert rows(found, "é") == expected


def test_runs_of_words_count_unknown_words_and_the_lines_end() -> None:
    def run(*words: str) -> int:
        first, *others = (np.int64(np.int32(np.uint32(hash_bytes(word.encode())))) for word in words)
        value = int(first)
        for following in others:
            value = (value * 116049371 + int(following)) % 2**64
        return 5 + value % 2**64 % 997

    expected = [3, run("a", "zz"), 1, run("zz", "</s>"), run("a", "zz", "</s>")]
    assert rows(lookup(word_ngrams=3, buckets=997), "a zz") == expected


def test_of_pruned_ngrams_only_those_that_were_kept_have_a_row() -> None:
    kept = np.full(1000, -1, dtype=np.int32)
    kept[hash_bytes(b"<a") % 1000] = 7
    assert rows(lookup(1, 2, buckets=1000, bucket_rows=kept), "a") == [3, 7, 1]


_PIECES = st.sampled_from(
    ["film", "a", "é", "東京", "</s>", "</s", "__label__x", "__label__", "#tag", "<", ">", "zz", "\u0301", "\U0001f600"]
)
_TEXTS = st.lists(
    st.lists(
        st.one_of(_PIECES, st.sampled_from([" ", "\t", "\n", "\0", "\u00a0"]), st.text(max_size=3)), max_size=8
    ).map("".join),
    max_size=4,
)


@pytest.mark.skipif(bool(why_no_kernels()), reason="nothing compiles here")
@given(
    texts=_TEXTS,
    lengths=st.sampled_from([(0, 0), (1, 3), (2, 2), (3, 6)]),
    word_ngrams=st.integers(1, 4),
    kept=st.sampled_from([None, 0.5, 0.0]),
)
def test_compiled_code_finds_what_the_plain_model_finds(
    texts: list[str], lengths: tuple[int, int], word_ngrams: int, kept: float | None
) -> None:
    bucket_rows = NONE
    if kept is not None:
        bucket_rows = np.where(np.random.default_rng(3).random(50) < kept, np.arange(5, 55), -1).astype(np.int32)
    plain = lookup(*lengths, word_ngrams=word_ngrams, buckets=50, bucket_rows=bucket_rows)
    array = pa.array(texts, pa.large_string())
    expected, fast = plain(array), FastFeatures(plain)
    assert fast(array).ids_L.tolist() == expected.ids_L.tolist()
    found = fast(array)  # again, with the words that were met the first time
    assert found.ids_L.tolist() == expected.ids_L.tolist()
    assert found.offsets_N1.tolist() == expected.offsets_N1.tolist()
    assert found.token_counts_N.tolist() == expected.token_counts_N.tolist()
    assert found.found_counts_N.tolist() == expected.found_counts_N.tolist()
    assert found.evidence_N.tolist() == expected.evidence_N.tolist()


@pytest.mark.skipif(bool(why_no_kernels()), reason="nothing compiles here")
def test_words_are_told_apart_by_their_last_bytes_and_by_their_lengths() -> None:
    """Those of up to 16 bytes are remembered as two numbers; others are not."""
    plain = lookup(word_ngrams=2, buckets=50)
    words = ["x" * length for length in range(1, 40)] + ["y" + "x" * length for length in range(40)]
    words += [word + "z" for word in words] + [
        "film",
        "afilm",
        "film" * 4,
        "film" * 4 + "f",
        "__label__film",
        "</s",
        "</s>",
    ]
    array = pa.array([" ".join(words), *words, " ".join(reversed(words))] * 2, pa.large_string())
    np.testing.assert_array_equal(FastFeatures(plain)(array).ids_L, plain(array).ids_L)


@pytest.mark.skipif(bool(why_no_kernels()), reason="nothing compiles here")
def test_room_for_rows_grows() -> None:
    plain = lookup(1, 4, word_ngrams=3, buckets=50)
    array = pa.array(["a film " * 9000, "a", "x" * 30_000], pa.large_string())
    expected, found = plain(array), FastFeatures(plain)(array)
    assert len(found.ids_L) > 1 << 17
    np.testing.assert_array_equal(found.ids_L, expected.ids_L)


@pytest.mark.skipif(bool(why_no_kernels()), reason="nothing compiles here")
@pytest.mark.parametrize("settings", [(0, 0, 1), (0, 0, 2), (2, 3, 1)], ids=["words", "pairs", "n-grams"])
@pytest.mark.parametrize("seed", range(20))
def test_words_are_found_wherever_64_bytes_end(seed: int, settings: tuple[int, int, int]) -> None:
    """Bytes are looked at 64 at once: words, spaces and texts begin and end at each of their places."""
    draw = np.random.default_rng(seed)
    shortest, longest, word_ngrams = settings

    def word() -> str:
        kind = draw.random()
        if kind < 0.01:
            return "</s>"
        length = draw.integers(60, 70) if kind < 0.1 else draw.geometric(0.2)
        return "".join(draw.choice(["a", "z", "é"], length))

    def text() -> str:
        spaces = ["".join(draw.choice([" ", "\t", "\0", "\n"], draw.choice([1, 1, 1, 2, 70]))) for _ in range(61)]
        return "".join(word() + spaces[number] for number in range(draw.integers(0, 60))).rstrip(
            draw.choice([" ", "\n"])
        )

    texts = pa.array(
        [text() for _ in range(12)] + ["a" * 64, "a" * 128, " " * 64, "a" * 63 + " "] * 2, pa.large_string()
    )
    plain = lookup(shortest, longest, word_ngrams=word_ngrams, buckets=50)
    for array in (texts, texts.take(pa.array(draw.permutation(len(texts)))), texts.slice(3, 9)):
        expected, found = plain(array), FastFeatures(plain)(array)
        assert found.ids_L.tolist() == expected.ids_L.tolist()
        assert found.offsets_N1.tolist() == expected.offsets_N1.tolist()
        assert found.token_counts_N.tolist() == expected.token_counts_N.tolist()
        assert found.found_counts_N.tolist() == expected.found_counts_N.tolist()
