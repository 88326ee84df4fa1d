"""The dense layer of a folded model: what makes logits of its features.

Legend: N texts, C classes, S features; T texts and what fills up the last tile of them, Q panels of K columns of the
weights, F columns of all panels.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel, read_only
from w2vray.kernels.multiplying import multiply, panels

__all__ = ["Dense"]


class Dense:
    """The layer that makes logits of a network's features."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        self._panels_QSK = panels(weights["dense.weight"].T)
        self._bias_C = read_only(weights["dense.bias"].astype(np.float32))

    def logits(self, features_TS: npt.NDArray[np.float32], texts: int) -> npt.NDArray[np.float32]:
        """Return logits_NC of the first texts; ``features_TS`` has room for whole tiles of them."""
        return _dense(features_TS, texts, self._panels_QSK, self._bias_C)


@kernel
def _dense(
    features_TS: npt.NDArray[np.float32],
    texts: int,
    panels_QSK: npt.NDArray[np.float32],
    bias_C: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    products_TF = np.empty((len(features_TS), panels_QSK.shape[0] * panels_QSK.shape[2]), dtype=np.float32)
    multiply(features_TS, panels_QSK, texts, products_TF)
    return products_TF[:texts, : len(bias_C)] + bias_C
