"""Settings of each model, free of torch so that the command line can show them at once.

An option that several models have is documented once, in the class that they share; a model states only the defaults
that are its own.
"""

from dataclasses import fields
from typing import Any

from w2vray.errors import ConfigError
from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.settings.verbs import flag

__all__ = ["MODEL_SETTINGS", "ModelSettings", "model_settings", "option_owners", "settings_class"]

ModelSettings = AverageSettings | TunedAverageSettings | CnnSettings | LstmSettings | GruSettings

MODEL_SETTINGS: dict[str, type[ModelSettings]] = {
    "average": AverageSettings,
    "cnn": CnnSettings,
    "lstm": LstmSettings,
    "gru": GruSettings,
}

TUNED_SETTINGS: dict[str, type[ModelSettings]] = {**MODEL_SETTINGS, "average": TunedAverageSettings}
"""The same where words are tuned (``--tune-vectors``)."""


def option_owners() -> dict[str, dict[str, type[ModelSettings]]]:
    """Return who has each option: its name -> model, as a person is told of it -> settings."""
    named = {**MODEL_SETTINGS, "average with --tune-vectors": TunedAverageSettings}
    owners: dict[str, dict[str, type[ModelSettings]]] = {}
    for model, kind in named.items():
        for item in fields(kind):
            owners.setdefault(item.name, {})[model] = kind
    return owners


def settings_class(model: str, *, tuned: bool = False) -> type[ModelSettings]:
    """Return the class of a named model's settings; ``tuned`` where words are tuned."""
    return (TUNED_SETTINGS if tuned else MODEL_SETTINGS)[model]


def model_settings(model: str, given: dict[str, Any], *, tuned: bool = False) -> ModelSettings:
    """Make the settings of a named model from the options that were given; ``tuned`` where words are tuned.

    Raises:
        ConfigError: an option belongs to another model.
    """
    kind: Any = settings_class(model, tuned=tuned)
    own = {item.name for item in fields(kind)}
    for name in given:
        if name not in own:
            of = f"the model {model}" + (" with --tune-vectors" if tuned else "")
            raise ConfigError(
                f"{flag(name)} is not an option of {of}; it belongs to {', '.join(option_owners().get(name, ()))}"
            )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    settings: ModelSettings = kind(**values)
    return settings
