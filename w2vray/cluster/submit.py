"""``submit``: run a verb as a job on a cluster, with the code that is installed here."""

import json
import shlex
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.job_submission import JobSubmissionClient

from w2vray.cluster.dashboard import Dashboard, sentence
from w2vray.cluster.jobs import ENTRYPOINT, see_to_end
from w2vray.cluster.ray_internals import cluster_versions
from w2vray.cluster.versions import compared
from w2vray.errors import ClusterError
from w2vray.sent import SENT_VARIABLE, needs

__all__ = ["submit"]

_PACKAGE = Path(__file__).parents[1]
"""What a job is given: this installation of w2vray."""

_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_BUSY = "No available agent"
"""What a head says that cannot take a job yet."""


def submit(
    dashboard: Dashboard,
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
        dashboard: of the cluster.
        verb: the verb and its arguments.
        submission_id: name of the job; one is made up otherwise.
        environment: variables that the job gets. Whoever may list the cluster's jobs sees them.
        wait: whether to follow the job; otherwise its name is printed.

    The job runs this installation's package, whatever the cluster has installed of it, with the cluster's ``python``.
    Versions that differ are told. The cluster looks itself whether it has the packages that are needed.
    A link that is cut is waited for, for ten minutes; the log then goes on where it was. What the job prints goes to
    stdout; with ``--json`` among the verb's arguments only its JSON object, and of
    ``predict`` only its answers, as they come: all else then goes to stderr.

    Raises:
        ClusterError: the cluster asks for a token, has another job of that name, or is too old.
        W2vrayError: it cannot be reached, cannot take the job, or cannot be reached any more.
    """
    with dashboard.told(f"no job could be sent to {dashboard.address}"):
        client, versions = dashboard.answer(lambda client: (client, cluster_versions(client)))
        for warning in compared(dashboard, versions):
            sys.stderr.write(f"{warning}\n")
        job = _send(dashboard, client, verb, submission_id or f"w2vray-{uuid.uuid4().hex[:16]}", environment or {})
    sys.stderr.write(f"job {job} at {dashboard.address}\n")
    if not wait:
        sys.stderr.write(f"it is not waited for; {dashboard.how_to_go_on(job)}\n")
        sys.stdout.write(f"{job}\n")
        return 0
    return see_to_end(dashboard, client, job, verb)


def _send(
    dashboard: Dashboard, client: JobSubmissionClient, verb: Sequence[str], job: str, environment: Mapping[str, str]
) -> str:
    """Submit a verb; a head that has just been started, or has much to do, is asked again for a while."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    entrypoint = shlex.join([*ENTRYPOINT, *verb])
    runtime: dict[str, Any] = {"py_modules": [str(_PACKAGE)]}
    if given := {**environment, **({SENT_VARIABLE: json.dumps(sent)} if (sent := needs()) else {})}:
        runtime["env_vars"] = given
    while True:
        try:
            return client.submit_job(entrypoint=entrypoint, runtime_env=runtime, submission_id=job)
        except RuntimeError as error:
            if "already exists" in str(error):
                _require_same(dashboard, client, job, entrypoint)
                return job
            if _BUSY not in str(error):
                raise
            if time.monotonic() > deadline:
                hint = "another Ray on that machine may hold its agent's port (ray start --dashboard-agent-listen-port)"
                raise RuntimeError(f"{sentence(error)}; {hint}") from error
            time.sleep(_POLL_SECONDS)


def _require_same(dashboard: Dashboard, client: JobSubmissionClient, job: str, entrypoint: str) -> None:
    """Look whether the job of that name is the one that was to be sent.

    Raises:
        ClusterError: it is another one.
    """
    found = client.get_job_info(job)
    status = found.status.value.lower()
    if found.entrypoint == entrypoint:
        ended = "; to run the command again, give another --submission-id" if found.status.is_terminal() else ""
        sys.stderr.write(f"job {job} is there already ({status}): it is followed, and not sent again{ended}\n")
        return
    how = dashboard.how_to_go_on(job)
    raise ClusterError(
        f"another job called {job} is there already ({status}): {how}; for this one, give another --submission-id"
    )
