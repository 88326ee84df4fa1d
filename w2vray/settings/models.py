"""Settings of the ``models`` verbs."""

from dataclasses import dataclass

from w2vray.settings.choices import DTYPES
from w2vray.settings.fields import documented, require_choices, require_places

__all__ = ["ImportModelSettings"]


@dataclass(frozen=True, kw_only=True)
class ImportModelSettings:
    """Settings of ``models import``."""

    source: str = documented(
        "Supervised model of fastText: a .bin or .ftz file, plain or packed by gzip, bzip2, xz or zstd.",
        positional=True,
    )
    output: str = documented("Model directory to make, or its URI.", metavar="MODEL")
    label_prefix: str = documented("What each label begins with; it is left out of the labels.", "__label__")
    dtype: str = documented("Type of the numbers of words and n-grams.", "float32", choices=DTYPES)

    def __post_init__(self) -> None:
        require_choices(self)
        require_places(self, "source", "output")
