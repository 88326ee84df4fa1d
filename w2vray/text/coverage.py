"""How many of the tokens of some texts have a vector.

Shape letters: CONTRIBUTING.md.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from w2vray.text.lookup import Lookup
from w2vray.text.pieces import Pieces
from w2vray.text.resolution import WAYS
from w2vray.text.rules import TokenRules
from w2vray.text.vocabulary import MISSING, Vocabulary

__all__ = ["Coverage", "measure_coverage"]


@dataclass(frozen=True)
class Coverage:
    """How many tokens of some texts have a vector, and the commonest words that have none, with how often they came.

    Those counts may be too low where such words are very many (see ``measure_coverage``). ``found_by`` counts the
    tokens that each way of looking found (see ``resolution.py``).
    """

    tokens: int
    found: int
    found_by: dict[str, int]
    missing: dict[str, int]

    @property
    def coverage(self) -> float:
        """Share of the tokens that have a vector."""
        return self.found / max(self.tokens, 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the coverage as JSON can hold it."""
        return {
            "tokens": self.tokens,
            "found": self.found,
            "coverage": self.coverage,
            "found_by": self.found_by,
            "missing": self.missing,
        }


def measure_coverage(
    vocabulary: Vocabulary,
    rules: TokenRules,
    texts: Iterable[pa.LargeStringArray],
    *,
    pieces: Pieces | None = None,
    words: int = 20,
) -> Coverage:
    """Measure the coverage of texts; ``words`` of the commonest missing words are listed.

    So that memory stays bounded, the rarest are forgotten where there are more than ``_MISSING_WORDS``. A word that
    comes again is then counted anew: its count is too low, never too high, and it may not be listed at all.
    """
    lookup = Lookup(vocabulary, rules, "skip", pieces=pieces)
    missing: Counter[str] = Counter()
    ways = np.zeros(len(WAYS), dtype=np.int64)
    tokens = 0
    for array in texts:
        counts = Counter(token for text in array.to_pylist() for token in lookup.tokenize(text))
        resolved = lookup.resolve(list(counts))
        counts_E = np.repeat(np.array(list(counts.values()), dtype=np.int64), np.diff(resolved.offsets_W1))
        tokens += int(counts_E.sum())
        known_E = resolved.rows_E != MISSING
        np.add.at(ways, resolved.ways_E[known_E], counts_E[known_E])
        for index in np.flatnonzero(~known_E):
            missing[resolved.entries[index]] += int(counts_E[index])
        if len(missing) > _MISSING_WORDS:
            missing = Counter(dict(missing.most_common(_MISSING_WORDS // 2)))
    found_by = {way: number for way, number in zip(WAYS, ways.tolist(), strict=True) if number}
    return Coverage(tokens, int(ways.sum()), found_by, dict(missing.most_common(words)))


_MISSING_WORDS = 1 << 20
