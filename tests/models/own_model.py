"""A kind of model that the package does not have: a plain torch network and its row, as a user writes them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from w2vray.models.kinds import Kind
from w2vray.settings.fields import documented, require
from w2vray.settings.steps import StepSettings

__all__ = ["MEAN_MAX", "MeanMaxModel", "MeanMaxSettings"]


@dataclass(frozen=True, kw_only=True)
class MeanMaxSettings(StepSettings):
    """Settings of ``mean-max``."""

    units: int = documented("numbers in the hidden layer.", 16)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.units > 0, "units", self.units, "a whole number above 0")


class MeanMaxModel(nn.Module):
    """A hidden layer over the mean and the maximum of a text's vectors."""

    def __init__(self, dim: int, classes: int, settings: MeanMaxSettings) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * dim, settings.units)
        self.dropout = nn.Dropout(settings.dropout)
        self.out = nn.Linear(settings.units, classes)

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC."""
        behind_BT = torch.arange(vectors_BTD.shape[1], device=lengths_B.device) >= lengths_B[:, None]
        highest_BD = vectors_BTD.masked_fill(behind_BT[:, :, None], float("-inf")).amax(dim=1)
        highest_BD = highest_BD.masked_fill((lengths_B == 0)[:, None], 0.0)
        mean_BD = vectors_BTD.sum(dim=1) / lengths_B.clamp(min=1)[:, None]
        hidden_BF = torch.relu(self.hidden(torch.cat((mean_BD, highest_BD), dim=1)))
        logits_BC: Tensor = self.out(self.dropout(hidden_BF))
        return logits_BC


MEAN_MAX = Kind(
    name="mean-max",
    summary="a hidden layer over the mean and the maximum of a text's vectors",
    settings=MeanMaxSettings,
    network=MeanMaxModel,
)
