"""Numbers as they lie in memory: called for before they are needed, and read from two bytes."""

from typing import Any

from w2vray.kernels.compiling import intrinsic

__all__ = ["call_for", "half"]

_READ, _KEEP, _DATA = 0, 3, 1
"""LLVM's names for a prefetch: to read, into every cache, of data."""

_EXPONENTS_APART = 2.0**112
"""Between the exponents of float16 and float32."""


@intrinsic
def call_for(_: Any, array: Any, row: Any) -> Any:
    """Let the processor load the first line of a row, of one number or more; it is not waited for."""
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, arguments[0])
        index, option, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8)
        place = [arguments[1], *[index(0)] * (kind.ndim - 1)]
        item = cgutils.get_item_pointer(context, builder, kind, made, place, wraparound=False)
        takes = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), option, option, option])
        prefetch = cgutils.get_or_insert_function(builder.module, takes, "llvm.prefetch.p0i8")
        pointer = builder.bitcast(item, byte.as_pointer())
        builder.call(prefetch, [pointer, *map(option, (_READ, _KEEP, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), code


@intrinsic
def half(_: Any, bits: Any) -> Any:
    """Return the float32 that 16 bits are as a float16, a finite one; any processor can do it, many at a time."""
    from numba import types

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        whole, number = ir.IntType(32), ir.FloatType()
        wide = builder.zext(arguments[0], whole)
        sign = builder.shl(builder.and_(wide, whole(0x8000)), whole(16))
        size = builder.bitcast(builder.shl(builder.and_(wide, whole(0x7FFF)), whole(13)), number)
        scaled = builder.bitcast(builder.fmul(size, ir.Constant(number, _EXPONENTS_APART)), whole)
        return builder.bitcast(builder.or_(sign, scaled), number)

    return types.float32(types.uint16), code
