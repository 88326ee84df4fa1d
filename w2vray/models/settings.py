"""Settings of each model, free of torch so that the command line can show them at once."""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from w2vray.config import documented, flag, require
from w2vray.errors import ConfigError

__all__ = ["MODEL_SETTINGS", "AverageSettings", "CnnSettings", "ModelSettings", "OptimizerDefaults", "model_settings"]


@dataclass(frozen=True, kw_only=True)
class OptimizerDefaults:
    """How a model is trained where nothing else is asked for."""

    learning_rate: float
    weight_decay: float
    epochs: int
    patience: int


@dataclass(frozen=True, kw_only=True)
class AverageSettings:
    """Settings of ``average``: it has none."""

    optimizer: ClassVar = OptimizerDefaults(learning_rate=0.02, weight_decay=0.0, epochs=60, patience=6)


@dataclass(frozen=True, kw_only=True)
class CnnSettings:
    """Settings of ``cnn``; the defaults are Kim's (2014)."""

    optimizer: ClassVar = OptimizerDefaults(learning_rate=1e-3, weight_decay=0.0, epochs=20, patience=3)

    widths: tuple[int, ...] = documented("cnn: widths of the filters, in words.", (3, 4, 5), metavar="K")
    filters: int = documented("cnn: filters of each width.", 100)
    dropout: float = documented("cnn: share of the features left out in each training step.", 0.5)

    def __post_init__(self) -> None:
        widths = self.widths
        require(
            bool(widths) and all(1 <= width <= 64 for width in widths) and len(set(widths)) == len(widths),
            "widths",
            widths,
            "different whole numbers, 1 to 64",
        )
        require(1 <= self.filters <= 100_000, "filters", self.filters, "1 to 100000")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "0 or more, below 1")


ModelSettings = AverageSettings | CnnSettings

MODEL_SETTINGS: dict[str, type[ModelSettings]] = {"average": AverageSettings, "cnn": CnnSettings}


def model_settings(model: str, given: dict[str, Any]) -> ModelSettings:
    """Make the settings of a named model from the options that were given.

    Raises:
        ConfigError: an option belongs to another model.
    """
    own = {item.name: item for item in fields(MODEL_SETTINGS[model])}
    for name in given:
        if name not in own:
            others = [other for other, kind in MODEL_SETTINGS.items() if name in {f.name for f in fields(kind)}]
            raise ConfigError(f"{flag(name)} is not an option of the model {model}; it belongs to {', '.join(others)}")
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return MODEL_SETTINGS[model](**tuples)


def as_dict(settings: ModelSettings) -> dict[str, Any]:
    """Return settings as JSON can hold them."""
    return asdict(settings)
