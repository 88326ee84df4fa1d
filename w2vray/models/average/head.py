"""The head of a folded ``average``: the mean of projected rows.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.projecting import ProjectedRows
from w2vray.models.average.adding import add_rows
from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.text.lookup import Ids

__all__ = ["AverageHead"]


class AverageHead:
    """Mean of projected rows, and the bias."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], _: AverageSettings | TunedAverageSettings) -> None:
        self.weights_DP = np.ascontiguousarray(weights["dense.weight"].T)
        self.bias_P = np.zeros(self.weights_DP.shape[1], dtype=np.float32)
        self._bias_C = weights["dense.bias"].astype(np.float64)

    def logits(self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits_NC."""
        sums_NC = np.zeros((len(ids), len(self._bias_C)))
        for span in rows.spans(ids.ids_L, made_MD, lambda stop: stop):
            first = ids.text_at(span.start)
            add_rows(span.places_L, span.start, span.stop, ids.offsets_N1, first, rows.rows_RP, sums_NC)
        means_NC = sums_NC / np.maximum(ids.lengths_N, 1)[:, None]
        return (means_NC + self._bias_C).astype(np.float32)
