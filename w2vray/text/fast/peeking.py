"""Many bytes at once: how far a word goes, and its last bytes as numbers, by instructions that Python has no word for.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

from w2vray.kernels.compiling import intrinsic

__all__ = ["BITS", "RANGES", "WINDOW", "bits_of", "call_for", "eight_bytes", "first_bit", "length_of_run"]

WINDOW = 32
"""Bytes that are looked at together."""

BITS = 64
"""Bytes that are told of together, in the bits of a number."""

RANGES = 4
"""Ranges that the bytes of words are in, at most."""

_READ, _KEEP, _DATA = 0, 3, 1
"""LLVM's names for a prefetch: to read, into every cache, of data."""


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    from numba.core import cgutils

    made = context.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, made, [index], wraparound=False)


def _inside(context: Any, builder: Any, signature: Any, arguments: Any, width: int) -> Any:
    """Return code that tells which of ``width`` bytes are in one of the ranges: a number of so many bits."""
    from llvmlite import ir

    vector = ir.VectorType(ir.IntType(8), width)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)

    def every(number: int) -> Any:
        value = builder.extract_value(arguments[2], number)
        one = builder.insert_element(vector(ir.Undefined), value, ir.IntType(32)(0))
        return builder.shuffle_vector(one, vector(ir.Undefined), zeros)

    place = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
    window = builder.load(builder.bitcast(place, vector.as_pointer()), align=1)
    inside = None
    for number in range(0, 2 * RANGES, 2):
        one = builder.icmp_unsigned("<=", builder.sub(window, every(number)), every(number + 1))
        inside = one if inside is None else builder.or_(inside, one)
    return builder.bitcast(inside, ir.IntType(width))


@intrinsic
def length_of_run(_: Any, data: Any, at: Any, ranges: Any) -> Any:
    """Return how many bytes from ``at`` on are in one of the ranges, one after another: ``WINDOW`` where all are.

    ``ranges`` is a tuple of the first byte and the length less one of each. All the window must be in ``data``.
    """
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        outside = builder.not_(_inside(context, builder, signature, arguments, WINDOW))
        return builder.zext(builder.cttz(outside, ir.IntType(1)(0)), ir.IntType(64))

    return types.int64(data, types.int64, ranges), code


@intrinsic
def bits_of(_: Any, data: Any, at: Any, ranges: Any) -> Any:
    """Return which of the ``BITS`` bytes from ``at`` on are in one of the ranges; that of the first is the lowest bit.

    ``ranges`` is as for ``length_of_run``. All these bytes must be in ``data``.
    """
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _inside(context, builder, signature, arguments, BITS)

    return types.uint64(data, types.int64, ranges), code


@intrinsic
def first_bit(_: Any, bits: Any) -> Any:
    """Return the number of the lowest bit of a number above 0."""
    from numba import types

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), code


@intrinsic
def eight_bytes(_: Any, data: Any, at: Any) -> Any:
    """Return the eight bytes from ``at`` on as one number, as this processor reads them."""
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        place = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, types.int64), code


@intrinsic
def call_for(_: Any, array: Any, index: Any) -> Any:
    """Let the processor fetch an item of a flat array, which will be read soon, into its caches."""
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        byte, option = ir.IntType(8), ir.IntType(32)
        place = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), option, option, option])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(prefetch, [builder.bitcast(place, byte.as_pointer()), *map(option, (_READ, _KEEP, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), code
