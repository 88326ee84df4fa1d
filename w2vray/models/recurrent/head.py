"""The head of a folded ``lstm`` or ``gru``: batches of like lengths, step by step.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import read_only
from w2vray.kernels.multiplying import panels, whole_tiles
from w2vray.kernels.projecting import ProjectedRows
from w2vray.models.dense import Dense
from w2vray.models.recurrent.recurring import SIGMOID, TANH, by_step, gru_steps, lstm_steps
from w2vray.models.recurrent.settings import LstmSettings, RecurrentSettings
from w2vray.text.lookup import Ids

__all__ = ["RecurrentHead"]

_BATCH_TEXTS, _BATCH_IDS = 96, 1 << 20
"""Texts of a batch, and ids of its longest text times texts. No answer depends on them."""


class RecurrentHead:
    """The states of one or two directions, the last or their maximum over time, then a dense layer."""

    parts = 1

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], settings: RecurrentSettings) -> None:
        self._lstm = isinstance(settings, LstmSettings)
        self._pooling = settings.pooling
        self._hidden = settings.hidden
        suffixes = ("", "_reverse") if settings.bidirectional else ("",)
        scales = [SIGMOID, SIGMOID, TANH, SIGMOID] if self._lstm else [SIGMOID, SIGMOID, TANH]
        scale_A = np.repeat(scales, settings.hidden)
        inputs_DA, biases_A, self._panels_QHJ, self._candidate_biases_H = [], [], [], []
        for suffix in suffixes:
            of_input, of_state = (weights[f"recurrent.bias_{kind}_l0{suffix}"] * scale_A for kind in ("ih", "hh"))
            if not self._lstm:  # a reset gate comes between the candidate's recurrent bias and the rest
                self._candidate_biases_H.append(read_only(of_state[2 * settings.hidden :].astype(np.float32)))
                of_state = np.concatenate([of_state[: 2 * settings.hidden], np.zeros(settings.hidden)])
            inputs_DA.append(weights[f"recurrent.weight_ih_l0{suffix}"].T * scale_A)
            biases_A.append(of_input + of_state)
            self._panels_QHJ.append(panels(weights[f"recurrent.weight_hh_l0{suffix}"].T * scale_A))
        self.weights_DP = np.concatenate(inputs_DA, axis=1)
        self.bias_P = np.concatenate(biases_A)
        self._dense = Dense(weights)

    def logits(self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits_NC."""
        hidden = self._hidden
        features_XF = np.zeros((whole_tiles(len(ids)), hidden * len(self._panels_QHJ)), dtype=np.float32)
        for texts_B in _batches(ids.lengths_N):
            for direction in range(len(self._panels_QHJ)):
                features_BH = self._features(ids, texts_B, direction, rows, made_MD)
                features_XF[texts_B, direction * hidden : (direction + 1) * hidden] = features_BH
        return self._dense.logits(features_XF, len(ids))

    def _features(
        self,
        ids: Ids,
        texts_B: npt.NDArray[np.int64],
        direction: int,
        rows: ProjectedRows,
        made_MD: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.float32]:
        """Go through the texts of a batch, longest first, in one direction."""
        ids_L, before = by_step(ids.ids_L, ids.offsets_N1[texts_B], ids.lengths_N[texts_B], direction == 1)
        texts, room, hidden = len(texts_B), whole_tiles(len(texts_B)), self._hidden
        panels_QHJ = self._panels_QHJ[direction]
        states_XH, cells_XH = np.zeros((2, room, hidden), dtype=np.float32)
        highest_XH = np.full_like(states_XH, -np.inf)
        gates_XZ = np.empty((room, panels_QHJ.shape[0] * panels_QHJ.shape[2]), dtype=np.float32)
        first = direction * hidden * (4 if self._lstm else 3)

        def steps(stop: int) -> int:
            return int(np.searchsorted(before, stop, side="right")) - 1

        for span in rows.spans(ids_L, made_MD, lambda stop: int(before[steps(stop)])):
            of_span = (steps(span.start), steps(span.stop))
            shared = (span.places_L, before, of_span, rows.rows_RP, first, panels_QHJ, gates_XZ)
            if self._lstm:
                lstm_steps(*shared, cells_XH, states_XH, highest_XH)
            else:
                gru_steps(*shared, self._candidate_biases_H[direction], states_XH, highest_XH)
        return (highest_XH if self._pooling == "max" else states_XH)[:texts]


def _batches(lengths_N: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Batch texts of like lengths, longest first in each; texts without ids are in none."""
    order_N = np.argsort(-lengths_N, kind="stable")
    order_N = order_N[: np.count_nonzero(lengths_N)]
    start = 0
    while start < len(order_N):
        stop = start + max(1, min(_BATCH_TEXTS, _BATCH_IDS // int(lengths_N[order_N[start]])))
        yield order_N[start:stop]
        start = stop
