"""What is going on is told to whoever listens, and to nobody else."""

import logging
import re
import sys

import pytest

from w2vray.cli.console import Output, progress_bar
from w2vray.stages import EVERYTHING, detail, everything, listening, stage


def test_each_stage_is_told_while_somebody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    stage("before")
    with listening(told.append):
        stage("starting Ray")
        logging.getLogger("w2vray").warning("not a stage")
        stage("planning")
    stage("after")
    assert told == ["starting Ray", "planning"]
    assert logging.getLogger("w2vray").handlers == []
    assert "starting Ray" not in capsys.readouterr().err


def test_where_no_terminal_is_each_stage_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("scoring"):
        stage("planning")
    assert capsys.readouterr().err == "scoring: planning\n"


def test_quiet_tells_no_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=False, quiet=True).progress("scoring") as update:
        stage("planning")
        update(1, 1, "units")
    assert capsys.readouterr().err == ""


def test_a_line_says_how_long_it_will_take(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 100.0, 200.0, 7300.0, 7400.0, 7500.0])
    monkeypatch.setattr("w2vray.cli.console.time.monotonic", lambda: next(clock))
    with progress_bar("scoring") as update:
        update(0, 10, "units")
        update(1, 10, "units")
        update(2, 10, "units")
        update(9, 10, "units")
        update(10, 10, "units")
    lines = capsys.readouterr().err.splitlines()
    ends = [line.partition("of 10 units")[2] for line in lines]
    assert ends == ["", "", ", 15.8 h left", ", 15 min left", ""]


@pytest.mark.parametrize(("verbose", "shown"), [(0, ""), (1, "(raylet) a task failed\n")])
def test_what_others_print_meanwhile_is_never_on_stdout(
    verbose: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray does; with ``--json`` it would be taken for part of the answer."""
    output = Output(as_json=True, verbose=verbose)
    with output.progress("scoring"):
        sys.stdout.write("(raylet) a task failed\n")
    output.result({"rows": 1})
    told = capsys.readouterr()
    assert told.out == '{"rows": 1}\n'
    assert "".join(line for line in told.err.splitlines(keepends=True) if "raylet" in line) == shown


def test_verbose_shows_each_stage_with_its_time_and_its_details(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.0, 1.25, 100.5])
    monkeypatch.setattr("w2vray.cli.console.time.monotonic", lambda: next(clock))
    with Output(as_json=False, verbose=1).progress("scoring"):
        stage("starting Ray")
        detail("its logs: /tmp/ray")
        stage("planning")
        assert not everything()
    versions, *lines = capsys.readouterr().err.splitlines()
    assert re.search(r"w2vray \S+, ray \S+, torch .* Python 3\.\d+\.\d+, \d+ CPUs", versions)
    assert lines == ["    1.2 s  starting Ray", "           its logs: /tmp/ray", "  100.5 s  planning"]


def test_without_verbose_no_detail_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=False).progress("scoring"):
        detail("its logs: /tmp/ray")
    assert capsys.readouterr().err == ""


def test_twice_verbose_shows_everything_until_the_end() -> None:
    with Output(as_json=False, verbose=2).progress("scoring"):
        assert everything()
    assert not everything()
    logging.getLogger("w2vray").setLevel(EVERYTHING)
    assert everything()  # as a program in Python asks for it
    logging.getLogger("w2vray").setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(
            [(1, 9, "units of labelled rows read"), (9, 9, "units of labelled rows read")],
            [(1, 60, "epochs at most"), (2, 60, "epochs at most")],
            [
                "1 of 9 units of labelled rows read",
                "9 of 9 units of labelled rows read",
                "1 of 60 epochs at most",
                "2 of 60 epochs at most, 1.6 h left at most",
            ],
            id="something else is counted",
        ),
        pytest.param(
            [(1, 60, "epochs at most"), (30, 60, "epochs at most")],
            [(4, 60, "epochs at most"), (5, 60, "epochs at most")],
            [
                "1 of 60 epochs at most",
                "30 of 60 epochs at most, 2 min left at most",
                "4 of 60 epochs at most",
                "5 of 60 epochs at most, 1.5 h left at most",
            ],
            id="another model, of as many epochs",
        ),
    ],
)
def test_what_begins_tells_no_time_left_by_what_was_counted_before(
    before: list[tuple[int, int, str]],
    after: list[tuple[int, int, str]],
    told: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 0.0, 100.0, 200.0, 300.0, 400.0])
    monkeypatch.setattr("w2vray.cli.console.time.monotonic", lambda: next(clock))
    with progress_bar("training") as update:
        for counted in before + after:
            update(*counted)
    assert capsys.readouterr().err.splitlines() == [f"training: {line}" for line in told]
