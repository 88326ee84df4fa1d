"""Matrix products of float32 on a CPU, by whichever of torch's two libraries is the faster one there.

Legend: N rows, K depth, M columns.
"""

import torch
from torch import Tensor

__all__ = ["product"]

_SMALLEST = 1 << 22
"""Multiplications of a product below which oneDNN takes longer to prepare than it spares."""


def _onednn_is_faster() -> bool:
    """Return whether this CPU has AVX-512.

    torch multiplies float32 by MKL, which takes half of that width on AMD's CPUs; oneDNN, which torch brings for other
    operations, takes all of it. The operation is the one that ``torch.compile`` writes for a linear layer.
    """
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return wide and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


_ONEDNN = _onednn_is_faster()


def product(left_NK: Tensor, right_KM: Tensor, bias_M: Tensor | None = None) -> Tensor:
    """Return left_NK @ right_KM, and the bias added to each row, in the tensors' own type, without a gradient."""
    if _is_for_onednn(left_NK, right_KM):
        # of a right factor that is transposed: a linear layer holds its weights so
        product_NM: Tensor = torch.ops.mkldnn._linear_pointwise(left_NK, right_KM.T, bias_M, "none", [], "")
        return product_NM
    room_NM = left_NK.new_empty(len(left_NK), right_KM.shape[1])
    if bias_M is None:
        return torch.mm(left_NK, right_KM, out=room_NM)
    return torch.addmm(bias_M, left_NK, right_KM, out=room_NM)


def _is_for_onednn(left_NK: Tensor, right_KM: Tensor) -> bool:
    large = len(left_NK) * right_KM.numel() >= _SMALLEST
    return _ONEDNN and large and left_NK.device.type == "cpu" and left_NK.dtype == torch.float32
