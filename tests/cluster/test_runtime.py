"""Ray as we start it: nobody else can reach it, and nothing of it stays."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import ray

from w2vray.cluster.runtime import connected
from w2vray.errors import ClusterError

PROGRAM = """
import json, os, psutil
from w2vray.cluster.runtime import connected

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
    refused = pytest.raises(ClusterError, match=r"the Ray at 10\.0\.0\.1:6379 already; leave out 10\.0\.0\.2:6379")
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
    before = signal.signal(signal.SIGTERM, answer)
    try:
        with pytest.raises(KeyboardInterrupt, match="ours"), connected("local"):
            pass
        assert signal.getsignal(signal.SIGTERM) is answer
    finally:
        signal.signal(signal.SIGTERM, before)


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
