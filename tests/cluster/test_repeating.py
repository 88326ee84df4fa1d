"""What a model directory tells of its training, read again: what counts, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2vray.cluster.repeating import Origin, repeated
from w2vray.config import TrainSettings
from w2vray.errors import BundleError, ConfigError, CorpusError

STORED = {
    "labelled": ["/data/labelled"],
    "vectors": "/data/vectors",
    "output": "/data/model",
    "model": "cnn",
    "text_column": ["title", "body"],
    "seed": 7,
    "model_settings": {"filters": 8, "widths": [2, 3]},
}


@pytest.fixture
def tell(make_model: Callable[..., Path]) -> Callable[..., Path]:
    """Make a model directory that tells of a training."""

    def make(**training: Any) -> Path:
        file = make_model("cnn") / "config.json"
        stored = json.loads(file.read_text())
        file.write_text(json.dumps({**stored, "training": training}))
        return file

    return make


def test_settings_given_beside_it_count_instead_of_its_own(tell: Callable[..., Path]) -> None:
    given = {"output": "again", "seed": 1, "model_settings": {"filters": 9}}
    settings, origin = repeated(tell(settings=STORED, data=["a" * 64]), given)
    assert settings == TrainSettings(
        labelled=("/data/labelled",),
        vectors="/data/vectors",
        output="again",
        text_column=("title", "body"),
        seed=1,
        model_settings={"filters": 9, "widths": [2, 3]},
    )
    assert origin.data == ("a" * 64,)


def test_the_options_of_another_model_are_its_own(tell: Callable[..., Path]) -> None:
    folder = tell(settings=STORED, data=["a"]).parent
    settings, _ = repeated(folder, {"output": "again", "model": "gru", "model_settings": {"hidden": 4}})
    assert (settings.model, settings.model_settings) == ("gru", {"hidden": 4})


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"settings": STORED},
        {"settings": [], "data": []},
        {"settings": {**STORED, "colour": 1}, "data": ["a"]},
    ],
)
def test_a_model_that_does_not_tell_is_refused(tell: Callable[..., Path], training: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="does not tell how its model was trained"):
        repeated(tell(**training), {"output": "again"})


@pytest.mark.parametrize("wrong", [{"seed": "x"}, {"model_settings": 3}, {"class_weight": [1]}])
def test_settings_of_a_wrong_kind_are_refused(tell: Callable[..., Path], wrong: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="holds settings that cannot be used"):
        repeated(tell(settings={**STORED, **wrong}, data=["a"]), {"output": "again"})


def test_an_option_that_does_not_go_with_the_stored_ones_is_named(tell: Callable[..., Path]) -> None:
    file = tell(settings={**STORED, "validation": ["/data/kept"]}, data=["a", "b"])
    with pytest.raises(ConfigError, match=r"--validation and --validation-fraction exclude each other.*config.json"):
        repeated(file, {"output": "again", "validation_fraction": 0.2})


def test_other_data_or_vectors_are_refused_by_name() -> None:
    settings = TrainSettings(labelled=("l",), validation=("v",), vectors="words", output="again")
    origin = Origin(Path("config.json"), ("a", "b"), "c")
    origin.require(settings, ["a", "b"], "c")
    with pytest.raises(CorpusError, match=r"l is not what config.json tells of: fingerprint x, expected a"):
        origin.require(settings, ["x", "b"], "c")
    with pytest.raises(CorpusError, match=r"v is not what config.json tells of.* as --validation"):
        origin.require(settings, ["a", "x"], "c")
    with pytest.raises(CorpusError, match=r"tells of 2 labelled stores, and there are 1"):
        origin.require(settings, ["a"], "c")
    with pytest.raises(BundleError, match=r"words holds other vectors than config.json tells of"):
        origin.require(settings, ["a", "b"], "x")
