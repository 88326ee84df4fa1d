"""The head of a folded ``average``: the mean of projected rows.

Where means are scaled to length 1, their lengths are needed: the rows are then not projected, and the dense layer comes
after the mean.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.projecting import ProjectedRows, Span
from w2vray.kernels.weighing import Heaviest, heaviest_ids, weigh_ids
from w2vray.models.average.adding import add_rows, in_tiles, means_and_bias
from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.evidence import Numbers, Weigh
from w2vray.text.columns import SMALL_BLOCK_BYTES
from w2vray.text.lookup import Ids

__all__ = ["AverageHead"]


_Part = tuple[npt.NDArray[np.int32], int, int, npt.NDArray[np.int64], int, npt.NDArray[np.float32]]


class AverageHead:
    """Mean of projected rows, and the bias."""

    parts = 1
    block_bytes = SMALL_BLOCK_BYTES

    def __init__(
        self, weights: Mapping[str, npt.NDArray[Any]], settings: AverageSettings | TunedAverageSettings
    ) -> None:
        dense_DC = weights["dense.weight"].T
        self._dense_DC = dense_DC.astype(np.float64) if settings.unit_length else None
        self.weights_DP = in_tiles(np.eye(len(dense_DC), dtype=np.float32) if settings.unit_length else dense_DC)
        self._numbers = len(dense_DC) if settings.unit_length else dense_DC.shape[1]
        self.bias_P = np.zeros(self.weights_DP.shape[1], dtype=np.float32)
        self._bias_C = weights["dense.bias"].astype(np.float64)

    def logits(self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits_NC."""
        sums_NP = np.zeros((len(ids), len(self.bias_P)))
        for span in rows.spans(ids.ids_L, made_MD, lambda stop: stop):
            add_rows(*_part(span, ids, rows), sums_NP)
        return self._of_sums(sums_NP, ids)

    def _of_sums(self, sums_NP: Numbers, ids: Ids) -> npt.NDArray[np.float32]:
        if self._dense_DC is None:
            means_NC = np.empty((len(sums_NP), len(self._bias_C)), dtype=np.float32)
            means_and_bias(sums_NP, ids.lengths_N, self._bias_C, means_NC)
            return means_NC
        sums_NP = sums_NP[:, : self._numbers]  # without what fills tiles up
        lengths_N = np.linalg.norm(sums_NP, axis=1)
        units_ND = sums_NP / np.maximum(lengths_N, np.finfo(np.float64).tiny)[:, None]
        logits_NC: npt.NDArray[np.float32] = (units_ND @ self._dense_DC + self._bias_C).astype(np.float32)
        return logits_NC

    def explained(
        self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], Weigh]:
        """Return logits_NC, and what tells the words that weighed most."""
        sums_NP = np.zeros((len(ids), len(self.bias_P)))
        spans = []
        for span in rows.spans(ids.ids_L, made_MD, lambda stop: stop):
            add_rows(*_part(span, ids, rows), sums_NP)
            spans.append(span)

        def weigh(label_N: npt.NDArray[np.int32], directions_CC: Numbers, most: int) -> Heaviest:
            gains_CP = (
                directions_CC if self._dense_DC is None else np.ascontiguousarray(directions_CC @ self._dense_DC.T)
            )
            if self._dense_DC is None:
                divisor_N = np.maximum(ids.lengths_N, 1).astype(np.float64)
            else:
                divisor_N = np.maximum(np.linalg.norm(sums_NP[:, : self._numbers], axis=1), np.finfo(np.float64).tiny)
            weight_L = np.empty(len(ids.ids_L), dtype=np.float32)
            # the words of the first of several spans may have given their places to others since
            for span in spans if len(spans) == 1 else rows.spans(ids.ids_L, made_MD, lambda stop: stop):
                weigh_ids(*_part(span, ids, rows), label_N, gains_CP, divisor_N, weight_L)
            counts_N, first_O, weight_O = heaviest_ids(weight_L, ids.offsets_N1, label_N, most)
            return Heaviest(counts_N, first_O, first_O, weight_O)

        return self._of_sums(sums_NP, ids), weigh


def _part(span: Span, ids: Ids, rows: ProjectedRows) -> _Part:
    """Return what kernels read of a part of a block."""
    return span.places_L, span.start, span.stop, ids.offsets_N1, ids.text_at(span.start), rows.rows_RP
