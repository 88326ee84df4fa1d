"""The weights that ``lstm`` and ``gru`` store, by the names and shapes that torch gives them, without torch."""

from w2vray.models.recurrent.settings import LstmSettings, RecurrentSettings

__all__ = ["recurrent_shapes"]


def recurrent_shapes(settings: RecurrentSettings, dim: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight."""
    suffixes = ("", "_reverse") if settings.bidirectional else ("",)
    gates = settings.hidden * (4 if isinstance(settings, LstmSettings) else 3)
    shapes: dict[str, tuple[int, ...]] = {}
    for suffix in suffixes:
        shapes[f"recurrent.weight_ih_l0{suffix}"] = (gates, dim)
        shapes[f"recurrent.weight_hh_l0{suffix}"] = (gates, settings.hidden)
        shapes[f"recurrent.bias_ih_l0{suffix}"] = (gates,)
        shapes[f"recurrent.bias_hh_l0{suffix}"] = (gates,)
    return shapes | {"dense.weight": (classes, settings.hidden * len(suffixes)), "dense.bias": (classes,)}
