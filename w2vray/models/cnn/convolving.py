"""``cnn``, folded: a convolution of width k over words is k look-ups and adds.

The filters of width k see, at window t, ``sum_j K_j v_(t+j)``, where K_j are their weights for the j-th word. So a
word's projected row holds ``K_j v`` for each width and each j, and a window adds k pieces of k rows. ReLU and the bias
come after the maximum over time: both keep the order of numbers, so the result is the same.

Each number of a row is read once a token, so that memory is what takes the time. The filters are therefore computed a
tile at a time, over all words of a block: what a tile needs of a word lies side by side (``in_tiles``), and that of the
commonest words stays in the processor's cache; the rest is called for some words ahead. A tile is one vector of each
width's filters; the last one is filled up. Windows reach beyond both ends of a text: a row of zeros lies there, which
changes no sum.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.aligning import LINE_NUMBERS
from w2vray.kernels.compiling import inlined, intrinsic, kernel

__all__ = ["TILE", "Shapes", "around", "in_tiles", "keep_highest", "run_of", "shapes_of", "whole_tiles_of"]

TILE = 8
"""Filters of each width that are computed together. With the 16 that AVX-512 takes at once, half as many words' rows
stay in the cache, and more filters fill up the last tile: it took 4 to 24 % longer."""

AHEAD = 32
"""Words between a window and the row that is called for."""

_READ, _KEEP, _DATA = 0, 3, 1
"""LLVM's names for a prefetch: to read, into every cache, of data."""

Shapes = tuple[tuple[int, ...], ...]
"""The widths of filters, each as a tuple of so many zeros: a compiler knows how long a tuple is."""


def shapes_of(widths: Sequence[int]) -> Shapes:
    """Return widths as kernels take them: one is compiled for each choice of widths."""
    return tuple((0,) * width for width in widths)


def whole_tiles_of(filters: int) -> int:
    """Return how many filters of a width there are when the last tile is filled up."""
    return -(-filters // TILE) * TILE


def in_tiles(kernels_FDS: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Return weights_DP of the filters of each width: tile by tile, width by width, word by word of a window."""
    filters, dim, _ = kernels_FDS[0].shape
    columns = whole_tiles_of(filters) * sum(of_width.shape[2] for of_width in kernels_FDS)
    weights_DP = np.zeros((dim, columns), dtype=np.float32)
    column = 0
    for first in range(0, filters, TILE):
        for of_width in kernels_FDS:
            some = of_width[first : first + TILE]
            for j in range(some.shape[2]):
                weights_DP[:, column : column + len(some)] = some[:, :, j].T
                column += TILE
    return weights_DP


def run_of(*, tracked: bool = False) -> Any:
    """Return a function that raises a tile of a text's highest sums to those of a run of windows.

    Of each width there are ``count`` windows, the first of which starts at ``position``, and so many before them as
    begin before the text, if ``before``. Row ``text`` of ``highest_NJ`` is written. Where it is ``tracked``, so is
    ``at_NJ``: with the number of the window, which is ``start`` at ``position``, for each filter that found none as
    high before.
    """

    def run(
        _: Any,
        shapes: Any,
        rows_RJ: Any,
        places_L: Any,
        position: Any,
        count: Any,
        before: Any,
        highest_NJ: Any,
        text: Any,
    ) -> Any:
        from numba import types

        numbers = types.int64
        return types.void(shapes, rows_RJ, places_L, numbers, numbers, types.boolean, highest_NJ, numbers), code

    def tracked_run(
        _: Any,
        shapes: Any,
        rows_RJ: Any,
        places_L: Any,
        position: Any,
        count: Any,
        before: Any,
        highest_NJ: Any,
        text: Any,
        start: Any,
        at_NJ: Any,
    ) -> Any:
        from numba import types

        numbers = types.int64
        given = (shapes, rows_RJ, places_L, numbers, numbers, types.boolean, highest_NJ, numbers)
        return types.void(*given, types.int32, at_NJ), code

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        index, option, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8)
        vector, whole = ir.VectorType(ir.FloatType(), TILE), ir.VectorType(option, TILE)
        widths = [shape.count for shape in signature.args[0].types]
        offsets = [TILE * sum(widths[:k]) for k in range(len(widths))]
        position, count, before = arguments[3:6]
        kinds = {number: signature.args[number] for number in (1, 2, 6, 9)[: 4 if tracked else 3]}
        arrays = {
            number: context.make_array(kind)(context, builder, arguments[number]) for number, kind in kinds.items()
        }

        def item(number: int, *indices: Any) -> Any:
            return cgutils.get_item_pointer(context, builder, kinds[number], arrays[number], indices, wraparound=False)

        def in_all_lanes(number: Any) -> Any:
            one = builder.insert_element(whole(ir.Undefined), number, option(0))
            return builder.shuffle_vector(one, whole(ir.Undefined), ir.Constant(whole, [0] * TILE))

        def row_at(position: Any) -> Any:
            place = builder.load(item(2, position))
            return item(1, builder.sext(place, index), index(0))

        def of_widths(number: int, kind: Any) -> list[Any]:
            """Return pointers to the tile of each width in a row of the text."""
            columns = [index(k * TILE) for k in range(len(widths))]
            return [builder.bitcast(item(number, arguments[7], each), kind.as_pointer()) for each in columns]

        def sum_of(rows: Sequence[Any], k: int) -> Any:
            total = None
            for j in range(widths[k]):
                piece = builder.bitcast(builder.gep(rows[j], [index(offsets[k] + j * TILE)]), vector.as_pointer())
                number = builder.load(piece, align=4)
                total = number if total is None else builder.fadd(total, number)
            return total

        def sweep(chosen: Sequence[int], first: Any, windows: Any, *, call: bool) -> None:
            """Raise the sums of some widths to windows that start at ``first``, and at the places behind it."""
            most = max(widths[k] for k in chosen)
            rows = [cgutils.alloca_once_value(builder, row_at(builder.add(first, index(j)))) for j in range(most - 1)]
            with cgutils.for_range(builder, windows) as loop:
                now = builder.add(first, loop.index)
                these = [*map(builder.load, rows), row_at(builder.add(now, index(most - 1)))]
                if call:
                    further = row_at(builder.add(now, index(most - 1 + AHEAD)))
                    for number in range(0, TILE * sum(widths), LINE_NUMBERS):
                        line = builder.bitcast(builder.gep(further, [index(number)]), byte.as_pointer())
                        builder.call(prefetch, [line, *map(option, (_READ, _KEEP, _DATA))])
                for k in chosen:
                    total, so_far = sum_of(these, k), builder.load(highest[k])
                    is_higher = builder.fcmp_ordered(">", total, so_far)
                    builder.store(builder.select(is_higher, total, so_far), highest[k])
                    if tracked:
                        behind = builder.trunc(builder.sub(now, position), option)
                        number = in_all_lanes(builder.add(arguments[8], behind))
                        builder.store(builder.select(is_higher, number, builder.load(at[k])), at[k])
                for kept, next_row in zip(rows, these[1:], strict=True):
                    builder.store(next_row, kept)

        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), option, option, option])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        to_highest = of_widths(6, vector)
        highest = [cgutils.alloca_once_value(builder, builder.load(each, align=4)) for each in to_highest]
        to_at = of_widths(9, whole) if tracked else []
        at = [cgutils.alloca_once_value(builder, builder.load(each, align=4)) for each in to_at]
        with builder.if_then(before):
            for k, width in enumerate(widths):
                if width > 1:
                    sweep([k], builder.sub(position, index(width - 1)), index(width - 1), call=False)
        sweep(range(len(widths)), position, count, call=True)
        for pointer, value in zip([*to_highest, *to_at], [*highest, *at], strict=True):
            builder.store(builder.load(value), pointer, align=4)
        return context.get_dummy_value()

    return intrinsic(tracked_run if tracked else run)


_run = run_of()


@inlined
def around(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    edge: int,
    zeros: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the places of the texts' words with a row of zeros around each text, and where each text's first one is.

    Of a text that begins before ``start``, or goes on behind ``stop``, the words that windows reach are there instead.
    """
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        text += 1
    padded_L = np.full(stop - start + (text - first_text + 2) * edge + 1 + AHEAD, zeros, dtype=np.int32)
    first_N = np.zeros(text - first_text, dtype=np.int64)
    at = edge
    for number in range(text - first_text):
        first, end = max(start, offsets_N1[first_text + number]), offsets_N1[first_text + number + 1]
        first_N[number] = at
        reached = min(stop + edge, end)
        padded_L[at : at + reached - first] = places_L[first:reached]
        at += min(stop, end) - first + edge
    return padded_L, first_N


@kernel
def keep_highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    shapes: Shapes,
    edge: int,
    rows_QRJ: npt.NDArray[np.float32],
    highest_QNJ: npt.NDArray[np.float32],
) -> None:
    """Raise each filter's maximum over time to the windows whose first word of the text is from ``start`` to ``stop``.

    ``edge`` is one word less than the widest window has. Each tile's last row is of zeros. A tile has its maxima of all
    texts side by side, ``TILE`` of each width after another.
    """
    padded_L, first_N = around(places_L, start, stop, offsets_N1, first_text, edge, rows_QRJ.shape[1] - 1)
    for tile in range(len(rows_QRJ)):
        rows_RJ, highest_NJ = rows_QRJ[tile], highest_QNJ[tile]
        for number in range(len(first_N)):
            text = first_text + number
            begin = offsets_N1[text]
            words = min(stop, offsets_N1[text + 1]) - max(start, begin)
            if words > 0:
                first = first_N[number]
                _run(shapes, rows_RJ, padded_L, first, words, start <= begin, highest_NJ, text)
