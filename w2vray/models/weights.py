"""The weights that each model stores, by the names and shapes that torch gives them, without torch."""

from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.kinds import ModelSettings
from w2vray.models.recurrent.settings import GruSettings, LstmSettings

__all__ = ["weight_shapes"]


def weight_shapes(settings: ModelSettings, dim: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of ``build_model``'s model."""
    match settings:
        case AverageSettings() | TunedAverageSettings():
            features = dim
            shapes: dict[str, tuple[int, ...]] = {}
        case CnnSettings():
            features = settings.filters * len(settings.widths)
            shapes = {}
            for index, width in enumerate(settings.widths):
                shapes[f"convolutions.{index}.weight"] = (settings.filters, dim, width)
                shapes[f"convolutions.{index}.bias"] = (settings.filters,)
        case LstmSettings() | GruSettings():
            suffixes = ("", "_reverse") if settings.bidirectional else ("",)
            features = settings.hidden * len(suffixes)
            gates = settings.hidden * (4 if isinstance(settings, LstmSettings) else 3)
            shapes = {}
            for suffix in suffixes:
                shapes[f"recurrent.weight_ih_l0{suffix}"] = (gates, dim)
                shapes[f"recurrent.weight_hh_l0{suffix}"] = (gates, settings.hidden)
                shapes[f"recurrent.bias_ih_l0{suffix}"] = (gates,)
                shapes[f"recurrent.bias_hh_l0{suffix}"] = (gates,)
    return shapes | {"dense.weight": (classes, features), "dense.bias": (classes,)}
