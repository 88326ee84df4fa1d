"""Train text classifiers on word vectors, then classify whole Parquet document stores with them, on a Ray cluster.

Importing this package starts nothing and imports neither ray nor torch; each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2vray.errors import UnusableInputError, W2vrayError
    from w2vray.models.directory import Bundle
    from w2vray.scoring.answers import Scores
    from w2vray.scoring.scorer import TextScorer
    from w2vray.text.lookup import Lookup
    from w2vray.vectors import Vectors

__all__ = [
    "Bundle",
    "Lookup",
    "Scores",
    "TextScorer",
    "UnusableInputError",
    "Vectors",
    "W2vrayError",
    "__version__",
]

__version__ = "0.1.0"

_HOME = {
    "Bundle": "w2vray.models.directory",
    "Lookup": "w2vray.text.lookup",
    "Scores": "w2vray.scoring.answers",
    "TextScorer": "w2vray.scoring.scorer",
    "UnusableInputError": "w2vray.errors",
    "Vectors": "w2vray.vectors",
    "W2vrayError": "w2vray.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'w2vray' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
