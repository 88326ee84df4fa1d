"""``predict``: texts and lines to answers, in order, and each as soon as it can be given."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray import cli
from w2vray.cli.predicting import waiting_lines
from w2vray.errors import UnusableInputError
from w2vray.models.directory import Bundle
from w2vray.scoring.scorer import TextScorer
from w2vray.vectors import Vectors


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, vectors: Vectors, make_bundle: Callable[..., Bundle]) -> str:
    folder = tmp_path_factory.mktemp("model") / "model"
    make_bundle(folder, vectors)
    return str(folder)


def program(model: str) -> list[str]:
    return [sys.executable, "-m", "w2vray", "predict", "--model", model]


@given(pieces=st.lists(st.binary(min_size=1, max_size=9).map(lambda data: data.replace(b"x", b"\n")), max_size=9))
def test_lines_are_the_same_however_they_come(pieces: list[bytes]) -> None:
    source, target = os.pipe()
    blocks = waiting_lines(source)
    found = []
    for piece in pieces:
        os.write(target, piece)
        if b"\n" in piece:
            found += next(blocks)  # what is there is given, and no more is waited for
    os.close(target)
    for block in blocks:
        found += block
    os.close(source)
    *lines, rest = b"".join(pieces).split(b"\n")
    assert found == ([*lines, rest] if rest else lines)


def test_what_cannot_be_read_is_told() -> None:
    folder = os.open("/", os.O_RDONLY)
    with pytest.raises(UnusableInputError, match=r"stdin cannot be read .*give texts as arguments"):
        next(waiting_lines(folder))
    os.close(folder)


def test_a_line_is_answered_before_the_next_one_is_asked_for(model: str) -> None:
    with subprocess.Popen(program(model), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"good film\n", b"\n", b"no such words\r\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["status"] == ("scored" if b"film" in line else "no_evidence")
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_answers_are_those_of_one_process_and_a_line_that_is_not_utf8_gets_its_reason(model: str) -> None:
    texts = ["good film", "", "dull"] * 300
    lines = [text.encode() for text in texts]
    lines[1] = b"\xff"
    result = subprocess.run(program(model), input=b"\n".join(lines), capture_output=True, check=True)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    expected = TextScorer.load(model).score(texts).columns()
    assert len(answers) == len(texts)
    assert answers[1]["reason"] == "invalid_utf8"
    for row in (0, 2, 898, 899):
        assert answers[row] == {name: column[row].as_py() for name, column in expected.items()}


def test_nothing_is_answered_by_nothing(model: str) -> None:
    result = subprocess.run(program(model), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert (result.stdout, result.stderr) == (b"", b"")


def test_texts_are_arguments_too(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["predict", "--model", model, "--top-k", "2", "good film", "\udcff", "a\nfilm"]) == 0
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(first["top_labels"]) == 2
    assert second["reason"] == "invalid_utf8"
    assert third["token_count"] == 2


def test_a_score_below_the_threshold_is_marked(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    for threshold, status in (("0", "scored"), ("1", "below_threshold")):
        assert cli.run(["predict", "--model", model, "--threshold", threshold, "good film"]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == status


def test_whoever_has_read_enough_ends_it_without_a_word(model: str, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"good film\n" * 250_000)  # more than is read at once
    command = f"{' '.join(program(model))} < {tmp_path}/lines | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    answer, code = result.stdout.splitlines()
    assert (json.loads(answer)["status"], code, result.stderr) == ("scored", "141", "")
