"""Products of matrices, by either library: the numbers that float64 gives, within float32's rounding."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from w2vray.models import products
from w2vray.models.products import product


@pytest.fixture(scope="class", params=[False, True], ids=["mkl", "onednn"])
def library(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take this library for products of any size, on a CPU with AVX-512 or without."""
    if request.param and not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch has no oneDNN")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_ONEDNN", request.param)
        patch.setattr(products, "_SMALLEST", 0)
        yield


def factors(rows: int, depth: int, columns: int, transposed: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    """Two factors, each as it is or as a view whose rows are another tensor's columns."""
    random = torch.Generator().manual_seed(rows + 100 * depth + 10_000 * columns)
    left_NK, right_KM = (torch.randn(*shape, generator=random) for shape in ((rows, depth), (depth, columns)))
    return (
        left_NK.T.contiguous().T if transposed[0] else left_NK,
        right_KM.T.contiguous().T if transposed[1] else right_KM,
    )


@pytest.mark.usefixtures("library")
class TestEither:
    """Both libraries."""

    @given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70), st.tuples(st.booleans(), st.booleans()))
    def test_a_product_is_that_of_float64(
        self, rows: int, depth: int, columns: int, transposed: tuple[bool, bool]
    ) -> None:
        left_NK, right_KM = factors(rows, depth, columns, transposed)
        wanted_NM = left_NK.double() @ right_KM.double()
        bias_M = torch.linspace(-1, 1, columns)

        torch.testing.assert_close(product(left_NK, right_KM), wanted_NM.float(), atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(
            product(left_NK, right_KM, bias_M), (wanted_NM + bias_M).float(), atol=1e-4, rtol=1e-5
        )

    def test_a_product_is_of_its_factors_type(self) -> None:
        """As it is of double precision where gradients are checked, and not of bfloat16 beside operations that are."""
        left_NK, right_KM = factors(4, 3, 2, (False, False))
        assert product(left_NK.double(), right_KM.double()).dtype == torch.float64
        with torch.autocast("cpu", torch.bfloat16):
            assert product(left_NK, right_KM).dtype == torch.float32


def test_only_large_products_are_onednns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones take longer to prepare than to compute."""
    monkeypatch.setattr(products, "_ONEDNN", True)
    of_rows = [products._is_for_onednn(torch.ones(rows, 64), torch.ones(64, 64)) for rows in (32, 4096)]
    assert of_rows == [False, True]
