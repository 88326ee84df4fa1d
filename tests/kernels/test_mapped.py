"""Pages of mapped files that a process lets go of."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from w2vray.kernels.compiling import read_only
from w2vray.kernels.mapped import let_go

NUMBERS = 1 << 24  # 64 MiB


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of numbers."""
    path = tmp_path / "numbers"
    np.arange(NUMBERS, dtype=np.float32).tofile(path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")
def test_pages_that_were_read_leave_memory_and_can_be_read_again(file: Path) -> None:
    mapped = np.memmap(file, dtype=np.float32, mode="r", shape=(NUMBERS,))
    total = mapped.sum(dtype=np.float64)
    before = _resident_bytes()
    let_go(read_only(mapped)[5:].view(np.int32))  # whatever part of it is given
    assert before - _resident_bytes() > 0.9 * mapped.nbytes
    assert mapped.sum(dtype=np.float64) == total


def _copy_on_write(file: Path) -> npt.NDArray[np.float32]:
    return np.memmap(file, dtype=np.float32, mode="c", shape=(NUMBERS,))


def _of_its_own(_: Path) -> npt.NDArray[np.float32]:
    return np.zeros(8, dtype=np.float32)


@pytest.mark.parametrize("made", [_copy_on_write, _of_its_own])
def test_what_was_written_into_a_copy_stays(made: Callable[[Path], npt.NDArray[np.float32]], file: Path) -> None:
    array = made(file)
    array[3] = -1.0
    let_go(array)
    assert array[3] == -1.0


def test_what_is_not_mapped_stays_as_it_is() -> None:
    array = np.arange(8)
    array.flags.writeable = False
    let_go(array)
    np.testing.assert_array_equal(array, np.arange(8))
