"""What could not be scored, and why: one class, from the worker that meets it to the manifest that keeps it."""

from dataclasses import dataclass
from typing import Self

from w2vray.errors import FileError
from w2vray.schema import FileReason

__all__ = ["Failure"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that is in no unit, a unit, or a unit because of one of its files; ``reason`` is a ``FileReason``."""

    reason: FileReason
    detail: str
    file: str | None = None
    unit: str | None = None

    @classmethod
    def of(cls, error: FileError, *, unit: str | None = None) -> Self:
        """Return what an error says of a file."""
        return cls(reason=FileReason(error.reason), detail=str(error), file=error.file or None, unit=unit)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.file or f"unit {self.unit}"

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
