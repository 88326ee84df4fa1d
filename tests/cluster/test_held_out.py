"""``train --test-fraction``: rows that nothing learns from, and what is told of the model on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.train import TrainSummary, train
from w2vray.errors import CorpusError
from w2vray.models.directory import Bundle
from w2vray.settings.labelled import EvaluateSettings
from w2vray.text.keys import text_keys
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

ROWS = 120


@pytest.fixture
def rows(make_store: Callable[..., Path]) -> list[dict[str, Any]]:
    """The first 20 texts are there twice, the second time with other spaces."""
    found: list[dict[str, Any]] = pq.read_table(make_store(files=1, rows=ROWS)).to_pylist()
    return found + [{**row, "text": row["text"].replace(" ", "  ")} for row in found[:20]]


def write(folder: Path, rows: list[dict[str, Any]], files: int) -> Path:
    folder.mkdir(parents=True)
    for file in range(files):
        pq.write_table(pa.Table.from_pylist(rows[file::files]), folder / f"{file}.parquet")
    return folder


def run_train(store: Path, vectors: Vectors, output: Path, **given: Any) -> TrainSummary:
    settings = {"model": "average", "test_fraction": 0.25, **given}
    return train(
        TrainSettings(labelled=(str(store),), vectors=str(vectors.path), output=str(output), **settings),
        note=given.get("note", lambda _: None),
    )


def unseen(store: Path, model: Path) -> list[dict[str, Any]]:
    """The rows whose text the training did not see."""
    sample = Bundle.load(model).trained_texts()
    assert sample is not None
    found = pq.read_table(store).to_pylist()
    keys = text_keys(pa.array([row["text"] for row in found], pa.large_string()))
    return [row for row, seen in zip(found, sample.has(keys), strict=True) if not seen]


@pytest.mark.usefixtures("training_in_process")
@pytest.mark.parametrize("model", ["average", "cnn"])
def test_nothing_learns_from_the_rows_of_the_test_and_the_model_is_measured_on_them(
    rows: list[dict[str, Any]], word_vectors: Vectors, tmp_path: Path, model: str
) -> None:
    """The same texts in one file and in several; ``evaluate`` finds the same accuracy on them."""
    given: dict[str, Any] = {"model": model} | ({"epochs": 2, "filters": 4, "refit": True} if model == "cnn" else {})
    options = {name: given.pop(name) for name in ("epochs", "filters", "refit") if name in given}
    one, several = write(tmp_path / "one", rows, 1), write(tmp_path / "several", rows, 3)
    summary = run_train(one, word_vectors, tmp_path / "model", **given, model_settings=options)
    again = run_train(several, word_vectors, tmp_path / "again", **given, model_settings=options)
    kept = unseen(one, tmp_path / "model")
    assert {row["text"].split()[0] for row in kept}
    assert sorted(row["id"] for row in kept) == sorted(row["id"] for row in unseen(several, tmp_path / "again"))
    assert summary.rows_test == again.rows_test == len(kept)
    assert summary.rows + summary.rows_validation + summary.rows_test == len(rows)
    assert sum(summary.label_counts.values()) == len(rows)
    assert len(kept) == pytest.approx(0.25 * len(rows), abs=4)
    for label in ("high", "low", "mid"):
        of_label = [row for row in rows if row["label"] == label]
        assert sum(row["label"] == label for row in kept) == pytest.approx(0.25 * len(of_label), abs=4)

    (tmp_path / "test").mkdir()
    pq.write_table(pa.Table.from_pylist(kept), tmp_path / "test" / "kept.parquet")
    told: list[str] = []
    measured = evaluate(
        EvaluateSettings(labelled=(str(tmp_path / "test"),), model=(str(tmp_path / "model"),)), note=told.append
    )
    assert summary.test is not None
    assert measured.metrics.as_dict() == summary.test
    assert measured.rows_trained_on == 0
    assert not any("saw the text" in line for line in told)

    stored = json.loads((tmp_path / "model" / "config.json").read_text())["training"]
    assert (stored["rows"]["test"], stored["test"]["rows"]) == (len(kept), len(kept))
    assert stored["test"]["accuracy"] == summary.test["accuracy"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"{len(kept)} kept for the test" in card
    assert f"**Accuracy on the rows kept for the test**: {summary.test['accuracy']:.4f} on {len(kept)} rows" in card


@pytest.mark.usefixtures("training_in_process")
def test_another_seed_keeps_other_rows_and_texts_of_the_test_are_no_validation(
    rows: list[dict[str, Any]], word_vectors: Vectors, tmp_path: Path
) -> None:
    store = write(tmp_path / "store", rows, 1)
    other = write(tmp_path / "other", rows[:60], 1)
    told: list[str] = []
    first = run_train(store, word_vectors, tmp_path / "first")
    settings = TrainSettings(
        labelled=(str(store),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "second"),
        model="average",
        test_fraction=0.25,
        seed=1,
        validation=(str(other),),
    )
    second = train(settings, note=told.append)
    kept = unseen(store, tmp_path / "second")
    assert unseen(store, tmp_path / "first") != kept
    assert second.rows_test == len(kept)
    left = sum(row["id"] in {row["id"] for row in kept} for row in rows[:60])
    assert second.rows_validation == 60 - left
    assert f"--validation: {left} rows are left out, because rows kept for the test have their texts" in told
    assert first.rows + first.rows_test == len(rows)


@pytest.mark.usefixtures("training_in_process")
def test_rows_of_several_labels_are_kept_too(rows: list[dict[str, Any]], word_vectors: Vectors, tmp_path: Path) -> None:
    """A row without any of the labels is one of them; one without a list is not."""
    lists = [{**row, "label": [row["label"], "all"] if place % 5 else []} for place, row in enumerate(rows)]
    lists[7]["label"] = None
    summary = run_train(write(tmp_path / "store", lists, 2), word_vectors, tmp_path / "model")
    assert summary.test is not None
    assert "micro_f1" in summary.test
    assert summary.rows + summary.rows_test + summary.rows_without_label == len(rows)
    assert summary.test["rows"] == summary.rows_test == pytest.approx(0.25 * len(rows), abs=5)


@pytest.mark.usefixtures("training_in_process")
def test_too_few_rows_for_a_test_are_refused_and_no_label_loses_its_last_text(
    rows: list[dict[str, Any]], word_vectors: Vectors, tmp_path: Path
) -> None:
    store = write(tmp_path / "store", [{**rows[place], "label": str(place)} for place in range(4)], 1)
    with pytest.raises(
        CorpusError, match=r"no rows for the test: 4 rows have 4 different labels, and a share of 0\.9 is none"
    ):
        run_train(store, word_vectors, tmp_path / "model", test_fraction=0.9)
    rare = [{**row, "label": "rare" if place == 50 else "common"} for place, row in enumerate(rows)]
    summary = run_train(write(tmp_path / "rare", rare, 1), word_vectors, tmp_path / "rare-model", test_fraction=0.5)
    assert summary.labels == ("common", "rare")
    assert summary.rows_test == pytest.approx(0.5 * len(rows), abs=8)


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
def test_two_workers_keep_the_rows_that_one_keeps(
    rows: list[dict[str, Any]], word_vectors: Vectors, tmp_path: Path
) -> None:
    store = write(tmp_path / "store", rows, 4)
    kept = []
    for workers in (1, 2):
        run_train(store, word_vectors, tmp_path / f"model-{workers}", workers=workers)
        kept.append([row["id"] for row in unseen(store, tmp_path / f"model-{workers}")])
    assert kept[0] == kept[1]
    assert len(kept[0]) == pytest.approx(0.25 * len(rows), abs=4)


def test_equal_texts_are_on_one_side(rows: list[dict[str, Any]]) -> None:
    """By their keys, which do not see white space."""
    keys = text_keys(pa.array([row["text"] for row in rows], pa.large_string()))
    assert np.array_equal(keys[:20], keys[ROWS:])
