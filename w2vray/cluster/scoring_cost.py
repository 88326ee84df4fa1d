"""What it costs to score with a model, measured: the CPU time of a word, by the way that a run takes."""

import time
from collections.abc import Iterable, Iterator

import pyarrow as pa

from w2vray.scoring.scorer import TextScorer
from w2vray.text.vocabulary import Vocabulary
from w2vray.training.example_files import Part

__all__ = ["nanoseconds_a_word", "sample_of"]

_WORDS = 20_000
_LEAST_SECONDS = 0.05


def sample_of(parts: Iterable[Part], vocabulary: Vocabulary) -> list[str]:
    """Return texts like those of the first examples: of the same words, less those without a vector."""
    return list(_texts(parts, vocabulary))


def _texts(parts: Iterable[Part], vocabulary: Vocabulary) -> Iterator[str]:
    words = 0
    for part in parts:
        for row in range(len(part)):
            if words >= _WORDS:
                return
            ids = part.ids_L[part.offsets_N1[row] : part.offsets_N1[row + 1]][: _WORDS - words]
            words += len(ids)
            yield " ".join(vocabulary.word(id_) for id_ in ids.tolist() if id_ < len(vocabulary))


def nanoseconds_a_word(scorer: TextScorer, texts: list[str]) -> float:
    """Return the CPU time of a word: texts are scored once to warm up, then repeatedly; the quickest time counts."""
    array = pa.array(texts, pa.large_string())
    words = int(scorer.score_array(array).token_counts_N.sum())
    best = spent = float("inf")
    spent = 0.0
    while spent < _LEAST_SECONDS:
        begun = time.process_time()
        scorer.score_array(array)
        seconds = time.process_time() - begun
        best, spent = min(best, seconds), spent + max(seconds, 1e-3)
    return 1e9 * best / max(words, 1)
