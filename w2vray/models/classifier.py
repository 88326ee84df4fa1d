"""Ids to logits: the word vectors and one of the models above them.

Legend: B texts, D width of a vector, C classes, V rows of the table, K overlay rows.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from w2vray.models.average.network import AverageModel
from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.batches import Batch, RaggedIds
from w2vray.models.cnn.network import CnnModel
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.compiled import can_compile
from w2vray.models.kinds import ModelSettings
from w2vray.models.recurrent.network import RecurrentModel
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.models.word_vectors import WordVectors
from w2vray.settings.verbs import SPECIAL_POLICIES

__all__ = ["Classifier", "build_model", "shared_table", "special_row"]


Model = AverageModel | CnnModel | RecurrentModel


def build_model(settings: ModelSettings, dim: int, classes: int) -> Model:
    """Build the model that the settings belong to, with fresh weights."""
    match settings:
        case AverageSettings():
            return AverageModel(dim, classes)
        case TunedAverageSettings():
            return AverageModel(dim, classes, input_dropout=settings.input_dropout, dropout=settings.dropout)
        case CnnSettings():
            return CnnModel(dim, classes, settings)
        case LstmSettings() | GruSettings():
            return RecurrentModel(dim, classes, settings)


class Classifier(nn.Module):
    """A model on top of word vectors. Its ``state_dict`` is what is stored: the model's weights and the overlay."""

    def __init__(self, words: WordVectors, model: Model) -> None:
        super().__init__()
        self.words = words
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """Return logits_BC."""
        logits_BC: Tensor = self.model(self.words(batch), batch.lengths_B)
        return logits_BC

    def read(self, ids: RaggedIds) -> Tensor:
        """Return logits_BC, the same up to rounding, on this model's device; on a CPU without padding."""
        device = self.words.overlay_KD.device
        if not len(ids) or not can_compile(self.words.overlay_KD):
            logits_BC: Tensor = self(ids.padded().to(device))
            return logits_BC
        return self.model.read(self.words.reader(ids), torch.from_numpy(np.diff(ids.offsets_B1)))


def shared_table(table_VD: npt.NDArray[Any]) -> Tensor:
    """View a shared table as a tensor without copying it.

    torch warns that the array is read-only and the tensor is not. That is so, and is why ``WordVectors`` keeps the
    table away from everything that writes; here is the one place that asks for such a tensor.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(table_VD))


def special_row(policy: str, table_VD: npt.NDArray[Any]) -> Tensor:
    """Return the overlay_KD that a policy starts with: no row, a row of zeros, or the mean of the table."""
    dim = table_VD.shape[1]
    if policy not in SPECIAL_POLICIES:
        return torch.zeros(0, dim)
    if policy == "zero":
        return torch.zeros(1, dim)
    return torch.from_numpy(table_VD.mean(axis=0, dtype="float64", keepdims=True).astype("float32"))
