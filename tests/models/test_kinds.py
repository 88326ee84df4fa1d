from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from w2vray.errors import ConfigError
from w2vray.models.average.settings import AverageSettings
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.kinds import model_settings, names
from w2vray.models.recurrent.settings import GruSettings, LstmSettings

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("kind", [AverageSettings, CnnSettings, LstmSettings, GruSettings])
def test_the_defaults_are_allowed_and_cannot_be_changed(kind: type[Any]) -> None:
    """Settings are checked once, when they are made."""
    settings = kind()

    with pytest.raises(FrozenInstanceError):
        settings.learning_rate = 0.0


def test_the_cnn_has_the_published_shape_where_nothing_else_is_asked_for() -> None:
    """Widths, filters and dropout of Kim (2014)."""
    settings = CnnSettings()

    assert (settings.widths, settings.filters, settings.dropout) == ((3, 4, 5), 100, 0.5)


REFUSED: list[tuple[type[Any], str, list[Any]]] = [
    (AverageSettings, "C", [0, -1, NAN, INFINITY]),
    (AverageSettings, "iterations", [0, -1, 1.5, True]),
    (CnnSettings, "widths", [(), (0,), (-1, 3), (3, 3), (65,), (2.5,), (True, 2)]),
    (CnnSettings, "filters", [0, -1, 100_001, 1.5]),
    (CnnSettings, "dropout", [-0.1, 1, NAN]),
    (CnnSettings, "input_dropout", [-0.1, 1, NAN]),
    (CnnSettings, "epochs", [0, -1, 1.5]),
    (CnnSettings, "patience", [0, -1, 1.5]),
    (CnnSettings, "batch_size", [0, -1, 1.5]),
    (CnnSettings, "learning_rate", [0, -1e-3, NAN, INFINITY]),
    (CnnSettings, "weight_decay", [-1e-3, NAN, INFINITY]),
    (CnnSettings, "clip_norm", [-1e-3, NAN, INFINITY]),
    (LstmSettings, "hidden", [0, -1, 100_001, 1.5, True]),
    (LstmSettings, "pooling", ["mean", ""]),
    (GruSettings, "pooling", ["mean"]),
    (GruSettings, "dropout", [1.0]),
]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        pytest.param(kind, name, value, id=f"{kind.__name__} {name}={value}")
        for kind, name, values in REFUSED
        for value in values
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_the_name_of_its_option(
    kind: type[Any], name: str, value: object
) -> None:
    """The message names the option as it is typed, and the value that was given."""
    with pytest.raises(ConfigError) as refused:
        kind(**{name: value})

    assert str(refused.value).startswith(f"--{name.replace('_', '-')} is {value!r}; allowed: ")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        pytest.param(AverageSettings, "C", 1e-6, id="small C"),
        pytest.param(AverageSettings, "iterations", 1, id="one iteration"),
        pytest.param(CnnSettings, "widths", (64, 1), id="widest and narrowest"),
        pytest.param(CnnSettings, "filters", 100_000, id="most filters"),
        pytest.param(CnnSettings, "dropout", 0, id="no dropout"),
        pytest.param(CnnSettings, "weight_decay", 0, id="no decay"),
        pytest.param(CnnSettings, "batch_size", 1, id="one example a step"),
    ],
)
def test_a_value_at_its_bound_is_allowed(kind: type[Any], name: str, value: object) -> None:
    """Bounds belong to what is allowed."""
    assert getattr(kind(**{name: value}), name) == value


def test_named_models_get_settings_of_their_own() -> None:
    """The name on the command line chooses the class."""
    assert model_settings("average", {"C": 2.0}) == AverageSettings(C=2.0)
    assert model_settings("cnn", {}) == CnnSettings()
    assert names() == ("average", "cnn", "lstm", "gru")


def test_a_list_from_json_is_the_tuple_it_was() -> None:
    """JSON has no tuples."""
    assert model_settings("cnn", {"widths": [2, 3]}) == CnnSettings(widths=(2, 3))


@pytest.mark.parametrize(
    ("model", "option", "owner"),
    [
        pytest.param("average", "filters", "cnn", id="of cnn"),
        pytest.param("cnn", "C", "average", id="of average"),
        pytest.param("cnn", "hidden", "lstm, gru", id="of two"),
    ],
)
def test_an_option_of_another_model_is_refused_naming_both(model: str, option: str, owner: str) -> None:
    """It would have no effect, and whoever typed it would not know."""
    with pytest.raises(ConfigError) as refused:
        model_settings(model, {option: 1})

    assert str(refused.value) == f"--{option} is not an option of the model {model}; it belongs to {owner}"
