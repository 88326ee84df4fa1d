"""The weights that ``average`` stores, by the names and shapes that torch gives them, without torch."""

from w2vray.models.average.settings import AverageSettings, TunedAverageSettings

__all__ = ["average_shapes"]


def average_shapes(_: AverageSettings | TunedAverageSettings, dim: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight."""
    return {"dense.weight": (classes, dim), "dense.bias": (classes,)}
