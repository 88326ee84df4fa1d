"""Settings of ``explain``."""

from dataclasses import dataclass

from w2vray.settings.fields import documented, require, require_places
from w2vray.settings.wording import MOVED_VECTORS_HELP

__all__ = ["ExplainSettings"]


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
    """Settings of ``explain``."""

    model: str = documented("Model directory, or its URI.", positional=True)
    vectors: str | None = documented(MOVED_VECTORS_HELP, None, metavar="VECTORS")
    label: tuple[str, ...] = documented(
        "Explain this label. May be repeated. Default: every label.", (), metavar="LABEL"
    )
    top: int = documented(
        "Words and n-grams that speak for each label, and as many that speak against it.", 10, metavar="N"
    )

    def __post_init__(self) -> None:
        require_places(self, "model", "vectors")
        require(self.top > 0, "top", self.top, "a whole number above 0")
        require(len(set(self.label)) == len(self.label), "label", self.label, "each label once")
