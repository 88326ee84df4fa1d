import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from w2vray.kernels.compiling import CACHE_VARIABLE, kernel, why_no_kernels
from w2vray.kernels.multiplying import multiply, multiply_rows, multiply_transposed, narrow_panels, panels, whole_tiles

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")


ROOT = Path(__file__).parents[2]


@kernel
def _multiply(
    rows_XI: npt.NDArray[np.float32],
    panels_QIJ: npt.NDArray[np.float32],
    count: int,
    products_XZ: npt.NDArray[np.float32],
) -> None:
    multiply(rows_XI, panels_QIJ, count, products_XZ)


def product(
    rows_NI: npt.NDArray[np.float32],
    weights_IP: npt.NDArray[np.float32],
    in_panels: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] = panels,
) -> npt.NDArray[np.float32]:
    count, columns = len(rows_NI), weights_IP.shape[1]
    panels_QIJ = in_panels(weights_IP)
    filled_XI = np.full((whole_tiles(count), rows_NI.shape[1]), np.nan, dtype=np.float32)
    filled_XI[:count] = rows_NI
    products_XZ = np.empty((len(filled_XI), panels_QIJ.shape[0] * panels_QIJ.shape[2]), dtype=np.float32)
    _multiply(filled_XI, panels_QIJ, count, products_XZ)
    return products_XZ[:count, :columns]


def random(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("columns", [1, 6, 16, 17, 32, 33, 512])
@pytest.mark.parametrize("depth", [1, 5, 128])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 13])
def test_it_is_the_matrix_product(count: int, depth: int, columns: int) -> None:
    """Of any shape."""
    rows_NI, weights_IP = random(count, depth), random(depth, columns)

    expected = rows_NI.astype(np.float64) @ weights_IP.astype(np.float64)
    np.testing.assert_allclose(product(rows_NI, weights_IP), expected, atol=2e-5)
    narrow_NP = product(rows_NI, weights_IP, narrow_panels)
    assert narrow_NP.tobytes() == product(rows_NI, weights_IP).tobytes()


@pytest.mark.parametrize("columns", [1, 32, 33])
@pytest.mark.parametrize("count", [0, 1, 5, 6, 239, 241, 600])
def test_rows_need_no_room(count: int, columns: int) -> None:
    """A bias is added to each."""
    rows_NI, panels_QIJ = random(count, 7), panels(random(7, columns))
    bias_Z = random(panels_QIJ.shape[0] * panels_QIJ.shape[2])

    expected = rows_NI.astype(np.float64) @ random(7, columns) + bias_Z[:columns]
    found_NZ = multiply_rows(rows_NI, panels_QIJ, bias_Z)
    assert found_NZ.shape == (count, len(bias_Z))
    np.testing.assert_allclose(found_NZ[:, :columns], expected, atol=2e-5)


def transposed_product(left_IN: npt.NDArray[np.float32], right_IP: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """With more rows behind the left factor's, as many as ``whole_tiles`` says, that no sum may take up."""
    count, columns = left_IN.shape
    behind = np.full((whole_tiles(1) - 1, columns), np.nan, dtype=np.float32)
    return multiply_transposed(np.concatenate([left_IN, behind]), right_IP, count)


@pytest.mark.parametrize("width", [1, 31, 32, 50])
@pytest.mark.parametrize("columns", [1, 6, 20, 129])
@pytest.mark.parametrize("count", [0, 1, 7, 256, 600])
def test_it_is_the_product_of_a_transposed_factor(count: int, columns: int, width: int) -> None:
    """Of any shape."""
    left_IN, right_IP = random(count, columns), random(count + 1, width)[1:]

    expected = left_IN.astype(np.float64).T @ right_IP.astype(np.float64)
    np.testing.assert_allclose(transposed_product(left_IN, right_IP), expected, atol=1e-4)


def test_a_row_has_the_same_product_whatever_stands_beside_it() -> None:
    """Bit for bit: alone, and at any place among others."""
    rows_NI, weights_IP = random(10, 100), random(100, 70)

    together = product(rows_NI, weights_IP)
    for row in range(10):
        assert product(rows_NI[row : row + 1], weights_IP).tobytes() == together[row : row + 1].tobytes()
        assert product(rows_NI[row:], weights_IP).tobytes() == together[row:].tobytes()


_PRINT_PRODUCT = """
import sys
from w2vray.kernels import compiling
compiling.lanes = lambda: int(sys.argv[1])
from tests.kernels.test_multiplying import product, random, transposed_product
from w2vray.kernels import multiplying
products = product(random(11, 129), random(129, 70)), transposed_product(random(300, 20), random(300, 50))
print(multiplying._LANES, *(each.tobytes().hex() for each in products))
"""


def test_processors_with_longer_vectors_have_the_same_numbers(tmp_path: Path) -> None:
    """Bit for bit: their tiles are of another shape, and each number is summed in the same order."""
    printed = []
    for lanes in ("8", "16"):
        command = [sys.executable, "-c", _PRINT_PRODUCT, lanes]
        own_cache = {**os.environ, CACHE_VARIABLE: str(tmp_path / lanes)}  # machine code is kept by processor
        done = subprocess.run(command, env=own_cache, cwd=ROOT, capture_output=True, text=True, check=True)
        printed.append(done.stdout.split())
    assert [taken for taken, *_ in printed] == ["8", "16"]
    assert printed[0][1:] == printed[1][1:]
    assert [len(numbers) for numbers in printed[0][1:]] == [2 * 4 * 11 * 70, 2 * 4 * 20 * 50]
