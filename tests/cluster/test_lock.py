"""The lock of a local directory, where it is taken while another removes it or the filesystem has none."""

import errno
import fcntl
import shutil
from pathlib import Path

import pytest

from w2vray.cluster.leases import LOCK, only_writer
from w2vray.cluster.wholefiles import WholeFiles
from w2vray.errors import ConfigError, RunError


@pytest.fixture
def place(tmp_path: Path) -> WholeFiles:
    return WholeFiles(str(tmp_path / "run"))


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(
    place: WholeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is refused removes what it made; who had opened the file already must not be alone with it."""
    flock = fcntl.flock
    taken: list[int] = []

    def remove_first(handle: int, operation: int) -> None:
        if not taken:
            shutil.rmtree(place.base)
        flock(handle, operation)
        taken.append(handle)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with only_writer(place):
        assert len(taken) == 2
        with pytest.raises(RunError, match="another run is writing here"), only_writer(place):
            pass
    with only_writer(place):
        pass


def test_a_lock_whose_file_was_made_anew_meanwhile_is_taken_anew(
    place: WholeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    taken: list[int] = []

    def replace_first(handle: int, operation: int) -> None:
        if not taken:
            (Path(place.base) / LOCK).rename(Path(place.base) / "removed")
            (Path(place.base) / LOCK).touch()
        flock(handle, operation)
        taken.append(handle)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    with only_writer(place), pytest.raises(RunError, match="another run is writing here"), only_writer(place):
        pass
    assert len(taken) == 2


def test_a_filesystem_without_locks(place: WholeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(
            RunError, match=r"run cannot be locked \(No locks available\); name a place whose filesystem has"
        ),
        only_writer(place),
    ):
        pass


def test_an_error_of_what_is_written_is_not_taken_for_another_run(place: WholeFiles) -> None:
    with pytest.raises(BlockingIOError), only_writer(place):
        raise BlockingIOError
    with pytest.raises(ConfigError), only_writer(place):
        raise ConfigError
