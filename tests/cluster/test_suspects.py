"""Rows of the training whose label looks wrong: found by what did not learn from them, and named on the page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.suspects import suspects_of
from w2vray.cluster.train import train
from w2vray.cluster.trained_page import write_model_page
from w2vray.models.directory import Bundle
from w2vray.run.writing_reports import make_report
from w2vray.settings.checks import ReportSettings
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

WRONG = {("a.parquet", 7), ("a.parquet", 33), ("b.parquet", 12)}


@pytest.fixture(autouse=True)
def _with_pages(training_in_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``train`` in this process write its page, and draw nothing."""
    del training_in_process
    monkeypatch.setattr("w2vray.cluster.one_training.write_model_page", write_model_page)
    for page in ("evaluation_plots", "run_page"):
        monkeypatch.setattr(f"w2vray.pages.{page}.plot", lambda *_, **__: "<svg/>")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two words, a label for each; some rows have no label, no known word, or the other word's label."""
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("a.parquet", "b.parquet"):
        rows: list[dict[str, Any]] = []
        for place in range(60):
            label = "low" if place % 2 else "high"
            word = "bab" if label == "low" else "bag"
            text = f"{word} {word} secret{place}{name}"
            rows.append({"text": text, "label": label})
            if (name, place) in WRONG:
                rows[-1]["label"] = "high" if label == "low" else "low"
        rows[3]["label"] = None
        rows[20]["text"] = "unheard"
        pq.write_table(pa.Table.from_pylist(rows), folder / name)
    return folder


def trained(store: Path, vectors: Vectors, output: Path, **given: Any) -> dict[str, Any]:
    train(TrainSettings(labelled=(str(store),), vectors=str(vectors.path), output=str(output), **given))
    place = output / "report.json"
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    return found


def test_average_names_them_by_folds(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    """Rows without a label or a known word were not learnt from, and are not among those that were asked of."""
    model = tmp_path / "model"
    found = trained(store, word_vectors, model, model="average")["training_suspects"]
    assert {(row["source_file"], row["source_row"]) for row in found["rows"]} == WRONG
    assert (found["rows_asked"], found["by"]) == (116, "folds")
    labels = {(row["source_file"], row["source_row"]): (row["true"], row["predicted"]) for row in found["rows"]}
    assert labels["a.parquet", 7] == ("high", "low")
    assert labels["b.parquet", 12] == ("low", "high")
    scores = [row["score"] for row in found["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.5
    page = (model / "report.html").read_text(encoding="utf-8")
    assert "Each was scored by a model that learnt without it" in page
    assert "of 116 rows" in page
    assert "secret" not in page + (model / "report.json").read_text(encoding="utf-8"), "models are passed on"

    (model / "report.html").unlink()
    make_report(ReportSettings(path=str(model)))
    assert (model / "report.html").read_text(encoding="utf-8") == page


def test_a_network_names_those_among_its_validation_rows(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    options = {"epochs": 15, "filters": 8, "learning_rate": 0.01}
    given: dict[str, Any] = {"model": "cnn", "model_settings": options, "validation_fraction": 0.5}
    found = trained(store, word_vectors, tmp_path / "model", **given)["training_suspects"]
    assert found["by"] == "validation"
    assert 40 < found["rows_asked"] < 76
    named = {(row["source_file"], row["source_row"]) for row in found["rows"]}
    assert named
    assert named <= WRONG
    page = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    assert "They are those kept for validation" in page


def test_of_a_small_set_a_network_looks_at_all_rows(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    options = {"epochs": 15, "filters": 8, "learning_rate": 0.01}
    found = trained(store, word_vectors, tmp_path / "model", model="cnn", model_settings=options)["training_suspects"]
    assert (found["rows_asked"], found["by"]) == (116, "folds")
    assert {(row["source_file"], row["source_row"]) for row in found["rows"]} == WRONG


def test_rows_of_a_label_that_is_not_learnt_move_no_place(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    """A row of --validation with such a label is left out, in the middle of the others."""
    rows = [{"text": f"bab kept{place}", "label": "low"} for place in range(12)]
    rows[4]["label"], rows[9]["label"] = "new", "high"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "kept.parquet", row_group_size=5)
    options = {"epochs": 15, "filters": 8, "learning_rate": 0.01}
    given: dict[str, Any] = {"model": "cnn", "model_settings": options, "validation": (str(tmp_path / "kept.parquet"),)}
    found = trained(store, word_vectors, tmp_path / "model", **given)["training_suspects"]
    assert [(row["source_file"], row["source_row"], row["true"]) for row in found["rows"]] == [
        ("kept.parquet", 9, "high")
    ]
    assert found["rows_asked"] == 11


def test_without_calibration_nobody_looks_for_them(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    found = trained(store, word_vectors, tmp_path / "model", model="average", calibrate=False)
    assert found == {}
    assert "look wrong" not in (tmp_path / "model" / "report.html").read_text(encoding="utf-8")


def test_a_page_of_before_is_made_again_without_them(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    model = tmp_path / "model"
    trained(store, word_vectors, model, model="average", test_fraction=0.2)
    told = json.loads((model / "report.json").read_text(encoding="utf-8"))
    assert told["metrics"]["rows"] > 10
    del told["training_suspects"]
    (model / "report.json").write_text(json.dumps(told), encoding="utf-8")
    make_report(ReportSettings(path=str(model)))
    assert "Rows of the training set" not in (model / "report.html").read_text(encoding="utf-8")


class TestWhichRows:
    """What is said of rows decides; of a label with few rows, or where the model agrees, none is named."""

    @pytest.fixture
    def config(self, make_model: Callable[..., Path]) -> Any:
        return Bundle.load(make_model()).config

    def found(
        self, config: Any, logits: list[list[float]], labels: Any, monkeypatch: pytest.MonkeyPatch
    ) -> list[tuple[int, Any, Any]]:
        monkeypatch.setattr(
            "w2vray.cluster.suspects._places", lambda numbers, *_, **__: [("f", number) for number in numbers]
        )
        answers = HeldOutAnswers(np.array(logits, dtype=np.float32), np.array(labels), 10 * np.arange(len(logits)))
        told = suspects_of(answers.as_state(), config, [], {"high": 9, "low": 5, "mid": 4}, by_folds=False)
        assert told is not None
        return [(row["source_row"], row["true"], row["predicted"]) for row in told["rows"]]

    def test_the_surest_first_and_none_of_a_rare_label(self, config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert config.labels == ("high", "low", "mid")
        logits = [[5.0, 0, 0]] * 6 + [[0, 5.0, 0]] * 5 + [[3.0, 0, 0], [9.0, 0, 0], [0.1, 0, 0], [9.0, 0, 0]]
        labels = [0] * 6 + [1] * 5 + [1, 1, 1, 2]
        assert self.found(config, logits, labels, monkeypatch) == [(120, "low", "high"), (110, "low", "high")]

    def test_of_several_labels_one_too_many_or_one_too_few(self, config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from dataclasses import replace  # noqa: PLC0415 - for this test

        several = replace(config, multi_label=True)
        logits = [[5.0, -5, -5], [5.0, 6.0, -5], [-5, -7.0, -5]]
        labels = [[1, 0, 0], [1, 0, 0], [1, 1, 0]]
        assert self.found(several, logits, labels, monkeypatch) == [
            (20, ["high", "low"], []),
            (10, ["high"], ["high", "low"]),
        ]
