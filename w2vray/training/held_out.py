"""Which texts a training keeps apart to measure the model on: nothing learns from them, and nothing stops by them.

The choice is of texts, not of rows: equal texts stay together. It depends on the texts, their labels, the share and the
seed, and not on files, their order or workers.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from w2vray.text.keys import mixed

__all__ = ["choose_test_texts"]


def choose_test_texts(
    keys_N: npt.NDArray[np.uint64],
    labels_Y: npt.NDArray[np.integer],
    label_counts_N: npt.NDArray[np.integer],
    names: Sequence[str],
    *,
    share: float,
    seed: int,
) -> npt.NDArray[np.uint64]:
    """Return the sorted keys of the texts that are kept apart: a ``share`` of the texts of each label.

    A text belongs to the rarest of the labels that its rows have. Each label's texts are ordered by how often they are
    there, then by chance, and every so manieth one is taken, from one label on to the next: so each label gets its
    share to within one text, and so do all together. One text of each label is always left to learn from.

    Args:
        keys_N: the key of each row's text.
        labels_Y: labels of all rows, one row after another, as places in ``names``.
        label_counts_N: how many labels each row has.
        names: of the labels.
        share: above 0 and below 1.
        seed: of what is left to chance.
    """
    texts_U, of_row_N, rows_U = np.unique(keys_N, return_inverse=True, return_counts=True)
    if not len(texts_U):
        return texts_U
    groups_U = _rarest_labels(labels_Y, np.repeat(of_row_N, label_counts_N), names, len(texts_U))
    start = mixed(np.array([seed + 1], dtype=np.uint64))
    order_U = np.lexsort((mixed(texts_U ^ start), rows_U, groups_U))
    offset = float(mixed(start)[0]) / 2**64
    steps_U1 = np.floor(np.arange(len(texts_U) + 1) * share + offset)
    taken_U = np.diff(steps_U1) > 0
    ends = np.flatnonzero(np.diff(groups_U[order_U], append=-1))
    for first, last in zip([0, *(ends[:-1] + 1)], ends, strict=True):
        if taken_U[first : last + 1].all():
            taken_U[last] = False
    return np.sort(texts_U[order_U[taken_U]])


def _rarest_labels(
    labels_Y: npt.NDArray[np.integer], text_Y: npt.NDArray[np.integer], names: Sequence[str], texts: int
) -> npt.NDArray[np.int64]:
    """Return, for each text, the rank of its rarest label: 0 for the rarest of all, the last for a text without any."""
    counts_C = np.bincount(labels_Y, minlength=len(names))
    ranked = sorted(range(len(names)), key=lambda label: (counts_C[label], names[label]))
    rank_C = np.empty(len(names), dtype=np.int64)
    rank_C[ranked] = np.arange(len(names))
    groups_U = np.full(texts, len(names), dtype=np.int64)
    np.minimum.at(groups_U, text_Y, rank_C[labels_Y])
    return groups_U
