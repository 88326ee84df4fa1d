"""The head of a folded ``cnn``: the maximum over time of each filter, ReLU, a dense layer.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.aligning import aligned
from w2vray.kernels.compiling import read_only
from w2vray.kernels.multiplying import whole_tiles
from w2vray.kernels.projecting import ProjectedRows
from w2vray.kernels.weighing import Heaviest
from w2vray.models.cnn.convolving import TILE, in_tiles, keep_highest, shapes_of, whole_tiles_of
from w2vray.models.cnn.rectifying import logits_of, rectify
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.cnn.tracking import heaviest_windows, track_highest
from w2vray.models.dense import Dense
from w2vray.models.evidence import Numbers, Weigh
from w2vray.text.lookup import Ids

__all__ = ["CnnHead"]


class CnnHead:
    """Maximum over time of each filter, ReLU, dense layer."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], settings: CnnSettings) -> None:
        kernels = [weights[f"convolutions.{index}.weight"] for index in range(len(settings.widths))]  # each [F, D, S]
        self.weights_DP = in_tiles(kernels)
        self.bias_P = np.zeros(self.weights_DP.shape[1], dtype=np.float32)
        self.parts = whole_tiles_of(settings.filters) // TILE
        self._overlap = max(settings.widths) - 1
        self._shapes = shapes_of(settings.widths)
        self._widths = read_only(np.array(settings.widths, dtype=np.int64))
        biases = [weights[f"convolutions.{index}.bias"] for index in range(len(kernels))]
        self._bias_F = read_only(np.concatenate(biases).astype(np.float32))
        self._dense = Dense(weights)
        self._dense_CF = weights["dense.weight"].astype(np.float64)

    def logits(self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits_NC."""
        highest_QNJ = self._lowest(ids)
        for span in rows.spans(ids.ids_L, made_MD, lambda stop: stop - self._overlap):
            first = ids.text_at(span.start)
            part = span.places_L, span.start, span.stop, ids.offsets_N1, first
            keep_highest(*part, self._shapes, self._overlap, rows.rows_QRJ, highest_QNJ)
        return logits_of(highest_QNJ, self._bias_F, self._dense.panels_QFJ, self._dense.bias_C)

    def explained(
        self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], Weigh]:
        """Return logits_NC, and what tells the windows that weighed most."""
        highest_QNJ = self._lowest(ids)
        at_QNJ = np.zeros(highest_QNJ.shape, dtype=np.int32)
        for span in rows.spans(ids.ids_L, made_MD, lambda stop: stop - self._overlap):
            part = span.places_L, span.start, span.stop, ids.offsets_N1, ids.text_at(span.start)
            track_highest(*part, self._shapes, self._overlap, rows.rows_QRJ, highest_QNJ, at_QNJ)
        features_XF = np.empty((whole_tiles(len(ids)), len(self._bias_F)), dtype=np.float32)
        rectify(highest_QNJ, 0, len(ids), self._bias_F, features_XF)

        def weigh(label_N: npt.NDArray[np.int32], directions_CC: Numbers, most: int) -> Heaviest:
            gains_CF = directions_CC @ self._dense_CF
            return Heaviest(
                *heaviest_windows(features_XF, at_QNJ, ids.offsets_N1, self._widths, label_N, gains_CF, most)
            )

        return self._dense.logits(features_XF, len(ids)), weigh

    def _lowest(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return highest_QNJ before any window is read."""
        highest_QNJ = aligned(self.parts, len(ids), len(self._widths) * TILE)
        highest_QNJ[:] = -np.inf
        highest_QNJ[:, ids.lengths_N == 0] = 0.0  # it is a word of zeros
        return highest_QNJ
