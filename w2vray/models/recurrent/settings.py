"""Settings of ``lstm`` and ``gru``."""

from dataclasses import dataclass

from w2vray.settings.fields import documented, require
from w2vray.settings.steps import StepSettings, is_whole

__all__ = ["POOLINGS", "GruSettings", "LstmSettings", "RecurrentSettings"]

POOLINGS = ("last", "max")


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
        require(is_whole(self.hidden) and 1 <= self.hidden <= 100_000, "hidden", self.hidden, "1 to 100000")


@dataclass(frozen=True, kw_only=True)
class LstmSettings(RecurrentSettings):
    """Settings of ``lstm``."""


@dataclass(frozen=True, kw_only=True)
class GruSettings(RecurrentSettings):
    """Settings of ``gru``."""
