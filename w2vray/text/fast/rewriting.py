"""Texts as the rules rewrite them before all else: Python does it, to those texts that it may change.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel, read_only
from w2vray.text.fast.writing import FlatTexts

__all__ = ["rewritten"]

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


def rewritten(texts: FlatTexts, rewrite: Callable[[str], str], *, html_alone: bool) -> tuple[FlatTexts, list[int]]:
    """Return the texts as ``rewrite`` leaves them, and which it may have changed.

    ``html_alone`` says that it changes nothing but HTML.
    """
    marked = np.flatnonzero(_may_hold_markup(texts)).tolist() if html_alone else list(range(len(texts.offsets) - 1))
    if not marked:
        return texts, marked
    offsets, data = texts.offsets, texts.data
    sizes_N = np.diff(offsets)
    parts: list[bytes] = []
    done = int(offsets[0])
    for text in marked:
        start, end = int(offsets[text]), int(offsets[text + 1])
        left = rewrite(data[start:end].tobytes().decode()).encode()
        parts += [data[done:start].tobytes(), left]
        sizes_N[text] = len(left)
        done = end
    parts.append(data[done : int(offsets[-1])].tobytes())
    joined = np.frombuffer(b"".join(parts), dtype=np.uint8)
    return FlatTexts(read_only(joined), read_only(np.concatenate(([0], np.cumsum(sizes_N))))), marked
