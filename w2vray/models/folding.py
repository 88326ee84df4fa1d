"""Scoring with a model's first linear step folded into the words' vectors: the same logits as torch gives, sooner.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from w2vray.kernels.mapped import let_go
from w2vray.kernels.projecting import AllRows, ProjectedRows, projected_rows
from w2vray.models.evidence import Weigh
from w2vray.models.kind import Kind, ModelSettings
from w2vray.text.columns import BLOCK_BYTES
from w2vray.text.lookup import Ids

__all__ = ["Folded", "Head", "fold", "vectors_of"]

Weights = Mapping[str, npt.NDArray[Any]]


class Head(Protocol):
    """What a kind of model does behind its first step."""

    weights_DP: npt.NDArray[np.float32]
    bias_P: npt.NDArray[np.float32]
    parts: int
    """Equal parts that projected rows are kept in, each of them beside those of other words."""

    def logits(self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits_NC."""


@runtime_checkable
class ExplainedHead(Protocol):
    """A head that tells what weighed most, too."""

    def explained(
        self, ids: Ids, rows: ProjectedRows, made_MD: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], Weigh]:
        """Return logits_NC, equal to those of ``logits``, and what tells the pieces that weighed most."""


class Folded:
    """A folded model over its word vectors: ids to logits."""

    def __init__(
        self,
        head: Head,
        table_VD: npt.NDArray[Any],
        overlay_KD: npt.NDArray[np.float32],
        bound: int,
        text_ahead: int = 0,
    ) -> None:
        self._head = head
        self.block_bytes: int = getattr(head, "block_bytes", BLOCK_BYTES)
        self._table_VD = table_VD
        self._overlay_KD = overlay_KD
        own_ids = len(table_VD) + len(overlay_KD)
        self._rows = projected_rows(self._vectors, head.weights_DP, head.bias_P, own_ids, bound, head.parts, text_ahead)
        if isinstance(self._rows, AllRows):
            let_go(table_VD)  # all of it has been read, and none is any more

    def logits(self, ids: Ids, made_MD: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """Return logits_NC of looked-up texts."""
        if made_MD is None:
            made_MD = np.empty((0, self._table_VD.shape[1]), dtype=np.float32)
        return self._head.logits(ids, self._rows, made_MD)

    def explained(
        self, ids: Ids, made_MD: npt.NDArray[np.float32] | None = None
    ) -> tuple[npt.NDArray[np.float32], Weigh]:
        """Return logits_NC of looked-up texts, and what tells the pieces that weighed most."""
        assert isinstance(self._head, ExplainedHead)
        if made_MD is None:
            made_MD = np.empty((0, self._table_VD.shape[1]), dtype=np.float32)
        return self._head.explained(ids, self._rows, made_MD)

    @property
    def explains(self) -> bool:
        """Whether ``explained`` can be asked for."""
        return isinstance(self._head, ExplainedHead)

    def _vectors(self, ids_W: npt.NDArray[np.int32], made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return vectors_of(ids_W, self._table_VD, self._overlay_KD, made_MD)


def vectors_of(
    ids_W: npt.NDArray[np.int32],
    table_VD: npt.NDArray[Any],
    overlay_KD: npt.NDArray[np.float32],
    made_MD: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return vectors_WD of ids: of the table, of the model's own rows, or of those made for a block."""
    own_W = ids_W >= len(table_VD)
    vectors_WD: npt.NDArray[np.float32] = table_VD[np.where(own_W, 0, ids_W)].astype(np.float32)
    if own_W.any():
        vectors_WD[own_W] = np.concatenate([overlay_KD, made_MD])[ids_W[own_W] - len(table_VD)]
    return vectors_WD


def fold(
    kind: Kind,
    settings: ModelSettings,
    weights: Weights,
    table_VD: npt.NDArray[Any],
    overlay_KD: npt.NDArray[np.float32],
    *,
    bound: int,
    text_ahead: int = 0,
) -> Folded | None:
    """Fold a model; None where its kind has no head to score with.

    Args:
        kind: of the model.
        settings: of the model.
        weights: of the model, by torch's names.
        table_VD: the shared vectors.
        overlay_KD: the model's own.
        bound: bytes of projected rows that may be kept from block to block.
        text_ahead: bytes of text that are going to be scored, by which it is decided how the rows are kept.
    """
    head = kind.scoring_head(settings, weights)
    return None if head is None else Folded(head, table_VD, overlay_KD, bound, text_ahead)
