"""``average``: the mean of a text's word vectors, then a dense layer; multinomial logistic regression.

The mean may be scaled to length 1 before.

Shape letters: CONTRIBUTING.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.word_vectors import ReadWords

__all__ = ["AverageModel"]


class AverageModel(nn.Module):
    """Mean of the word vectors, dense layer. A text without ids has the mean zero, of whatever length others have."""

    def __init__(self, dim: int, classes: int, settings: AverageSettings | TunedAverageSettings) -> None:
        super().__init__()
        dropouts = (settings.input_dropout, settings.dropout) if isinstance(settings, TunedAverageSettings) else (0, 0)
        self.input_dropout, self.dropout = map(nn.Dropout, dropouts)
        self.unit_length = bool(settings.unit_length)
        self.dense = nn.Linear(dim, classes)
        nn.init.zeros_(self.dense.weight)  # the loss is convex: start from even odds
        nn.init.zeros_(self.dense.bias)

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC; vectors behind a text's length must be zero."""
        return self._of_sums(self.input_dropout(vectors_BTD).sum(dim=1), lengths_B)

    def read(self, words: ReadWords, lengths_B: Tensor) -> Tensor:
        """Return the same, on a CPU in less time."""
        places_L, starts_B = torch.arange(int(lengths_B.sum())), lengths_B.cumsum(0) - lengths_B
        vectors_LD = words(places_L, self.input_dropout.p * self.training)
        return self._of_sums(F.embedding_bag(places_L, vectors_LD, starts_B, mode="sum"), lengths_B)

    def _of_sums(self, sums_BD: Tensor, lengths_B: Tensor) -> Tensor:
        means_BD = sums_BD / lengths_B.clamp(min=1)[:, None]
        if self.unit_length:
            means_BD = F.normalize(means_BD, dim=1)
        logits_BC: Tensor = self.dense(self.dropout(means_BD))
        return logits_BC
