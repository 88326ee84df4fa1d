"""Another process imports what this one does, and is there for whoever starts it next."""

import errno
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from w2vray import other_process
from w2vray.other_process import OtherProcess, end_ahead, start, start_ahead

SERVE = "from w2vray.other_process import answers_to; output = answers_to()"


@pytest.fixture(autouse=True)
def _none_ahead() -> Iterator[None]:
    yield
    end_ahead()


def told_by(program: str) -> str:
    """Return what a program writes for its answer."""
    process = start(f"{SERVE}; {program}")
    assert process.is_ready()
    answer = process.stream.read().decode()
    process.close()
    return answer


def test_the_folder_one_stands_in_is_looked_into_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of the user's own may lie there, and a ``json.py`` that is not to take the place of Python's."""
    (tmp_path / "models_of_my_own.py").touch()
    for name in ("json", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    program = "import json, models_of_my_own; output.write(models_of_my_own.__file__.encode())"
    for place in (str(tmp_path), ""):  # of a script that lies there; of a notebook
        with monkeypatch.context() as patch:
            patch.syspath_prepend(place)
            assert told_by(program) == str(tmp_path / "models_of_my_own.py")


def test_nothing_is_imported_from_a_folder_that_this_process_does_not_import_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    assert str(tmp_path) not in told_by("import sys; output.write(repr(sys.path).encode())")


def test_what_python_does_not_import_from_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])  # as people write it
    assert str(tmp_path) not in told_by("import sys; output.write(repr(sys.path).encode())")


def test_it_starts_where_the_folder_one_stands_in_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert told_by("output.write(b'here')") == "here"


def test_one_that_was_ended_before_it_was_taken_is_started_again() -> None:
    program = f"{SERVE}; import sys; sys.stdin.read()"
    start_ahead(program)
    (ahead,) = other_process._AHEAD.values()
    ahead.kill()
    ahead.process.wait()
    process = start(program)
    assert process is not ahead
    assert process.is_ready()
    process.close()


def test_two_threads_start_one_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two, one would be left to nobody, and stay as long as this process."""
    started: list[OtherProcess] = []

    def slowly(program: str) -> OtherProcess:
        time.sleep(0.1)
        started.append(OtherProcess(program))
        return started[-1]

    monkeypatch.setattr(other_process, "OtherProcess", slowly)
    threads = [threading.Thread(target=start_ahead, args=["import sys; sys.stdin.read()"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    end_ahead()
    assert not started[0].is_running


def test_it_has_one_thread_however_many_cpus_there_are() -> None:
    """As Ray's workers: of as many processes as CPUs, each would have as many threads of numpy's as CPUs."""
    assert told_by("import os, numpy; output.write(str(len(os.listdir('/proc/self/task'))).encode())") == "1"


def test_what_cannot_be_started_ahead_is_left_to_whoever_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> OtherProcess:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(other_process, "OtherProcess", full)
    start_ahead("import sys; sys.stdin.read()")
    end_ahead()
