"""Options in groups, from a file, from the environment; and each that takes one value given once."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2vray import cli

Run = Callable[..., tuple[int, str, str]]
SCORE = ("score", "store", "--model", "model", "--output", "run")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def in_effect(run: Run, *arguments: str) -> Any:
    code, out, err = run(*arguments, "--show-config")
    assert code == 0, err
    return tomllib.loads(out)


def test_what_is_shown_is_a_file_that_says_the_same(run: Run) -> None:
    given = (*SCORE, "--keep", "id", "--keep", 'odd "name"', "--where", "lang == 'ü'", "--top-k", "3", "--truncate")
    first = in_effect(run, *given)
    assert first["score"]["corpus"] == ["store"]
    assert first["score"]["keep"] == ["id", 'odd "name"']
    assert first["score"]["truncate"] is True
    assert "threshold" not in first["score"]
    Path("options.toml").write_text(run(*given, "--show-config")[1])
    assert in_effect(run, "score", "--config", "options.toml") == first


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("options.toml").write_text("[score]\nworkers = 2\nlimit = 20\nmax-bytes = 200\n[train]\nworkers = 7\n")
    monkeypatch.setenv("W2VRAY_SCORE_WORKERS", "3")
    monkeypatch.setenv("W2VRAY_SCORE_LIMIT", "30")
    found = in_effect(run, *SCORE, "--config", "options.toml", "--workers", "4")["score"]
    assert (found["workers"], found["limit"], found["max_bytes"]) == (4, 30, 200)


def test_a_verb_of_vectors_has_a_table_in_a_table(run: Run) -> None:
    Path("options.toml").write_text('[vectors.import]\nsource = "a.txt"\noutput = "vectors"\ndtype = "float16"\n')
    found = in_effect(run, "vectors", "import", "--config=options.toml")
    assert found["vectors"]["import"]["dtype"] == "float16"
    assert found["vectors"]["import"]["source"] == "a.txt"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[score]\nworker = 2\n", "[score] has worker, which is not an option of score; did you mean workers?"),
        ("workers = 2\n", "workers is outside of any table; move it under [score]"),
        ("[score\n", "is not TOML"),
        ('[score]\nkeep = "id"\n', "keep is 'id'; expected a list"),
        ("[score]\nworkers = [1]\n", "workers is [1]; expected one value"),
        ("[score]\ntruncate = 1\n", "truncate is 1; expected true or false"),
        ("[score]\nworkers = true\n", "workers is True; expected a string or a number"),
        ("[score]\nworkers = 1.5\n", "'1.5' is not a valid integer"),
        ('[score]\non_bad = "whatever"\n', "whatever"),
        ("[scores]\nworkers = 2\n", "has no table [score]; its tables are [scores]"),
        ("[train]\nworkers = 2\n", "has no table [score]; its tables are [train]"),
        ("", "has no table [score]; it is empty"),
        ("[score]\nkeep = [true]\n", "keep is [True]; expected a string or a number"),
        ("[score]\nkeep = [['id']]\n", "expected a string or a number"),
        ('[score]\nconfig = "x.toml"\n', "[score] has config"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_to_change(run: Run, content: str, words: str) -> None:
    Path("options.toml").write_text(content)
    code, _, err = run(*SCORE, "--config", "options.toml", "--show-config")
    assert code == 2
    assert words in err


def test_a_file_that_is_not_there_is_named(run: Run) -> None:
    code, _, err = run(*SCORE, "--config", "nowhere.toml")
    assert (code, "--config nowhere.toml: cannot be read" in err) == (2, True)


@pytest.mark.parametrize(
    "given",
    [
        ("--model", "other"),
        ("--model=other",),
        ("--workers", "1", "--workers", "2"),
        ("--config", "a", "--config", "b"),
    ],
)
def test_an_option_that_takes_one_value_is_refused_twice(run: Run, given: tuple[str, ...]) -> None:
    code, _, err = run(*SCORE, *given)
    assert code == 2
    assert f"{given[0].partition('=')[0]} is given 2 times; it takes one value" in err


def test_what_looks_like_an_option_may_be_a_value_or_a_text(run: Run) -> None:
    found = in_effect(run, *SCORE, "--where", "--model", "--keep", "a", "--keep", "b", "--truncate", "--truncate")
    assert found["score"]["where"] == "--model"
    code, out, _ = run("predict", "--model", "m", "--show-config", "--", "--model", "--model")
    assert (code, tomllib.loads(out)["predict"]["text"]) == (0, ["--model", "--model"])


def test_choices_are_taken_in_any_case(run: Run) -> None:
    found = in_effect(run, "train", "a.parquet", "--vectors", "v", "--output", "m", "--model", "CNN", "--oov", "Zero")
    assert (found["train"]["model"], found["train"]["oov"]) == ("cnn", "zero")


def test_help_shows_options_in_groups_and_ends_with_examples(run: Run) -> None:
    code, out, _ = run("train", "--help")
    assert code == 0
    headings = [line.removesuffix(":") for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    expected = [
        "Arguments",
        "Data",
        "Model",
        "Training",
        "Options of the model",
        "Output",
        "Where it runs",
        "This command",
        "Examples",
    ]
    assert headings == expected
    assert out.rstrip().splitlines()[-1].startswith("  w2vray train labelled.parquet --vectors vectors")


@pytest.mark.parametrize("verb", ["train", "evaluate", "score"])
def test_each_option_of_a_long_help_has_a_group(run: Run, verb: str) -> None:
    assert "\nOptions:\n" not in run(verb, "--help")[1]


def test_quiet_shows_no_summary_but_the_problem(run: Run) -> None:
    Path("tiny.txt").write_text("2 2\nfilm 1.0 0.5\ngood 0.5 -1\n")
    assert run("vectors", "import", "tiny.txt", "--output", "vectors", "--quiet") == (0, "", "")
    code, out, err = run("vectors", "import", "tiny.txt", "--output", "vectors", "-q")
    assert (code, out) == (2, "")
    assert "vectors" in err


def test_the_version_has_a_short_name(run: Run) -> None:
    assert run("-V") == run("--version")


def test_quiet_and_verbose_exclude_each_other(run: Run) -> None:
    assert "-q and -v exclude each other; choose one" in run("vectors", "info", "vectors", "-q", "-vv")[2]
