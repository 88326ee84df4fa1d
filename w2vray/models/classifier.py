"""Ids to logits: the word vectors and one of the models above them.

Shape letters: CONTRIBUTING.md.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from w2vray.models.batches import Batch, RaggedIds
from w2vray.models.compiled import can_compile
from w2vray.models.kinds import ModelSettings, kind_of
from w2vray.models.word_vectors import WordVectors
from w2vray.settings.choices import SPECIAL_OOV

__all__ = ["Classifier", "build_model", "shared_table", "special_row"]


def build_model(settings: ModelSettings, dim: int, classes: int) -> nn.Module:
    """Build the network of the kind of model that the settings belong to, with fresh weights."""
    return kind_of(settings).build(settings, dim, classes)


class Classifier(nn.Module):
    """A model on top of word vectors. Its ``state_dict`` is what is stored: the model's weights and the overlay."""

    def __init__(self, words: WordVectors, model: nn.Module) -> None:
        super().__init__()
        self.words = words
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """Return logits_BC."""
        logits_BC: Tensor = self.model(self.words(batch), batch.lengths_B)
        return logits_BC

    def read(self, ids: RaggedIds) -> Tensor:
        """Return logits_BC, the same up to rounding, on this model's device; on a CPU by the model's own ``read``."""
        read = getattr(self.model, "read", None)
        logits_BC: Tensor
        if read is None or not len(ids) or not can_compile(self.words.overlay_KD):
            logits_BC = self(ids.padded().to(self.words.overlay_KD.device))
        else:
            logits_BC = read(self.words.reader(ids), torch.from_numpy(np.diff(ids.offsets_B1)))
        return logits_BC


def shared_table(table_VD: npt.NDArray[Any]) -> Tensor:
    """View a shared table as a tensor without copying it.

    torch warns that the array is read-only and the tensor is not. That is so, and is why ``WordVectors`` keeps the
    table away from everything that writes; here is the one place that asks for such a tensor.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(table_VD))


def special_row(oov: str, table_VD: npt.NDArray[Any]) -> Tensor:
    """Return the overlay_KD that ``--oov`` starts with: no row, a row of zeros, or the mean of the table."""
    dim = table_VD.shape[1]
    if oov not in SPECIAL_OOV:
        return torch.zeros(0, dim)
    if oov == "zero":
        return torch.zeros(1, dim)
    return torch.from_numpy(table_VD.mean(axis=0, dtype="float64", keepdims=True).astype("float32"))
