"""A job is followed across cuts: each line of its log is told once, and its end is found."""

from collections.abc import AsyncIterator, Iterator
from threading import Event
from typing import Any, cast

import pytest
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from w2vray.cluster import following
from w2vray.cluster.following import JobForgotten, end_of, log_of

RUNNING, DONE = JobStatus.RUNNING, JobStatus.SUCCEEDED
HANGS = "hangs"
GONE = ConnectionError("Failed to connect.")


class Cluster:
    """Plays a cluster: each reading of the log, and each question for the status, gets the next of what is given.

    A reading is pieces, and then an error, ``HANGS``, or the end of the log. The last status stays.
    """

    def __init__(self, readings: list[list[Any]], statuses: list[Any]) -> None:
        self.readings, self.statuses = list(readings), list(statuses)
        self.released = Event()

    async def tail_job_logs(self, _: str) -> AsyncIterator[str]:
        """Tell the log from its start."""
        for piece in self.readings.pop(0):
            if piece == HANGS:
                self.released.wait()
            elif isinstance(piece, BaseException):
                raise piece
            else:
                yield piece

    def get_job_status(self, _: str) -> JobStatus:
        """Tell the next status, or fail."""
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == HANGS:
            self.released.wait()
        if isinstance(status, BaseException):
            raise status
        return cast("JobStatus", status)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Follow a played cluster, with little patience; return what is told of the log, and the notes."""
    monkeypatch.setattr(following, "_SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(following, "_STALE_SECONDS", 0.15)
    monkeypatch.setattr(following, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(following, "_POLL_SECONDS", 0.0)
    clusters: list[Cluster] = []

    def follow(readings: list[list[Any]], statuses: list[Any]) -> tuple[str, list[str]]:
        clusters.append(Cluster(readings, statuses))
        client = cast("JobSubmissionClient", clusters[-1])
        notes: list[str] = []
        text = "".join(log_of(client, "job", notes.append))
        assert end_of(client, "job", notes.append) == DONE
        return text, notes

    yield follow
    for cluster in clusters:
        cluster.released.set()


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param([["one\n", "two\n"]], id="no cut"),
        pytest.param([["one\n", GONE], ["one\ntwo\n"]], id="the link breaks"),
        pytest.param([["one\nt", HANGS], ["on", "e\ntw", "o\n"]], id="the link is silent"),
        pytest.param([[GONE], [GONE], ["one\ntwo\n"]], id="it breaks twice before a word"),
        pytest.param([["on", GONE], ["one", GONE], ["one\n", GONE], ["one\nt", GONE], ["one\ntwo\n"]], id="often"),
    ],
)
@pytest.mark.parametrize("statuses", [[RUNNING, RUNNING, RUNNING, RUNNING, RUNNING, DONE], [DONE]])
def test_each_word_of_a_log_is_told_once(played: Any, readings: list[list[Any]], statuses: list[Any]) -> None:
    assert played(readings, statuses) == ("one\ntwo\n", [])


def test_a_job_that_has_ended_behind_a_silent_link_is_not_waited_for_and_its_log_not_called_whole(played: Any) -> None:
    assert played([["one\n", HANGS], ["one\n", HANGS]], [DONE]) == (
        "one\n",
        ["the job has ended, but its log does not answer: the end of it may be missing here"],
    )


@pytest.mark.parametrize(("gone", "why"), [(GONE, "Failed to connect"), (HANGS, "no answer in 0.1 s")])
def test_a_cluster_that_does_not_answer_is_waited_for_and_told_of_once(played: Any, gone: Any, why: str) -> None:
    text, notes = played([["one\n", GONE], ["one\ntwo\n"]], [gone, gone, RUNNING, DONE])
    assert text == "one\ntwo\n"
    assert notes == [
        f"the cluster does not answer ({why}); the job may go on, and is asked for again",
        "the cluster answers again",
    ]


def test_a_cluster_that_stays_away_is_given_up(played: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_PATIENCE_SECONDS", 0.0)
    with pytest.raises(ConnectionError, match="Failed to connect, for 0 minutes"):
        played([["one\n", GONE]], [GONE])


@pytest.mark.parametrize("refusal", [AuthenticationError("missing"), KeyboardInterrupt()])
def test_what_does_not_pass_is_raised_at_once(played: Any, refusal: BaseException) -> None:
    with pytest.raises(type(refusal)):
        played([[refusal]], [RUNNING])
    with pytest.raises(type(refusal)):
        played([[GONE]], [refusal])


def test_a_log_that_fails_again_and_again_while_the_cluster_answers_is_an_error(played: Any) -> None:
    with pytest.raises(ConnectionError, match="Failed to connect"):
        played([["one\n", GONE], [GONE], [GONE], [GONE]], [RUNNING])


def test_a_cluster_that_was_started_anew_is_not_waited_for(played: Any) -> None:
    unknown = RuntimeError("Request failed with status code 404: Job job does not exist.")
    with pytest.raises(JobForgotten):
        played([["one\n", GONE]], [GONE, unknown])
