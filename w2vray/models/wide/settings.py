"""What config.json says of a wide part."""

import math
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["LEAST_BITS", "MOST_BITS", "MOST_WORDS", "WideSettings"]

LEAST_BITS, MOST_BITS = 10, 24
MOST_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class WideSettings:
    """Which runs of words a wide part reads, and how its logits are added: ``main`` and ``wide`` multiply the two.

    Of a text with no vector, there are the logits of the wide part alone.
    """

    longest: int  # words of a run
    bits: int  # there are 2 ** bits buckets
    main: float = 1.0
    wide: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return it as config.json has it."""
        return {"longest": self.longest, "buckets": 1 << self.bits, "weights": [self.main, self.wide]}

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Rebuild what ``as_dict`` gave.

        Raises:
            KeyError: something is missing.
            ValueError: something of it cannot be.
        """
        longest, buckets, weights = stored["longest"], stored["buckets"], stored["weights"]
        if type(longest) is not int or not 1 <= longest <= MOST_WORDS:
            raise ValueError(f"the longest n-grams are {longest!r} words; expected 1 to {MOST_WORDS}")
        if type(buckets) is not int or buckets not in {1 << bits for bits in range(LEAST_BITS, MOST_BITS + 1)}:
            raise ValueError(f"buckets is {buckets!r}; expected a power of two, up to {1 << MOST_BITS:,}")
        numbers = isinstance(weights, list) and len(weights) == 2 and all(type(w) in {int, float} for w in weights)
        if not numbers or not all(0 <= weight < math.inf for weight in weights):
            raise ValueError(f"the weights of the two parts are {weights!r}; expected two numbers from 0 on")
        return cls(longest=longest, bits=buckets.bit_length() - 1, main=float(weights[0]), wide=float(weights[1]))
