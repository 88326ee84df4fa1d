"""A filesystem that is neither this machine's own nor an object store, at ``other://``."""

from collections.abc import Callable  # noqa: TC003 - pytest reads the hints of fixtures
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from w2vray.places import fetching, sending
from w2vray.places.cache import CACHE_VARIABLE
from w2vray.places.uris import open_store


class Other:
    """What is at ``other://NAME`` lies in ``folder / NAME``; each path that is opened is counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[str] = []
        self.before_writing: Callable[[str], object] = lambda _: None

    def open_store(self, place: str) -> tuple[fs.FileSystem, str]:
        if not place.startswith("other://"):
            return open_store(place)
        return fs.PyFileSystem(_Handler(self)), place.removeprefix("other://").partition("?")[0]


class _Handler(fs.FSSpecHandler):  # type: ignore[misc]
    """The folder as Arrow's interface for filesystems that are written in Python."""

    def __init__(self, other: Other) -> None:
        self.other, self.store = other, fs.SubTreeFileSystem(str(other.folder), fs.LocalFileSystem())

    def get_type_name(self) -> str:
        return "other"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> Any:
        return self.store.get_file_info(paths)

    def get_file_info_selector(self, selector: fs.FileSelector) -> Any:
        return self.store.get_file_info(selector)

    def create_dir(self, path: str, recursive: bool) -> None:
        self.store.create_dir(path, recursive=recursive)

    def delete_file(self, path: str) -> None:
        self.store.delete_file(path)

    def open_input_file(self, path: str) -> Any:
        self.other.opened.append(path)
        return self.store.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:  # noqa: ARG002 - the same
        self.other.before_writing(path)
        return self.store.open_output_stream(path)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Other:
    made = Other(tmp_path / "other")
    made.folder.mkdir()
    for module in (fetching, sending):
        monkeypatch.setattr(module, "open_store", made.open_store)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return made
