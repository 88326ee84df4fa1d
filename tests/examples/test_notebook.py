"""The notebook in examples/ runs from its first cell to its last, and shows what its text says."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import w2vray

NOTEBOOK = Path(__file__).parents[2] / "examples" / "from_csv_to_trust.ipynb"


def code_cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: what is shown is the value of its last line, where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
    return None


def test_it_is_stored_without_what_a_run_has_put_in() -> None:
    assert len(code_cells()) >= 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells())


@pytest.mark.usefixtures("training_in_process")
def test_each_cell_runs_and_shows_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = [run_cell("".join(cell["source"]), names) for cell in code_cells()]
    printed = capsys.readouterr().out
    trained = next(value for value in shown if isinstance(value, w2vray.TrainSummary))
    measured = next(value for value in shown if isinstance(value, w2vray.EvaluationSummary))
    run = next(value for value in shown if isinstance(value, w2vray.ScoreSummary))
    proof = next(value for value in shown if isinstance(value, w2vray.VerifySummary))
    assert trained.rows_test == pytest.approx(120, abs=6)
    assert trained.test is not None
    assert trained.test["accuracy"] > 0.75  # three texts in ten cannot be told
    assert 0.75 < measured.metrics.accuracy < 0.95
    assert all(" and " in text for text in names["wrong"]["text"])
    assert "the training of" in printed
    assert names["flattered"].rows_trained_on >= 480
    assert "confidence" in printed
    assert (run.rows_in, run.exit_code, proof.ok) == (300, 0, True)
    assert shown[-1]["label"].tolist() == ["positive", "negative"]
    assert all("<table>" in value._repr_html_() for value in (trained, measured, run, proof))
