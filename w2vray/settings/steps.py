"""Settings of every model that learns in steps; a model's own stand in its room."""

from dataclasses import dataclass

from w2vray.settings.fields import documented, require, require_choices

__all__ = ["StepSettings", "is_whole"]


def is_whole(value: object) -> bool:
    """Return whether a setting is a whole number and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """Settings of every model that learns in steps, by AdamW."""

    dropout: float = documented("share of the features left out in each training step.", 0.5)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.05)
    epochs: int = documented("largest number of passes over the examples.", 30)
    patience: int = documented("stop after this many epochs without a better validation loss.", 4)
    batch_size: int = documented("examples per step, over all workers.", 32)
    learning_rate: float = documented("AdamW's step size.", 1e-3)
    weight_decay: float = documented("decoupled weight decay (AdamW).", 0.01)
    clip_norm: float = documented("longest gradient of a step; a longer one is scaled down to it. 0: any length.", 0.0)
    averaging: float = documented(
        "decay of the exponential moving average of the weights, which becomes the model; 0: no average.", 0.998
    )
    refit: bool = documented(
        "train a second time, for the best number of epochs, on all of LABELLED, with the rows kept for validation.",
        False,
    )

    def __post_init__(self) -> None:
        require_choices(self)
        for name in ("dropout", "input_dropout", "averaging"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "0 or more, below 1")
        for name in ("epochs", "patience", "batch_size"):
            value = getattr(self, name)
            require(is_whole(value) and value > 0, name, value, "a whole number above 0")
        require(0 < self.learning_rate < float("inf"), "learning_rate", self.learning_rate, "a number above 0")
        for name in ("weight_decay", "clip_norm"):
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")
