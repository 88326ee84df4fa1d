"""Which of two models is better on the same rows, and whether the rows suffice to tell."""

from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["CONFIDENCE", "Comparison"]

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A model held against the first one. ``difference`` is its accuracy less the first one's.

    Only rows on which one of both is right tell the two apart. Were the models equally good, each of these rows would
    be a fair coin. ``p`` is the exact test of that (McNemar's, with binomial probabilities), and ``low`` to ``high``
    the interval of the difference that goes with it (Clopper and Pearson's, of those rows).
    """

    first: str
    model: str
    rows: int
    only_first_right: int
    only_model_right: int
    difference: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, first: str, model: str, *, rows: int, only_first: int, only_model: int) -> Self:
        """Compare by how many rows only one of both has right."""
        differing = only_first + only_model
        low = high = 0.0
        p = 1.0
        if differing:
            from scipy.stats import binomtest  # noqa: PLC0415 - it takes half a second, and only comparisons need it

            test = binomtest(only_model, differing)
            interval = test.proportion_ci(CONFIDENCE, method="exact")
            low, high = ((2 * float(share) - 1) * differing / rows for share in (interval.low, interval.high))
            p = float(test.pvalue)
        return cls(
            first=first,
            model=model,
            rows=rows,
            only_first_right=only_first,
            only_model_right=only_model,
            difference=(only_model - only_first) / max(rows, 1),
            low=low,
            high=high,
            p=p,
        )

    @property
    def better(self) -> str | None:
        """The model that is better; None where the rows do not suffice to tell."""
        if self.low <= 0 <= self.high:
            return None
        return self.model if self.difference > 0 else self.first

    @property
    def sentence(self) -> str:
        """What a person is told."""
        interval = f"{100 * self.low:+.2f} to {100 * self.high:+.2f} points with {CONFIDENCE:.0%} confidence"
        found = (
            f"accuracy of {self.model} less that of {self.first}: {100 * self.difference:+.2f} points ({interval}; "
            f"only {self.model} is right on {self.only_model_right:,} rows, only {self.first} on "
            f"{self.only_first_right:,})"
        )
        told = f"{self.better} is better" if self.better else "these rows do not suffice to tell which is better"
        return f"{told}: {found}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "better": self.better}
