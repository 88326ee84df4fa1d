"""Jobs on a real Ray head: train, then score, then look at the output; exit codes come back."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pyarrow.parquet as pq
import pytest

from w2vray.vectors import Vectors

pytestmark = pytest.mark.ray

MakeStore = Callable[..., Path]

START_SECONDS = 120


PLANTED = ("json", "base64", "queue", "typing", "numpy", "pyarrow", "ray", "w2vray", "sitecustomize", "click")


class Head(NamedTuple):
    """A running Ray head: where its dashboard is, and the environment of those who may talk to it.

    These stand in ``folder``, where modules lie that leave a trace if they are imported.
    """

    dashboard: str
    environment: Mapping[str, str]
    folder: Path

    @property
    def imported(self) -> list[str]:
        """Modules of the folder that some process has imported."""
        return [path.name for path in self.folder.glob("*.trace")]


def free_port() -> int:
    """Find a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head of two CPUs on the loopback, with a token, in a temporary directory of its own."""
    folder = tempfile.mkdtemp(prefix="head-", dir="/tmp")
    token = Path(folder) / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
    }
    environment.pop("RAY_ADDRESS", None)
    port, dashboard, agent = free_port(), free_port(), free_port()  # another head's agent may hold the usual port
    command = [f"{bin_folder}/ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--temp-dir={folder}", "--num-cpus=2"]
    command += [f"--dashboard-agent-listen-port={agent}", "--disable-usage-stats"]
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    log, here = tmp_path_factory.mktemp("head") / "log", tmp_path_factory.mktemp("planted")
    plant(here)
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            address = f"http://127.0.0.1:{dashboard}"
            wait_for(address, process, log)
            yield Head(address, environment, here)
        finally:
            started = psutil.Process(process.pid)
            for each in [*started.children(recursive=True), started]:
                with suppress(psutil.NoSuchProcess):  # told to end, it would wait half a minute for the others
                    each.kill()
            process.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


def plant(folder: Path) -> None:
    """Put modules into a folder that leave a trace and end the process that imports them."""
    for name in PLANTED:
        trace = f"open({str(folder / name)!r} + '.trace', 'w').close(); raise SystemExit('planted')"
        (folder / f"{name}.py").write_text(trace)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the head's dashboard answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            urlopen(f"{address}/api/version", timeout=2).read()
        except URLError as error:
            if getattr(error, "code", None) in {401, 403}:
                return  # it answers: it wants the token
            time.sleep(0.3)
        else:
            return
    raise AssertionError(log.read_text())


def submit(head: Head, *verb: str) -> subprocess.CompletedProcess[str]:
    """Send a verb to the head."""
    program = str(Path(sys.executable).with_name("w2vray"))
    command = [program, "submit", "--address", head.dashboard, "--", *verb]
    return subprocess.run(
        command,
        env=dict(head.environment),
        cwd=head.folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.long
def test_train_then_score_as_jobs_and_exit_codes_come_back(
    head: Head, make_store: MakeStore, word_vectors: Vectors, tmp_path: Path
) -> None:
    store, model, run = str(make_store(files=2, rows=100)), str(tmp_path / "model"), str(tmp_path / "run")
    options = ["--vectors", str(word_vectors.path), "--output", model, "--model", "average", "--json"]
    trained = submit(head, "train", store, *options)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["rows"] == 200

    scored = submit(head, "score", store, "--model", model, "--output", run, "--keep", "label=gold")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert "200 rows in, 200 scored" in scored.stdout
    rows = pq.read_table(f"{run}/scores").to_pylist()
    assert sum(row["label"] == row["gold"] for row in rows) > 190

    verified = submit(head, "verify", run, "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["ok"] is True
    next(Path(run, "scores").glob("*.parquet")).unlink()
    incomplete = submit(head, "verify", run, "--json")
    assert incomplete.returncode == 4, f"{incomplete.stdout[-2000:]}\n{incomplete.stderr[-6000:]}"

    answered = submit(head, "predict", "--model", model, "--", "bab dab", "-1", "\N{SNOWMAN} 'quoted'")
    assert answered.returncode == 0, answered.stderr
    assert [json.loads(line)["token_count"] for line in answered.stdout.splitlines()] == [2, 1, 1]

    refused = submit(head, "score", store, "--model", model, "--output", run, "--text-column", "body")
    assert refused.returncode == 2
    assert "--text-column" in refused.stdout
    assert head.imported == []


def test_a_head_that_is_not_there_is_named(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "w2vray", "submit", "--address", address, "--", "verify", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    assert f"no job could be sent to {address}" in result.stderr


@pytest.mark.long
def test_the_example_of_jobs_trains_and_scores_on_a_cluster(head: Head, tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "submit_job.py"
    command = [sys.executable, str(script), head.dashboard, str(tmp_path)]
    done = subprocess.run(command, env=dict(head.environment), capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "500 rows trained on" in done.stdout
    assert done.stdout.endswith("1200 rows scored, verified\n")
