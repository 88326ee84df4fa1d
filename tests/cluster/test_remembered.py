"""A model remembers its columns and label options; ``evaluate`` and ``score`` use them, and say so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cli import run as run_command
from w2vray.cluster.evaluate import EvaluationSummary, evaluate
from w2vray.cluster.score import score
from w2vray.cluster.train import train
from w2vray.errors import CorpusError
from w2vray.models.directory import Bundle
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

ROWS = 60


@pytest.fixture
def store(make_store: Callable[..., Path], tmp_path: Path) -> Path:
    """Texts in two columns, topics with spaces, one value that stands for none; ``text`` and ``label`` mislead."""
    rows = pq.read_table(make_store(files=1, rows=ROWS))
    texts, labels = rows["text"].to_pylist(), rows["label"].to_pylist()
    file = tmp_path / "labelled.parquet"
    columns = {
        "title": texts,
        "body": ["qqq"] * ROWS,
        "topic": ["?" if row % 10 == 0 else f"{label} " for row, label in enumerate(labels)],
        "text": ["qqq"] * ROWS,
        "label": ["other"] * ROWS,
    }
    pq.write_table(pa.table(columns), file)
    return file


@pytest.fixture
def model(store: Path, word_vectors: Vectors, tmp_path: Path) -> Path:
    given: dict[str, Any] = {"text_column": ("title", "body"), "label_column": "topic", "label_strip": True}
    settings = TrainSettings(
        labelled=(str(store),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model="average",
        unlabelled=("?",),
        **given,
    )
    train(settings)
    return tmp_path / "model"


def run_evaluate(store: Path, model: Path, told: list[str], **given: Any) -> EvaluationSummary:
    return evaluate(EvaluateSettings(labelled=(str(store),), model=(str(model),), **given), note=told.append)


def test_evaluate_reads_as_the_training_did_and_options_win(store: Path, model: Path) -> None:
    told: list[str] = []
    found = run_evaluate(store, model, told)
    assert (found.metrics.rows, found.rows_unlabelled, found.rows_unknown_label) == (54, {"?": 6}, 0)
    assert found.metrics.accuracy > 0.9
    assert told[0] == (
        "as the model was trained: --text-column 'title' --text-column 'body', --label-column 'topic', --label-strip, "
        "--unlabelled '?'; options win over it"
    )
    assert found.as_dict()["reading"]["text_column"] == ["title", "body"]

    explicit = {"label_column": "topic", "label_strip": True, "unlabelled": ("?",)}
    again = run_evaluate(store, model, told, text_column=("title", "body"), **explicit)
    assert again.as_dict() == found.as_dict()
    spaced = run_evaluate(store, model, [], unlabelled=("none",))
    assert (spaced.metrics.rows, spaced.labels_unknown) == (60, {"?": 6})
    with pytest.raises(CorpusError, match="no row of 'label' has a label that the model knows"):
        run_evaluate(store, model, [], label_column="label")
    with pytest.raises(CorpusError, match="no row of 'topic' has a label that the model knows"):
        run_evaluate(store, model, [], label_strip=False)


def test_score_reads_the_remembered_text_and_a_run_is_the_same_with_and_without_the_option(
    store: Path, model: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    given = {"corpus": (str(store),), "model": str(model)}
    run = score(ScoreSettings(**given, output=str(tmp_path / "run")), note=told.append)  # type: ignore[arg-type]
    assert (run.rows_scored, run.rows_abstained) == (60, 0)
    assert told[0] == "as the model was trained: --text-column 'title' --text-column 'body'; options win over it"
    identity = json.loads((tmp_path / "run" / "run.json").read_text())
    assert identity["options"]["text_column"] == ["title", "body"]
    same = ScoreSettings(**given, output=str(tmp_path / "run"), text_column=("title", "body"))  # type: ignore[arg-type]
    assert score(same).units_skipped == 1
    other = ScoreSettings(**given, output=str(tmp_path / "other"), text_column=("text",))  # type: ignore[arg-type]
    assert score(other).rows_abstained == 60


def test_a_model_of_before_has_the_defaults_and_the_same_identity(store: Path, model: Path) -> None:
    before = Bundle.load(model).fingerprint
    config = json.loads((model / "config.json").read_text())
    assert config.pop("reading") == {
        "text_column": ["title", "body"],
        "label_column": "topic",
        "label_strip": True,
        "label_separator": None,
        "unlabelled": ["?"],
    }
    (model / "config.json").write_text(json.dumps(config))
    assert Bundle.load(model).fingerprint == before
    with pytest.raises(CorpusError, match="no row of 'label' has a label that the model knows"):
        run_evaluate(store, model, [])


def test_a_remembered_separator_is_left_out_where_a_set_holds_lists(
    make_store: Callable[..., Path], word_vectors: Vectors, tmp_path: Path
) -> None:
    texts = pq.read_table(make_store(files=1, rows=ROWS))["text"]
    for name, labels in (("strings", ["a;b", "b"] * 30), ("lists", [["a", "b"], ["b"]] * 30)):
        pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / f"{name}.parquet")
    settings = TrainSettings(
        labelled=(str(tmp_path / "strings.parquet"),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model="average",
        label_separator=";",
    )
    train(settings)
    of_strings, of_lists = (
        run_evaluate(tmp_path / f"{name}.parquet", tmp_path / "model", []) for name in ("strings", "lists")
    )
    assert of_strings.metrics.as_dict() == of_lists.metrics.as_dict()
    assert of_strings.metrics.rows == ROWS


def test_the_command_line_can_undo_what_a_model_remembers(
    store: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(store), "--model", str(model), "--json"]
    assert run_command([*command, "--no-label-strip"]) == 2
    assert "no row of 'topic' has a label that the model knows" in capsys.readouterr().out
    assert run_command([*command, "--label-separator", ""]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 54
