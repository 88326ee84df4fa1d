"""What is weighed: a process that imports what a scoring worker imports, and no more."""

from collections.abc import Sequence

import psutil

import w2vray.cluster.score  # noqa: F401 - with all that a scoring worker needs
from w2vray.cluster.sharing import SharedVectors
from w2vray.models.directory import Bundle
from w2vray.scoring.scorer import TextScorer

__all__ = ["Worker", "own_memory"]


class Worker:
    """A process that does what a scoring worker does."""

    def score(self, shared: list[SharedVectors], bundle: Bundle, some_texts: Sequence[str]) -> float:
        """Open the shared vectors, classify, and return the private memory in bytes."""
        scorer = TextScorer(bundle, shared[0].get())
        assert len(scorer.score(some_texts)) == len(some_texts)
        return own_memory()


def own_memory() -> float:
    """Return the private memory of this process in bytes."""
    return float(psutil.Process().memory_full_info().uss)
