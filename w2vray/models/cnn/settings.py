"""Settings of ``cnn``."""

from dataclasses import dataclass
from typing import ClassVar

from w2vray.settings.fields import documented, require
from w2vray.settings.steps import StepSettings, epochs_help, is_whole, patience_help

__all__ = ["CnnSettings"]


@dataclass(frozen=True, kw_only=True)
class CnnSettings(StepSettings):
    """Settings of ``cnn``; widths, filters and dropout are Kim's (2014)."""

    widths: tuple[int, ...] = documented(
        "widths of the filters, in words; given once for each width.", (3, 4, 5), metavar="K"
    )
    filters: int = documented("filters of each width.", 100)
    # on few validation rows the loss goes up and down for longer than the recurrent models' does
    least_epochs: ClassVar[int] = 60
    least_patience: ClassVar[int] = 8
    epochs: int | None = documented(epochs_help(60), None)
    patience: int | None = documented(patience_help(8), None)
    weight_decay: float = documented("decoupled weight decay (AdamW).", 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = self.widths
        require(
            bool(widths)
            and all(is_whole(width) and 1 <= width <= 64 for width in widths)
            and len(set(widths)) == len(widths),
            "widths",
            widths,
            "different whole numbers, 1 to 64",
        )
        require(is_whole(self.filters) and 1 <= self.filters <= 100_000, "filters", self.filters, "1 to 100000")
