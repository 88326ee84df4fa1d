"""What is going on is told to whoever listens, and to nobody else."""

import logging

import pytest

from w2vray.cli.console import Output, progress_bar
from w2vray.stages import listening, stage


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
    clock = iter([0.0, 100.0, 200.0, 7300.0, 7400.0, 7500.0])
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
