"""Thresholds that a model keeps: below its own a label is not relied on. What they promise is said with them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["Thresholds", "spelled_share"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """One threshold for all labels, or one for each; None where a label is never relied on.

    Of rows like those that they were chosen on, at least ``precision`` of the labels that are kept are right, with
    ``confidence``: overall, or, where each label has its own, of each label. ``kept`` is the share of the ``rows`` that
    kept a label.
    """

    values: tuple[float | None, ...]
    precision: float
    confidence: float
    kept: float
    rows: int

    @property
    def limits(self) -> tuple[float, ...]:
        """The probabilities that are needed; infinity where none suffices."""
        return tuple(math.inf if value is None else value for value in self.values)

    def without_promise(self, labels: Sequence[str]) -> list[str]:
        """Return the labels that are never relied on."""
        return [label for label, value in zip(labels, self.values, strict=False) if value is None]

    def as_dict(self) -> dict[str, Any]:
        """Return them as config.json has them."""
        return {**asdict(self), "values": list(self.values)}

    @classmethod
    def from_dict(cls, stored: Any, labels: int, *, multi_label: bool) -> Self:
        """Rebuild what ``as_dict`` gave.

        Raises:
            ValueError: something is of another kind, or they are not as many as there may be.
        """
        values, shares = stored["values"], {name: stored[name] for name in ("precision", "confidence", "kept")}
        if not isinstance(values, list) or len(values) not in ({labels} if multi_label else {1, labels}):
            raise ValueError(f"thresholds are {values!r}; expected one number, or one for each label")
        for value in [*(value for value in values if value is not None), *shares.values()]:
            if type(value) not in {int, float} or not 0 <= value <= 1:
                raise ValueError(f"{value!r} stands among the thresholds; expected a number from 0 to 1")
        if values == [None] * len(values) or type(stored["rows"]) is not int:
            raise ValueError(f"thresholds are {stored!r}; expected at least one number, and rows as a whole number")
        return cls(values=tuple(values), rows=stored["rows"], **shares)


def spelled_share(share: float) -> str:
    """Spell a probability with four digits, or with as many more as it takes that one below 1 does not read as 1.

    Example:
        >>> spelled_share(0.95), spelled_share(0.123456), spelled_share(0.9999999)
        ('0.95', '0.1235', '0.9999999')
    """
    return next(text for digits in range(4, 18) if float(text := f"{share:.{digits}g}") != 1 or share == 1)
