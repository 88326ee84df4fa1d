"""What is minimised: the loss of logits against labels, and what each label weighs.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.errors import ConfigError

__all__ = ["Bends", "BendsApart", "BendsTogether", "ManyLabels", "Objective", "OneLabel", "label_weights", "objective"]


@dataclass(frozen=True)
class BendsTogether:
    """The second derivatives of a softmax's loss over the logits: of ``shares_BC``, and of what each example weighs."""

    shares_BC: Tensor
    weights_B1: Tensor | float = 1.0

    def times(self, change_BC: Tensor) -> Tensor:
        """Return by how much the slopes change where the logits do."""
        apart_BC = self.shares_BC * change_BC
        apart_BC.addcmul_(self.shares_BC, apart_BC.sum(dim=1, keepdim=True), value=-1)
        return apart_BC * self.weights_B1

    def diagonal(self) -> Tensor:
        """Return how each slope changes with its own logit, shape [B, C]."""
        return self.weights_B1 * self.shares_BC * (1 - self.shares_BC)

    def to(self, kind: torch.dtype) -> "BendsTogether":
        """Return it in another precision."""
        weights = self.weights_B1
        return BendsTogether(self.shares_BC.to(kind), weights.to(kind) if isinstance(weights, Tensor) else weights)


@dataclass(frozen=True)
class BendsApart:
    """The second derivatives where each logit has a loss of its own: ``bends_BC``."""

    bends_BC: Tensor

    def times(self, change_BC: Tensor) -> Tensor:
        """Return by how much the slopes change where the logits do."""
        return self.bends_BC * change_BC

    def diagonal(self) -> Tensor:
        """Return how each slope changes with its own logit, shape [B, C]."""
        return self.bends_BC

    def to(self, kind: torch.dtype) -> "BendsApart":
        """Return it in another precision."""
        return BendsApart(self.bends_BC.to(kind))


Bends = BendsTogether | BendsApart
"""How the slopes of the loss change with the logits."""


@dataclass(frozen=True)
class OneLabel:
    """Cross-entropy of one label out of all; ``weights_C`` multiplies the loss of the examples of each label."""

    weights_C: Tensor | None = None

    def loss(self, logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        """Return the sum over the examples."""
        weights_C = None if self.weights_C is None else self.weights_C.to(logits_BC)
        return F.cross_entropy(logits_BC, labels_B, weight=weights_C, reduction="sum")

    def slopes(self, logits_BC: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor, BendsTogether]:
        """Return the loss, its slopes over the logits, and how these change."""
        chances_BC = F.log_softmax(logits_BC, dim=1)
        shares_BC = chances_BC.exp()
        slopes_BC = shares_BC.clone()
        slopes_BC[torch.arange(len(labels_B)), labels_B] -= 1
        given_B = chances_BC.gather(1, labels_B[:, None])[:, 0]
        if self.weights_C is None:
            return -given_B.sum(), slopes_BC, BendsTogether(shares_BC)
        weights_B = self.weights_C.to(logits_BC)[labels_B]
        weights_B1 = weights_B[:, None]
        return -(weights_B * given_B).sum(), slopes_BC * weights_B1, BendsTogether(shares_BC, weights_B1)

    def right(self, logits_BC: Tensor, labels_B: Tensor) -> int:
        """Return how many examples have their label as the most probable one."""
        return int((logits_BC.argmax(dim=1) == labels_B).sum())


@dataclass(frozen=True)
class ManyLabels:
    """Binary cross-entropy of each label by itself, summed over the labels.

    ``weights_2C`` multiplies the loss of a label where it does not apply, and where it does.
    """

    weights_2C: Tensor | None = None

    def loss(self, logits_BC: Tensor, labels_BC: Tensor) -> Tensor:
        """Return the sum over examples and labels."""
        labels_BC = labels_BC.to(logits_BC)
        weights_BC = self._weights(labels_BC)
        return F.binary_cross_entropy_with_logits(logits_BC, labels_BC, weight=weights_BC, reduction="sum")

    def slopes(self, logits_BC: Tensor, labels_BC: Tensor) -> tuple[Tensor, Tensor, BendsApart]:
        """Return the loss, its slopes over the logits, and how these change."""
        labels_BC = labels_BC.to(logits_BC)
        shares_BC = torch.sigmoid(logits_BC)
        slopes_BC, bends_BC = shares_BC - labels_BC, shares_BC * (1 - shares_BC)
        weights_BC = self._weights(labels_BC)
        if weights_BC is not None:
            slopes_BC, bends_BC = slopes_BC * weights_BC, bends_BC * weights_BC
        return self.loss(logits_BC, labels_BC), slopes_BC, BendsApart(bends_BC)

    def _weights(self, labels_BC: Tensor) -> Tensor | None:
        if self.weights_2C is None:
            return None
        absent_C, present_C = self.weights_2C.to(labels_BC)
        return torch.where(labels_BC > 0, present_C, absent_C)

    def right(self, logits_BC: Tensor, labels_BC: Tensor) -> int:
        """Return how many examples are given exactly their labels: those of at least even odds."""
        return int(((logits_BC >= 0) == (labels_BC > 0)).all(dim=1).sum())


Objective = OneLabel | ManyLabels


def label_weights(given: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Parse ``LABEL=W``; what stands behind the last ``=`` is the weight.

    Raises:
        ConfigError: a label is none of ``labels``.
    """
    weights = {label: float(weight) for label, _, weight in (item.rpartition("=") for item in given)}
    if unknown := [label for label in weights if label not in labels]:
        raise ConfigError(f"--class-weight: {unknown[0]!r} is no label of the examples; they are {', '.join(labels)}")
    return weights


def objective(
    labels: Sequence[str],
    counts: Mapping[str, int],
    rows: int,
    *,
    multi_label: bool,
    balanced: bool,
    weights: Mapping[str, float],
) -> Objective:
    """Build the objective of a training.

    Args:
        labels: in the order of the model's outputs.
        counts: examples of each label; one that is not there counts as if it were there once.
        rows: examples.
        multi_label: whether an example may have any number of labels.
        balanced: weigh labels so that each counts as much as the others: ``n / (C n_c)``, as scikit-learn's
            ``balanced``; of many labels each is a problem of two classes, with and without it.
        weights: further factors, of the examples that have the label.
    """
    factors_C = np.array([weights.get(label, 1.0) for label in labels])
    if not balanced and not weights:
        return ManyLabels() if multi_label else OneLabel()
    present_C = np.array([counts.get(label, 0) for label in labels], dtype=np.float64)
    if not multi_label:
        balance_C = rows / (len(labels) * np.maximum(present_C, 1)) if balanced else np.ones(len(labels))
        return OneLabel(torch.from_numpy(balance_C * factors_C))
    counts_2C = np.stack([rows - present_C, present_C])
    balance_2C = rows / (2 * np.maximum(counts_2C, 1)) if balanced else np.ones_like(counts_2C)
    balance_2C[1] *= factors_C
    return ManyLabels(torch.from_numpy(balance_2C))
