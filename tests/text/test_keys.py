"""Keys of texts: the same everywhere, and a sample of them that tells how many of many are in it."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.text.keys import ALL_KEYS, TextSample, is_among, text_keys


def keys(*texts: str) -> list[int]:
    return text_keys(pa.array(texts, pa.large_string())).tolist()  # type: ignore[no-any-return]


def test_a_key_is_the_same_on_every_machine_and_white_space_does_not_count() -> None:
    assert keys("", "a good film") == [13020603013274838756, 4876373373115988710]
    one, *others = keys("a good film", " a  good\nfilm ", "a\u3000good\tfilm")
    assert others == [one, one]
    assert len(set(keys("a good film", "A good film", "a goodfilm", "a good film.", ""))) == 5
    assert keys() == []


@given(
    parts=st.lists(st.lists(st.integers(0, ALL_KEYS), max_size=30), max_size=5),
    most=st.integers(1, 40),
    asked=st.lists(st.integers(0, ALL_KEYS), max_size=10),
)
@settings(max_examples=50)
def test_a_sample_has_all_keys_up_to_its_limit(parts: list[list[int]], most: int, asked: list[int]) -> None:
    arrays = [np.array(part, dtype=np.uint64) for part in parts]
    sample = TextSample.of(arrays, most)
    everything = {key for part in parts for key in part}
    assert sample.keys.tolist() == sorted(key for key in everything if key <= sample.up_to)
    assert len(sample.keys) <= most
    assert sample.is_whole == (len(everything) <= most)
    wanted = np.array([*asked, *list(everything)[:5]], dtype=np.uint64)
    told_N = sample.tells_of(wanted)
    assert told_N.tolist() == [key <= sample.up_to for key in wanted.tolist()]
    assert sample.has(wanted).tolist() == [key in everything and key <= sample.up_to for key in wanted.tolist()]
    assert is_among(wanted, np.empty(0, dtype=np.uint64)).tolist() == [False] * len(wanted)


def test_the_share_of_many_is_estimated_from_a_sample() -> None:
    texts = text_keys(pa.array([f"text {number}" for number in range(4000)], pa.large_string()))
    sample = TextSample.of([texts[:1000], texts[500:2000]], most=300)
    told_N = sample.tells_of(texts)
    assert not sample.is_whole
    assert abs(sample.has(texts).sum() / told_N.sum() - 0.5) < 0.05
