"""Models of ``train`` are calibrated, unless somebody says otherwise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2vray.cluster.repeating import repeated
from w2vray.cluster.train import TrainSummary, train
from w2vray.models.directory import Bundle
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")


@pytest.fixture
def trained(make_store: Callable[..., Path], word_vectors: Vectors, tmp_path: Path) -> Callable[..., TrainSummary]:
    store = make_store(files=1, rows=200)

    def run(name: str, **given: Any) -> TrainSummary:
        output = str(tmp_path / name)
        return train(TrainSettings(labelled=(str(store),), vectors=str(word_vectors.path), output=output, **given))

    return run


@pytest.mark.parametrize("model", ["average", "cnn"])
def test_a_model_keeps_the_temperature_that_its_summary_tells(trained: Callable[..., TrainSummary], model: str) -> None:
    options = {} if model == "average" else {"epochs": 2, "filters": 4}
    summary = trained("model", model=model, model_settings=options)
    (temperature,) = summary.temperatures
    assert 0.3 < temperature < 3
    assert temperature != 1.0
    stored = json.loads((Path(summary.model) / "config.json").read_text())
    assert (stored["temperatures"], stored["format_version"]) == ([temperature], 3)
    assert f"temperature {temperature:.3g}" in (Path(summary.model) / "README.md").read_text()


def test_a_second_fit_keeps_the_temperature_of_the_first(trained: Callable[..., TrainSummary]) -> None:
    """The second one has no rows that it did not learn from."""
    options = {"epochs": 2, "filters": 4}
    once = trained("once", model="cnn", model_settings=options)
    twice = trained("twice", model="cnn", model_settings=options | {"refit": True})
    assert once.temperatures == twice.temperatures != ()


def test_calibration_changes_probabilities_and_no_label(trained: Callable[..., TrainSummary]) -> None:
    calibrated = Bundle.load(trained("calibrated", model="average").model)
    plain = Bundle.load(trained("plain", model="average", calibrate=False).model)
    assert plain.config.temperatures == ()
    assert plain.config.as_dict()["format_version"] == 2
    assert plain.fingerprint != calibrated.fingerprint
    for name, weights in plain.weights.items():
        np.testing.assert_array_equal(weights, calibrated.weights[name])


def test_a_training_of_before_is_repeated_without(trained: Callable[..., TrainSummary], tmp_path: Path) -> None:
    file = Path(trained("old", model="average", calibrate=False).model) / "config.json"
    stored = json.loads(file.read_text())
    del stored["training"]["settings"]["calibrate"]
    file.write_text(json.dumps(stored))
    settings, _ = repeated(file, {"output": str(tmp_path / "again")})
    assert not settings.calibrate
