"""Ragged ids to padded tensors, in batches that are a pure function of the texts they are made from.

Legend: N texts, L ids of all of them, B texts of a batch, T the longest of them, D width of a vector, K overlay rows,
M rows made from sub-words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Batch", "WordVectors", "by_length", "length_batches", "pad"]

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


class _SharedTable:
    """Holds the table out of torch's sight.

    It is then no part of ``state_dict``, of the optimizer or of what workers send each other, and a copy of the model
    does not copy it: each of these would write to, or double, pages that all processes of a machine share.
    """

    def __init__(self, table_VD: Tensor) -> None:
        self.table_VD = table_VD

    def __deepcopy__(self, _: object) -> "_SharedTable":
        return self


class WordVectors(nn.Module):
    """The way from ids to vectors: rows of the shared table, of the model's own overlay, and of the batch's made rows.

    The overlay is a parameter, trained where ``trainable``; the table is never written to. ``replaced_rows`` are the
    table rows that the overlay's last rows stand for, ascending; None where words are not tuned. The first
    ``fixed_rows`` of the overlay keep their values in training.
    """

    replaced_rows: Tensor | None

    def __init__(
        self,
        table_VD: Tensor,
        overlay_KD: Tensor,
        *,
        trainable: bool,
        replaced_rows: Tensor | None = None,
        fixed_rows: int = 0,
    ) -> None:
        super().__init__()
        self.shared = _SharedTable(table_VD)
        self.overlay_KD = nn.Parameter(overlay_KD, requires_grad=trainable)
        self.register_buffer("replaced_rows", replaced_rows)
        if trainable and fixed_rows:
            still = torch.arange(fixed_rows)
            hook: Any = self.overlay_KD.register_hook
            hook(lambda gradient_KD: gradient_KD.index_fill(0, still.to(gradient_KD.device), 0.0))

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.overlay_KD.shape[1])

    def move_table(self, device: torch.device) -> None:
        """Copy the table to a device: ``to`` does not see it."""
        self.shared.table_VD = self.shared.table_VD.to(device)

    def overlay_rows(self, ids_L: npt.NDArray[np.int32]) -> Tensor:
        """Return the overlay's rows that these ids stand for, each once."""
        rows_L = ids_L[ids_L >= len(self.shared.table_VD)] - len(self.shared.table_VD)
        return torch.from_numpy(np.unique(rows_L[rows_L < len(self.overlay_KD)]).astype(np.int64))

    def forward(self, batch: Batch) -> Tensor:
        """Return vectors_BTD in float32, zero behind each text's last id."""
        rows, ids_BT = len(self.shared.table_VD), batch.ids_BT
        own_KD = self.overlay_KD if batch.made_MD is None else torch.cat((self.overlay_KD, batch.made_MD))
        own_BT = ids_BT >= rows
        behind_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device) >= batch.lengths_B[:, None]
        if not len(own_KD):
            vectors_BTD = self._of_table(ids_BT)
        else:
            vectors_BTD = F.embedding((ids_BT - rows).clamp(min=0), own_KD)
            # where words are tuned, all that is learnt from is the model's own: the table need not be read
            if not (self.training and bool((own_BT | behind_BT).all())):
                vectors_BTD = torch.where(own_BT[:, :, None], vectors_BTD, self._of_table(ids_BT))
        return vectors_BTD.masked_fill_(behind_BT[:, :, None], 0.0)

    def _of_table(self, ids_BT: Tensor) -> Tensor:
        table_VD = self.shared.table_VD
        return F.embedding(ids_BT.clamp(max=len(table_VD) - 1), table_VD).float()
