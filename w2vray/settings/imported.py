"""Settings of every model that is imported, and not trained here; a model's own stand in its room."""

from dataclasses import dataclass

__all__ = ["ImportedSettings"]


@dataclass(frozen=True, kw_only=True)
class ImportedSettings:
    """Settings of a model that another program has trained: what it computes, and not how it learnt."""
