"""Settings of ``fasttext``."""

from dataclasses import dataclass

from w2vray.settings.fields import documented, require
from w2vray.settings.imported import ImportedSettings

__all__ = ["LOSSES", "FastTextSettings"]

LOSSES = ("softmax", "hs", "ns", "ova")


@dataclass(frozen=True, kw_only=True)
class FastTextSettings(ImportedSettings):
    """Settings of ``fasttext``."""

    loss: str = documented(
        "loss that it was trained with: softmax; hs, hierarchical softmax; ns, negative sampling; ova, one label "
        "against all others.",
        "softmax",
        choices=LOSSES,
    )

    def __post_init__(self) -> None:
        require(self.loss in LOSSES, "loss", self.loss, ", ".join(LOSSES))

    @property
    def independent(self) -> bool:
        """Whether each label has a probability of its own, so that they need not add up to 1."""
        return self.loss != "softmax"
