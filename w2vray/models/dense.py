"""The dense layer of a folded model: what makes logits of its features.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel, read_only
from w2vray.kernels.multiplying import multiply, narrow_panels

__all__ = ["Dense"]


class Dense:
    """The layer that makes logits of a network's features."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        self.panels_QFJ = narrow_panels(weights["dense.weight"].T)
        self.bias_C = read_only(weights["dense.bias"].astype(np.float32))

    def logits(self, features_XF: npt.NDArray[np.float32], texts: int) -> npt.NDArray[np.float32]:
        """Return logits_NC of the first texts; ``features_XF`` has room for whole tiles of them."""
        return _dense(features_XF, texts, self.panels_QFJ, self.bias_C)


@kernel
def _dense(
    features_XF: npt.NDArray[np.float32],
    texts: int,
    panels_QFJ: npt.NDArray[np.float32],
    bias_C: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    products_XZ = np.empty((len(features_XF), panels_QFJ.shape[0] * panels_QFJ.shape[2]), dtype=np.float32)
    multiply(features_XF, panels_QFJ, texts, products_XZ)
    return products_XZ[:texts, : len(bias_C)] + bias_C
