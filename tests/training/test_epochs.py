import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.training.epochs import Workers, epoch_batches


def epoch(lengths_N: Any, batch_size: int, *seed: int) -> list[list[int]]:
    """The numbers of the examples of each batch."""
    lengths_N = np.asarray(lengths_N)
    return [rows.tolist() for rows in epoch_batches(len(lengths_N), lambda rows: lengths_N[rows], batch_size, seed)]


@given(count=st.integers(1, 60), batch_size=st.integers(1, 40), workers=st.integers(1, 4), seed=st.integers(0, 3))
def test_an_epoch_goes_through_each_example_once_whatever_the_workers(
    count: int, batch_size: int, workers: int, seed: int
) -> None:
    """As few steps as the batch size allows, and the workers' shares of a step are the step."""
    lengths_N = np.random.default_rng(seed).integers(0, 9, size=count)
    batches = epoch(lengths_N, batch_size, seed, 1)

    assert sorted(row for batch in batches for row in batch) == list(range(count))
    assert 0 < max(map(len, batches)) <= batch_size
    assert len(batches) == math.ceil(count / batch_size)
    for batch in batches:
        shares = [Workers(rank, workers).share(np.array(batch)).tolist() for rank in range(workers)]
        assert sorted(row for share in shares for row in share) == sorted(batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(count=st.integers(1, 200), batch_size=st.integers(1, 40))
def test_windows_of_a_large_set_leave_out_nothing(count: int, batch_size: int) -> None:
    """Blocks and windows of a few examples here; the last ones are shorter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("w2vray.training.epochs.BLOCK_ROWS", 8)
        patch.setattr("w2vray.training.epochs.WINDOW_BLOCKS", 3)
        batches = epoch([1] * count, batch_size, 0, 1)

    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(count))
    assert max(map(len, batches)) <= batch_size
    # a window is read as a whole before the next: three blocks at a time
    blocks = [{row // 8 for row in rows[start : start + 24]} for start in range(0, count - 24, 24)]
    if count % 8 == 0:
        assert all(len(window) == 3 for window in blocks)


def test_the_order_follows_from_the_seed_and_changes_with_it() -> None:
    """Another order each epoch, the same one each time the epoch is repeated."""
    lengths_N = np.random.default_rng(0).integers(0, 9, size=200)

    assert epoch(lengths_N, 8, 0, 1) == epoch(lengths_N, 8, 0, 1)
    assert epoch(lengths_N, 8, 0, 1) != epoch(lengths_N, 8, 0, 2)
    assert epoch(lengths_N, 8, 0, 1) != epoch(lengths_N, 8, 1, 1)


def test_texts_of_like_lengths_share_a_batch() -> None:
    """Little is padded: far less than in batches of random texts."""
    lengths_N = np.random.default_rng(0).integers(0, 9, size=800)

    padded = sum(len(batch) * lengths_N[batch].max() for batch in epoch(lengths_N, 8, 0, 1))

    assert padded < 1.15 * lengths_N.sum()


def test_workers_have_as_many_words_of_a_step() -> None:
    """Of a batch in order of length, where each text is longer than the one before."""
    lengths_B = np.arange(40)
    words = [int(Workers(rank, 2).share(lengths_B).sum()) for rank in range(2)]

    assert words == [sum(range(40)) // 2] * 2
