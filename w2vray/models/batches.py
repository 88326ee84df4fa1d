"""Ragged ids to padded tensors, in batches that are a pure function of the texts they are made from.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Batch", "RaggedIds", "by_length", "length_batches", "pad"]

PADDED_TOKENS = 1 << 14
"""Ids of a scoring batch, padding counted. Part of the scoring version: rounding depends on it."""

MAX_TEXTS = 1 << 10
"""Texts of a scoring batch. Part of the scoring version."""


@dataclass(frozen=True)
class Batch:
    """Padded ids. ``texts_B`` says which text each row is; ``ids_BT`` holds id 0 behind a text's ``lengths_B`` ids.

    ``made_MD`` are the rows of the ids behind table and overlay, where there are such.
    """

    texts_B: npt.NDArray[np.int64]
    ids_BT: Tensor
    lengths_B: Tensor
    made_MD: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        made_MD = None if self.made_MD is None else self.made_MD.to(device)
        ids_BT, lengths_B = (tensor.to(device, non_blocking=True) for tensor in (self.ids_BT, self.lengths_B))
        return Batch(self.texts_B, ids_BT, lengths_B, made_MD)

    def pinned(self) -> "Batch":
        """Return the batch with its ids in memory that a GPU reads by itself, while the program goes on."""
        return Batch(self.texts_B, self.ids_BT.pin_memory(), self.lengths_B.pin_memory(), self.made_MD)


@dataclass(frozen=True)
class RaggedIds:
    """Ids of a batch, one text behind another: text b has ``ids_L[offsets_B1[b]:offsets_B1[b + 1]]``.

    ``made_MD`` are the rows of the ids behind table and overlay, where there are such.
    """

    ids_L: npt.NDArray[np.int32]
    offsets_B1: npt.NDArray[np.int64]
    made_MD: Tensor | None = None

    def __len__(self) -> int:
        return len(self.offsets_B1) - 1

    def padded(self) -> Batch:
        """Return the same as a padded tensor."""
        return pad(self.ids_L, self.offsets_B1, np.arange(len(self)), self.made_MD)


def pad(
    ids_L: npt.NDArray[np.int32],
    offsets_N1: npt.NDArray[np.int64],
    texts_B: npt.NDArray[np.int64],
    made_MD: Tensor | None = None,
) -> Batch:
    """Copy the ids of some texts into a padded tensor (at least one column wide)."""
    starts_B = offsets_N1[texts_B]
    lengths_B = offsets_N1[texts_B + 1] - starts_B
    width = max(1, int(lengths_B.max(initial=0)))
    inside_BT = np.arange(width) < lengths_B[:, None]
    ids_BT = np.zeros(inside_BT.shape, dtype=np.int64)
    positions_BT = starts_B[:, None] + np.arange(width)
    ids_BT[inside_BT] = ids_L[positions_BT[inside_BT]]
    return Batch(texts_B, torch.from_numpy(ids_BT), torch.from_numpy(lengths_B.astype(np.int64)), made_MD)


def by_length(
    ids_L: npt.NDArray[np.int32],
    offsets_N1: npt.NDArray[np.int64],
    made_MD: Tensor | None = None,
    *,
    tokens: int | None = None,
) -> Iterator[Batch]:
    """Pad texts in the batches of ``length_batches``."""
    for texts_B in length_batches(np.diff(offsets_N1), tokens):
        yield pad(ids_L, offsets_N1, texts_B, made_MD)


def length_batches(lengths_N: npt.NDArray[np.int64], tokens: int | None = None) -> Iterator[npt.NDArray[np.int64]]:
    """Batch texts of like lengths, shortest first; none is left out.

    A batch has up to ``tokens`` ids, or where that is None up to ``PADDED_TOKENS`` ids and ``MAX_TEXTS`` texts; a
    longer text is a batch of its own.
    """
    most, texts = (PADDED_TOKENS, MAX_TEXTS) if tokens is None else (tokens, tokens)
    order_N = np.argsort(lengths_N, kind="stable")
    start = 0
    while start < len(order_N):
        widths = np.maximum(lengths_N[order_N[start : start + texts]], 1)
        fitting = int(np.count_nonzero(widths * np.arange(1, len(widths) + 1) <= most))
        stop = start + max(1, fitting)
        yield order_N[start:stop]
        start = stop
