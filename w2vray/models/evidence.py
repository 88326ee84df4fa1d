"""What a model weighs in a text: which of its ids, or runs of ids, moved the logits, and by how much.

A *direction* says which logits are looked at: with it, one number comes of a text's logits, such as a label's less the
mean of the others. A kind of model whose ``evidence`` stands in its row of ``kinds.py`` splits that number up among the
words of the text.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from w2vray.kernels.weighing import Heaviest

__all__ = ["Evidence", "Numbers", "Weigh", "Weighed", "direction_of"]

Numbers = npt.NDArray[np.float64]

Weigh = Callable[[npt.NDArray[np.int32], Numbers, int], Heaviest]
"""Returns the pieces that weigh most of each text of a block, by compiled kernels: for its label, in label_N (below
zero where none is explained), of directions_CC, which has the direction of each label, so many of them at most. For 0,
it returns all that weigh something, in the order of the text."""


@dataclass(frozen=True)
class Weighed:
    """Pieces of a text, each from the id ``first_O`` to the id ``last_O``, and what each of them weighs."""

    first_O: npt.NDArray[np.int64]
    last_O: npt.NDArray[np.int64]
    weight_O: Numbers

    def strongest(self, most: int) -> "Weighed":
        """Return the pieces that weigh most, for or against, the heaviest first; what weighs nothing is left out.

        Of pieces that weigh the same, as a word that comes twice, the first in the text comes first.
        """
        weight_O = self.weight_O.astype(np.float32)
        order = np.lexsort((self.last_O, self.first_O, -np.abs(weight_O)))[:most]
        order = order[weight_O[order] != 0]
        return Weighed(self.first_O[order], self.last_O[order], self.weight_O[order])


class Evidence(Protocol):
    """What a kind of model knows about what it weighs. It is made of weights, by torch's names, and of settings."""

    def weighed(self, vectors_TD: npt.NDArray[Any], direction_C: Numbers) -> Weighed:
        """Split the logits of a text's vectors up: the weights add up to ``direction_C @ logits_C - intercept``."""

    def intercept(self, direction_C: Numbers) -> float:
        """Return what a text has of the direction before a word of it is read."""

    def of_words(self, vectors_WD: npt.NDArray[Any]) -> Numbers:
        """Return logits_WC of texts of a word each, without the intercept."""


def direction_of(label: int, scales_C: Numbers, *, multi_label: bool) -> Numbers:
    """Return the direction of a label: its logit against the mean of the others, or its own where each counts alone.

    Args:
        label: which.
        scales_C: what each logit is multiplied by, to become that of a calibrated probability.
        multi_label: whether a text may have any number of labels.
    """
    others = 0.0 if multi_label else -1.0 / (len(scales_C) - 1)
    direction_C = np.full(len(scales_C), others)
    direction_C[label] = 1.0
    return direction_C * scales_C
