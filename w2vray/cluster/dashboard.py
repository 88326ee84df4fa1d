"""A cluster's dashboard, which takes jobs: how it is reached, and how a command names it."""

import logging
import os
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobDetails, JobSubmissionClient
from requests import RequestException
from urllib3.exceptions import InsecureRequestWarning

from w2vray.cluster.following import asked
from w2vray.cluster.resources import AUTHENTICATION
from w2vray.errors import ClusterError, W2vrayError

__all__ = ["Dashboard", "sentence"]

_ELSEWHERE = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Variables that Ray would follow, and not the address that it is given."""

_ANSWER_SECONDS = 60.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """Where a cluster takes jobs.

    Args:
        address: URL of its dashboard.
        headers: of HTTP, sent with each request, such as a proxy asks for.
        verify: whether the server's TLS certificate is checked; or the file or folder of certificates to trust.
    """

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    def client(self) -> JobSubmissionClient:
        """Connect to it."""
        if self.verify is False:
            warnings.simplefilter("ignore", InsecureRequestWarning)  # it was asked for, and would be told each second
        for name in ("ray", "ray.dashboard.modules.dashboard_sdk", JobSubmissionClient.__module__):
            # they tell of each connection, and of each package that is sent, or is not
            logging.getLogger(name).setLevel(logging.WARNING)
        hidden = {name: os.environ.pop(name) for name in _ELSEWHERE if name in os.environ}
        try:
            return JobSubmissionClient(self.address, headers=dict(self.headers), verify=self.verify)
        finally:
            os.environ.update(hidden)

    def answer(self, question: Callable[[JobSubmissionClient], T]) -> T:
        """Connect, and return the answer to a question; a head that is silent is not waited for without end."""
        return asked(lambda: question(self.client()), _ANSWER_SECONDS)

    def details(self, job: str) -> JobDetails:
        """Return what the cluster knows of a job.

        Raises:
            ClusterError: it has no job of that name.
        """
        try:
            return self.answer(lambda client: client.get_job_info(job))
        except RuntimeError as error:
            if "status code 404" not in str(error):
                raise
            raise ClusterError(
                f"no job called {job} at {self.address}; see `{self.command('list')}` for those that are there"
            ) from error

    def command(self, verb: str) -> str:
        """Return a command of ``w2vray jobs`` as somebody would type it."""
        return f"w2vray jobs {verb} {self.options()}"

    def options(self) -> str:
        """Return the options that name this dashboard; of a header not its value, which may be a secret."""
        words = ["--address", shlex.quote(self.address)]
        for name in self.headers:
            words += ["--header", f"{shlex.quote(name)}=..."]
        if self.verify is not True:
            words += ["--verify", shlex.quote(self.verify) if self.verify else "no"]
        return " ".join(words)

    def how_to_go_on(self, job: str) -> str:
        """Say how a job that goes on is followed and ended."""
        return f"follow it with `{self.command(f'follow {job}')}`, end it with `{self.command(f'stop {job}')}`"

    @contextmanager
    def told(self, failed: str) -> Iterator[None]:
        """Raise what goes wrong inside as an error of ours, which begins with ``failed``.

        Raises:
            ClusterError: the cluster asks for a token.
            W2vrayError: it cannot be reached, or fails.
        """
        try:
            yield
        except AuthenticationError as error:
            raise ClusterError(f"{self.address} asks for Ray's token; {AUTHENTICATION}") from error
        except (RayError, RequestException, OSError, RuntimeError, ValueError, aiohttp.ClientError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise W2vrayError(f"{failed}: {sentence(error)}") from error


def sentence(error: BaseException) -> str:
    """Return an error's message without full stops at its end, so that it fits into a sentence of ours."""
    return str(error).rstrip(".")
