"""The versions of a cluster are compared with those of this machine before anything is sent."""

import platform
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from tests.fixtures.commands import Run, run
from tests.fixtures.dashboards import Played, job, played_dashboard
from w2vray.cluster.ray_internals import cluster_versions

__all__ = ["run"]

PYTHON, RAY = platform.python_version(), version("ray")
MINOR = int(PYTHON.split(".")[1])


@pytest.mark.parametrize(
    ("python", "ray", "told"),
    [
        (PYTHON, RAY, []),
        (f"3.{MINOR}.99", RAY, []),  # the third number makes no difference
        (f"3.{MINOR + 1}.2", RAY, [f"has Python 3.{MINOR + 1}.2, and this machine {PYTHON}"]),
        (PYTHON, "2.59.9", [f"has Ray 2.59.9, and this machine {RAY}: the job runs with the cluster's"]),
        (PYTHON, "2.99.0", ["the job runs with the cluster's; w2vray "]),
        (f"3.{MINOR + 1}.2", "3.0.0.dev0", ["has Python", "has Ray 3.0.0.dev0"]),
    ],
    ids=["same", "patch", "python", "ray", "newer ray", "both"],
)
def test_what_differs_is_told_and_the_job_is_sent(python: str, ray: str, told: list[str], run: Run) -> None:
    played = Played(metadata={"pythonVersion": python, "rayVersion": ray})
    with played_dashboard(played):
        ended = run("submit", "--address", played.address, "--no-wait", "--submission-id", "a", "--", "verify", "/r")
    assert (ended.code, ended.out) == (0, "a\n")
    lines = [line for line in ended.err.splitlines() if line.startswith(f"{played.address} has")]
    assert len(lines) == len(told)
    for line, words in zip(lines, told, strict=True):
        assert words in line


@pytest.mark.parametrize(("python", "ray", "name"), [("3.10.4", RAY, "Python 3.10.4"), (PYTHON, "2.9.3", "Ray 2.9.3")])
def test_what_is_too_old_is_refused_and_nothing_is_sent(python: str, ray: str, name: str, run: Run) -> None:
    played = Played(metadata={"pythonVersion": python, "rayVersion": ray})
    with played_dashboard(played):
        refused = run("submit", "--address", played.address, "--", "verify", "/r")
    assert (refused.code, played.sent) == (2, [])
    assert f"{played.address} has {name}, and w2vray {version('w2vray')} needs >=" in refused.err
    assert "start the cluster with" in refused.err


def test_a_dashboard_that_tells_no_versions_gets_the_job(run: Run) -> None:
    played = Played(jobs=[job("a", "SUCCEEDED", "python -P -m w2vray verify /r", driver_exit_code=0)])
    with played_dashboard(played):
        ended = run("submit", "--address", played.address, "--submission-id", "a", "--", "verify", "/r")
    assert ended.code == 0
    assert len(played.sent) == 1


@pytest.mark.parametrize("answer", [{}, {"result": False}, {"data": None}, {"data": {"rayVersion": 2}}, []])
def test_an_answer_of_another_kind_tells_no_versions(answer: object) -> None:
    """As that of a proxy may be."""
    client = SimpleNamespace(_do_request=lambda *_: SimpleNamespace(json=lambda: answer))
    assert cluster_versions(client) == {}
