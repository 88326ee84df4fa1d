"""A command that is stopped, fails or loses its reader says how things stand."""

import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fixtures.commands import Run
from w2vray.cli.command import Terminated, terminate


class Stop(NamedTuple):
    """A verb, the function of the library that it calls, and how things stand once that is stopped."""

    command: str
    library: str
    stands: str


@pytest.mark.parametrize(
    "case",
    [
        Stop("vectors import a.txt --output v", "w2vray.vectors.import_vectors", "; no vectors were written"),
        Stop("verify r", "w2vray.run.verify.verify", "; nothing was proved, and the run is as it was"),
        Stop(
            "score a --model m --output r",
            "w2vray.cluster.score.score",
            "; run the same command again to finish what is missing",
        ),
        Stop("predict --model m text", "w2vray.cli.predicting.predict_lines", ""),
        Stop("submit --address http://127.0.0.1:1 -- verify /r", "w2vray.cluster.submit.submit", ""),
    ],
    ids=lambda case: case.command,
)
@pytest.mark.parametrize(("stop", "how"), [(KeyboardInterrupt, "interrupted"), (Terminated, "terminated")])
def test_whoever_stops_a_verb_is_told_how_things_stand(
    case: Stop, stop: type[BaseException], how: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise stop

    monkeypatch.setattr(case.library, stopped)
    code, says = {"interrupted": 130, "terminated": 143}[how], f"{how}{case.stands}"
    assert run(*case.command.split()) == (code, "", f"w2vray: {says}\n")
    assert json.loads(run(*case.command.split(), "--json").out) == {"error": says, "exit_code": code}


def test_sigterm_is_told_as_such_where_ray_makes_a_plain_interrupt_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is interrupted after that is told so again."""
    told = [True, False]

    def stopped(*_: Any, **__: Any) -> None:
        with suppress(Terminated):
            if told.pop(0):
                terminate(signal.SIGTERM, None)
        raise KeyboardInterrupt

    monkeypatch.setattr("w2vray.run.verify.verify", stopped)
    assert [run("verify", "r").code for _ in range(2)] == [143, 130]


@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_before_a_verb_has_begun_has_the_exit_code_of_its_signal(
    told: int, code: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries that a verb needs take a second to import."""

    def importing() -> None:
        if told == signal.SIGTERM:
            terminate(told, None)
        raise KeyboardInterrupt

    monkeypatch.setattr("w2vray.cli.with_verbs", importing)
    assert run("verify", "r").code == code


def test_an_error_that_nobody_foresaw_is_told_in_full_and_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of our own making")

    monkeypatch.setattr("w2vray.run.verify.verify", broken)
    result = run("verify", "r", "--json")
    assert result.code == 1
    assert "Traceback" in result.err
    assert json.loads(result.out) == {"error": "ZeroDivisionError: of our own making", "exit_code": 1}


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
    ],
    ids=str,
)
def test_a_limit_of_the_machine_is_told_in_a_line(
    error: Exception, remedy: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("w2vray.run.verify.verify", limited)
    result = run("verify", "r", "--json")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert remedy in result.err
    assert str(error) in json.loads(result.out)["error"]


def test_a_connection_that_breaks_is_not_taken_for_a_reader_who_has_enough(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("w2vray.run.verify.verify", broken)
    result = run("verify", "r")
    assert (result.code, result.out) == (1, "")
    assert "a connection ended too early" in result.err


def test_the_end_comes_after_what_was_registered_for_it_and_leaves_the_interpreter_alone() -> None:
    """Where it is taken down, threads of native libraries that wait for its lock abort the process."""
    program = """if True:
        import atexit, threading, time
        from w2vray import cli
        class Kept:
            def __del__(self):
                print("taken down")
        kept = Kept()
        def run(_):
            atexit.register(print, "tidied up")
            threading.Thread(target=lambda: (time.sleep(0.2), print("thread has ended"))).start()
            return 3
        cli.run = run
        cli.main([])
    """
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, "thread has ended\ntidied up\n", "")


def closed(streams: str, *arguments: str) -> tuple[int, str]:
    """Run the program from a shell with redirections; return its exit code, and all that it said."""
    command = f"{sys.executable} -m w2vray {' '.join(arguments)} {streams}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def test_streams_may_be_closed_full_or_unread(tiny: Path) -> None:
    info = ("vectors", "info", str(tiny))
    assert closed(">&- 2>&- <&-", *info) == (0, "")
    assert closed(">&- 2>&- <&-", "vectors", "info", "nowhere", "--json") == (2, "")
    code, said = closed("> /dev/full", *info)
    assert (code, said) == (1, "w2vray: the result cannot be written to stdout (No space left on device)\n")
    assert closed("| true; exit ${PIPESTATUS[0]}", *info)[1] == ""


def test_a_name_that_is_not_utf8_is_told_all_the_same(tiny: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(bytes(tmp_path) + b"/\xff\xc3\xa9")
    tiny.rename(odd)
    command = [sys.executable, "-m", "w2vray", "vectors", "info", odd, "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert json.loads(result.stdout.decode())["path"] == odd
