"""What a job prints, and where of it goes; the cluster is played by a client that tells what is to be told."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import AuthenticationError, RpcError
from ray.job_submission import JobStatus
from requests import Timeout

from tests.fixtures.commands import Run, run
from w2vray.cluster.dashboard import Dashboard
from w2vray.cluster.following import JobForgotten
from w2vray.cluster.submit import submit
from w2vray.errors import ClusterError, W2vrayError

__all__ = ["run"]

HEAD = Dashboard(address="http://head")
LOG = 'warning\n{"label": "a"}\n3\n{"la', 'bel": "b"}\n', '{"label": "c"}'

Play = Callable[..., None]
sent: list[dict[str, Any]] = []
"""What the last cluster was sent."""
reached: list[tuple[str, dict[str, str], bool | str]] = []
"""How clusters were reached: address, headers, whether the certificate is checked."""


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Let a cluster run a job that prints pieces of a log, and then ends with a code or an error."""

    def made(
        pieces: tuple[str, ...],
        end: int | Exception | type[BaseException] = 0,
        refusals: Sequence[Exception] = (),
        found: JobStatus = JobStatus.FAILED,
    ) -> None:
        left = list(refusals)
        sent.clear()
        monkeypatch.setattr("w2vray.cluster.following._POLL_SECONDS", 0)

        class Client:
            def __init__(self, address: str, *, headers: dict[str, str], verify: bool | str) -> None:
                reached.append((address, headers, verify))

            def submit_job(self, submission_id: str, **given: Any) -> str:
                if left:
                    raise left.pop(0)
                sent.append(given)
                return submission_id

            async def tail_job_logs(self, _: str) -> AsyncIterator[str]:
                for piece in pieces:
                    yield piece
                if not isinstance(end, int):
                    raise end

            def get_job_status(self, _: str) -> JobStatus:
                return JobStatus.FAILED

            def get_job_info(self, _: str) -> Any:
                return SimpleNamespace(
                    driver_exit_code=end, message="", status=found, entrypoint="python -P -m w2vray verify r"
                )

        monkeypatch.setattr("w2vray.cluster.dashboard.JobSubmissionClient", Client)

    return made


def test_all_answers_of_predict_are_handed_on_and_all_else_goes_to_stderr(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play(LOG)
    for verb in (["predict", "x"], ["predict", "x", "--json"]):
        assert submit(HEAD, verb, submission_id="job-1") == 0
        out, err = capsys.readouterr()
        assert out == '{"label": "a"}\n{"label": "b"}\n{"label": "c"}\n'
        assert err == "job job-1 at http://head\nwarning\n3\n"


def test_of_another_verb_the_last_object_is_the_result(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play(LOG, 4)
    assert submit(HEAD, ["verify", "r", "--json"]) == 4
    assert capsys.readouterr().out == '{"label": "c"}\n'


def test_without_json_all_is_for_people(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play(LOG)
    assert submit(HEAD, ["verify", "r"], submission_id="job-1") == 0
    assert capsys.readouterr().out == "".join(LOG) + "\n"


def test_a_lost_connection_names_the_job_that_may_go_on(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play(LOG, RuntimeError("closed unexpectedly"))
    with pytest.raises(W2vrayError, match=r"http://head was lost .closed unexpectedly.; job job-1 may go on"):
        submit(HEAD, ["verify", "r"], submission_id="job-1")
    assert "warning" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [KeyboardInterrupt, BrokenPipeError])
def test_whoever_stops_following_is_told_how_to_go_on(
    stop: type[BaseException], play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play(LOG, stop)
    with pytest.raises(stop):
        submit(HEAD, ["verify", "r"], submission_id="job-1")
    assert (
        "job job-1 goes on; follow it with `w2vray jobs follow job-1 --address http://head`" in capsys.readouterr().err
    )


BUSY = RuntimeError("Request failed with status code 500: No available agent to submit job, please try again later.")
TWICE = RuntimeError("Job with submission_id job-1 already exists. Please use a different submission_id.")


@pytest.mark.parametrize("refusals", [[BUSY, BUSY], [BUSY, TWICE]], ids=["it is busy", "its answer was late"])
def test_a_head_that_cannot_take_a_job_yet_is_asked_again(
    refusals: list[Exception], play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.cluster.submit._POLL_SECONDS", 0)
    play(LOG, 3, refusals)
    assert submit(HEAD, ["verify", "r"], submission_id="job-1") == 3


def test_a_job_of_that_name_that_is_there_is_told_of_and_how_to_follow_it(play: Play) -> None:
    """It is neither sent again nor followed, where it is another verb's."""
    play(LOG, 0, [TWICE])
    with pytest.raises(ClusterError) as refused:
        submit(HEAD, ["verify", "other"], submission_id="job-1")
    assert str(refused.value) == (
        "another job called job-1 is there already (failed): follow it with `w2vray jobs follow job-1 --address "
        "http://head`, end it with `w2vray jobs stop job-1 --address http://head`; for this one, give another "
        "--submission-id"
    )


def test_the_same_job_again_is_followed_to_its_end_and_not_sent_again(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play(LOG, 3, [TWICE])
    assert submit(HEAD, ["verify", "r"], submission_id="job-1") == 3
    out, err = capsys.readouterr()
    assert (out, sent) == ("".join(LOG) + "\n", [])
    assert (
        "job job-1 is there already (failed): it is followed, and not sent again; to run the command again, give "
        "another --submission-id\n"
    ) in err


def test_a_job_that_goes_on_is_followed_without_a_word_of_another_name(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play(LOG, 3, [TWICE], JobStatus.RUNNING)
    assert submit(HEAD, ["verify", "r"], submission_id="job-1") == 3
    assert "job job-1 is there already (running): it is followed, and not sent again\n" in capsys.readouterr().err


def test_lines_of_ray_s_own_log_are_no_result(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    line = "2026-11-29 10:00:00,123\tINFO worker.py:1879 -- Connecting to existing Ray cluster\n"
    play((line, "run: 3 rows\n"))
    assert submit(HEAD, ["verify", "r"], submission_id="job-1") == 0
    assert capsys.readouterr() == ("run: 3 rows\n", f"job job-1 at http://head\n{line}")


def test_a_job_that_is_not_waited_for_tells_its_name(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play(LOG, 3)
    assert submit(HEAD, ["verify", "r"], submission_id="job-1", wait=False) == 0
    out, err = capsys.readouterr()
    assert out == "job-1\n"
    assert "it is not waited for; follow it with `w2vray jobs follow job-1 --address http://head`" in err


def test_variables_are_handed_on_and_their_values_not_told(
    play: Play, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "s3cr3t")
    monkeypatch.setattr("w2vray.cli.submitting.MODELS_VARIABLE", "ANOTHER")  # the real one would be imported here
    monkeypatch.setenv("ANOTHER", "own:MODEL")
    play(LOG)
    ended = run("submit", "--address", "http://head", "--env", "THE_KEY", "--", "verify", "/r")
    assert ended.code == 0
    given = sent[0]["runtime_env"]["env_vars"]
    assert json.loads(given.pop("W2VRAY_SENT"))["version"] == version("w2vray")
    assert given == {"THE_KEY": "s3cr3t", "ANOTHER": "own:MODEL"}
    assert "s3cr3t" not in ended.out + ended.err
    monkeypatch.delenv("ANOTHER")
    for name in ("NOT_SET", "THE_KEY=s3cr3t"):
        refused = run("submit", "--address", "http://head", "--env", name, "--", "verify", "/r")
        assert refused.code == 2
        assert f"--env {name.partition('=')[0]}: give the name of a variable that is set here" in refused.err
        assert "s3cr3t" not in refused.err
    submit(HEAD, ["verify", "r"])
    assert list(sent[-1]["runtime_env"]["env_vars"]) == ["W2VRAY_SENT"]


OTHER = RuntimeError("Request failed with status code 400: submission_id is too long.")


@pytest.mark.parametrize("refusal", [BUSY, OTHER])
def test_a_head_that_refuses_a_job_is_told_of(
    refusal: RuntimeError, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.cluster.submit._PATIENCE_SECONDS", -1)
    play(LOG, 0, [refusal])
    told = str(refusal).removesuffix(".")
    with pytest.raises(W2vrayError, match=f"^no job could be sent to http://head: {told}(; another Ray on .*)?$"):
        submit(HEAD, ["verify", "r"], submission_id="job-1")


@pytest.mark.parametrize("error", [RpcError("timed out"), Timeout("timed out"), ConnectionError("timed out.")])
def test_no_error_of_ray_is_a_traceback(error: Exception, play: Play) -> None:
    play(LOG, refusals=[error])
    with pytest.raises(W2vrayError, match=r"^no job could be sent to http://head: timed out$") as refused:
        submit(HEAD, ["verify", "r"])
    assert refused.value.exit_code == 1
    play(LOG, error)
    with pytest.raises(W2vrayError, match=r"^the connection to http://head was lost .timed out.; job job-1 may go on"):
        submit(HEAD, ["verify", "r"], submission_id="job-1")


def test_a_cluster_that_asks_for_a_token_is_told_from_one_that_is_not_there(play: Play) -> None:
    play(LOG, refusals=[AuthenticationError("missing")])
    with pytest.raises(ClusterError, match=r"^http://head asks for Ray's token; set RAY_AUTH_MODE=token here too"):
        submit(HEAD, ["verify", "run"])


@pytest.mark.parametrize(
    ("verb", "told"), [("score", "send the same command again: what was finished"), ("predict", "")]
)
def test_a_job_that_a_new_head_does_not_know_is_said_to_have_ended(
    verb: str, told: str, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(LOG)
    monkeypatch.setattr("w2vray.cluster.jobs.log_of", raising(JobForgotten("job-1")))
    with pytest.raises(W2vrayError, match="no longer knows job job-1: its head was restarted") as ended:
        submit(HEAD, [verb, "x"], submission_id="job-1")
    assert ended.value.exit_code == 1
    assert told in str(ended.value)
    assert ("again" in str(ended.value)) == bool(told)


def raising(error: Exception) -> Callable[..., Any]:
    """Return a function that fails."""

    def fail(*_: Any) -> Any:
        raise error

    return fail
