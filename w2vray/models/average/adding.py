"""``average``, folded: a text's logits are the mean of its words' projected rows.

``dense(mean_t v_t) = mean_t (W v_t) + b``, so that a word counts C numbers, not D. A few numbers are added up in the
processor's registers, ``TILE`` side by side; of many, all those of a row at a time.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import intrinsic, kernel

__all__ = ["TILE", "add_rows", "in_tiles", "means_and_bias"]

TILE = 8
"""Columns that are added up together."""

_FEW = 4 * TILE
"""Columns up to which the rows are read once a tile."""


def in_tiles(weights_DC: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return weights_DP: if there are few columns, some of zeros are added that fill the last tile up."""
    columns = weights_DC.shape[1]
    missing = -columns % TILE if columns <= _FEW else 0
    return np.ascontiguousarray(np.pad(weights_DC, ((0, 0), (0, missing))))


@intrinsic
def _add_tile(_: Any, rows_RP: Any, places_L: Any, first: Any, stop: Any, column: Any, sums_NP: Any, text: Any) -> Any:
    """Add ``TILE`` columns of the rows of places from ``first`` to ``stop`` to a text's sums, one row after another."""
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        index = ir.IntType(64)
        row, total = ir.VectorType(ir.FloatType(), TILE), ir.VectorType(ir.DoubleType(), TILE)

        def item(number: int, *indices: Any) -> Any:
            kind = signature.args[number]
            array = context.make_array(kind)(context, builder, arguments[number])
            return cgutils.get_item_pointer(context, builder, kind, array, indices, wraparound=False)

        first, stop, column = arguments[2:5]
        to_sums = builder.bitcast(item(5, arguments[6], column), total.as_pointer())
        sums = cgutils.alloca_once_value(builder, builder.load(to_sums, align=8))
        with cgutils.for_range(builder, builder.sub(stop, first)) as loop:
            place = builder.sext(builder.load(item(1, builder.add(first, loop.index))), index)
            numbers = builder.load(builder.bitcast(item(0, place, column), row.as_pointer()), align=4)
            builder.store(builder.fadd(builder.load(sums), builder.fpext(numbers, total)), sums)
        builder.store(builder.load(sums), to_sums, align=8)
        return context.get_dummy_value()

    numbers = types.int64
    return types.void(rows_RP, places_L, numbers, numbers, numbers, sums_NP, numbers), code


@kernel
def add_rows(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    rows_RP: npt.NDArray[np.float32],
    sums_NP: npt.NDArray[np.float64],
) -> None:
    """Add the rows of the ids from ``start`` to ``stop`` to their texts' sums, one after another."""
    columns = rows_RP.shape[1]
    in_whole_tiles = columns <= _FEW and columns % TILE == 0
    sums_P = np.zeros(columns, dtype=np.float64)
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        first, last = max(start, offsets_N1[text]), min(stop, offsets_N1[text + 1])
        if in_whole_tiles:
            for column in range(0, columns, TILE):
                _add_tile(rows_RP, places_L, first, last, column, sums_NP, text)
        else:
            sums_P[:] = sums_NP[text]
            for position in range(first, last):
                row = places_L[position]
                for column in range(columns):
                    sums_P[column] += rows_RP[row, column]
            sums_NP[text] = sums_P
        text += 1


@kernel
def means_and_bias(
    sums_NP: npt.NDArray[np.float64],
    lengths_N: npt.NDArray[np.int64],
    bias_C: npt.NDArray[np.float64],
    logits_NC: npt.NDArray[np.float32],
) -> None:
    """Write the means of sums, of texts without words too, and the bias; columns that fill tiles up are left out."""
    for text in range(len(sums_NP)):
        length = max(lengths_N[text], 1)
        for column in range(len(bias_C)):
            logits_NC[text, column] = sums_NP[text, column] / length + bias_C[column]
