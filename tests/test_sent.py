"""A job is refused, or warned of, where the cluster's packages are not those that its code needs."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.fixtures.commands import Run, run
from w2vray import cli
from w2vray.sent import SENT_VARIABLE, accepted, is_enough, needs

__all__ = ["run"]


def test_what_is_needed_is_what_this_installation_says_and_no_extra() -> None:
    needed = needs()
    assert needed["version"] == version("w2vray")
    assert {"ray", "torch", "pyarrow", "click"} <= set(needed["packages"])
    assert not {"botocore", "pytest", "moto"} & set(needed["packages"])
    assert is_enough("3.11.0", needed["python"])
    assert accepted(json.dumps(needed), [])


@pytest.mark.parametrize(
    ("found", "needed", "enough"),
    [
        ("2.60.0", ">=2.59,<2.61", True),
        ("2.61.0", ">=2.59,<2.61", True),  # newer than was tried
        ("2.9.3", ">=2.59,<2.61", False),
        ("2.60.0rc1", ">=2.59", True),
        ("3.0.0.dev0", ">=2.59,<2.61", True),
        ("2.13.0+cpu", ">=2.13,<2.14", True),
        ("built by hand", ">=1", True),
        ("1.0", "", True),
        ("1.4", "~=1.5", False),
    ],
)
def test_a_version_is_enough_where_it_is_not_too_old(found: str, needed: str, *, enough: bool) -> None:
    assert is_enough(found, needed) is enough


def sent(**packages: str) -> str:
    """Return what a machine sends whose w2vray needs these."""
    return json.dumps({"version": version("w2vray"), "python": ">=3.11", "packages": packages})


def test_packages_that_are_missing_or_too_old_are_named_with_what_installs_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not accepted(sent(click=">=8", numpy=">=99,<100", nothing_like_it=">=2"), ["score", "--json"])
    out, err = capsys.readouterr()
    why = (
        f"the cluster cannot run w2vray {version('w2vray')}, which was sent to it: numpy is {version('numpy')}, and it "
        "needs >=99,<100; nothing_like_it is not installed; on each node: pip install 'numpy>=99,<100' "
        "'nothing_like_it>=2'"
    )
    assert err == f"w2vray: {why}\n"
    assert json.loads(out) == {"error": why, "exit_code": 2}
    assert not accepted(sent(numpy=">=99"), ["score"])
    assert capsys.readouterr().out == ""


def test_another_w2vray_on_the_cluster_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert accepted(sent(click=">=8").replace(version("w2vray"), "99.1"), [])
    told = f"the cluster has w2vray {version('w2vray')}; this job runs 99.1, which was sent to it\n"
    assert capsys.readouterr() == ("", told)
    assert accepted(sent(click=">=8"), [])
    assert capsys.readouterr() == ("", "")


def test_a_job_ends_before_anything_is_done_where_a_package_is_too_old() -> None:
    command = [sys.executable, "-m", "w2vray", "--version"]
    environment = {SENT_VARIABLE: sent(numpy=">=99"), "PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "numpy is" in ended.stderr


def test_an_error_of_a_job_names_the_host_whose_paths_were_looked_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("verify", "/not/there").err.startswith("w2vray: ")
    monkeypatch.setenv(SENT_VARIABLE, sent())
    failed = run("verify", "/not/there", "--json")
    assert failed.err.startswith(f"w2vray on host {platform.node()}: ")
    assert json.loads(failed.out)["exit_code"] == 2


@pytest.mark.parametrize(
    "message", ["s3://b/store: AWS Error ACCESS_DENIED during HeadObject", "Could not resolve host: b.s3.amazonaws.com"]
)
def test_a_job_that_cannot_open_a_bucket_says_how_it_gets_the_keys(
    message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli._remedy(message) == ""  # at home, the user has them
    monkeypatch.setenv(SENT_VARIABLE, sent())
    assert cli._remedy(message) == (
        "; a job gets keys and endpoint from `submit --env NAME`, or from a role of the cluster's machines"
    )
    assert cli._remedy("--workers is 0; allowed: a whole number above 0") == ""
