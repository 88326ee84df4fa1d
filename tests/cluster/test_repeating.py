"""What a model directory tells of its training, read again: what counts, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from w2vray.cluster.repeating import READ, Origin, repeated
from w2vray.errors import BundleError, ConfigError, CorpusError
from w2vray.models.directory import Bundle
from w2vray.training.settings import TrainSettings

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
    file = tell(settings=STORED, data=["a" * 64])
    settings, origin = repeated(file, given)
    assert settings == TrainSettings(
        labelled=("/data/labelled",),
        vectors="/data/vectors",
        output="again",
        text_column=("title", "body"),
        seed=1,
        model_settings={**asdict(Bundle.load(file.parent).config.settings), "filters": 9},
    )
    assert origin.data == ("a" * 64,)


def test_options_are_those_that_the_model_was_made_with_whatever_the_defaults_are_now(
    tell: Callable[..., Path],
) -> None:
    file = tell(settings={**STORED, "model_settings": {}}, data=["a"])
    settings, _ = repeated(file, {"output": "again"})
    assert settings.model_settings == asdict(Bundle.load(file.parent).config.settings)


def test_options_that_tuned_words_do_not_have_are_left_out(make_model: Callable[..., Path]) -> None:
    file = make_model("average") / "config.json"
    stored = json.loads(file.read_text())
    training = {"settings": {**STORED, "model": "average", "model_settings": {"C": 3.0}}, "data": ["a"]}
    file.write_text(json.dumps({**stored, "training": training}))
    assert "C" in repeated(file, {"output": "again"})[0].model_settings
    settings, _ = repeated(file, {"output": "again", "tune_vectors": True})
    assert settings.model_settings == {"unit_length": None}


def test_one_way_to_validate_takes_the_place_of_the_other(tell: Callable[..., Path]) -> None:
    kept = tell(settings={**STORED, "validation": ["/data/kept"]}, data=["a", "b"])
    settings, _ = repeated(kept, {"output": "again", "validation_fraction": 0.2})
    assert (settings.validation, settings.validation_fraction) == ((), 0.2)
    share = tell(settings={**STORED, "validation_fraction": 0.2}, data=["a"])
    settings, _ = repeated(share, {"output": "again", "validation": ("/data/kept",)})
    assert (settings.validation, settings.validation_fraction) == (("/data/kept",), None)


def test_vectors_that_are_gone_are_those_in_the_model(tell: Callable[..., Path]) -> None:
    file = tell(settings=STORED, data=["a"])
    assert repeated(file, {"output": "again"})[0].vectors == "/data/vectors"
    (file.parent / "vectors").mkdir()
    assert repeated(file, {"output": "again"})[0].vectors == str(file.parent / "vectors")
    assert repeated(file, {"output": "again", "vectors": "v"})[0].vectors == "v"


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
    with pytest.raises(BundleError, match="does not say how its model was trained"):
        repeated(tell(**training), {"output": "again"})


@pytest.mark.parametrize("wrong", [{"seed": "x"}, {"text_column": 3}, {"class_weight": [1]}])
def test_settings_of_a_wrong_kind_are_refused(tell: Callable[..., Path], wrong: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="holds settings that cannot be used"):
        repeated(tell(settings={**STORED, **wrong}, data=["a"]), {"output": "again"})


def test_an_option_that_does_not_go_with_the_stored_ones_is_named(tell: Callable[..., Path]) -> None:
    file = tell(settings=STORED, data=["a"])
    with pytest.raises(ConfigError, match=r"--label-column.*'body'.*config.json"):
        repeated(file, {"output": "again", "label_column": "body"})


def test_other_data_or_vectors_are_refused_by_name() -> None:
    settings = TrainSettings(labelled=("l",), validation=("v",), vectors="words", output="again")
    read = {name: getattr(settings, name) for name in READ}
    origin = Origin(Path("config.json"), ("a", "b"), read, "c")
    origin.require_data(settings, ["a", "b"])
    with pytest.raises(
        CorpusError, match=r"l is not the data that config.json names: its rows, .* have the hash x, expected a"
    ):
        origin.require_data(settings, ["x", "b"])
    with pytest.raises(CorpusError, match=r"v is not the data that config.json names.* as --validation"):
        origin.require_data(settings, ["a", "x"])
    origin.require_data(settings, ["a"])  # a share of the rows takes the place of a set of its own
    replace(origin, data=("a",)).require_data(settings, ["a", "x"])
    origin.require_data(replace(settings, where="n > 3"), ["x", "y"])  # other rows are asked for
    origin.require_vectors(settings, "c")
    with pytest.raises(BundleError, match=r"words holds other vectors than config.json names"):
        origin.require_vectors(settings, "x")
