"""What tests of several modules list."""

from pathlib import Path

import pytest

from tests.fixtures.listed import FILES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree of small files: their names are what counts."""
    for name in FILES:
        file = tmp_path / "store" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return tmp_path / "store"
