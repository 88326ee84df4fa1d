"""The weights that ``cnn`` stores, by the names and shapes that torch gives them, without torch."""

from w2vray.models.cnn.settings import CnnSettings

__all__ = ["cnn_shapes"]


def cnn_shapes(settings: CnnSettings, dim: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, width in enumerate(settings.widths):
        shapes[f"convolutions.{index}.weight"] = (settings.filters, dim, width)
        shapes[f"convolutions.{index}.bias"] = (settings.filters,)
    return shapes | {"dense.weight": (classes, settings.filters * len(settings.widths)), "dense.bias": (classes,)}
