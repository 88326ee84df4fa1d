"""Settings of the verbs that measure a model on labelled rows: ``evaluate`` and ``calibrate``."""

from dataclasses import dataclass

from w2vray.settings.choices import STORE_FORMATS
from w2vray.settings.fields import (
    documented,
    require,
    require_choices,
    require_delimiter,
    require_paths,
    require_places,
    require_promise,
    require_text_columns,
    require_version,
)
from w2vray.settings.wording import (
    CONFIDENCE_HELP,
    CORPUS_HELP,
    DELIMITER_HELP,
    FORMAT_HELP,
    LABEL_COLUMN_HELP,
    LABEL_SEPARATOR_HELP,
    LABEL_STRIP_HELP,
    MOVED_VECTORS_HELP,
    PER_LABEL_HELP,
    REMEMBERED,
    SHARED_FILESYSTEM_HELP,
    TABLE_VERSION_HELP,
    TARGET_PRECISION_HELP,
    TEXT_COLUMN_HELP,
    UNLABELLED_HELP,
)

__all__ = ["CalibrateSettings", "EvaluateSettings", "LabelledRows"]


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """What both verbs are told of the labelled rows: where they are, and how they are read."""

    labelled: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    text_column: tuple[str, ...] = documented(TEXT_COLUMN_HELP + REMEMBERED, (), metavar="COLUMN", group="Data")
    label_column: str | None = documented(LABEL_COLUMN_HELP + REMEMBERED, None, metavar="COLUMN", group="Data")
    label_strip: bool | None = documented(LABEL_STRIP_HELP + REMEMBERED, None, group="Data")
    label_separator: str | None = documented(
        f"{LABEL_SEPARATOR_HELP} An empty one splits nothing.{REMEMBERED}", None, metavar="TEXT", group="Data"
    )
    unlabelled: tuple[str, ...] = documented(UNLABELLED_HELP + REMEMBERED, (), metavar="VALUE", group="Data")
    where: str | None = documented(
        "Use only rows for which this is true, as in train.", None, metavar="EXPR", group="Data"
    )
    format: str | None = documented(FORMAT_HELP, None, choices=STORE_FORMATS, group="Data")
    delimiter: str | None = documented(DELIMITER_HELP, None, metavar="CHARACTER", group="Data")
    table_version: int | None = documented(TABLE_VERSION_HELP, None, metavar="N", group="Data")
    workers: int | None = documented(
        "Scoring workers. Default: one per CPU of the cluster.", None, group="Where it runs"
    )
    shared_filesystem: bool = documented(SHARED_FILESYSTEM_HELP, False, group="Where it runs")

    def __post_init__(self) -> None:
        require_choices(self)
        require_places(self, "model", "vectors")
        require_text_columns(self.text_column, remembered=True)
        require_delimiter(self)
        require(self.workers is None or self.workers > 0, "workers", self.workers, "a whole number above 0")
        require_version(self.table_version)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(LabelledRows):
    """Settings of ``evaluate``."""

    model: tuple[str, ...] = documented(
        "Model directory, or its URI. Repeat it to compare other models with the first, on the same rows.",
        metavar="MODEL",
        group="Model",
    )
    vectors: str | None = documented(MOVED_VECTORS_HELP, None, metavar="VECTORS", group="Model")
    output: str | None = documented(
        "Directory to write, new or of an earlier evaluation: report.html, a page to read; metrics.json; and "
        "rows.parquet, with each row's place, text, true and predicted label.",
        None,
        metavar="DIR",
        group="Output",
    )

    def __post_init__(self) -> None:
        require(
            isinstance(self.model, tuple) and len(set(self.model)) == len(self.model) > 0,
            "model",
            self.model,
            "at least one model directory, each once",
        )
        super().__post_init__()
        require_paths(self, "output")


@dataclass(frozen=True, kw_only=True)
class CalibrateSettings(LabelledRows):
    """Settings of ``calibrate``."""

    model: str = documented("Model directory, or its URI.", metavar="MODEL", group="Model")
    vectors: str | None = documented(MOVED_VECTORS_HELP, None, metavar="VECTORS", group="Model")
    output: str = documented("Model directory to make, or its URI.", metavar="MODEL", group="Output")
    target_precision: float | None = documented(TARGET_PRECISION_HELP, None, metavar="P", group="Model")
    per_label: bool = documented(PER_LABEL_HELP, False, group="Model")
    confidence: float | None = documented(CONFIDENCE_HELP, None, metavar="C", group="Model")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_places(self, "output")
        require_promise(self.target_precision, self.confidence, per_label=self.per_label)
