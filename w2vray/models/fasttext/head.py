"""The head of a folded ``fasttext``: the mean of the rows of a text's features, then its output layer and loss.

Rows are projected to what the output layer makes of them where that is fewer numbers than a row has.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.projecting import ProjectedRows
from w2vray.models.average.adding import add_rows, in_tiles
from w2vray.models.fasttext.probabilities import logits_of
from w2vray.models.fasttext.settings import FastTextSettings
from w2vray.text.columns import SMALL_BLOCK_BYTES
from w2vray.text.lookup import Ids

__all__ = ["FastTextHead"]


class FastTextHead:
    """Mean of rows, output layer, and logits of what the loss makes of it."""

    parts = 1
    block_bytes = SMALL_BLOCK_BYTES

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], settings: FastTextSettings) -> None:
        output_DC = weights["output"].T
        dim, outputs = output_DC.shape
        self._loss = settings.loss
        self._tree = weights.get("tree")
        self._output_DC = output_DC.astype(np.float64) if outputs > dim else None
        self.weights_DP = in_tiles(np.eye(dim, dtype=np.float32) if outputs > dim else output_DC)
        self._numbers = min(outputs, dim)
        self.bias_P = np.zeros(self.weights_DP.shape[1], dtype=np.float32)

    def logits(self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits_NC."""
        sums_NP = np.zeros((len(ids), len(self.bias_P)))
        for span in rows.spans(ids.ids_L, made_MD, lambda stop: stop):
            first = ids.text_at(span.start)
            add_rows(span.places_L, span.start, span.stop, ids.offsets_N1, first, rows.rows_RP, sums_NP)
        sums_NP = sums_NP[:, : self._numbers]  # without what fills tiles up
        means_NP = sums_NP / np.maximum(ids.lengths_N, 1)[:, None]
        outputs = means_NP if self._output_DC is None else means_NP @ self._output_DC
        return logits_of(self._loss, outputs, self._tree)
