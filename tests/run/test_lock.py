"""The lock of a local directory, where it is taken while another removes it or the filesystem has none."""

import errno
import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from w2vray.errors import ConfigError, RunError
from w2vray.run.leases import LOCK, only_writer
from w2vray.run.wholefiles import WholeFiles


@pytest.fixture
def place(tmp_path: Path) -> WholeFiles:
    return WholeFiles(str(tmp_path / "run"))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)


def _make_anew(folder: Path) -> None:
    (folder / LOCK).rename(folder / "removed")
    (folder / LOCK).touch()


@pytest.mark.parametrize("meanwhile", [_remove, _make_anew])
def test_a_lock_whose_file_goes_meanwhile_is_taken_anew(
    meanwhile: Callable[[Path], None], place: WholeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is refused removes what it made; who had opened the file already must not be alone with it."""
    flock = fcntl.flock
    taken: list[int] = []

    def take(handle: int, operation: int) -> None:
        if not taken:
            meanwhile(Path(place.base))
        flock(handle, operation)
        taken.append(handle)

    monkeypatch.setattr(fcntl, "flock", take)
    with only_writer(place):
        assert len(taken) == 2
        with pytest.raises(RunError, match="another run is writing here"), only_writer(place):
            pass
    with only_writer(place):
        pass


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
