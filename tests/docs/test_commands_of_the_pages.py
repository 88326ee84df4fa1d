"""Each command that README and the quickstart show is run here, on made-up data, in the order of the page.

The commands are found in the pages' blocks of code. A command that cannot be run here is listed with its reason, and
a command that is neither run nor listed fails the test.
"""

import random
import re
import shlex
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
import duckdb
import numpy as np
import pandas as pd
import pytest

import w2vray
from w2vray.cli import run, with_verbs
from w2vray.models.ladder import LADDER

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/quickstart.md")
ALL_PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))]

NOT_RUN = {
    "pip install .": "installs torch and Ray into this environment",
    "make demo": "trains and scores 300,000 texts for a minute",
    "make test": "is what runs this test",
    "ray up cluster.yaml": "rents machines",
    "ray dashboard cluster.yaml": "needs those machines",
}

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("w2vray", "pip", "make", "ray", "python", "duckdb", "export", "eval", "curl", "git")
WORDS = ["moving", "beautifully", "acted", "film", "a", "the", "plot", "dull", "scene", "good", "bad", "of"]
SPLITS = ("train", "train", "test")


class Block(NamedTuple):
    """A block of code of a page: its language, and its text without the indentation of the block."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its commands, if it is one of commands: lines joined at a backslash, without comments; output is left out."""
        text = re.sub(r"\\\n\s*", "", self.text)
        if re.search(r"^\$ ", text, re.MULTILINE):
            return [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        lines = [re.sub(r"\s+# .*|^#.*", "", line).rstrip() for line in text.splitlines()]
        lines = [line for line in lines if line]
        return lines if lines and lines[0].split()[0] in PROGRAMS else []


def blocks(page: str) -> Iterator[Block]:
    for indent, language, text in FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        yield Block(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))


def sentence(source: random.Random, liked: bool) -> str:
    telling = ("good", "moving", "beautifully") if liked else ("bad", "dull", "plot")
    return " ".join(source.choice(telling) if source.random() < 0.5 else source.choice(WORDS) for _ in range(8))


@pytest.fixture
def folder_of_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pages say that their reader has: labelled.csv, reviews/ and glove.6B.zip, all small and made up."""
    source = random.Random(0)
    liked = [bool(number % 2) for number in range(90)]
    texts = [sentence(source, like) for like in liked]
    split = [SPLITS[number % 3] for number in range(90)]
    labels = ["positive" if like else "negative" for like in liked]
    pd.DataFrame({"text": texts, "label": labels, "split": split}).to_csv(tmp_path / "labelled.csv", index=False)
    (tmp_path / "reviews").mkdir()
    pd.DataFrame({"id": range(90), "text": texts}).to_parquet(tmp_path / "reviews" / "part-0.parquet")
    numbers = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        for dim in (50, 300):
            rows = [f"{word} {' '.join(f'{number:.4f}' for number in numbers.normal(size=dim))}\n" for word in WORDS]
            archive.writestr(f"glove.6B.{dim}d.txt", "".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_w2vray(words: list[str]) -> None:
    assert run(words) == 0, words


def query(words: list[str]) -> None:
    flag, statement = words
    assert flag == "-c"
    found = duckdb.sql(statement)
    assert found is not None
    assert found.fetchall()


def run_python(words: list[str]) -> None:
    flag, program = words
    assert flag == "-c"
    exec(program, {})


RUNNERS: dict[str, Callable[[list[str]], None]] = {"w2vray": run_w2vray, "duckdb": query, "python": run_python}


@pytest.fixture
def jobs_sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Let ``submit`` check a job's arguments as ever, and send it nowhere."""
    sent: list[tuple[str, tuple[str, ...]]] = []

    def submit(address: str, verb: tuple[str, ...], *, submission_id: str | None, **_: object) -> int:
        assert submission_id is None
        sent.append((address, verb))
        return 0

    monkeypatch.setattr("w2vray.cluster.submit.submit", submit)
    return sent


@pytest.fixture
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--model auto`` try what it tries, for an epoch each."""
    quick = [
        replace(candidate, options={"epochs": 1})
        if candidate.tune_vectors or candidate.model != "average"
        else candidate
        for candidate in LADDER
    ]
    monkeypatch.setattr("w2vray.cluster.choosing.LADDER", quick)


@pytest.mark.usefixtures("training_in_process", "folder_of_a_reader", "few_epochs")
@pytest.mark.parametrize("page", PAGES)
def test_each_command_and_program_of_a_page_does_its_work(
    page: str, jobs_sent: list[tuple[str, tuple[str, ...]]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    for block in blocks(page):
        if block.language == "python":
            exec(block.text, {})
            ran.append("python")
        for command in block.commands:
            program, *words = shlex.split(command)
            if command not in NOT_RUN:
                RUNNERS[program](words)
                ran.append(program)
    assert Path("run/_SUCCESS").exists()
    assert ran.count("w2vray") >= 4
    assert {"w2vray", "duckdb", "python"} <= set(ran)
    assert [verb[0] for _, verb in jobs_sent] == (["score"] if page == "README.md" else [])
    assert "everything is in order" in capsys.readouterr().out


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("page", PAGES)
def test_labels_are_counted_without_rows_below_a_threshold(
    page: str,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = w2vray.score(make_store(), model=make_model(), output="run", threshold=0.6)
    (statement,) = [shlex.split(line)[-1] for each in blocks(page) for line in each.commands if line.startswith("duck")]
    found = duckdb.sql(statement)
    assert found is not None
    counts = {label: rows for label, rows, _ in found.fetchall()}
    assert None not in counts
    assert 0 < sum(counts.values()) == summary.rows_scored - summary.rows_abstained < summary.rows_scored


def test_each_command_that_is_not_run_is_still_shown() -> None:
    shown = {command for page in PAGES for block in blocks(page) for command in block.commands}
    assert shown >= NOT_RUN.keys()


def test_no_block_of_commands_escapes() -> None:
    """A block without a language holds commands, what a program prints, or a picture, and these are told apart."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "":
                drawn = re.search("[─│┌▼]", block.text)
                assert bool(block.commands) != bool(drawn), block.text


def shown_commands() -> list[tuple[str, str]]:
    """Every ``w2vray ...`` in a block of any page, but for what is left open: ``VERB ...``."""
    return [
        (page, command)
        for page in ALL_PAGES
        for block in blocks(page)
        for command in block.commands
        if command.startswith("w2vray ") and "..." not in command
    ]


@pytest.mark.parametrize(("page", "command"), shown_commands(), ids=lambda value: value[-60:])
def test_each_command_of_every_page_has_arguments_that_the_program_takes(page: str, command: str) -> None:
    del page
    inside: click.Command = with_verbs()
    words = shlex.split(command)[1:]
    while isinstance(inside, click.Group):
        inside = inside.commands[words.pop(0)]
    assert inside.make_context("w2vray", words).command is inside
