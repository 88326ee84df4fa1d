"""What trained models say of labelled rows, kept in files: calibration and promises are measured on it, cheaply.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from w2vray.training.held_out_answers import HeldOutAnswers

__all__ = ["Answers", "kept_at", "softmax"]


def kept_at(folder: Path, name: str, model: str, seed: int) -> Path:
    """Name the file of a set and a model."""
    return folder / "answers" / f"{name}-{model}-{seed}.npz"


def softmax(logits_NC: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return probabilities_NC."""
    powers_NC = np.exp(logits_NC.astype(np.float64) - logits_NC.max(axis=1, keepdims=True))
    probabilities_NC: npt.NDArray[np.float64] = powers_NC / powers_NC.sum(axis=1, keepdims=True)
    return probabilities_NC


@dataclass(frozen=True)
class Answers:
    """Of one model: its temperature, and its logits of the test rows, and of rows that it did not learn from.

    The test rows are those with a known word; a label that the model does not know is -1.
    """

    temperature: float
    test: HeldOutAnswers
    held_out: HeldOutAnswers

    def probabilities(self, temperature: float) -> npt.NDArray[np.float64]:
        """Return those of the test rows."""
        return softmax(self.test.logits_NC / np.float32(temperature))

    def write(self, place: Path) -> None:
        """Write the file, whole or not at all."""
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(".partial.npz")
        arrays = {f"{kind}_{item}": getattr(getattr(self, kind), item) for kind, item in _ARRAYS}
        np.savez_compressed(partial, temperature=self.temperature, **arrays)
        partial.replace(place)

    @classmethod
    def read(cls, place: Path) -> Self:
        """Read the file."""
        with np.load(place) as stored:
            kept = {kind: HeldOutAnswers(stored[f"{kind}_logits_NC"], stored[f"{kind}_labels"]) for kind, _ in _ARRAYS}
            return cls(float(stored["temperature"]), kept["test"], kept["held_out"])


_ARRAYS = [(kind, item) for kind in ("test", "held_out") for item in ("logits_NC", "labels")]
