"""What comes after the maxima over time of a folded ``cnn``: the filters' bias, ReLU, and the dense layer.

The features of some texts stay in the processor's cache until they are multiplied.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import intrinsic, kernel
from w2vray.kernels.multiplying import multiply
from w2vray.models.cnn.convolving import TILE

__all__ = ["logits_of", "rectify"]

_TOGETHER = 96
"""Texts whose features are multiplied at once: whole tiles of rows."""

_ZERO = np.float32(0)


@intrinsic
def _rectify_tile(_: Any, highest_NJ: Any, text: Any, column: Any, bias_F: Any, first: Any, features_F: Any) -> Any:
    """Write ``TILE`` features from ``first`` on: a vector instruction for each step, which no short loop becomes."""
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        vector = ir.VectorType(ir.FloatType(), TILE)

        def tile_of(number: int, *indices: Any) -> Any:
            kind = signature.args[number]
            array = context.make_array(kind)(context, builder, arguments[number])
            item = cgutils.get_item_pointer(context, builder, kind, array, indices, wraparound=False)
            return builder.bitcast(item, vector.as_pointer())

        highest = builder.load(tile_of(0, arguments[1], arguments[2]), align=4)
        number = builder.fadd(highest, builder.load(tile_of(3, arguments[4]), align=4))
        is_above = builder.fcmp_ordered(">", number, ir.Constant(vector, None))
        feature = builder.select(is_above, number, ir.Constant(vector, None))
        builder.store(feature, tile_of(5, arguments[4]), align=4)
        return context.get_dummy_value()

    numbers = types.int64
    return types.void(highest_NJ, numbers, numbers, bias_F, numbers, features_F), code


@kernel
def rectify(
    highest_QNJ: npt.NDArray[np.float32],
    start: int,
    stop: int,
    bias_F: npt.NDArray[np.float32],
    features_XF: npt.NDArray[np.float32],
) -> None:
    """Add the bias and apply ReLU, without what fills the last tiles up, for the texts from ``start`` to ``stop``."""
    widths = highest_QNJ.shape[2] // TILE
    filters = len(bias_F) // widths
    for tile in range(len(highest_QNJ)):
        highest_NJ = highest_QNJ[tile]
        count = filters - tile * TILE
        for text in range(start, stop):
            features_F = features_XF[text - start]
            for k in range(widths):
                first = k * filters + tile * TILE
                if count >= TILE:
                    _rectify_tile(highest_NJ, text, k * TILE, bias_F, first, features_F)
                else:
                    for j in range(count):
                        features_F[first + j] = max(highest_NJ[text, k * TILE + j] + bias_F[first + j], _ZERO)


@kernel
def logits_of(
    highest_QNJ: npt.NDArray[np.float32],
    bias_F: npt.NDArray[np.float32],
    panels_QFJ: npt.NDArray[np.float32],
    bias_C: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return logits_NC of highest sums."""
    texts, classes = highest_QNJ.shape[1], len(bias_C)
    logits_NC = np.empty((texts, classes), dtype=np.float32)
    features_XF = np.zeros((_TOGETHER, len(bias_F)), dtype=np.float32)
    products_XZ = np.empty((_TOGETHER, len(panels_QFJ) * panels_QFJ.shape[2]), dtype=np.float32)
    for start in range(0, texts, _TOGETHER):
        count = min(_TOGETHER, texts - start)
        rectify(highest_QNJ, start, start + count, bias_F, features_XF)
        multiply(features_XF, panels_QFJ, count, products_XZ)
        for text in range(count):
            for c in range(classes):
                logits_NC[start + text, c] = products_XZ[text, c] + bias_C[c]
    return logits_NC
