"""Settings of verbs that check and show what is there: ``verify``, ``sample``, ``evaluate --of-run`` and the like."""

from dataclasses import dataclass

from w2vray.errors import ConfigError
from w2vray.settings.fields import documented, require, require_choices, require_paths, require_places

__all__ = [
    "EvaluateRunSettings",
    "InfoSettings",
    "ReportSettings",
    "SampleSettings",
    "StatusSettings",
    "VerifySettings",
]

SAMPLED_BY = ("random", "label", "uncertain")


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Settings of ``sample``."""

    run: str = documented("Directory or URI of a finished scoring run.", positional=True)
    rows: int = documented("How many rows to draw.", metavar="N")
    output: str = documented(
        "CSV file to write: text, label, score, an empty column true_label to fill in, and where the row is.",
        metavar="PATH",
        group="Output",
    )
    by: str = documented(
        "random: each row with the same chance. label: the same number of rows of each label. uncertain: more of the "
        "rows with a low score, and rows below a threshold, which the others leave out. evaluate --of-run corrects for "
        "the choice.",
        "random",
        choices=SAMPLED_BY,
    )
    seed: int = documented("Another seed draws other rows.", 0)
    corpus: tuple[str, ...] = documented(
        "The store, as it was given to score; needed if it was moved, or if its URI contains a key.",
        (),
        metavar="PATH",
        group="Data",
    )

    def __post_init__(self) -> None:
        require_choices(self)
        require_paths(self, "output")
        require(self.rows > 0, "rows", self.rows, "a whole number above 0")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")


@dataclass(frozen=True, kw_only=True)
class EvaluateRunSettings:
    """Settings of ``evaluate --of-run``."""

    labelled: str = documented("CSV file that sample wrote, with true_label filled in.", positional=True)
    run: str = documented("Directory or URI of the run that the rows were drawn from.", metavar="RUN")

    def __post_init__(self) -> None:
        require_paths(self, "labelled")


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Settings of ``report``."""

    path: str = documented("A finished scoring run (directory or URI), or a model directory.", positional=True)
    model: str | None = documented(
        "Of a run: its model, for what the training set was like. Default: what the last page knew.",
        None,
        metavar="MODEL",
        group="Model",
    )
    corpus: tuple[str, ...] = documented(
        "Of a run: the store, as it was given to score; needed if it was moved, or if its URI contains a key.",
        (),
        metavar="PATH",
        group="Data",
    )

    def __post_init__(self) -> None:
        require_places(self, "model")


@dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """Settings of ``verify``."""

    run: str = documented("Directory or URI of a scoring run.", positional=True)
    deep: bool = documented("Also check that the store's files are still those that were scored.", False)
    corpus: tuple[str, ...] = documented(
        "With --deep: the store, as it was given to score; needed if it was moved, or if its URI contains a key.",
        (),
        metavar="PATH",
    )

    def __post_init__(self) -> None:
        if self.corpus and not self.deep:
            raise ConfigError("--corpus is used only with --deep; add --deep")


@dataclass(frozen=True, kw_only=True)
class StatusSettings:
    """Settings of ``status``."""

    run: str = documented("Directory or URI of a scoring run, which may be going on.", positional=True)


@dataclass(frozen=True, kw_only=True)
class InfoSettings:
    """Settings of ``info``."""

    path: str = documented("Vectors, a model, a run, or files of a store.", positional=True)
