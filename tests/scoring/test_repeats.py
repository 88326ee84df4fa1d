"""Repeated texts and texts of two labels, counted as the plain rule counts them."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.scoring.repeats import RepeatCounter, Repeats

Rows = list[tuple[int, int]]


def keys(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, dtype=np.uint64)


def counted(units: list[Rows], most: int) -> tuple[Repeats, RepeatCounter]:
    counter = RepeatCounter(most)
    for rows in units:
        counter.add(keys([text for text, _ in rows]), keys([label for _, label in rows]))
    return counter.counted(), counter


@given(units=st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=20), max_size=4))
@settings(max_examples=50)
def test_counts_are_those_of_the_plain_rule(units: list[Rows]) -> None:
    of_text = defaultdict(list)
    for text, label in (row for rows in units for row in rows):
        of_text[text].append(label)
    expected = Repeats(
        texts_repeated=sum(len(labels) > 1 for labels in of_text.values()),
        rows_repeated=sum(len(labels) - 1 for labels in of_text.values()),
        texts_of_two_labels=sum(len(set(labels)) > 1 for labels in of_text.values()),
    )
    assert counted(units, 1000)[0] == expected


def test_of_many_texts_a_sample_is_counted_and_a_text_that_is_there_very_often_does_not_hide_the_others() -> None:
    numbers = np.random.default_rng(0).integers(0, 2**63, 2000, dtype=np.uint64) * np.uint64(2)
    rows = [(int(text), 0) for text in numbers] + [(int(text), 1) for text in numbers[:1000]] + [(7, 0)] * 5000
    found, counter = counted([rows[:1500], rows[1500:]], 300)
    assert found.estimated
    assert len(counter.pairs) <= 300
    assert abs(found.texts_of_two_labels - 1000) < 250
