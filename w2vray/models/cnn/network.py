"""``cnn``: filters of several widths over the words, ReLU, the maximum over time, dropout, a dense layer.

Source: Kim, "Convolutional Neural Networks for Sentence Classification", 2014 (doi:10.3115/v1/D14-1181).

Shape letters: CONTRIBUTING.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from w2vray.models.cnn.pooled_convolution import ROOM, pooled_convolutions
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.word_vectors import ReadWords

__all__ = ["CnnModel"]


class CnnModel(nn.Module):
    """Convolutions over the words; filters reach beyond both ends of a text, where there are zeros."""

    def __init__(self, dim: int, classes: int, settings: CnnSettings) -> None:
        super().__init__()
        self.widths = settings.widths
        self.input_dropout = nn.Dropout(settings.input_dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, settings.filters, width) for width in settings.widths)
        self.dropout = nn.Dropout(settings.dropout)
        self.dense = nn.Linear(settings.filters * len(settings.widths), classes)

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC; vectors behind a text's length must be zero.

        Width k over L words has the windows that start from 1 - k to L - 1: each sees a word at least. A text without
        words is a word of zeros.
        """
        vectors_BTD = self.input_dropout(vectors_BTD)
        pooled = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            with_edges_BTD = F.pad(vectors_BTD, (0, 0, width - 1, width - 1))
            pooled.append(_pool(with_edges_BTD, convolution, lengths_B.clamp(min=1) + width - 2))
        logits_BC: Tensor = self.dense(self.dropout(torch.cat(pooled, dim=1)))
        return logits_BC

    def read(self, words: ReadWords, lengths_B: Tensor) -> Tensor:
        """Return the same of one text or more, on a CPU in less time."""
        widest = max(self.widths)
        rows_B = lengths_B.clamp(min=1) + widest - 1
        starts_B, starts_row_B = lengths_B.cumsum(0) - lengths_B, rows_B.cumsum(0) - rows_B
        word_L = torch.arange(int(rows_B.sum())) - starts_row_B.repeat_interleave(rows_B) - (widest - 1)
        places_L = starts_B.repeat_interleave(rows_B) + word_L
        places_L[(word_L < 0) | (word_L >= lengths_B.repeat_interleave(rows_B))] = -1
        vectors_LD = words(F.pad(places_L, (0, widest + ROOM), value=-1), self.input_dropout.p * self.training)
        order = sorted(range(len(self.widths)), key=lambda index: -self.widths[index])
        weights, biases = zip(*(self.convolutions[index].parameters() for index in order), strict=True)
        features_BF = F.relu(pooled_convolutions(vectors_LD, lengths_B, weights) + torch.cat(biases))
        of_width = dict(zip(order, torch.split(features_BF, len(biases[0]), dim=1), strict=True))
        logits_BC: Tensor = self.dense(self.dropout(torch.cat([of_width[index] for index in range(len(order))], dim=1)))
        return logits_BC


def _pool(vectors_BTD: Tensor, convolution: nn.Module, last_B: Tensor) -> Tensor:
    """Return features_BF of the filters of one width."""
    windows_BFT = F.relu(convolution(vectors_BTD.transpose(1, 2)))
    beyond_BT = torch.arange(windows_BFT.shape[2], device=last_B.device) > last_B[:, None]
    # After ReLU nothing is below zero, so a zero never wins over a window that counts.
    return windows_BFT.masked_fill(beyond_BT[:, None, :], 0.0).amax(dim=2)
