"""The command line: help, and what people are shown."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import w2vray
from tests.fixtures.commands import Run
from w2vray.cli.console import Output, counted, progress_bar, table
from w2vray.scoring.calibration_error import CalibrationError
from w2vray.scoring.metrics import count_labels, multi_label_metrics


def test_import_of_the_package_starts_nothing_heavy() -> None:
    code = (
        "import sys, w2vray, w2vray.cli; "
        "print([name for name in ('ray', 'torch', 'gensim', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "verb",
    [
        "",
        "vectors",
        "vectors import",
        "vectors train",
        "vectors join",
        "vectors info",
        "train",
        "evaluate",
        "calibrate",
        "plan",
        "score",
        "verify",
        "status",
        "report",
        "sample",
        "predict",
        "submit",
    ],
)
def test_every_verb_has_help(run: Run, verb: str) -> None:
    result = run(*verb.split(), "--help")
    assert result.code == 0
    assert result.out.startswith("Usage: w2vray")


def test_help_tells_each_option_with_its_default(run: Run) -> None:
    text = " ".join(run("train", "--help").out.split())
    assert "--model [average|cnn|lstm|gru" in text
    assert "Kind of classifier: average, logistic regression on the mean of a text's vectors; cnn," in text
    assert "gru, a recurrent network of fewer weights" in text
    assert "[default: cnn]" in text
    assert "and for average without --tune-vectors, which needs no early stopping" in text
    assert "cnn: filters of each width. Default: 100." in text
    assert "lstm, gru: numbers in the state, of each direction. Default: 128." in text
    assert "0: any length. Default: 0.0 for cnn, " in text
    assert " average with --tune-vectors; 5.0 for lstm, gru." in text
    assert "take 500 steps) for cnn; 4 (a small set:" in text
    assert "Default: None" not in text


def test_predict_does_not_promise_one_object_for_all_texts(run: Run) -> None:
    assert "Answers are always JSON objects, one per text" in " ".join(run("predict", "--help").out.split())


def test_accuracy_of_a_multi_label_model_is_told_as_what_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    true, given = np.array([[True, True]]), np.array([[True, False]])
    found = multi_label_metrics(count_labels(true, given, unknown_N=np.array([0]), rows_no_evidence=0), ("a", "b"))
    summary = SimpleNamespace(
        model="m",
        others=(),
        comparisons=(),
        metrics=found,
        calibration=CalibrationError(error=0.125, by_chance=0.1, rows=1),
        rows_unknown_label=0,
        rows_without_label=0,
        rows_unlabelled={},
        rows_damaged={},
        own_thresholds=None,
        as_dict=dict,
        tokens=4,
        coverage=0.75,
    )
    monkeypatch.setattr("w2vray.cluster.evaluate.evaluate", lambda *_, **__: summary)
    text = run("evaluate", "a.parquet", "--model", "m").out
    assert "accuracy 0.0000 (exact match), micro-F1 0.6667, macro-F1 0.5000 on 1 row (0 without" in text
    assert (
        "calibration error 0.1250 (15 bins of as many rows each, mean of all labels); a perfectly calibrated model "
        "would have 0.1000 by chance on 1 row" in " ".join(text.split())
    )


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (1234, "1,234 rows")])
def test_one_thing_is_told_in_the_singular(number: int, text: str) -> None:
    assert counted(number, "row") == text


@pytest.mark.parametrize("name", ["[link]", "[/b]", "a [red]b[/red]", "\\[x]", ":smile:"])
def test_tables_show_labels_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = table(f"label {name}", [f"for {name}", "rows"], [[name, 0.5]])
    Output(as_json=False).result({}, shown)
    printed = capsys.readouterr().out
    title, _, head, _, row, _ = printed.splitlines()
    assert title == f"label {name}"
    assert [cell.strip() for cell in head.strip("\u2503").split("\u2503")] == [f"for {name}", "rows"]
    assert [cell.strip() for cell in row.strip("\u2502").split("\u2502")] == [name, "0.5000"]


def test_one_thing_done_is_told_in_the_singular(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.cli.console._LINE_SECONDS", 0.0)
    with progress_bar("scoring") as update:
        update(1, 1, "units, 1 row")
        update(1, 2, "units, 1 row")
        update(1, None, "epochs, validation loss 0.5")
    lines = [
        "scoring: 1 of 1 unit, 1 row",
        "scoring: 1 of 2 units, 1 row",
        "scoring: 1 epoch, validation loss 0.5",
    ]
    assert capsys.readouterr().err.splitlines() == lines


def test_help_needs_no_terminal_and_the_module_runs_as_a_program(tmp_path: Path) -> None:
    environment = {**os.environ, "TERM": "dumb"}
    command = [sys.executable, "-m", "w2vray", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert result.stdout.strip().endswith(w2vray.__version__)
