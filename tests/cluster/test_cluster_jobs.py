"""``jobs list|follow|stop`` and how a dashboard is reached; Ray's own client asks a dashboard that is played."""

import datetime as dt
import ipaddress
import json
import shlex
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fixtures.commands import Run, run
from tests.fixtures.dashboards import Played, job, played_dashboard
from w2vray.cluster.following import JobForgotten

__all__ = ["run"]

OURS = "python -P -m w2vray "
SCORE = OURS + "score s3://b/store --model s3://b/m --output s3://b/run --where 'a == 1'"
LOG = 'a warning\n{"label": "a"}\nrun: 3 rows\n'


@pytest.fixture
def head() -> Iterator[Played]:
    """Three jobs of ours, in three states, one of another program, and a driver that nobody submitted."""
    begun = int(time.time() * 1000) - 60_000
    jobs = [
        job("old", "SUCCEEDED", OURS + "vectors train x", start_time=begun, end_time=begun + 5_500, driver_exit_code=0),
        job("gaps", "FAILED", SCORE, start_time=begun + 1_000, end_time=begun + 4_000, driver_exit_code=3),
        job(
            "now",
            "RUNNING",
            SCORE,
            start_time=begun + 2_000,
            runtime_env={"env_vars": {"KEY": "v", "W2VRAY_MODELS": "m"}},
        ),
        job("other", "SUCCEEDED", "python it's.py", start_time=begun - 9_000, end_time=begun, driver_exit_code=0),
        {"type": "DRIVER", "job_id": "01000000", "status": "RUNNING", "entrypoint": "python x.py"},
    ]
    with played_dashboard(Played(jobs=jobs, logs={"gaps": LOG, "other": '{"x": 1}\n2\n'})) as played:
        yield played


def test_jobs_are_listed_the_newest_first_for_people_and_as_json(head: Played, run: Run) -> None:
    shown = run("jobs", "list", "--address", head.address)
    lines = [line for line in shown.out.splitlines() if "│" in line]
    assert shown.code == 0
    assert [[cell.strip() for cell in line.split("│")[1:4]] for line in lines] == [
        ["now", "running", "score"],
        ["gaps", "failed", "score"],
        ["old", "succeeded", "vectors train"],
        ["other", "succeeded", "python it's.py"],
    ]
    assert "0:00:05" in lines[2]
    listed = json.loads(run("jobs", "list", "--address", head.address, "--json").out)["jobs"]
    assert [(one["id"], one["exit_code"], one["seconds"]) for one in listed[1:]] == [
        ("gaps", 3, 3.0),
        ("old", 0, 5.5),
        ("other", 0, 9.0),
    ]
    assert listed[0]["command"] == "w2vray " + SCORE.removeprefix(OURS)
    assert 57 < listed[0]["seconds"] < 120
    head.jobs.clear()
    assert run("jobs", "list", "--address", head.address).out == "no job was submitted there\n"


def test_a_job_is_followed_to_its_end_and_its_exit_code_comes_back(head: Played, run: Run) -> None:
    ended = run("jobs", "follow", "gaps", "--address", head.address)
    assert (ended.code, ended.out) == (3, LOG)
    assert ended.err == f"job gaps at {head.address} (failed): score\n"
    assert run("jobs", "follow", "other", "--address", head.address).out == '{"x": 1}\n2\n'
    gone = run("jobs", "follow", "none", "--address", head.address)
    assert gone.code == 2
    assert f"no job called none at {head.address}; see `w2vray jobs list --address {head.address}`" in gone.err


def test_a_job_is_stopped_and_the_command_that_goes_on_is_one_that_works(head: Played, run: Run) -> None:
    stopped = run("jobs", "stop", "now", "--address", head.address)
    first, second = stopped.out.splitlines()
    assert (stopped.code, head.stopped, first) == (0, ["now"], "job now is stopped")
    told, again = second.split(": w2vray ")
    assert told == "what it finished is kept; to go on"
    assert again == f"submit --address {head.address} --env KEY -- {SCORE.removeprefix(OURS)}"
    assert shlex.split(again)[-1] == "a == 1"
    assert run("jobs", "follow", "now", "--address", head.address).code == 1  # a stopped job has not succeeded


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("old", ["job old had already ended: succeeded"]),
        ("gaps", ["job gaps had already ended: failed", "what it finished is kept; to go on: w2vray submit"]),
        ("other", ["job other had already ended: succeeded"]),
    ],
)
def test_a_job_that_has_ended_is_not_stopped(head: Played, run: Run, name: str, lines: list[str]) -> None:
    stopped = run("jobs", "stop", name, "--address", head.address)
    assert (stopped.code, head.stopped) == (0, [])
    for told, line in zip(stopped.out.splitlines(), lines, strict=True):
        assert told.startswith(line)
    assert json.loads(run("jobs", "stop", name, "--address", head.address, "--json").out)["was_running"] is False


def test_a_job_that_its_cluster_forgets_while_it_is_stopped_is_told_of(
    head: Played, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head was started anew meanwhile."""

    def forgotten(*_: object) -> None:
        raise JobForgotten("now")

    monkeypatch.setattr("w2vray.cluster.jobs.end_of", forgotten)
    stopped = run("jobs", "stop", "now", "--address", head.address)
    assert (stopped.code, stopped.out) == (1, "")
    assert f"the cluster at {head.address} no longer knows job now: its head was restarted" in stopped.err
    assert "what was finished is kept" in stopped.err


def test_a_dashboard_that_is_silent_is_not_waited_for_without_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2vray.cluster.dashboard._ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sent = run("submit", "--address", address, "--", "verify", "/r")
    assert (sent.code, sent.out) == (1, "")
    assert f"no job could be sent to {address}: no answer in 0.2 s" in sent.err


def test_headers_reach_the_dashboard_with_each_request_and_the_log(head: Played, run: Run) -> None:
    head.jobs[1]["status"] = "RUNNING"
    given = ["--address", head.address, "--header", "Authorization=Bearer a=b", "--header", "X-Team=us"]
    assert run("jobs", "stop", "gaps", *given).out.endswith("--where 'a == 1'\n")
    followed = run("jobs", "follow", "gaps", *given)
    assert all(one["Authorization"] == "Bearer a=b" and one["X-Team"] == "us" for one in head.headers)
    assert head.headers[-1]["Upgrade"] == "websocket"
    assert "a=b" not in followed.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--header", "Authorization"], "--header 'Authorization': write NAME=VALUE"),
        (["--header", "A b=c"], "--header 'A b': write NAME=VALUE"),
        (["--header", "A=b", "--header", "a=c"], "--header a is given twice"),
        (["--header", "A=b\r\nHost: x"], "--header A: its value has characters"),
        (["--verify", "/nowhere.pem"], "--verify /nowhere.pem: there is no such file"),
    ],
)
def test_options_that_cannot_work_are_refused(run: Run, options: list[str], told: str) -> None:
    for verb in (["jobs", "list"], ["submit"]):
        refused = run(
            *verb, "--address", "http://127.0.0.1:9", *options, *(["--", "verify", "/r"] * (verb == ["submit"]))
        )
        assert refused.code == 2
        assert told in refused.err


def test_the_address_comes_from_ray_s_variables_and_never_in_place_of_one_that_is_given(
    head: Played, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", head.address)
    assert run("jobs", "list").code == 0
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert run("jobs", "list", "--address", head.address + "/").code == 0
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", head.address)
    assert run("jobs", "list").code == 0
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    refused = run("jobs", "list")
    assert refused.code == 2
    assert "--address is not given, and RAY_ADDRESS is '10.0.0.1:6379'; write http://HOST:8265" in refused.err
    monkeypatch.delenv("RAY_ADDRESS")
    assert "Missing option '--address'" in run("jobs", "list").err


def test_a_dashboard_that_is_not_there_is_a_fault_and_no_traceback(run: Run) -> None:
    for verb in (["list"], ["follow", "x"], ["stop", "x"]):
        gone = run("jobs", *verb, "--address", "http://127.0.0.1:9")
        assert gone.code == 1
        assert "http://127.0.0.1:9" in gone.err
        assert "Traceback" not in gone.err


def test_a_certificate_is_checked_trusted_or_not_looked_at(run: Run, tmp_path: Path) -> None:
    certificate, secure = certified(tmp_path)
    with played_dashboard(Played(jobs=[job("old", "SUCCEEDED", SCORE)], logs={"old": "done\n"}), secure) as head:
        address = ["--address", head.address]
        refused = run("jobs", "list", *address)
        assert refused.code == 1
        for trusted in (str(certificate), "no"):
            assert run("jobs", "list", *address, "--verify", trusted).code == 0
            followed = run("jobs", "follow", "old", *address, "--verify", trusted)
            assert (followed.code, followed.out) == (0, "done\n")
        head.jobs[0]["status"] = "RUNNING"
        stopped = run("jobs", "stop", "old", *address, "--verify", "no").out
        assert f"w2vray submit --address {head.address} --verify no -- score" in stopped


def certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate that nobody has signed, and a server's context with it."""
    key, today = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    return certificate, context
