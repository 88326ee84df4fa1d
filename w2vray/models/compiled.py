"""Whether a model can be computed, in training, by compiled functions in place of torch's operations."""

import torch
from torch import Tensor

from w2vray.kernels.compiling import why_no_kernels

__all__ = ["can_compile"]


def can_compile(vectors: Tensor) -> bool:
    """Return whether what is computed of these vectors can be: float32 on a CPU for which kernels compile."""
    here = vectors.device.type == "cpu" and vectors.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return here and not why_no_kernels()
