"""Where a model computes, and how: settings alone, free of torch."""

from dataclasses import dataclass

__all__ = ["Device"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where a model computes, and how.

    ``precision`` is of its matrix products. ``batch_tokens`` bounds a batch, padding counted; None takes batches as
    they are on CPUs.
    """

    name: str = "cpu"
    precision: str = "float32"
    batch_tokens: int | None = None
