"""What models say of rows that they did not learn from: what a promise about their answers is made of.

Shape letters: CONTRIBUTING.md.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["MOST_NUMBERS", "HeldOutAnswers", "gathered"]

MOST_NUMBERS = 1 << 22
"""Logits that are kept of all rows together: of more rows, every second, third or so is taken."""


@dataclass(frozen=True, eq=False)
class HeldOutAnswers:
    """Logits_NC of rows, and what is true of them: labels_N, or ones and zeros labels_NC where they may be several.

    ``numbers_N`` are the numbers of the rows among all examples; None where they have none.
    """

    logits_NC: npt.NDArray[np.float32]
    labels: npt.NDArray[np.integer[Any]]
    numbers_N: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.logits_NC)

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels."""
        return self.labels.ndim == 2

    def take(self, rows_N: npt.NDArray[Any]) -> "HeldOutAnswers":
        """Return some of the rows: their places, or whether each is wanted."""
        numbers_N = None if self.numbers_N is None else self.numbers_N[rows_N]
        return HeldOutAnswers(self.logits_NC[rows_N], self.labels[rows_N], numbers_N)

    def as_state(self) -> dict[str, Tensor]:
        """Return the answers as a checkpoint can hold them."""
        numbers = {} if self.numbers_N is None else {"numbers": torch.from_numpy(self.numbers_N)}
        return {"logits": torch.from_numpy(self.logits_NC), "labels": torch.from_numpy(self.labels), **numbers}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Rebuild what ``as_state`` gave."""
        numbers = state.get("numbers")
        return cls(state["logits"].numpy(), state["labels"].numpy(), None if numbers is None else numbers.numpy())


def gathered(
    parts: Iterable[tuple[Tensor, Tensor, Tensor]],
    rows: int,
    sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value,
) -> HeldOutAnswers:
    """Put the answers of all workers together, in the order of the rows.

    Args:
        parts: this worker's share: the numbers of rows_B, their logits_BC, and their labels.
        rows: how many there are, over all workers.
        sum_over_workers: adds a tensor up.
    """
    held = list(parts)
    several = held[0][2].ndim == 2 if held else False
    classes = held[0][1].shape[1] if held else 0
    shape = sum_over_workers(torch.tensor([classes, several, bool(held)], dtype=torch.float64))
    classes, several = round(float(shape[0] / shape[2])), bool(shape[1])
    every = math.ceil(rows * classes / MOST_NUMBERS)
    width = 2 * classes if several else classes + 1
    table = torch.zeros(math.ceil(rows / every), width + 1, dtype=torch.float64)
    for rows_B, logits_BC, labels in held:
        taken = rows_B % every == 0
        columns = [logits_BC, labels if several else labels[:, None], torch.ones(len(rows_B), 1)]
        table[rows_B[taken] // every] = torch.cat([column[taken].double() for column in columns], dim=1)
    table = sum_over_workers(table)
    there_N = torch.nonzero(table[:, -1] > 0)[:, 0]
    table = table[there_N]
    labels = table[:, classes:-1].long()
    return HeldOutAnswers(
        table[:, :classes].float().numpy(),
        (labels if several else labels[:, 0]).numpy(),
        (there_N * every).numpy(),
    )
