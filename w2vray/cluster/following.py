"""A job's log and its end, told across cuts of the link to the cluster.

Ray's client waits without end for a head that no longer answers, behind a link that was cut without a word. So each
question is asked in a thread of its own, which is left behind where no answer comes. A log that was silent for long is
read anew, from its start, without what was told already.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from threading import Thread
from typing import Any, TypeVar

from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

__all__ = ["JobForgotten", "asked", "end_of", "log_of"]

Note = Callable[[str], None]
T = TypeVar("T")

_SILENCE_SECONDS = 10.0
"""After so long without a word the cluster is asked how the job is."""

_STALE_SECONDS = 60.0
"""After so long without a word the log of a job that runs is read anew: the link may be dead."""

_ANSWER_SECONDS = 10.0
"""How long an answer may take."""

_PATIENCE_SECONDS = 600.0
"""How long a cluster may not answer at all."""

_UNKNOWN = "status code 404"
"""What a dashboard says of a job that it does not know."""

_POLL_SECONDS = 1.0
_FAILURES = 3
"""Times that a log may fail one after another, without a new word, while the cluster answers."""


class JobForgotten(Exception):  # noqa: N818 - an error of ours is made of it
    """The cluster answers, and no longer knows the job: its head was restarted."""


def log_of(client: JobSubmissionClient, job: str, note: Note) -> Iterator[str]:
    """Yield pieces of a job's log as they come, until the job has ended; ``note`` is told of cuts.

    Raises:
        AuthenticationError: the cluster asks for a token.
        JobForgotten: the cluster was restarted, without the job.
        ConnectionError: the cluster has not answered for ten minutes.
        Exception: the log fails again and again, while the cluster answers.
    """
    told, failures, ended = 0, 0, False
    while True:
        pieces, seen, heard = _in_thread(lambda put: asyncio.run(_read(client, job, put))), 0, time.monotonic()
        while True:
            try:
                piece = pieces.get(timeout=_SILENCE_SECONDS)
            except Empty:
                if ended:  # all of a log that has ended comes at once
                    note("the job has ended, but its log does not answer: the end of it may be missing here")
                    return
                ended = _status(client, job, note).is_terminal()
                if ended or time.monotonic() - heard > _STALE_SECONDS:
                    break
                continue
            if piece is None:
                return
            if isinstance(piece, BaseException):
                failures += 1
                if failures >= _FAILURES or not _may_pass(piece):
                    raise piece
                time.sleep(_POLL_SECONDS * failures)
                ended = _status(client, job, note).is_terminal()
                break
            new, seen, heard = piece[max(0, told - seen) :], seen + len(piece), time.monotonic()
            if new:
                told, failures = told + len(new), 0
                yield new


def end_of(client: JobSubmissionClient, job: str, note: Note) -> JobStatus:
    """Wait for the end of a job, and return how it has ended; errors are those of ``log_of``."""
    while not (status := _status(client, job, note)).is_terminal():
        time.sleep(_POLL_SECONDS)
    return status


def asked(question: Callable[[], T], seconds: float) -> T:
    """Return the answer to a question.

    Raises:
        ConnectionError: there is none in time.
    """
    answers: Queue[Any] = _in_thread(lambda put: put((question(),)))
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise ConnectionError(f"no answer in {seconds:g} s") from None
    if isinstance(answer, BaseException):
        raise answer
    found: T = answer[0]
    return found


def _status(client: JobSubmissionClient, job: str, note: Note) -> JobStatus:
    """Ask how a job is until the cluster answers."""
    begun, told = time.monotonic(), False
    while True:
        answers = _in_thread(lambda put: put(client.get_job_status(job)))
        why: object = f"no answer in {_ANSWER_SECONDS:g} s"
        try:
            answer = answers.get(timeout=_ANSWER_SECONDS)
        except Empty:
            answer = None
        if isinstance(answer, JobStatus):
            if told:
                note("the cluster answers again")
            return answer
        if isinstance(answer, BaseException):
            if not _may_pass(answer):
                raise answer
            if isinstance(answer, RuntimeError) and _UNKNOWN in str(answer):
                raise JobForgotten(job) from answer
            why = str(answer).rstrip(".")
        if time.monotonic() - begun > _PATIENCE_SECONDS:
            raise ConnectionError(f"{why}, for {_PATIENCE_SECONDS / 60:g} minutes")
        if not told:
            note(f"the cluster does not answer ({why}); the job may go on, and is asked for again")
            told = True
        time.sleep(_POLL_SECONDS)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, AuthenticationError)


def _in_thread(work: Callable[[Callable[[Any], None]], None]) -> Queue[Any]:
    """Do work that puts what it finds into the queue, and at the end None or what it has raised."""
    found: Queue[Any] = Queue()

    def run() -> None:
        try:
            work(found.put)
        except BaseException as error:  # noqa: BLE001 - it is raised where the queue is read
            found.put(error)
        else:
            found.put(None)

    Thread(target=run, daemon=True).start()
    return found


async def _read(client: JobSubmissionClient, job: str, put: Callable[[str], None]) -> None:
    async for piece in client.tail_job_logs(job):
        put(piece)
