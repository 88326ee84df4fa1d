"""Settings of ``average``."""

from dataclasses import dataclass

from w2vray.settings.fields import documented, require
from w2vray.settings.logistic import UNIT_LENGTH_HELP, LogisticSettings
from w2vray.settings.steps import StepSettings

__all__ = ["AverageSettings", "TunedAverageSettings"]


@dataclass(frozen=True, kw_only=True)
class AverageSettings(LogisticSettings):
    """Settings of ``average``."""


@dataclass(frozen=True, kw_only=True)
class TunedAverageSettings(StepSettings):
    """Settings of ``average`` when words are tuned, too: it then learns in steps, as the other models do."""

    dropout: float = documented("share of the features left out in each training step.", 0.0)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.2)
    unit_length: bool | None = documented(UNIT_LENGTH_HELP, None)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unit_length in (None, True, False), "unit_length", self.unit_length, "true or false")
