"""What ``train --model auto`` tries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LADDER", "Candidate"]


@dataclass(frozen=True)
class Candidate:
    """A kind of model to try, with its defaults but for ``options``."""

    model: str
    tune_vectors: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As a person is told of it."""
        return f"{self.model} with tuned words" if self.tune_vectors else self.model


LADDER = (
    Candidate("average"),
    Candidate("average", tune_vectors=True),
    Candidate("cnn"),
    Candidate("cnn", tune_vectors=True),
    Candidate("gru"),
)
"""The cheapest first."""
