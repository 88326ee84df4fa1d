"""``jobs``: the jobs of a cluster, listed, followed and stopped from a machine that is no node of it."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import aiohttp
from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient
from requests import RequestException

from w2vray.cluster.dashboard import Dashboard, sentence
from w2vray.cluster.following import JobForgotten, end_of, log_of
from w2vray.cluster.job_output import print_output
from w2vray.errors import W2vrayError
from w2vray.models.kinds import MODELS_VARIABLE
from w2vray.sent import SENT_VARIABLE

__all__ = ["ENTRYPOINT", "Job", "Stopped", "follow_job", "list_jobs", "see_to_end", "stop_job"]

ENTRYPOINT = ("python", "-P", "-m", "w2vray")
"""What a job of ours runs, before the verb. -P: it imports nothing from its folder."""

_GIVEN = frozenset({MODELS_VARIABLE, SENT_VARIABLE})
"""Variables that every job is given, without having been asked to."""

_GROUPS = frozenset({"vectors", "models"})
"""Verbs that are two words."""

_SHOWN = 40
"""Letters that are shown of another program's command."""

_GOES_ON = frozenset({"score", "train"})
"""Verbs that, given again, do what is missing."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of a cluster."""

    id: str
    status: str
    command: str
    verb: tuple[str, ...]
    """The verb and its arguments; empty where the job runs another program."""
    variables: tuple[str, ...]
    """Names of the variables that it was given."""
    started: float | None
    ended: float | None
    exit_code: int | None
    message: str

    @classmethod
    def of(cls, details: JobDetails) -> "Job":
        """Read what Ray says of a job."""
        given = (details.runtime_env or {}).get("env_vars") or {}
        return cls(
            id=str(details.submission_id),
            status=details.status.value.lower(),
            command=details.entrypoint,
            verb=_verb(details.entrypoint),
            variables=tuple(name for name in given if name not in _GIVEN),
            started=_seconds(details.start_time),
            ended=_seconds(details.end_time),
            exit_code=details.driver_exit_code,
            message=details.message or "",
        )

    @property
    def title(self) -> str:
        """The verb without its options, or the beginning of another program's command."""
        if not self.verb:
            return shorten(self.command, _SHOWN, placeholder=" ...")
        return " ".join(self.verb[: 2 if self.verb[0] in _GROUPS else 1])

    def seconds(self, now: float) -> float | None:
        """Return how long it has run, or ran."""
        return None if self.started is None else max(0.0, (self.ended or now) - self.started)

    def as_dict(self, now: float) -> dict[str, Any]:
        """Return it as JSON has it; times are seconds since 1970."""
        return {
            "id": self.id,
            "status": self.status,
            "verb": self.title,
            "command": shlex.join(("w2vray", *self.verb)) if self.verb else self.command,
            "started": self.started,
            "ended": self.ended,
            "seconds": self.seconds(now),
            "exit_code": self.exit_code,
            "message": self.message,
        }

    def again(self, dashboard: Dashboard) -> str:
        """Return the command that sends it again."""
        handed = "".join(f" --env {name}" for name in self.variables)
        return f"w2vray submit {dashboard.options()}{handed} -- {shlex.join(self.verb)}"


def list_jobs(dashboard: Dashboard) -> list[Job]:
    """Return the jobs that were sent to a cluster, the newest first.

    Raises:
        ClusterError: the cluster asks for a token.
        W2vrayError: it cannot be reached.
    """
    with dashboard.told(f"the jobs at {dashboard.address} could not be listed"):
        found = dashboard.answer(lambda client: client.list_jobs())
    jobs = [Job.of(details) for details in found if details.submission_id]
    return sorted(jobs, key=lambda job: (job.started or 0.0, job.id), reverse=True)


def follow_job(dashboard: Dashboard, job: str) -> int:
    """Print what a job says, from its start, and return the exit code that it ends with.

    Raises:
        ClusterError: there is no such job, or the cluster asks for a token.
        W2vrayError: it cannot be reached, or cannot be reached any more.
    """
    with dashboard.told(f"job {job} at {dashboard.address} cannot be followed"):
        found = Job.of(dashboard.details(job))
        client = dashboard.client()
    sys.stderr.write(f"job {job} at {dashboard.address} ({found.status}): {found.title}\n")
    return see_to_end(dashboard, client, job, found.verb)


def see_to_end(dashboard: Dashboard, client: JobSubmissionClient, job: str, verb: Sequence[str]) -> int:
    """Print what a job says until it ends, across cuts of the link, and return its exit code.

    Raises:
        W2vrayError: the cluster cannot be reached any more.
    """
    how = dashboard.how_to_go_on(job)
    try:
        print_output(log_of(client, job, _note), verb)
        return _exit_code(client, job)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.write(f"job {job} goes on; {how}\n")
        raise
    except JobForgotten as error:
        raise W2vrayError(_forgotten(dashboard, job, verb)) from error
    except (RayError, RequestException, ConnectionError, RuntimeError, aiohttp.ClientError) as error:
        lost = f"the connection to {dashboard.address} was lost ({sentence(error)})"
        raise W2vrayError(f"{lost}; job {job} may go on: {how}") from error


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The state of a job that was to be stopped."""

    job: Job
    was_running: bool
    again: str

    @property
    def lines(self) -> Iterator[str]:
        """Say it."""
        if self.was_running and self.job.status == "stopped":
            yield f"job {self.job.id} is stopped"
        else:
            yield f"job {self.job.id} had already ended: {self.job.status}"
        if self.again and self.job.status != "succeeded":
            goes_on = self.job.title in _GOES_ON
            yield f"{'what it finished is kept; to go on' if goes_on else 'to run it again'}: {self.again}"


def stop_job(dashboard: Dashboard, job: str) -> Stopped:
    """End a job, and wait until it has ended.

    Raises:
        ClusterError: there is no such job, or the cluster asks for a token.
        W2vrayError: it cannot be reached, or cannot be reached any more.
    """
    with dashboard.told(f"job {job} at {dashboard.address} could not be stopped"):
        before = Job.of(dashboard.details(job))
        running = not JobStatus(before.status.upper()).is_terminal()
        if running:
            dashboard.answer(lambda client: client.stop_job(job))
        try:
            end_of(dashboard.client(), job, _note)
        except JobForgotten as error:
            raise W2vrayError(_forgotten(dashboard, job, before.verb)) from error
        found = Job.of(dashboard.details(job))
    return Stopped(job=found, was_running=running, again=found.again(dashboard) if found.verb else "")


def _forgotten(dashboard: Dashboard, job: str, verb: Sequence[str]) -> str:
    """Say that a cluster was restarted, without the job."""
    again = "; send the same command again: what was finished is kept" if verb[:1] and verb[0] in _GOES_ON else ""
    return (
        f"the cluster at {dashboard.address} no longer knows job {job}: its head was restarted, and the job "
        f"has ended with it{again}"
    )


def _exit_code(client: JobSubmissionClient, job: str) -> int:
    """Wait for the end of a job whose log has ended."""
    status = end_of(client, job, _note)
    details = client.get_job_info(job)
    if status == JobStatus.SUCCEEDED:
        return 0
    if status == JobStatus.STOPPED:
        _note(f"w2vray: job {job} was stopped: {details.message}")
        return 1
    if details.driver_exit_code is not None:
        return int(details.driver_exit_code)
    _note(f"w2vray: job {job} {status.value.lower()}: {details.message}")
    return 1


def _verb(entrypoint: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(entrypoint))
    except ValueError:  # another's, with a quote that does not end
        return ()
    return words[len(ENTRYPOINT) :] if words[: len(ENTRYPOINT)] == ENTRYPOINT else ()


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
