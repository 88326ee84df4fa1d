"""Runs of words to logits, in compiled code: a text's known buckets, weighed, and their rows added up.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import arithmetic, kernel
from w2vray.kernels.loading import call_for, half

__all__ = ["add_ngrams"]

_AHEAD = 12
"""Buckets between the one that is added and the one that is called for."""


@arithmetic
def _add(factor: np.float32, row_C: npt.NDArray[np.uint16], sums_C: npt.NDArray[np.float32]) -> None:
    for c in range(len(sums_C)):
        sums_C[c] += factor * half(row_C[c])


@kernel
def add_ngrams(
    numbers_G: npt.NDArray[np.int32],
    times_G: npt.NDArray[np.int32],
    offsets_N1: npt.NDArray[np.int64],
    idf_F: npt.NDArray[np.float32],
    rows_RC: npt.NDArray[np.uint16],
    bias_C: npt.NDArray[np.float32],
    often: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return logits_NC.

    Args:
        numbers_G: of the buckets of texts; those below R have a row.
        times_G: how often each text has each.
        offsets_N1: buckets before each text.
        idf_F: of the numbers.
        rows_RC: the bits of float16; what a bucket adds, its idf among it.
        bias_C: of the logits.
        often: what a number of times counts, from 0 on, up to the last.
    """
    texts, classes, last = len(offsets_N1) - 1, len(bias_C), len(often) - 1
    logits_NC = np.empty((texts, classes), dtype=np.float32)
    sums_C = np.empty(classes, dtype=np.float32)
    end = offsets_N1[texts]
    for text in range(texts):
        sums_C[:] = 0
        squares = 0.0
        for place in range(offsets_N1[text], offsets_N1[text + 1]):
            ahead = place + _AHEAD
            if ahead < end:
                number = np.int64(numbers_G[ahead])
                call_for(idf_F, number)
                if number < len(rows_RC):
                    call_for(rows_RC, number)
            number, times = np.int64(numbers_G[place]), np.int64(times_G[place])
            factor = often[times] if times <= last else np.float32(1 + np.log(np.float64(times)))
            weight = np.float64(factor) * idf_F[number]
            squares += weight * weight
            if number < len(rows_RC):
                _add(factor, rows_RC[number], sums_C)
        scale = np.float32(1 / np.sqrt(squares)) if squares > 0 else np.float32(0)
        for c in range(classes):
            logits_NC[text, c] = bias_C[c] + scale * sums_C[c]
    return logits_NC
