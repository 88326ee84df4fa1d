"""Settings of every model that is fitted at once, without steps; a model's own stand in its room."""

from dataclasses import dataclass

from w2vray.settings.fields import documented, require
from w2vray.settings.steps import is_whole

__all__ = ["UNIT_LENGTH_HELP", "LogisticSettings"]

UNIT_LENGTH_HELP = (
    "scale each text's mean to length 1. Default: what the model2vec or sentence-transformers model does that the "
    "vectors come from; off for other vectors."
)


@dataclass(frozen=True, kw_only=True)
class LogisticSettings:
    """Settings of a model that is logistic regression on the mean of a text's vectors, fitted to its optimum.

    Such a model needs no rows for validation, and the special row of out-of-vocabulary words stays as it starts. Its
    network has one layer, ``dense``, above the mean, which it scales to length 1 where ``unit_length`` says so.
    """

    C: float = documented("inverse strength of the penalty on the weights, as scikit-learn's (its default: 1).", 10.0)
    iterations: int = documented("largest number of passes over the examples.", 1000)
    unit_length: bool | None = documented(UNIT_LENGTH_HELP, None)

    def __post_init__(self) -> None:
        require(0 < self.C < float("inf"), "C", self.C, "a number above 0")
        require(
            is_whole(self.iterations) and self.iterations > 0, "iterations", self.iterations, "a whole number above 0"
        )
        require(self.unit_length in (None, True, False), "unit_length", self.unit_length, "true or false")
