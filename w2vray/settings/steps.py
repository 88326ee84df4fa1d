"""Settings of every model that learns in steps; a model's own stand in its room."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from w2vray.settings.fields import documented, require, require_choices

__all__ = ["SMALLEST_BATCH", "StepSettings", "default_batch", "epochs_help", "is_whole", "patience_help"]


MOST_EPOCHS, MOST_STEPS, PATIENT_STEPS = 1000, 20_000, 500
"""Small sets have short epochs, and need many of them."""

SMALLEST_BATCH, DOUBLINGS = 32, 5
FEW_EXAMPLES, MANY_EXAMPLES = 10_000, 1_000_000
"""A step has ``SMALLEST_BATCH`` examples up to the first number, ``SMALLEST_BATCH << DOUBLINGS`` from the second on."""

STEP_SIZE = 1e-3
"""The learning rate with ``SMALLEST_BATCH`` examples a step, and with ``--batch-size``."""


def epochs_help(least: int) -> str:
    """Return the help of ``epochs``, for a model that may take so many however large the set is."""
    return (
        f"largest number of passes over the examples. Default: {least} (a small set: as many as take {MOST_STEPS:,} "
        f"steps, up to {MOST_EPOCHS:,})."
    )


def patience_help(least: int) -> str:
    """Return the help of ``patience``, likewise."""
    return (
        f"stop after this many epochs without a better validation loss. Default: {least} (a small set: as many as "
        f"take {PATIENT_STEPS} steps)."
    )


def is_whole(value: object) -> bool:
    """Return whether a setting is a whole number and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def default_batch(examples: int) -> int:
    """Return the default number of examples a step: a power of two that grows with the set."""
    share = math.log(max(examples, 1) / FEW_EXAMPLES, MANY_EXAMPLES / FEW_EXAMPLES)
    return SMALLEST_BATCH << int(DOUBLINGS * min(max(share, 0.0), 1.0))


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """Settings of every model that learns in steps, by AdamW."""

    least_epochs: ClassVar[int] = 30
    least_patience: ClassVar[int] = 4

    dropout: float = documented("share of the features left out in each training step.", 0.5)
    input_dropout: float = documented("share of the vectors' numbers left out in each training step.", 0.05)
    epochs: int | None = documented(epochs_help(30), None)
    patience: int | None = documented(patience_help(4), None)
    batch_size: int | None = documented(
        f"examples per step, over all workers. Default: {SMALLEST_BATCH}, growing with the set to "
        f"{SMALLEST_BATCH << DOUBLINGS:,} (from {MANY_EXAMPLES:,} examples on).",
        None,
    )
    learning_rate: float | None = documented(
        f"AdamW's step size. Default: {STEP_SIZE:g} with --batch-size; otherwise that times the square root of "
        f"(examples per step / {SMALLEST_BATCH}).",
        None,
    )
    weight_decay: float = documented("decoupled weight decay (AdamW).", 0.01)
    clip_norm: float = documented("longest gradient of a step; a longer one is scaled down to it. 0: any length.", 0.0)
    averaging: float = documented(
        "decay of the exponential moving average of the weights, which becomes the model; 0: no average.", 0.998
    )
    refit: bool = documented(
        "train a second time, for the best number of epochs, on the rows kept for validation, too.",
        False,
    )

    def __post_init__(self) -> None:
        require_choices(self)
        for name in ("dropout", "input_dropout", "averaging"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "0 or more, below 1")
        for name in ("epochs", "patience", "batch_size"):
            value = getattr(self, name)
            require(value is None or (is_whole(value) and value > 0), name, value, "a whole number above 0")
        rate = self.learning_rate
        require(rate is None or 0 < rate < float("inf"), "learning_rate", rate, "a number above 0")
        for name in ("weight_decay", "clip_norm"):
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")

    def for_examples(self, examples: int) -> Self:
        """Return the settings with what depends on the number of examples.

        A step of more examples has a gradient of less noise, and may be longer: with Adam by the square root of how
        many times as many they are (Malladi et al. 2022, arXiv:2205.10287).
        """
        batch = default_batch(examples) if self.batch_size is None else self.batch_size
        longer = math.sqrt(batch / SMALLEST_BATCH) if self.batch_size is None else 1.0
        steps = math.ceil(max(examples, 1) / batch)  # of an epoch
        epochs = min(max(self.least_epochs, math.ceil(MOST_STEPS / steps)), MOST_EPOCHS)
        patience = max(self.least_patience, math.ceil(PATIENT_STEPS / steps))
        return replace(
            self,
            batch_size=batch,
            learning_rate=STEP_SIZE * longer if self.learning_rate is None else self.learning_rate,
            epochs=epochs if self.epochs is None else self.epochs,
            patience=patience if self.patience is None else self.patience,
        )

    @property
    def examples_a_step(self) -> int:
        """How many examples a step has, of settings that ``for_examples`` has returned."""
        assert self.batch_size is not None
        return self.batch_size

    @property
    def step_size(self) -> float:
        """AdamW's step size, of settings that ``for_examples`` has returned."""
        assert self.learning_rate is not None
        return self.learning_rate

    @property
    def most_epochs(self) -> int:
        """The largest number of epochs, of settings that ``for_examples`` has returned."""
        assert self.epochs is not None
        return self.epochs

    @property
    def patient_epochs(self) -> int:
        """How many epochs may be no better, of settings that ``for_examples`` has returned."""
        assert self.patience is not None
        return self.patience
