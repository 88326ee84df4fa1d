"""Answers to labelled rows, put together from units, and the calibration error that ``evaluate`` tells of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from w2vray.cluster import answered_rows
from w2vray.cluster.answered_rows import AnsweredRows, as_bytes, from_bytes
from w2vray.cluster.evaluate import evaluate
from w2vray.scoring.calibration_error import CalibrationError, calibration_error
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.labelled import EvaluateSettings


def some(rows: int, seed: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    keys_N = random.integers(0, 2**64, rows, dtype=np.uint64)
    return keys_N, random.random(rows, dtype=np.float32), random.random(rows) < 0.5


def test_units_in_any_order_give_one_error() -> None:
    parts = [some(rows, seed) for seed, rows in enumerate((40, 3, 0, 77))]
    forth, back = AnsweredRows(None), AnsweredRows(None)
    for into, order in ((forth, parts), (back, parts[::-1])):
        for part in order:
            of_unit = AnsweredRows(None)
            of_unit.add(*part)
            from_bytes([into], as_bytes([of_unit]))
    assert forth.calibration() == back.calibration() is not None
    assert len(forth.sure) == 120


def test_of_very_many_rows_the_same_sample_is_kept_whatever_the_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answered_rows, "MOST_NUMBERS", 100)
    keys_N, sure_N, right_N = some(1000, 0)
    at_once, by_parts = AnsweredRows(None), AnsweredRows(None)
    at_once.add(keys_N, sure_N, right_N)
    for start in range(0, 1000, 130):
        of_unit = AnsweredRows(None)
        of_unit.add(*(values[start : start + 130] for values in (keys_N, sure_N, right_N)))
        from_bytes([by_parts], as_bytes([of_unit]))
    assert 40 < len(at_once.sure) <= 100
    assert by_parts.up_to == at_once.up_to
    assert sorted(by_parts.keys_N) == sorted(at_once.keys_N)
    assert at_once.calibration() == by_parts.calibration()


@pytest.mark.usefixtures("training_in_process")
def test_evaluate_tells_the_error_of_the_rows_that_got_an_answer(
    make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    store, model, output = make_store(files=2, rows=60), make_model(), tmp_path / "measured"
    found = evaluate(EvaluateSettings(labelled=(str(store),), model=(str(model),), output=str(output)))

    rows = [row for row in pq.read_table(store).to_pylist() if None not in {row["label"], row["text"]}]
    scores = TextScorer.load(model).score([row["text"] for row in rows])
    answered_N = scores.label_N >= 0
    true_N = np.array([row["label"] for row in rows], dtype=object)
    right_N = np.array(scores.labels, dtype=object)[scores.label_N] == true_N
    expected = calibration_error(scores.probabilities_NC.max(axis=1)[answered_N], right_N[answered_N])
    assert found.calibration is not None
    assert found.calibration.error == pytest.approx(expected)
    assert found.calibration.rows == int(answered_N.sum())
    assert 0 < found.calibration.by_chance < 0.3
    stored = json.loads((output / "metrics.json").read_text())
    assert stored["calibration"] == found.calibration.as_dict()


def test_many_labels_have_the_mean_of_each_label_by_itself() -> None:
    sure_NC = np.array([[0.9, 0.2], [0.7, 0.4]], dtype=np.float32)
    right_NC = np.array([[True, False], [True, False]])
    found = CalibrationError.of(sure_NC, right_NC)
    assert found is not None
    assert found.error == pytest.approx(np.mean([np.mean([0.1, 0.3]), np.mean([0.2, 0.4])]))
    assert CalibrationError.of(sure_NC[:0], right_NC[:0]) is None
