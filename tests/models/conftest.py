from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.models.word_vectors import ReadWords


@pytest.fixture(scope="session")
def reader_of() -> Callable[[Tensor, Tensor], ReadWords]:
    """Make what reads the words of padded vectors, with torch's own dropout."""

    def make(vectors_BTD: Tensor, lengths_B: Tensor) -> ReadWords:
        inside_BT = torch.arange(vectors_BTD.shape[1]) < lengths_B[:, None]
        vectors_LD = F.pad(vectors_BTD[inside_BT], (0, 0, 0, 1))  # a last row of zeros: place -1

        def read(places_L: Tensor, left_out: float) -> Tensor:
            return F.dropout(vectors_LD[places_L], left_out)

        return read

    return make
