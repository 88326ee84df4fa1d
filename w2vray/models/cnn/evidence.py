"""What ``cnn`` weighs: the windows of words in which its filters found the most.

Each filter answers with its highest window alone. That window gets what the filter adds to the logits; a window that
several filters, of one width or of several, chose gets what they add together. What of a window lies beyond the ends of
the text is no part of it.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.evidence import Numbers, Weighed

__all__ = ["CnnEvidence"]


class CnnEvidence:
    """The share that each window has of the logits."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], settings: CnnSettings) -> None:
        self._widths = settings.widths
        self._kernels_SDF = [
            weights[f"convolutions.{index}.weight"].astype(np.float64).transpose(2, 1, 0)
            for index in range(len(self._widths))
        ]
        self._biases_F = [
            weights[f"convolutions.{index}.bias"].astype(np.float64) for index in range(len(self._widths))
        ]
        self._dense_CF = weights["dense.weight"].astype(np.float64)
        self._bias_C = weights["dense.bias"].astype(np.float64)

    def weighed(self, vectors_TD: npt.NDArray[Any], direction_C: Numbers) -> Weighed:
        """Split up the logits of a text: a piece is a window that a filter chose, once."""
        words = len(vectors_TD)
        start_F, feature_F = self._chosen(vectors_TD.astype(np.float64))
        width_F = np.repeat(self._widths, [len(bias_F) for bias_F in self._biases_F])
        first_F, last_F = np.maximum(start_F, 0), np.minimum(start_F + width_F, words) - 1
        windows, window_F = np.unique(first_F * (words + 1) + last_F, return_inverse=True)
        weight_O = np.zeros(len(windows))
        np.add.at(weight_O, window_F, (direction_C @ self._dense_CF) * feature_F)
        return Weighed(windows // (words + 1), windows % (words + 1), weight_O)

    def _chosen(self, vectors_TD: Numbers) -> tuple[npt.NDArray[np.int64], Numbers]:
        """Return where each filter's highest window starts, the first of several, and what the filter answers."""
        starts, features = [], []
        for width, kernel_SDF, bias_F in zip(self._widths, self._kernels_SDF, self._biases_F, strict=True):
            edge = np.zeros((width - 1, vectors_TD.shape[1]))
            padded_TD = np.concatenate([edge, vectors_TD, edge])
            windows = len(vectors_TD) + width - 1
            sums_TF = sum(padded_TD[j : j + windows] @ kernel_SDF[j] for j in range(width))
            starts.append(sums_TF.argmax(axis=0) - (width - 1))
            features.append(np.maximum(sums_TF.max(axis=0) + bias_F, 0.0))
        return np.concatenate(starts), np.concatenate(features)

    def intercept(self, direction_C: Numbers) -> float:
        """Return the direction's share of the dense layer's bias."""
        return float(direction_C @ self._bias_C)

    def of_words(self, vectors_WD: npt.NDArray[Any]) -> Numbers:
        """Return the logits of each word by itself: each filter chooses among its places in a window."""
        vectors_WD = vectors_WD.astype(np.float64)
        features = [
            np.maximum(np.max([vectors_WD @ kernel_DF for kernel_DF in kernel_SDF], axis=0) + bias_F, 0.0)
            for kernel_SDF, bias_F in zip(self._kernels_SDF, self._biases_F, strict=True)
        ]
        logits_WC: Numbers = np.concatenate(features, axis=1) @ self._dense_CF.T
        return logits_WC
