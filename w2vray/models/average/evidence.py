"""What ``average`` weighs: each word by itself, exactly.

The logits are those of a mean, so each word has its share of them: ``direction @ W v_t / T``, or, where the mean is
scaled to length 1, ``direction @ W v_t / |sum_t v_t|``.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.evidence import Numbers, Weighed

__all__ = ["AverageEvidence"]


class AverageEvidence:
    """The share that each word has of the logits."""

    def __init__(
        self, weights: Mapping[str, npt.NDArray[Any]], settings: AverageSettings | TunedAverageSettings
    ) -> None:
        self._dense_CD = weights["dense.weight"].astype(np.float64)
        self._bias_C = weights["dense.bias"].astype(np.float64)
        self._unit_length = bool(settings.unit_length)

    def weighed(self, vectors_TD: npt.NDArray[Any], direction_C: Numbers) -> Weighed:
        """Split up the logits of a text: a piece is one id."""
        vectors_TD = vectors_TD.astype(np.float64)
        divisor = np.linalg.norm(vectors_TD.sum(axis=0)) if self._unit_length else float(len(vectors_TD))
        places = np.arange(len(vectors_TD))
        return Weighed(places, places, vectors_TD @ (direction_C @ self._dense_CD) / max(divisor, _TINY))

    def intercept(self, direction_C: Numbers) -> float:
        """Return the direction's share of the bias."""
        return float(direction_C @ self._bias_C)

    def of_words(self, vectors_WD: npt.NDArray[Any]) -> Numbers:
        """Return the logits of each word by itself."""
        vectors_WD = vectors_WD.astype(np.float64)
        if self._unit_length:
            vectors_WD /= np.maximum(np.linalg.norm(vectors_WD, axis=1), _TINY)[:, None]
        logits_WC: Numbers = vectors_WD @ self._dense_CD.T
        return logits_WC


_TINY = float(np.finfo(np.float64).tiny)
