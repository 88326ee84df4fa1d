"""A number for each text: equal texts have the same one, on every machine and in every process.

It is how a model knows which texts it was trained on, and how equal texts are kept together, without a text being
stored. White space does not count: texts that differ by spaces and line ends alone are one. Anything else does.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["ALL_KEYS", "MOST_KEYS", "TextSample", "is_among", "mixed", "name_key", "text_keys"]

Keys = npt.NDArray[np.uint64]

ALL_KEYS = 2**64 - 1
"""The largest key."""

MOST_KEYS = 1 << 20
"""Of more texts a sample is kept: those whose keys are below a limit, which are an even sample whatever the texts."""

_BYTES = 8
NO_KEYS: Keys = np.empty(0, dtype=np.uint64)


def text_keys(texts: pa.LargeStringArray) -> Keys:
    """Return the key of each text of an array without nulls."""
    return _keys([" ".join(text.split()) for text in texts.to_pylist()])


def name_key(name: str) -> int:
    """Return the key of a name, in which white space does count."""
    return int(_keys([name])[0])


def _keys(texts: Sequence[str]) -> Keys:
    digests = b"".join(blake2b(text.encode(), digest_size=_BYTES).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def mixed(values: Keys) -> Keys:
    """Spread numbers evenly over 64 bits (splitmix64's finaliser)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def is_among(keys_N: Keys, sorted_keys: Keys) -> npt.NDArray[np.bool_]:
    """Tell which keys are among others, which are sorted."""
    if not len(sorted_keys):
        return np.zeros(len(keys_N), dtype=np.bool_)
    places_N = np.minimum(np.searchsorted(sorted_keys, keys_N), len(sorted_keys) - 1)
    found_N: npt.NDArray[np.bool_] = sorted_keys[places_N] == keys_N
    return found_N


@dataclass(frozen=True, eq=False)
class TextSample:
    """The keys of a set of texts that are at most ``up_to``, sorted, each once: all of them, unless they are many."""

    keys: Keys
    up_to: int = ALL_KEYS

    @classmethod
    def of(cls, parts: Iterable[Keys], most: int = MOST_KEYS) -> Self:
        """Collect the keys of several parts; where there are more than ``most``, the limit is halved."""
        sample = cls(NO_KEYS)
        for part in parts:
            sample = sample.joined(part, most)
        return sample

    def joined(self, keys: Keys, most: int = MOST_KEYS) -> Self:
        """Return the sample with other texts in it."""
        kept, up_to = np.union1d(self.keys, keys[keys <= np.uint64(self.up_to)]), self.up_to
        while len(kept) > most:
            up_to >>= 1
            kept = kept[kept <= np.uint64(up_to)]
        return type(self)(kept, up_to)

    @property
    def is_whole(self) -> bool:
        """Whether every text of the set is in it."""
        return self.up_to == ALL_KEYS

    def tells_of(self, keys_N: Keys) -> npt.NDArray[np.bool_]:
        """Tell which texts can be looked for at all."""
        told_N: npt.NDArray[np.bool_] = keys_N <= np.uint64(self.up_to)
        return told_N

    def has(self, keys_N: Keys) -> npt.NDArray[np.bool_]:
        """Tell which texts are in the set, as far as it tells of them."""
        return is_among(keys_N, self.keys)
