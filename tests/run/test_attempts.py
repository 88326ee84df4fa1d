"""Three workers that die of a unit set it aside; of those that die with their machine, only very many do."""

from pathlib import Path

import pytest

from w2vray.run.attempts import MOST_ATTEMPTS, MOST_IN_ALL
from w2vray.run.directory import RunDirectory

GONE = {"gone", "preempted"}


@pytest.mark.parametrize(
    ("hosts", "goes_on"),
    [
        ([], True),
        (["here"] * 2, True),
        (["here"] * 3, False),
        (["gone"] * 3, True),
        (["here", "gone", "here"], True),
        (["here", "gone", "here", "preempted", "there"], False),
        (["gone", "preempted"] * 4, True),
        (["gone"] * (MOST_IN_ALL - 1), True),
        (["gone"] * MOST_IN_ALL, False),  # it brings each machine down
        ([""] * 3, False),  # a process of no cluster
    ],
)
def test_only_deaths_on_machines_that_live_count(hosts: list[str], goes_on: bool, tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path))
    with run.drafting() as drafts:
        ours = RunDirectory(str(tmp_path), drafts)
        for host in hosts:
            assert ours.attempts.begin("unit", host, lambda _: True) is not None  # and dies
        assert (ours.attempts.begin("unit", "here", GONE.__contains__) is not None) == goes_on


def test_nobody_is_asked_about_machines_before_there_are_as_many_deaths(tmp_path: Path) -> None:
    asked: list[str] = []

    def is_lost(host: str) -> bool:
        asked.append(host)
        return True

    run = RunDirectory(str(tmp_path))
    with run.drafting() as drafts:
        ours = RunDirectory(str(tmp_path), drafts)
        for _ in range(MOST_ATTEMPTS + 1):
            ours.attempts.begin("unit", "a", is_lost)
    assert asked == ["a"] * MOST_ATTEMPTS


def test_units_that_a_machine_has_begun_and_not_ended_are_told(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path))
    with run.drafting() as drafts:
        ours = RunDirectory(str(tmp_path), drafts)
        for unit, host in (("one", "a"), ("two", "b"), ("three", "a"), ("four", "ab")):
            ours.attempts.begin(unit, host)
        ended = ours.attempts.begin("five", "a")
        assert ended is not None
        ours.attempts.end("five", ended)
        (tmp_path / "scores").mkdir()
        (tmp_path / "scores" / "part-three.parquet").touch()  # was published, and then its worker died
        assert ours.attempts.begun_on("a") == {"one"}
        assert ours.attempts.begun_on("b") == {"two"}
        assert ours.attempts.begun_on("c") == set()
