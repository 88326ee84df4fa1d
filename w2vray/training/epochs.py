"""Who takes which examples when: the batches of an epoch, and each worker's share of them.

Shape letters: CONTRIBUTING.md.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["ALONE", "Workers", "epoch_batches"]

POOL_BATCHES = 50
"""Batches whose examples are sorted by length together: little padding, and still another order each epoch."""

BLOCK_ROWS, WINDOW_BLOCKS = 1 << 12, 1 << 6
"""Examples are shuffled within windows of blocks that lie apart: a set larger than memory is read from its files in
long runs, and any set of up to a window is shuffled as a whole."""


@dataclass(frozen=True)
class Workers:
    """The processes that train together; ``sum`` adds a tensor up over all of them."""

    rank: int = 0
    count: int = 1
    sum: Callable[[Tensor], Tensor] = lambda value: value

    def share(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this worker's rows: of neighbours, which are of like lengths, each worker has as many.

        Who takes the first of them takes the last of the next, so that all have as many words.
        """
        place_B = np.arange(len(rows)) % (2 * self.count)
        own: npt.NDArray[np.int64] = rows[(place_B == self.rank) | (place_B == 2 * self.count - 1 - self.rank)]
        return own

    def chunks(self, count: int, size: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield this worker's rows of so many, some at a time: no array is as long as the rows are many."""
        own = range(self.rank, count, self.count)
        for start in range(0, len(own), size):
            chunk = own[start : start + size]
            yield np.arange(chunk.start, chunk.stop, chunk.step)


ALONE = Workers()


def epoch_batches(
    count: int, lengths: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]], batch_size: int, seed: Sequence[int]
) -> Iterator[npt.NDArray[np.int64]]:
    """Cut all examples into an epoch's batches, each example once, texts of like lengths together.

    Args:
        count: how many examples there are.
        lengths: gives the lengths of examples by their numbers.
        batch_size: examples of a batch at most.
        seed: numbers that the order depends on, and nothing else.

    Yields:
        The numbers of a batch's examples.
    """
    random = np.random.default_rng([*seed])
    blocks = random.permutation(math.ceil(count / BLOCK_ROWS))
    for start in range(0, len(blocks), WINDOW_BLOCKS):
        window = np.sort(blocks[start : start + WINDOW_BLOCKS])
        within = [np.arange(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, count)) for block in window]
        shuffled = random.permutation(np.concatenate(within))
        steps = math.ceil(len(shuffled) / batch_size)
        pools = np.array_split(shuffled, max(1, steps // POOL_BATCHES))
        ordered = np.concatenate([pool[np.argsort(lengths(pool), kind="stable")] for pool in pools])
        parts = np.array_split(ordered, steps)
        for step in random.permutation(steps):
            yield parts[step]
