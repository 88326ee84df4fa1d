"""``submit``: run a verb as a job on a cluster, with the code that is installed here."""

import json
import re
import shlex
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobStatus, JobSubmissionClient
from requests import RequestException

from w2vray.cluster.following import end_of, log_of
from w2vray.cluster.resources import AUTHENTICATION
from w2vray.errors import ClusterError, W2vrayError

__all__ = ["submit"]

_PACKAGE = Path(__file__).parents[1]
"""What a job is given: this installation of w2vray."""

_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_BUSY = "No available agent"
"""What a head says that cannot take a job yet."""

_OF_RAY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\s+[A-Z]+ \S+\.py:\d+ -- ")
"""How a line of Ray's own log begins: it is no result."""


def submit(
    address: str,
    verb: Sequence[str],
    *,
    submission_id: str | None = None,
    environment: Mapping[str, str] | None = None,
    wait: bool = True,
) -> int:
    """Send a verb to the cluster, follow its logs and return its exit code.

    A job of this name with the same verb that is there already is not sent again, but followed: who asks twice, as a
    scheduler does after a fault, gets the end of the one job.

    Args:
        address: URL of the cluster's dashboard.
        verb: the verb and its arguments.
        submission_id: name of the job; one is made up otherwise.
        environment: variables that the job gets. Whoever may list the cluster's jobs sees them.
        wait: whether to follow the job; otherwise its name is printed.

    The job runs this installation's package, whatever the cluster has installed of it, with the cluster's ``python``.
    A link that is cut is waited for, for ten minutes; the log then goes on where it was. What the job prints goes to
    stdout; with ``--json`` among the verb's arguments only its JSON object, and of
    ``predict`` only its answers, as they come: all else then goes to stderr.

    Raises:
        ClusterError: the cluster asks for a token, or has another job of that name.
        W2vrayError: it cannot be reached, cannot take the job, or cannot be reached any more.
    """
    try:
        client = JobSubmissionClient(address)
        job = _send(client, verb, submission_id or f"w2vray-{uuid.uuid4().hex[:16]}", environment or {})
    except AuthenticationError as error:
        raise ClusterError(f"{address} asks for Ray's token; {AUTHENTICATION}") from error
    except (RayError, RequestException, ConnectionError, RuntimeError, ValueError) as error:
        raise W2vrayError(f"no job could be sent to {address}: {_sentence(error)}") from error
    sys.stderr.write(f"job {job} at {address}\n")
    if not wait:
        sys.stderr.write(f"it is not waited for; {_how_to_follow(address, job)}\n")
        sys.stdout.write(f"{job}\n")
        return 0
    how = _how_to_follow(address, job)
    try:
        _print(_lines(log_of(client, job, _note)), verb)
        return _exit_code(client, job)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.write(f"job {job} goes on; {how}\n")
        raise
    except (RayError, RequestException, ConnectionError, RuntimeError, aiohttp.ClientError) as error:
        lost = f"the connection to {address} was lost ({_sentence(error)})"
        raise W2vrayError(f"{lost}; job {job} may go on: {how}") from error


def _send(client: JobSubmissionClient, verb: Sequence[str], job: str, environment: Mapping[str, str]) -> str:
    """Submit a verb; a head that has just been started, or has much to do, is asked again for a while."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    entrypoint = shlex.join(["python", "-P", "-m", "w2vray", *verb])  # -P: it imports nothing from its folder
    runtime: dict[str, Any] = {"py_modules": [str(_PACKAGE)]}
    if environment:
        runtime["env_vars"] = dict(environment)
    while True:
        try:
            return client.submit_job(entrypoint=entrypoint, runtime_env=runtime, submission_id=job)
        except RuntimeError as error:
            if "already exists" in str(error):
                _require_same(client, job, entrypoint)
                return job
            if _BUSY not in str(error):
                raise
            if time.monotonic() > deadline:
                hint = "another Ray on that machine may hold its agent's port (ray start --dashboard-agent-listen-port)"
                raise RuntimeError(f"{_sentence(error)}; {hint}") from error
            time.sleep(_POLL_SECONDS)


def _require_same(client: JobSubmissionClient, job: str, entrypoint: str) -> None:
    """Look whether the job of that name is the one that was to be sent.

    Raises:
        ClusterError: it is another one.
    """
    found = client.get_job_info(job)
    status = found.status.value.lower()
    if found.entrypoint == entrypoint:
        sys.stderr.write(f"job {job} is there already ({status}): it is followed, and not sent again\n")
        return
    how = _how_to_follow(client.get_address(), job)
    raise ClusterError(
        f"another job called {job} is there already ({status}): {how}; for this one, give another --submission-id"
    )


def _how_to_follow(address: str, job: str) -> str:
    return (
        f"follow it with `ray job logs {job} --address {address} --follow`, end it with "
        f"`ray job stop {job} --address {address}`"
    )


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _sentence(error: Exception) -> str:
    """Return what an error says, without full stops at its end: Ray puts one behind that of the head."""
    return str(error).rstrip(".")


def _print(lines: Iterator[str], verb: Sequence[str]) -> None:
    """Print what a job says: its results on stdout, and where those are JSON all else on stderr."""
    streamed = verb[0] == "predict"
    objects_alone = streamed or "--json" in verb
    result = ""
    for line in lines:
        if (objects_alone and not _is_object(line)) or _OF_RAY.match(line):
            sys.stderr.write(line)
        elif objects_alone and not streamed:
            result = line  # the last one
        else:
            sys.stdout.write(line)
            sys.stdout.flush()
    sys.stdout.write(result)


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the lines of a log of which pieces come."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest + "\n"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _exit_code(client: JobSubmissionClient, job: str) -> int:
    """Wait for the end of a job whose log has ended."""
    status = end_of(client, job, _note)
    details = client.get_job_info(job)
    if details.driver_exit_code is not None:
        return int(details.driver_exit_code)
    if status == JobStatus.SUCCEEDED:
        return 0
    sys.stderr.write(f"w2vray: job {job} {status.value.lower()}: {details.message}\n")
    return 1
