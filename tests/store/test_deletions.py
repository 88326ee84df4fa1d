import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.store.deletions import count_deleted, deleted_between, deleted_rows


@given(st.sets(st.integers(min_value=0, max_value=1 << 40)), st.integers(0, 1 << 40), st.integers(1, 1 << 40))
def test_the_deleted_rows_of_a_stretch_are_read_back(deleted: set[int], start: int, rows: int) -> None:
    text = deleted_between(np.array(sorted(deleted), dtype=np.int64), start, rows)

    expected = sorted(row - start for row in deleted if start <= row < start + rows)
    assert deleted_rows(text).tolist() == expected
    assert count_deleted(text) == len(expected)
    assert (text is None) == (not expected)


@pytest.mark.parametrize(("start", "expected"), [(0, [0, 1, 9]), (1, [0, 8]), (9, [0]), (10, [])])
def test_rows_are_counted_from_the_first_of_a_stretch(start: int, expected: list[int]) -> None:
    assert deleted_rows(deleted_between(np.array([0, 1, 9]), start, 100)).tolist() == expected
