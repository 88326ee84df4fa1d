"""Texts that a labelled set has more than once, and those with different labels; counted as units go by.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.text.keys import ALL_KEYS, MOST_KEYS

__all__ = ["RepeatCounter", "Repeats"]

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """What was counted; ``estimated`` from a sample of the texts where they are many."""

    texts_repeated: int = 0  # that more than one row has
    rows_repeated: int = 0  # whose text another row has had before
    texts_of_two_labels: int = 0  # whose rows differ in their labels
    estimated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


class RepeatCounter:
    """Counts the rows of each pair of a text and its labels; of more than ``most`` pairs, of a sample."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self.most, self.up_to = most, ALL_KEYS
        self.pairs: Keys = np.empty((0, 2), dtype=np.uint64)  # keys of a text, and of its labels
        self.rows_U: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def add(self, texts_N: Keys, labels_N: Keys) -> None:
        """Take the rows of a unit."""
        kept_N = texts_N <= np.uint64(self.up_to)
        found_pairs = np.concatenate([self.pairs, np.stack([texts_N[kept_N], labels_N[kept_N]], axis=1)])
        self.pairs, place_L = np.unique(found_pairs, axis=0, return_inverse=True)
        rows_L = np.concatenate([self.rows_U, np.ones(int(kept_N.sum()), dtype=np.int64)])
        self.rows_U = np.zeros(len(self.pairs), dtype=np.int64)
        np.add.at(self.rows_U, place_L.ravel(), rows_L)
        while len(self.pairs) > self.most:
            self.up_to >>= 1
            kept_U = self.pairs[:, 0] <= np.uint64(self.up_to)
            self.pairs, self.rows_U = self.pairs[kept_U], self.rows_U[kept_U]

    def counted(self) -> Repeats:
        """Return what was counted so far."""
        starts_U, labels_U = np.unique(self.pairs[:, 0], return_index=True, return_counts=True)[1:]
        rows_U = np.add.reduceat(self.rows_U, starts_U) if len(starts_U) else self.rows_U
        times = 2**64 / (self.up_to + 1)
        return Repeats(
            texts_repeated=round(int((rows_U > 1).sum()) * times),
            rows_repeated=round(int((rows_U - 1).sum()) * times),
            texts_of_two_labels=round(int((labels_U > 1).sum()) * times),
            estimated=self.up_to != ALL_KEYS,
        )
