from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from w2vray.kernels import tables
from w2vray.kernels.tables import kept_table, made_by


class Maker:
    """Makes a table, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> npt.NDArray[np.uint8]:
        self.made += 1
        return np.arange(10, dtype=np.uint8)


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tables, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_a_table_is_made_once_and_then_read(make: Maker, folder: Path) -> None:
    found = [kept_table("some", 10, np.uint8, make) for _ in range(3)]
    assert make.made == 1
    assert all(table.tolist() == list(range(10)) for table in found)
    assert [file.name for file in folder.iterdir()] == ["some.table"]
    assert kept_table("other", 10, np.uint8, make).tolist() == list(range(10))
    assert make.made == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no table",
        lambda data: data[:-3],
        lambda data: data[:-1] + b"x",
        lambda data: bytes(len(data)),
        lambda data: b"x" + data[1:],
    ],
)
def test_a_damaged_table_is_made_anew(make: Maker, folder: Path, damage: Callable[[bytes], bytes]) -> None:
    """As a power cut may leave it, or a disk that fails."""
    kept_table("some", 10, np.uint8, make)
    file = folder / "some.table"
    file.write_bytes(damage(file.read_bytes()))
    assert kept_table("some", 10, np.uint8, make).tolist() == list(range(10))
    assert make.made == 2
    kept_table("some", 10, np.uint8, make)
    assert make.made == 2


def test_a_table_of_another_size_is_made_anew(make: Maker) -> None:
    kept_table("some", 9, np.uint8, lambda: np.arange(9, dtype=np.uint8))
    table = kept_table("some", 10, np.uint8, make)
    assert table.dtype == np.uint8
    assert table.tolist() == list(range(10))


def test_without_a_safe_folder_or_room_a_table_is_made_and_used(
    make: Maker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "cache_folder", lambda: folder / "gone")
    assert kept_table("some", 10, np.uint8, make).tolist() == list(range(10))
    monkeypatch.setattr(tables, "cache_folder", lambda: None)
    assert kept_table("some", 10, np.uint8, make).tolist() == list(range(10))


def test_a_name_tells_what_a_table_is_made_by(tmp_path: Path) -> None:
    source = tmp_path / "rules.py"
    source.write_text("1")
    before = made_by("glove", 3, sources=[source])
    assert made_by("glove", 3, sources=[source]) == before
    assert made_by("plain", 3, sources=[source]) != before
    source.write_text("2")
    assert made_by("glove", 3, sources=[source]) != before
