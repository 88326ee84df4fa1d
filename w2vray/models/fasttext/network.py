"""``fasttext`` in torch: the plain model of its compiled head.

Shape letters: CONTRIBUTING.md.
"""

import torch
from torch import Tensor, nn

from w2vray.models.fasttext.probabilities import logits_of
from w2vray.models.fasttext.settings import FastTextSettings
from w2vray.models.fasttext.weights import fasttext_shapes

__all__ = ["FastTextModel"]


class FastTextModel(nn.Module):
    """Mean of the rows of a text's features, output layer, and logits of what the loss makes of it."""

    output: Tensor
    tree: Tensor

    def __init__(self, dim: int, classes: int, settings: FastTextSettings) -> None:
        super().__init__()
        self.loss = settings.loss
        for name, shape in fasttext_shapes(settings, dim, classes).items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC; vectors behind a text's length must be zero."""
        means_BD = vectors_BTD.double().sum(dim=1) / lengths_B.clamp(min=1)[:, None]
        outputs_BC = means_BD @ self.output.double().T
        if self.loss == "softmax":
            return outputs_BC.float()
        tree = self.tree.cpu().numpy() if self.loss == "hs" else None
        logits_BC = logits_of(self.loss, outputs_BC.cpu().numpy(), tree)
        return torch.from_numpy(logits_BC).to(vectors_BTD.device)
