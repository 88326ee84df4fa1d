"""Settings of ``average``."""

from dataclasses import dataclass

from w2vray.settings.logistic import LogisticSettings
from w2vray.settings.steps import StepSettings
from w2vray.settings.verbs import documented

__all__ = ["AverageSettings", "TunedAverageSettings"]


@dataclass(frozen=True, kw_only=True)
class AverageSettings(LogisticSettings):
    """Settings of ``average``."""


@dataclass(frozen=True, kw_only=True)
class TunedAverageSettings(StepSettings):
    """Settings of ``average`` when words are tuned, too: it then learns in steps, as the other models do."""

    dropout: float = documented("share of the features left out in each training step.", 0.0)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.2)
