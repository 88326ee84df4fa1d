"""Texts without their HTML: only those that can hold any leave compiled code.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel, read_only
from w2vray.text.fast.writing import FlatTexts
from w2vray.text.markup import without_markup

__all__ = ["stripped"]

_LESS_THAN, _AMPERSAND = 0x3C, 0x26


@kernel
def _may_hold_markup(texts: FlatTexts) -> npt.NDArray[np.bool_]:
    data, offsets = texts.data, texts.offsets
    may_N = np.zeros(len(offsets) - 1, dtype=np.bool_)
    for text in range(len(may_N)):
        for byte in range(offsets[text], offsets[text + 1]):
            if data[byte] in (_LESS_THAN, _AMPERSAND):
                may_N[text] = True
                break
    return may_N


def stripped(texts: FlatTexts) -> FlatTexts:
    """Return the texts as ``markup.without_markup`` leaves them."""
    marked = np.flatnonzero(_may_hold_markup(texts)).tolist()
    if not marked:
        return texts
    offsets, data = texts.offsets, texts.data
    sizes_N = np.diff(offsets)
    parts: list[bytes | npt.NDArray[np.uint8]] = []
    done = int(offsets[0])
    for text in marked:
        start, end = int(offsets[text]), int(offsets[text + 1])
        left = without_markup(data[start:end].tobytes().decode()).encode()
        parts += [data[done:start], left]
        sizes_N[text] = len(left)
        done = end
    parts.append(data[done : int(offsets[-1])])
    joined = np.frombuffer(b"".join(parts), dtype=np.uint8)
    return FlatTexts(read_only(joined), read_only(np.concatenate(([0], np.cumsum(sizes_N)))))
