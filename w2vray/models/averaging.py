"""``average``: the mean of a text's word vectors, then a dense layer; multinomial logistic regression.

Legend: B texts, T ids of the longest, D width of a vector, C classes.
"""

from torch import Tensor, nn

from w2vray.models.dropout import InputDropout

__all__ = ["AverageModel"]


class AverageModel(nn.Module):
    """Mean of the word vectors, dense layer. A text without ids has the mean zero."""

    def __init__(self, dim: int, classes: int, *, input_dropout: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.input_dropout = InputDropout(input_dropout)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(dim, classes)
        nn.init.zeros_(self.dense.weight)  # the loss is convex: start from even odds
        nn.init.zeros_(self.dense.bias)

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC; vectors behind a text's length must be zero."""
        mean_BD = self.input_dropout(vectors_BTD).sum(dim=1) / lengths_B.clamp(min=1)[:, None]
        logits_BC: Tensor = self.dense(self.dropout(mean_BD))
        return logits_BC
