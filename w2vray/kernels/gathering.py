"""The words of texts while a model learns: their vectors are copied to where they are read, and numbers left out.

One pass does what an embedding, a mask of the padding and a dropout would do one after another, and one pass back adds
up what each distinct word gets.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import arithmetic, kernel

__all__ = ["gather", "scatter"]

_ZERO = np.float32(0)


@arithmetic
def _copy(
    row_D: npt.NDArray[np.float32],
    draws_D: npt.NDArray[np.int16],
    least: np.int16,
    scale: np.float32,
    vector_D: npt.NDArray[np.float32],
) -> None:
    for d in range(len(row_D)):
        vector_D[d] = row_D[d] * scale if draws_D[d] >= least else _ZERO


@arithmetic
def _add(
    of_vector_D: npt.NDArray[np.float32],
    draws_D: npt.NDArray[np.int16],
    least: np.int16,
    scale: np.float32,
    of_row_D: npt.NDArray[np.float32],
) -> None:
    for d in range(len(of_row_D)):
        of_row_D[d] += of_vector_D[d] * scale if draws_D[d] >= least else _ZERO


@kernel
def gather(
    rows_UD: npt.NDArray[np.float32],
    words_L: npt.NDArray[np.int64],
    draws_LD: npt.NDArray[np.int16],
    least: np.int16,
    scale: np.float32,
) -> npt.NDArray[np.float32]:
    """Return vectors_LD: each place's row times ``scale``, but zero where its draw is less than ``least``.

    A place of word -1 has zeros. Without draws (0 rows of them), rows are copied as they are.
    """
    vectors_LD = np.empty((len(words_L), rows_UD.shape[1]), dtype=np.float32)
    for place in range(len(words_L)):
        word = words_L[place]
        if word < 0:
            vectors_LD[place] = 0
        elif len(draws_LD):
            _copy(rows_UD[word], draws_LD[place], least, scale, vectors_LD[place])
        else:
            vectors_LD[place] = rows_UD[word]
    return vectors_LD


@kernel
def scatter(
    of_vectors_LD: npt.NDArray[np.float32],
    of_rows_UD: npt.NDArray[np.float32],
    words_L: npt.NDArray[np.int64],
    draws_LD: npt.NDArray[np.int16],
    least: np.int16,
    scale: np.float32,
) -> None:
    """Add to the gradient of rows, by that of the vectors that ``gather`` made of them."""
    for place in range(len(words_L)):
        word = words_L[place]
        if word < 0:
            continue
        if len(draws_LD):
            _add(of_vectors_LD[place], draws_LD[place], least, scale, of_rows_UD[word])
        else:
            of_rows_UD[word] += of_vectors_LD[place]
