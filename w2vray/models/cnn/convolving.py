"""``cnn``, folded: a convolution of width k over words is k look-ups and adds.

The filters of width k see, at window t, ``sum_j K_j v_(t+j)``, where K_j are their weights for the j-th word. So a
word's projected row holds ``K_j v`` for each width and each j, side by side, and a window adds k pieces of k rows. ReLU
and the bias come after the maximum over time: both keep the order of numbers, so the result is the same.

Each number of a row is read once, so that memory is what takes the time: while a window is computed, the row of a word
further on is called for.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, intrinsic, kernel

__all__ = ["AHEAD", "LANES", "keep_highest", "window_of"]

AHEAD = 8
"""Words between a window and the row that is called for."""

LANES, _LINE = 8, 16
"""Numbers of a vector instruction, and of a line of the processor's cache."""

_READ, _KEEP, _DATA = 0, 3, 1
"""LLVM's names for a prefetch: to read, into every cache, of data."""


def window_of(words: int, *, tracked: bool = False) -> Any:
    """Return a function that raises ``highest_F`` to the window of so many words that starts at ``position``.

    It calls for the same columns of the row at ``ahead``. There are at least ``LANES`` filters. The last vector of
    them may overlap the one before it, which a maximum bears. Where it is ``tracked``, ``at_F`` becomes ``start`` for
    each filter that found no window as high before.
    """

    def window(_: Any, rows_RP: Any, places_L: Any, position: Any, ahead: Any, column: Any, highest_F: Any) -> Any:
        from numba import types

        return types.void(rows_RP, places_L, types.int64, types.int64, types.int64, highest_F), code

    def tracked_window(
        _: Any,
        rows_RP: Any,
        places_L: Any,
        position: Any,
        ahead: Any,
        column: Any,
        highest_F: Any,
        start: Any,
        at_F: Any,
    ) -> Any:
        from numba import types

        numbers = (types.int64,) * 3
        return types.void(rows_RP, places_L, *numbers, highest_F, types.int32, at_F), code

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        index, option, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8)
        vector = ir.VectorType(ir.FloatType(), LANES)
        of_rows, of_places, _, _, _, of_highest = signature.args[:6]
        position, ahead, column = arguments[2:5]
        rows_RP, places_L, highest_F = (
            context.make_array(kind)(context, builder, arguments[number])
            for kind, number in ((of_rows, 0), (of_places, 1), (of_highest, 5))
        )

        def item(kind: Any, array: Any, *indices: Any) -> Any:
            return cgutils.get_item_pointer(context, builder, kind, array, indices, wraparound=False)

        def number_at(position: Any, column: Any) -> Any:
            place = builder.load(item(of_places, places_L, position))
            return item(of_rows, rows_RP, builder.sext(place, index), column)

        def vector_at(number: Any, filter_: Any) -> Any:
            return builder.bitcast(builder.gep(number, [filter_]), vector.as_pointer())

        (filters,) = cgutils.unpack_tuple(builder, highest_F.shape)
        columns = [builder.add(column, builder.mul(filters, index(j))) for j in range(words)]
        pieces = [number_at(builder.add(position, index(j)), columns[j]) for j in range(words)]
        pieces_ahead = [number_at(ahead, columns[j]) for j in range(words)]
        highest = item(of_highest, highest_F, index(0))
        if tracked:
            at_F = context.make_array(signature.args[7])(context, builder, arguments[7])
            first_at = item(signature.args[7], at_F, index(0))
            one = builder.insert_element(ir.VectorType(option, LANES)(ir.Undefined), arguments[6], option(0))
            lanes = ir.Constant(ir.VectorType(option, LANES), [0] * LANES)
            starts = builder.shuffle_vector(one, ir.VectorType(option, LANES)(ir.Undefined), lanes)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), option, option, option])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")

        def call_ahead(filter_: Any) -> None:
            for piece in pieces_ahead:
                number = builder.bitcast(builder.gep(piece, [filter_]), byte.as_pointer())
                builder.call(prefetch, [number, *map(option, (_READ, _KEEP, _DATA))])

        def raise_highest(filter_: Any) -> None:
            total = builder.load(vector_at(pieces[0], filter_), align=4)
            for piece in pieces[1:]:
                total = builder.fadd(total, builder.load(vector_at(piece, filter_), align=4))
            so_far = builder.load(vector_at(highest, filter_), align=4)
            is_higher = builder.fcmp_ordered(">", total, so_far)
            if not tracked:
                builder.store(builder.select(is_higher, total, so_far), vector_at(highest, filter_), align=4)
                return
            some = builder.icmp_unsigned("!=", builder.bitcast(is_higher, byte), byte(0))
            with builder.if_then(some, likely=False):  # the longer the text, the fewer windows are the highest so far
                builder.store(builder.select(is_higher, total, so_far), vector_at(highest, filter_), align=4)
                where = builder.bitcast(builder.gep(first_at, [filter_]), starts.type.as_pointer())
                builder.store(builder.select(is_higher, starts, builder.load(where, align=4)), where, align=4)

        lines = builder.sdiv(filters, index(_LINE))
        with cgutils.for_range(builder, lines) as loop:
            line = builder.mul(loop.index, index(_LINE))
            call_ahead(line)
            for lanes in range(0, _LINE, LANES):
                raise_highest(builder.add(line, index(lanes)))
        rest, last = builder.mul(lines, index(_LINE)), builder.sub(filters, index(LANES))
        with builder.if_then(builder.icmp_signed("<", rest, filters)):
            call_ahead(last)
            with builder.if_then(builder.icmp_signed("<", rest, last)):
                raise_highest(rest)
            raise_highest(last)
        return context.get_dummy_value()

    return intrinsic(tracked_window if tracked else window)


_window_of_1, _window_of_2, _window_of_3, _window_of_4, _window_of_5 = (window_of(words) for words in range(1, 6))


@inlined
def _highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    last: int,
    begin: int,
    end: int,
    width: int,
    rows_RP: npt.NDArray[np.float32],
    column: int,
    highest_F: npt.NDArray[np.float32],
) -> None:
    """Raise ``highest_F`` to the windows that start from ``start`` to ``stop`` in a text from ``begin`` to ``end``.

    ``last`` is the last id whose row is in place.
    """
    filters = len(highest_F)
    sums_F = np.empty(filters, dtype=np.float32)
    for window in range(start, stop):
        position = max(window, begin)
        missing = position - window
        words = min(width - missing, end - position)
        first = column + missing * filters
        ahead = min(position + AHEAD, last)
        fast = words if filters >= LANES else 0
        if fast == 1:
            _window_of_1(rows_RP, places_L, position, ahead, first, highest_F)
        elif fast == 2:
            _window_of_2(rows_RP, places_L, position, ahead, first, highest_F)
        elif fast == 3:
            _window_of_3(rows_RP, places_L, position, ahead, first, highest_F)
        elif fast == 4:
            _window_of_4(rows_RP, places_L, position, ahead, first, highest_F)
        elif fast == 5:
            _window_of_5(rows_RP, places_L, position, ahead, first, highest_F)
        else:
            sums_F[:] = rows_RP[places_L[position], first : first + filters]
            for j in range(1, words):
                row_j = rows_RP[places_L[position + j], first + j * filters : first + (j + 1) * filters]
                for f in range(filters):
                    sums_F[f] += row_j[f]
            for f in range(filters):
                highest_F[f] = max(highest_F[f], sums_F[f])


@kernel
def keep_highest(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    widths: npt.NDArray[np.int64],
    rows_RP: npt.NDArray[np.float32],
    highest_NF: npt.NDArray[np.float32],
) -> None:
    """Raise each filter's maximum over time to the windows whose first word of the text is from ``start`` to ``stop``.

    Windows reach beyond both ends of a text: of one that starts before it, the last pieces are added alone.
    """
    filters = highest_NF.shape[1] // len(widths)
    text = first_text
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        begin, end = offsets_N1[text], offsets_N1[text + 1]
        column = 0
        for k in range(len(widths)):
            width = widths[k]
            before = width - 1 if start <= begin < end else 0
            _highest(
                places_L,
                max(start, begin) - before,
                min(stop, end),
                stop - 1,
                begin,
                end,
                width,
                rows_RP,
                column,
                highest_NF[text, k * filters : (k + 1) * filters],
            )
            column += width * filters
        text += 1
