"""The commonest words of a run's texts that have no vector, as its page tells them.

They are counted in a sample, in bounded time and memory, from the plan of the run alone: so they are the same however
often the run was resumed, and whoever did the work.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from w2vray.models.directory import Bundle
from w2vray.text.coverage import measure_coverage
from w2vray.vectors import Vectors

__all__ = ["missing_words"]

_WORDS = 100


def missing_words(
    sample: Iterable[pa.LargeStringArray], bundle: Bundle, vectors: Vectors, *, tokens: int
) -> Mapping[str, Any] | None:
    """Count the words without a vector.

    Args:
        sample: texts from all over the store.
        bundle: says what a word is.
        vectors: the words that are known.
        tokens: of all texts that were scored.

    Returns:
        What JSON can hold: the words with how often they came in so many tokens, and whether these are all there are;
        None for a model that makes a vector for every word.
    """
    rules = bundle.config.rules
    if rules.features:
        return None
    found = measure_coverage(
        vectors.vocabulary, rules, sample, pieces=vectors.pieces if rules.pieces else None, words=_WORDS
    )
    return {"words": found.missing, "tokens": found.tokens, "whole": found.tokens >= tokens}
