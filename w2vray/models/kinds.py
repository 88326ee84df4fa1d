"""Settings of each model, free of torch so that the command line can show them at once.

An option that several models have is documented once, in the class that they share; a model states only the defaults
that are its own.
"""

from dataclasses import dataclass, fields
from typing import Any

from w2vray.errors import ConfigError
from w2vray.settings.verbs import documented, flag, require, require_choices

__all__ = [
    "MODEL_SETTINGS",
    "AverageSettings",
    "CnnSettings",
    "GruSettings",
    "LstmSettings",
    "ModelSettings",
    "RecurrentSettings",
    "StepSettings",
    "TunedAverageSettings",
    "model_settings",
    "option_owners",
    "settings_class",
]

POOLINGS = ("last", "max")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class AverageSettings:
    """Settings of ``average``."""

    C: float = documented("inverse strength of the penalty on the weights, as scikit-learn's (its default: 1).", 10.0)
    iterations: int = documented("L-BFGS iterations at most.", 1000)

    def __post_init__(self) -> None:
        require(0 < self.C < float("inf"), "C", self.C, "a number above 0")
        require(
            _whole(self.iterations) and self.iterations > 0, "iterations", self.iterations, "a whole number above 0"
        )


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """Settings of every model that learns in steps, by AdamW."""

    dropout: float = documented("share of the features left out in each training step.", 0.5)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.05)
    epochs: int = documented("times to go through the examples at most.", 30)
    patience: int = documented("stop after this many epochs without a better validation loss.", 4)
    batch_size: int = documented("examples a step, over all workers.", 32)
    learning_rate: float = documented("AdamW's step size.", 1e-3)
    weight_decay: float = documented("decoupled weight decay (AdamW).", 0.01)
    clip_norm: float = documented("longest gradient of a step; a longer one is scaled down to it. 0: any length.", 0.0)
    averaging: float = documented(
        "decay of the exponential moving average of the weights, which becomes the model; 0: no average.", 0.998
    )
    refit: bool = documented(
        "when the best number of epochs is known, train again that long on all of LABELLED, the share kept for "
        "validation included.",
        False,
    )

    def __post_init__(self) -> None:
        require_choices(self)
        for name in ("dropout", "input_dropout", "averaging"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "0 or more, below 1")
        for name in ("epochs", "patience", "batch_size"):
            value = getattr(self, name)
            require(_whole(value) and value > 0, name, value, "a whole number above 0")
        require(0 < self.learning_rate < float("inf"), "learning_rate", self.learning_rate, "a number above 0")
        for name in ("weight_decay", "clip_norm"):
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")


@dataclass(frozen=True, kw_only=True)
class TunedAverageSettings(StepSettings):
    """Settings of ``average`` when words are tuned, too: it then learns in steps, as the other models do."""

    dropout: float = documented("share of the features left out in each training step.", 0.0)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.2)


@dataclass(frozen=True, kw_only=True)
class CnnSettings(StepSettings):
    """Settings of ``cnn``; widths, filters and dropout are Kim's (2014)."""

    widths: tuple[int, ...] = documented(
        "widths of the filters, in words; given once for each width.", (3, 4, 5), metavar="K"
    )
    filters: int = documented("filters of each width.", 100)
    # on few validation rows the loss goes up and down for longer than the recurrent models' does
    epochs: int = documented("times to go through the examples at most.", 60)
    patience: int = documented("stop after this many epochs without a better validation loss.", 8)
    weight_decay: float = documented("decoupled weight decay (AdamW).", 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = self.widths
        require(
            bool(widths)
            and all(_whole(width) and 1 <= width <= 64 for width in widths)
            and len(set(widths)) == len(widths),
            "widths",
            widths,
            "different whole numbers, 1 to 64",
        )
        require(_whole(self.filters) and 1 <= self.filters <= 100_000, "filters", self.filters, "1 to 100000")


@dataclass(frozen=True, kw_only=True)
class RecurrentSettings(StepSettings):
    """Settings of ``lstm`` and ``gru``."""

    hidden: int = documented("numbers in the state, of each direction.", 128)
    bidirectional: bool = documented("read the text from its end too, with a state of its own.", False)
    pooling: str = documented(
        "features of a text: the state after its last word, or the largest value of each number of the states.",
        "last",
        choices=POOLINGS,
    )
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.2)
    clip_norm: float = documented("longest gradient of a step; a longer one is scaled down to it. 0: any length.", 5.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(_whole(self.hidden) and 1 <= self.hidden <= 100_000, "hidden", self.hidden, "1 to 100000")


@dataclass(frozen=True, kw_only=True)
class LstmSettings(RecurrentSettings):
    """Settings of ``lstm``."""


@dataclass(frozen=True, kw_only=True)
class GruSettings(RecurrentSettings):
    """Settings of ``gru``."""


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
