"""The way from ids to vectors: padded for torch, or word by word for compiled functions.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from w2vray.kernels.gathering import gather, scatter
from w2vray.models.batches import Batch, RaggedIds

__all__ = ["ReadWords", "WordVectors"]

ReadWords = Callable[[Tensor, float], Tensor]
"""Returns vectors_LD of words of a batch by their places in it, zeros for a place of -1; of their numbers, this share
is left out and the others are scaled up, as by ``torch.nn.Dropout``."""

_DRAWS = 1 << 16
"""A share is left out to the next of so many parts: a draw is 16 bits, so that four come of one random number."""


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
    ``fixed_rows`` of the overlay are to keep their values in training.
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
        self.fixed_rows = fixed_rows

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

    def reader(self, ids: RaggedIds) -> ReadWords:
        """Return what reads the words of a batch, on a CPU.

        The overlay gets a sparse gradient of the rows that the batch has.
        """
        ids_U, words_L = np.unique(ids.ids_L, return_inverse=True)
        rows_UD = self._rows(ids_U, ids.made_MD)
        words_L1 = np.append(words_L, -1)

        def read(places_L: Tensor, left_out: float) -> Tensor:
            vectors_LD: Tensor = _Gathered.apply(rows_UD, words_L1[places_L.numpy()], left_out)  # type: ignore[no-untyped-call]
            return vectors_LD

        return read

    def _rows(self, ids_U: npt.NDArray[np.int32], made_MD: Tensor | None) -> Tensor:
        """Return rows_UD of ascending ids."""
        table_VD, overlay_KD = self.shared.table_VD, self.overlay_KD
        of_kinds = np.split(ids_U, np.searchsorted(ids_U, [len(table_VD), len(table_VD) + len(overlay_KD)]))
        of_table, of_overlay, of_batch = (torch.from_numpy(ids.astype(np.int64)) for ids in of_kinds)
        rows = []
        if len(of_table):
            rows.append(F.embedding(of_table, table_VD).float())
        if len(of_overlay):
            rows.append(F.embedding(of_overlay - len(table_VD), overlay_KD, sparse=True))
        if made_MD is not None:
            rows.append(F.embedding(of_batch - len(table_VD) - len(overlay_KD), made_MD))
        return torch.cat(rows) if len(rows) > 1 else rows[0] if rows else overlay_KD.new_empty(0, self.dim)


class _Gathered(torch.autograd.Function):
    """Rows where they are read, some of their numbers left out; the gradient of rows is added up of where they were."""

    @staticmethod
    def forward(ctx: Any, rows_UD: Tensor, words_L: npt.NDArray[np.int64], left_out: float) -> Tensor:
        dim = rows_UD.shape[1]
        share = min(round(left_out * _DRAWS), _DRAWS - 1)
        drawn = len(words_L) * dim if share else 0
        numbers = torch.empty(-(-drawn // 4), dtype=torch.int64).random_(-(1 << 63), None)
        draws_LD = numbers.view(torch.int16)[:drawn].view(-1, dim).numpy()
        ctx.rows = len(rows_UD)
        ctx.read = words_L, draws_LD, np.int16(share - _DRAWS // 2), np.float32(_DRAWS / (_DRAWS - share))
        return torch.from_numpy(gather(rows_UD.detach().numpy(), *ctx.read))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_vectors_LD = gradients[0].contiguous().numpy()
        of_rows_UD = np.zeros((ctx.rows, of_vectors_LD.shape[1]), dtype=np.float32)
        scatter(of_vectors_LD, of_rows_UD, *ctx.read)
        return torch.from_numpy(of_rows_UD), None, None
