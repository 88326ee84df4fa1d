"""Matrix products whose numbers do not depend on what stands beside them, at the speed of a library's.

A library's product rounds differently when it is given another number of rows. Here each number is summed in the same
order, in tiles that are always full: three rows by 32 columns are twelve vector registers of eight numbers each, six
rows as many of sixteen, where the sums stay while they grow. The weights are kept in panels of 32 columns, or of 16
where there are no more, each of which is read from start to end; a tile of a narrow panel has twice the rows. Nothing
of this changes a number's sum: machines of either kind have the same.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, intrinsic, kernel, lanes, read_only

__all__ = [
    "TILE_COLUMNS",
    "TILE_ROWS",
    "multiply",
    "multiply_rows",
    "multiply_tile",
    "multiply_transposed",
    "narrow_panels",
    "panels",
    "whole_tiles",
]

TILE_COLUMNS, NARROW_COLUMNS = 32, 16
_LANES = lanes()
_SUMS = 12
"""Vectors of sums that a tile has."""

TILE_ROWS, NARROW_ROWS = _SUMS * _LANES // TILE_COLUMNS, _SUMS * _LANES // NARROW_COLUMNS

_BLOCK = 240
"""Rows, in whole tiles, that stay in the processor's cache while one panel after another is multiplied."""

_DEPTH = 256
"""Rows that are summed over while a panel of them stays in the processor's nearest cache."""


def panels(weights_IP: npt.NDArray[Any], width: int = TILE_COLUMNS) -> npt.NDArray[np.float32]:
    """Return weights as panels_QIJ of so many columns in float32, the last one filled up with zeros."""
    depth, columns = weights_IP.shape
    filled_IZ = np.zeros((depth, -(-columns // width) * width), dtype=np.float32)
    filled_IZ[:, :columns] = weights_IP
    return read_only(filled_IZ.reshape(depth, -1, width).transpose(1, 0, 2))


def narrow_panels(weights_IP: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return weights as ``panels`` does, in a narrow panel if one is enough."""
    return panels(weights_IP, NARROW_COLUMNS if weights_IP.shape[1] <= NARROW_COLUMNS else TILE_COLUMNS)


def whole_tiles(rows: int) -> int:
    """Return how many rows the operands of ``multiply`` must have room for."""
    return -(-rows // NARROW_ROWS) * NARROW_ROWS  # whole tiles of wide panels, too


@inlined
def multiply(
    rows_XI: npt.NDArray[np.float32],
    panels_QIJ: npt.NDArray[np.float32],
    count: int,
    products_XZ: npt.NDArray[np.float32],
) -> None:
    """Write the product of the first ``count`` rows and the weights, and anything into the rest of the last tile."""
    if panels_QIJ.shape[2] == NARROW_COLUMNS:
        for row in range(0, count, NARROW_ROWS):
            multiply_narrow_tile(rows_XI[row:], panels_QIJ[0], products_XZ[row:], False)
        return
    for panel in range(len(panels_QIJ)):
        for row in range(0, count, TILE_ROWS):
            multiply_tile(rows_XI[row:], panels_QIJ[panel], products_XZ[row:, panel * TILE_COLUMNS :], False)


@kernel
def multiply_rows(
    rows_NI: npt.NDArray[np.float32], panels_QIJ: npt.NDArray[np.float32], bias_Z: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return products_NZ of all rows and the weights, and the bias added to each; there need not be room for tiles."""
    count, whole = len(rows_NI), len(rows_NI) - len(rows_NI) % TILE_ROWS
    products_NZ = np.empty((count + TILE_ROWS - 1, len(bias_Z)), dtype=np.float32)
    last_XI = np.zeros((TILE_ROWS, rows_NI.shape[1]), dtype=np.float32)
    for row in range(whole, count):
        last_XI[row - whole] = rows_NI[row]
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        for panel in range(len(panels_QIJ)):
            for row in range(start, stop, TILE_ROWS):
                tile_XI = rows_NI[row:] if row < whole else last_XI
                multiply_tile(tile_XI, panels_QIJ[panel], products_NZ[row:, panel * TILE_COLUMNS :], False)
        for row in range(start, stop):
            for column in range(len(bias_Z)):
                products_NZ[row, column] += bias_Z[column]
    return products_NZ[:count]


@kernel
def multiply_transposed(
    left_IN: npt.NDArray[np.float32], right_IP: npt.NDArray[np.float32], count: int
) -> npt.NDArray[np.float32]:
    """Return product_NP of the first ``count`` rows of ``left_IN``, transposed, and of ``right_IP``.

    ``left_IN`` is contiguous and has more rows than these, one less than a tile or more, whatever they hold. Each
    block of rows is summed by itself, so that long sums are rounded less.
    """
    columns, width = left_IN.shape[1], right_IP.shape[1]
    products_XZ = np.zeros(
        (-(-columns // TILE_ROWS) * TILE_ROWS, -(-width // TILE_COLUMNS) * TILE_COLUMNS), dtype=np.float32
    )
    panel_IJ = np.zeros((_DEPTH, TILE_COLUMNS), dtype=np.float32)
    for start in range(0, count, _DEPTH):
        depth = min(_DEPTH, count - start)
        for column in range(0, width, TILE_COLUMNS):
            filled = min(TILE_COLUMNS, width - column)
            for row in range(depth):
                right_P, panel_J = right_IP[start + row], panel_IJ[row]
                for number in range(filled):
                    panel_J[number] = right_P[column + number]
                for number in range(filled, TILE_COLUMNS):
                    panel_J[number] = 0
            for row in range(0, columns, TILE_ROWS):
                rows_XI = left_IN[start:, row:].T
                multiply_tile(rows_XI, panel_IJ[:depth], products_XZ[row:, column:], True)
    return products_XZ[:columns, :width]


@intrinsic
def multiply_tile(_: Any, rows_XI: Any, panel_IJ: Any, products_XJ: Any, added: Any) -> Any:
    """Write the product of one tile, or where ``added`` add it: vector instructions that no loop is compiled to."""
    from numba import types

    return types.void(rows_XI, panel_IJ, products_XJ, types.boolean), partial(_tile_code, TILE_COLUMNS)


@intrinsic
def multiply_narrow_tile(_: Any, rows_XI: Any, panel_IJ: Any, products_XJ: Any, added: Any) -> Any:
    """Do what ``multiply_tile`` does, for a narrow panel."""
    from numba import types

    return types.void(rows_XI, panel_IJ, products_XJ, types.boolean), partial(_tile_code, NARROW_COLUMNS)


def _tile_code(columns: int, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    from llvmlite import ir
    from numba.core import cgutils

    vectors, rows = columns // _LANES, _SUMS * _LANES // columns
    vector, index = ir.VectorType(ir.FloatType(), _LANES), ir.IntType(64)
    first_lane, all_first = ir.IntType(32)(0), ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    kinds = signature.args
    rows_XI, panel_IJ, products_XJ = (
        context.make_array(kind)(context, builder, value) for kind, value in zip(kinds[:3], arguments[:3], strict=True)
    )

    def item(kind: Any, array: Any, row: Any, column: Any) -> Any:
        return cgutils.get_item_pointer(context, builder, kind, array, [row, column], wraparound=False)

    def vector_at(kind: Any, array: Any, row: Any, number: int) -> Any:
        return builder.bitcast(item(kind, array, row, index(number * _LANES)), vector.as_pointer())

    def in_all_lanes(value: Any) -> Any:
        return builder.shuffle_vector(builder.insert_element(undefined, value, first_lane), undefined, all_first)

    def product_at(row: int, number: int) -> Any:
        return vector_at(kinds[2], products_XJ, index(row), number)

    def of_tile() -> Iterator[tuple[int, int, Any]]:
        return ((number, row, total) for number, of_vector in enumerate(sums) for row, total in enumerate(of_vector))

    # in this order, a tile's factors and one vector of weights are needed at a time: registers are left for them
    sums = [[cgutils.alloca_once(builder, vector) for _ in range(rows)] for _ in range(vectors)]
    for total in chain.from_iterable(sums):
        builder.store(ir.Constant(vector, None), total)
    with cgutils.for_range(builder, cgutils.unpack_tuple(builder, panel_IJ.shape)[0]) as loop:
        numbers = [builder.load(item(kinds[0], rows_XI, index(row), loop.index)) for row in range(rows)]
        factors = [in_all_lanes(number) for number in numbers]
        for number, of_vector in enumerate(sums):
            weights = builder.load(vector_at(kinds[1], panel_IJ, loop.index, number), align=4)
            for factor, total in zip(factors, of_vector, strict=True):
                product = builder.fmul(factor, weights, flags=("contract",))  # with the sum: rounded once
                builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
    with builder.if_then(arguments[3]):
        for number, row, total in of_tile():
            so_far = builder.load(product_at(row, number), align=4)
            builder.store(builder.fadd(so_far, builder.load(total)), total)
    for number, row, total in of_tile():
        builder.store(builder.load(total), product_at(row, number), align=4)
    return context.get_dummy_value()
