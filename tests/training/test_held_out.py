"""Which texts are kept for the test: a share of each label, equal texts together, the same whatever the order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.training.held_out import choose_test_texts

ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.lists(st.integers(0, 3), unique=True, max_size=3)), min_size=1, max_size=120
)
NAMES = ["a", "b", "c", "d"]


def choose(rows: list[tuple[int, list[int]]], share: float, seed: int = 0) -> set[int]:
    chosen = choose_test_texts(
        np.array([text for text, _ in rows], dtype=np.uint64),
        np.array([label for _, labels in rows for label in labels], dtype=np.int64),
        np.array([len(labels) for _, labels in rows], dtype=np.int64),
        NAMES,
        share=share,
        seed=seed,
    )
    assert (np.diff(chosen.astype(np.int64)) > 0).all()
    return set(chosen.tolist())


def groups(rows: list[tuple[int, list[int]]]) -> dict[int, set[int]]:
    """The plain rule: each text belongs to the rarest label of its rows; those without any are a group too."""
    counts = [sum(label in labels for _, labels in rows) for label in range(4)]
    found: dict[int, set[int]] = {}
    for text in {text for text, _ in rows}:
        own = {label for other, labels in rows if other == text for label in labels}
        rarest = min(own, key=lambda label: (counts[label], NAMES[label])) if own else 4
        found.setdefault(rarest, set()).add(text)
    return found


@given(rows=ROWS, share=st.sampled_from([0.1, 0.2, 0.5, 0.9]), seed=st.integers(0, 3), data=st.data())
@settings(max_examples=40)
def test_each_label_gives_its_share_and_the_order_of_rows_does_not_matter(
    rows: list[tuple[int, list[int]]], share: float, seed: int, data: st.DataObject
) -> None:
    chosen = choose(rows, share, seed)
    assert chosen == choose(data.draw(st.permutations(rows)), share, seed)
    for texts in groups(rows).values():
        taken = len(chosen & texts)
        assert taken < len(texts), "a text of each label is left to learn from"
        assert abs(taken - min(share * len(texts), len(texts) - 1)) <= 1


@pytest.mark.parametrize(("share", "expected"), [(0.2, (20, 10)), (0.25, (25, 12)), (0.5, (50, 25))])
def test_a_share_is_as_exact_as_it_can_be(share: float, expected: tuple[int, int]) -> None:
    rows = [(text, [0]) for text in range(100)] + [(text, [1]) for text in range(100, 150)]
    found = choose(rows, share)
    taken = (sum(text < 100 for text in found), sum(text >= 100 for text in found))
    assert abs(taken[0] - expected[0]) <= (share == 0.25)
    assert abs(taken[1] - expected[1]) <= 1


def test_another_seed_chooses_others_and_many_small_labels_give_their_share_together() -> None:
    rows = [(2 * label + copy, [label % 4]) for label in range(300) for copy in range(2)]
    assert choose(rows, 0.2, 1) != choose(rows, 0.2, 2)
    assert len(choose(rows, 0.2)) == pytest.approx(120, abs=1)
    assert choose([(1, [0]), (2, [1]), (3, [2])], 0.5) == set()
