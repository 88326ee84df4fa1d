"""Settings of ``plan``: those of ``score`` that the answers and the time depend on, and its own."""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from w2vray.settings.answering import ScoreSettings
from w2vray.settings.fields import documented, require, require_paths

__all__ = ["PlanSettings"]


def _of_score(name: str) -> Any:
    """Declare a field as ``score`` has it."""
    (item,) = (item for item in fields(ScoreSettings) if item.name == name)
    assert item.default is not MISSING
    return field(default=item.default, metadata=item.metadata)


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """Settings of ``plan``."""

    corpus: tuple[str, ...] = documented(fields(ScoreSettings)[0].metadata["help"], positional=True)
    model: str = documented("Model directory, or its URI.", metavar="MODEL", group="Model")
    sample: int = documented("How many rows to score for the forecast.", 20_000, metavar="ROWS")
    seed: int = documented("Another seed scores other rows.", 0)
    price_per_core_hour: float | None = documented(
        "Price of a CPU core for an hour, in any currency; gives the cost.", None, metavar="P"
    )
    output: str | None = documented(
        "Write the forecast into this JSON file: score --plan then says how far it was off.",
        None,
        metavar="PATH",
        group="Output",
    )
    vectors: str | None = _of_score("vectors")
    text_column: tuple[str, ...] = _of_score("text_column")
    keep: tuple[str, ...] = _of_score("keep")
    probabilities: bool = _of_score("probabilities")
    top_k: int | None = _of_score("top_k")
    threshold: float | None = _of_score("threshold")
    no_threshold: bool = _of_score("no_threshold")
    where: str | None = _of_score("where")
    limit: int | None = _of_score("limit")
    table_version: int | None = _of_score("table_version")
    max_bytes: int = _of_score("max_bytes")
    truncate: bool = _of_score("truncate")
    null_as_empty: bool = _of_score("null_as_empty")
    format: str | None = _of_score("format")
    delimiter: str | None = _of_score("delimiter")
    projection_cache: int = _of_score("projection_cache")
    workers: int | None = documented(
        "Scoring workers of the run, each on a core. Default: one per CPU of this machine.", None, group="Where it runs"
    )

    def __post_init__(self) -> None:
        require_paths(self, "output")
        for name in ("sample", "workers"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "a whole number above 0")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")
        price = self.price_per_core_hour
        require(price is None or 0 <= price < float("inf"), "price_per_core_hour", price, "0 or more")
        self.scoring(".")

    def scoring(self, output: str) -> ScoreSettings:
        """Return the settings of the run that is forecast."""
        own = {item.name for item in fields(self)} - {"sample", "seed", "price_per_core_hour", "output"}
        return ScoreSettings(output=output, **{name: getattr(self, name) for name in own})
