"""Settings of ``average``."""

from dataclasses import dataclass

from w2vray.settings.steps import StepSettings, is_whole
from w2vray.settings.verbs import documented, require

__all__ = ["AverageSettings", "TunedAverageSettings"]


@dataclass(frozen=True, kw_only=True)
class AverageSettings:
    """Settings of ``average``."""

    C: float = documented("inverse strength of the penalty on the weights, as scikit-learn's (its default: 1).", 10.0)
    iterations: int = documented("L-BFGS iterations at most.", 1000)

    def __post_init__(self) -> None:
        require(0 < self.C < float("inf"), "C", self.C, "a number above 0")
        require(
            is_whole(self.iterations) and self.iterations > 0, "iterations", self.iterations, "a whole number above 0"
        )


@dataclass(frozen=True, kw_only=True)
class TunedAverageSettings(StepSettings):
    """Settings of ``average`` when words are tuned, too: it then learns in steps, as the other models do."""

    dropout: float = documented("share of the features left out in each training step.", 0.0)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.2)
