"""Ray as we start it: nobody else can reach it, and nothing of it stays."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private.node import Node
from ray.data import DataContext
from ray.data._internal.execution.no_progress_guard import NoProgressGuard
from ray.exceptions import AuthenticationError

from w2vray.cli import run
from w2vray.cluster.connecting import connected
from w2vray.cluster.starting import start_here
from w2vray.errors import ClusterError

PROGRAM = """
import json, os, psutil
from w2vray.cluster.connecting import connected

with connected():
    ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
    names = [process.name() for process in ours]
    commands = [" ".join(process.cmdline()) for process in ours[1:]]
    heard = [(c.laddr.ip, c.laddr.port) for p in ours for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    token = os.environ.get("RAY_AUTH_MODE")
left = [process.name() for process in ours[1:] if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
print(json.dumps({"names": names, "commands": commands, "heard": heard, "token": token, "left": left}))
"""


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "127.0.0.1:99999", "no.such.host.invalid:6379"])
def test_an_address_where_nothing_listens_is_told_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", None)  # is not reached
    with pytest.raises(ClusterError, match=rf"no Ray at {re.escape(address)}: .*check --address"), connected(address):
        pass


def test_another_cluster_than_the_one_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="10.0.0.1:6379"))
    refused = pytest.raises(ClusterError, match=r"the Ray at 10\.0\.0\.1:6379; leave out 10\.0\.0\.2:6379")
    with refused, connected("10.0.0.2:6379"):
        pass
    with connected("10.0.0.1:6379"), connected("auto"), connected(), connected("ray://10.0.0.1:10001"):
        pass
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="127.0.0.1:6379"))
    with connected("localhost:6379"):
        pass


def test_a_worker_keeps_its_libraries_to_one_thread() -> None:
    """Torch too, whenever it is imported."""
    program = (
        "from w2vray.cluster.resources import use_one_thread\n"
        "import sys; before = 'torch' in sys.modules; use_one_thread()\n"
        "import pyarrow, torch; print(before, pyarrow.cpu_count(), torch.get_num_threads())\n"
        "torch.set_num_threads(3); use_one_thread(); print(torch.get_num_threads())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == ["False", "1", "1", "1"]


def test_who_stops_a_command_while_ray_starts_is_answered_by_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own answer to SIGTERM ends the process with 1, and says nothing."""

    def starting(**_: object) -> None:
        ray._private.utils.set_sigterm_handler(lambda *_: sys.exit(1))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    def answer(*_: object) -> None:
        raise KeyboardInterrupt("ours")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", starting)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    before = signal.signal(signal.SIGTERM, answer)
    try:
        with pytest.raises(KeyboardInterrupt, match="ours"), connected("local"):
            pass
        assert signal.getsignal(signal.SIGTERM) is answer
    finally:
        signal.signal(signal.SIGTERM, before)


LATE = (
    "The current node timed out during startup. This could happen because some of the raylet failed to startup or the "
    "GCS has become overloaded."
)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Let ray.init raise these errors, one a start, and then come up; return what it was called with."""

    def starting(*errors: Exception) -> list[dict[str, Any]]:
        left, calls = list(errors), list[dict[str, Any]]()

        def start(**options: Any) -> None:
            calls.append(options)
            if left:
                raise left.pop(0)

        monkeypatch.setattr("ray.is_initialized", lambda: False)
        monkeypatch.setattr("ray.init", start)
        monkeypatch.setattr("ray.shutdown", lambda: None)
        return calls

    return starting


@pytest.mark.parametrize("error", [Exception(LATE), RuntimeError("Failed to start GCS."), ConnectionError("refused")])
def test_a_ray_that_does_not_come_up_in_time_is_started_again(
    starts: Callable[..., list[dict[str, Any]]], error: Exception
) -> None:
    calls = starts(error, error)
    with connected("local"):
        assert [call["address"] for call in calls] == ["local"] * 3


def test_a_ray_that_never_comes_up_is_told_in_one_sentence(starts: Callable[..., list[dict[str, Any]]]) -> None:
    calls = starts(*[Exception(LATE)] * 4)
    with (
        pytest.raises(
            ClusterError,
            match=r"^Ray did not start on this machine, tried 3 times: The current node timed out during startup; .* "
            r"use a running Ray with --address$",
        ),
        connected(),
    ):
        pass
    assert len(calls) == 3


@pytest.mark.parametrize("verb", ["score", "evaluate", "train"])
def test_each_verb_that_starts_ray_tells_it_in_one_line(
    starts: Callable[..., list[dict[str, Any]]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    """No traceback; with ``--json`` the error is an object, too."""
    starts(*[Exception(LATE)] * 4)
    store = request.getfixturevalue("make_store")(files=1, rows=60)
    vectors, model = request.getfixturevalue("word_vectors").path, request.getfixturevalue("make_model")()
    given = ["--vectors", str(vectors)] if verb == "train" else ["--model", str(model)]

    code = run([verb, str(store), *given, "--output", str(tmp_path / "output"), "--json", "--address", "local"])

    printed = capsys.readouterr()
    told = (
        "Ray did not start on this machine, tried 3 times: The current node timed out during startup; check that memory"
    )
    assert code == 2
    assert "Traceback" not in printed.err
    assert printed.err.count(f"w2vray: {told}") == 1
    assert json.loads(printed.out)["error"].startswith(told)


@pytest.mark.parametrize(
    "error", [ValueError("no such thing"), PermissionError(13, "Permission denied"), AuthenticationError("no token")]
)
def test_what_would_fail_again_is_not_tried_again(
    starts: Callable[..., list[dict[str, Any]]], error: Exception
) -> None:
    calls = starts(error)
    with pytest.raises(ClusterError, match="did not start on this machine, tried 1 time: "), connected("local"):
        pass
    assert len(calls) == 1


def test_a_ray_that_needs_what_we_leave_out_is_started_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that is not what is wrong, the error is a fault in the code, and is shown as one."""
    whole = Node.start_monitor
    begun: list[bool] = []

    def start(**_: object) -> None:
        begun.append(Node.start_monitor is whole)
        if not begun[-1]:
            raise AttributeError("of what start_monitor returns")

    monkeypatch.setattr("ray.init", start)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    start_here(2)
    assert begun == [False, True]

    monkeypatch.setattr(Node, "start_monitor", None)
    monkeypatch.setattr("ray.init", lambda **_: int(Node))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="int"):
        start_here(2)


def test_the_processes_of_a_start_that_failed_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself leaves them to the end of the program."""
    killed: list[Node] = []

    class Half(Node):
        def __init__(self) -> None:
            raise Exception(LATE)  # noqa: TRY002 - as Ray does

        def kill_all_processes(self, *, check_alive: bool) -> None:  # type: ignore[override]
            assert not check_alive
            killed.append(self)

    monkeypatch.setattr("ray.init", lambda **_: Half())
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with pytest.raises(ClusterError, match="tried 3 times"):
        start_here(2)
    assert len({id(node) for node in killed}) == 3


@pytest.mark.ray
def test_what_we_start_listens_on_the_loopback_asks_for_a_token_and_is_ended() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert {"raylet", "gcs_server"} <= set(found["names"])
    needless = [command for command in found["commands"] if re.search(r"dashboard\.py|monitor\.py", command)]
    assert not needless, "they take seconds of the CPUs that are to work"
    assert len(found["heard"]) >= 3
    assert {address.removeprefix("::ffff:") for address, _ in found["heard"]} <= {"127.0.0.1", "::1"}
    assert found["token"] == "token"
    assert found["left"] == []


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_work_that_takes_its_time_is_never_taken_for_a_hang() -> None:
    """Ray Data would end it after half an hour; by this clock each look at it comes a day later."""
    days = itertools.count()
    with connected():
        timeout = DataContext.get_current().execution_no_progress_timeout_s
        guard = NoProgressGuard({}, timeout, clock=lambda: 86_400.0 * next(days))
        guard.check()


@pytest.mark.ray
@pytest.mark.long
def test_a_stop_that_is_sent_to_the_whole_process_group_ends_the_command_and_not_first_its_ray() -> None:
    """`timeout` and shells do so. Ray would be gone first, and this process would be ended by it a minute later."""
    program = """if True:
        import os, signal, time
        from w2vray.cli.command import Terminated, terminate
        from w2vray.cluster.connecting import connected
        from w2vray.cluster.ray_internals import pool_has_no_cpus
        from w2vray.cluster.watching import watched
        signal.signal(signal.SIGTERM, terminate)
        try:
            with connected("local"), watched(pool_has_no_cpus, note=print):
                print("ready", flush=True)
                time.sleep(300)
        except Terminated:
            os._exit(143)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(2)  # looks are under way
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=40) == 143
