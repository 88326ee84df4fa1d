"""``average``, folded: a text's logits are the mean of its words' projected rows.

``dense(mean_t v_t) = mean_t (W v_t) + b``, so that a word counts C numbers, not D.

Shape letters: CONTRIBUTING.md.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel

__all__ = ["add_rows"]


@kernel
def add_rows(
    places_L: npt.NDArray[np.int32],
    start: int,
    stop: int,
    offsets_N1: npt.NDArray[np.int64],
    first_text: int,
    rows_RC: npt.NDArray[np.float32],
    sums_NC: npt.NDArray[np.float64],
) -> None:
    """Add the rows of the ids from ``start`` to ``stop`` to their texts' sums, one after another."""
    classes = rows_RC.shape[1]
    text = first_text
    sums_C = np.zeros(classes, dtype=np.float64)
    while text < len(offsets_N1) - 1 and offsets_N1[text] < stop:
        sums_C[:] = sums_NC[text]
        for position in range(max(start, offsets_N1[text]), min(stop, offsets_N1[text + 1])):
            row = places_L[position]
            for c in range(classes):
                sums_C[c] += rows_RC[row, c]
        sums_NC[text] = sums_C
        text += 1
