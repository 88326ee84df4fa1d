"""Labelled sets in JSON Lines and CSV: what is learnt and measured is what the same rows in Parquet give."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.train import train
from w2vray.models.directory import Bundle
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")


@pytest.fixture
def rows(make_store: Callable[..., Path]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(make_store(files=1, rows=60)).to_pylist()
    return found


def write(file: Path, rows: list[dict[str, Any]], damaged: str = "") -> Path:
    """Write rows in the format of a file's ending, a damaged line in their middle."""
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file
    with file.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        if file.suffix == ".csv":
            writer.writeheader()
        for place, row in enumerate(rows):
            if place == 30:
                sink.write(damaged)
            if file.suffix == ".csv":
                writer.writerow(row)
            else:
                sink.write(json.dumps(row) + "\n")
    return file


@pytest.mark.parametrize(
    ("name", "damaged"), [("a.csv", "one cell\n"), ("a.csv", ""), ("a.jsonl", '{"text": cut\n'), ("a.jsonl", "")]
)
def test_a_labelled_set_is_what_it_is_in_parquet_but_for_damaged_lines_which_are_told(
    rows: list[dict[str, Any]], word_vectors: Vectors, tmp_path: Path, name: str, damaged: str
) -> None:
    given: dict[str, Any] = {"vectors": str(word_vectors.path), "model": "average"}
    weights = []
    for file in (write(tmp_path / "a.parquet", rows), write(tmp_path / name, rows, damaged)):
        model = str(tmp_path / f"model-{file.suffix}")
        trained = train(TrainSettings(labelled=(str(file),), output=model, **given))
        measured = evaluate(EvaluateSettings(labelled=(str(file),), model=(model,)))
        expected = {name: 1} if file.name == name and damaged else {}
        assert (trained.rows, measured.metrics.rows) == (60, 60)
        assert (trained.rows_damaged, measured.rows_damaged) == (expected, expected)
        assert (trained.rows_without_label, measured.rows_without_label) == (0, 0)
        weights.append((Bundle.load(model).weights, measured.metrics.as_dict()))
    (ours, found), (theirs, other) = weights
    assert found == other
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
