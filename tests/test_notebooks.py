"""What a notebook shows of summaries and answers."""

from typing import Any

import numpy as np

from w2vray.cluster.evaluate import EvaluationSummary
from w2vray.cluster.score import ScoreSummary
from w2vray.cluster.train import TrainSummary
from w2vray.notebooks import as_html
from w2vray.run.verify import VerifySummary
from w2vray.scoring.answers import Scores
from w2vray.scoring.comparing import Comparison
from w2vray.scoring.metrics import Confusion, metrics

SCORES = Scores(
    ("bad", "good"),
    np.array([1, -1, 0], dtype=np.int32),
    np.array([[0.25, 0.75], [0, 0], [1, 0]], dtype=np.float32),
    np.array([2, 0, 4], dtype=np.int32),
    np.array([1, 0, 4], dtype=np.int32),
)


def row(name: str, value: str) -> str:
    return f'<th style="text-align:left">{name}</th><td>{value}</td>'


def test_everything_is_escaped_and_what_is_not_there_is_left_out() -> None:
    rows = [(f"<label {number}>", 0.5) for number in range(31)]
    page = as_html("<m>", {"a&b": "<i>", "none": None, "empty": [], "zero": 0, "no": False}, ("x", ["<y>"], rows))
    assert row("a&amp;b", "&lt;i&gt;") in page
    assert row("zero", "0") in page
    assert row("no", "no") in page
    assert "none" not in page
    assert "empty" not in page
    assert "x (the first 30 of 31)" in page
    assert "&lt;label 29&gt;" in page
    assert "&lt;label 30&gt;" not in page
    assert "<i>" not in page


def test_answers_are_a_data_frame() -> None:
    frame = SCORES.to_pandas(top_k=1)
    assert list(frame.columns) == ["label", "score", "status", "token_count", "coverage", "top_labels", "top_scores"]
    assert frame["label"].tolist()[::2] == ["good", "bad"]
    assert frame["label"].isna().tolist() == [False, True, False]
    assert frame["status"].tolist() == ["scored", "no_evidence", "scored"]
    assert frame["coverage"].tolist() == [0.5, 0.0, 1.0]
    assert SCORES.to_pandas(threshold=0.9)["status"].tolist() == ["below_threshold", "no_evidence", "scored"]
    assert "<td>no_evidence</td>" in SCORES._repr_html_()


def test_a_measured_model_shows_its_accuracy_classes_and_confusions() -> None:
    found = metrics(Confusion.of(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])), ("bad", "good"))
    given: dict[str, Any] = {"metrics": found, "rows_without_label": 0, "rows_unknown_label": 0}
    other = EvaluationSummary(**given, model="b")
    comparison = Comparison.of("a", "b", rows=4, only_first=0, only_model=0)
    page = EvaluationSummary(
        **given, model="a", rows_trained_on=3, accuracy_elsewhere=1.0, others=[other], comparisons=[comparison]
    )._repr_html_()
    assert row("accuracy", "0.7500") in page
    assert row("always answering the commonest label", "0.5000") in page
    assert row("rows that the training saw", "3") in page
    assert row("other models", "b: 0.7500") in page
    assert "these rows do not suffice to tell which is better" in page
    assert "<tr><td>bad</td><td>good</td><td>1</td></tr>" in page


def test_trainings_runs_and_proofs_show_what_they_came_to() -> None:
    numbers: dict[str, Any] = {"tokens": 0, "tokens_found": 0, "coverage": 0.5, "warnings": ["few words"]}
    trained = TrainSummary(
        model="m",
        model_kind="cnn",
        tried=[],
        chosen=None,
        labels=("a", "b"),
        rows=1200,
        rows_validation=0,
        rows_test=300,
        test={"accuracy": 0.9, "macro_f1": 0.8},
        rows_without_label=0,
        rows_unlabelled={},
        rows_damaged={},
        label_counts={"a": 1, "b": 2},
        label_findings=[],
        rows_without_evidence=0,
        labels_unknown={},
        labels_not_learnt={},
        epochs=1,
        curve=[],
        refit=None,
        ngrams=None,
        temperatures=(),
        thresholds=None,
        labels_without_promise=(),
        **numbers,
    )
    page = trained._repr_html_()
    assert row("rows to learn from", "1,200") in page
    assert row("accuracy on the test", "0.9000") in page
    assert row("to look at", "few words") in page
    assert page.index("<td>b</td><td>2</td>") < page.index("<td>a</td><td>1</td>")
    counts: dict[str, Any] = dict.fromkeys(
        ("rows_in", "rows_scored", "rows_abstained", "rows_truncated", "rows_deleted", "rows_below_threshold"), 5
    ) | {"rows_abstained": 6, "rows_no_evidence": 1}
    units: dict[str, Any] = dict.fromkeys(("units", "units_skipped", "units_failed", "rows_now"), 1)
    run = ScoreSummary(
        run="r",
        **counts,
        **units,
        **numbers,
        expected_kept=None,
        kept=None,
        rows_rejected=2,
        rejected={"null_text": 2},
        seconds=1.0,
        rows_per_second=None,
        left_out={"a.parquet": "truncated"},
        ignored={},
        tables=[],
        notes=[],
        gaps_accepted=False,
        new_files=[],
        exit_code=3,
    )
    assert row("complete", "no") in run._repr_html_()
    assert row("rejected because", "null_text: 2") in run._repr_html_()
    assert row("left out", "a.parquet: truncated") in run._repr_html_()
    assert row("of them with a label below the threshold", "5") in run._repr_html_()
    assert row("of them without a known word and so without a label", "1") in run._repr_html_()
    proof = VerifySummary(
        run="r",
        ok=False,
        rows_in=1,
        rows_scored=1,
        rows_rejected=0,
        rows_deleted=0,
        tables=[],
        units=1,
        problems=["a part <is> gone"],
        gaps=[],
        new_files=[],
        ignored={},
        notes=[],
    )
    assert row("everything is in order", "no") in proof._repr_html_()
    assert row("problems", "a part &lt;is&gt; gone") in proof._repr_html_()
