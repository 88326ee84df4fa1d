"""Settings of ``train``: frozen, keyword-only, checked on construction; no torch, so that ``--help`` answers at once.

They stand above the models, for which models there are is read from their table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from w2vray.errors import ConfigError
from w2vray.models import kinds
from w2vray.models.wide.settings import LEAST_BITS, MOST_BITS
from w2vray.settings.choices import OOV_CHOICES, STORE_FORMATS
from w2vray.settings.fields import (
    documented,
    flag,
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
    PER_LABEL_HELP,
    SHARED_FILESYSTEM_HELP,
    STRIP_HTML_HELP,
    TABLE_VERSION_HELP,
    TARGET_PRECISION_HELP,
    TEXT_COLUMN_HELP,
    UNLABELLED_HELP,
)

__all__ = ["DEFAULT_VALIDATION_SHARE", "TrainSettings"]

DEFAULT_VALIDATION_SHARE = 0.1

PRECISIONS = ("float32", "bfloat16")

LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 1e6
"""Of a label, in a loss that is computed in float32."""

_WORKERS = re.compile(r"[1-9][0-9]{0,5}(:[1-9][0-9]{0,5})?")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of ``train``; those of the model chosen stand in its room."""

    labelled: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    vectors: str = documented("Vectors directory, or its URI.", metavar="VECTORS", group="Model")
    output: str = documented("Model directory to make, or its URI.", metavar="MODEL", group="Output")
    model: str = documented(
        lambda: f"Kind of classifier: {kinds.summaries()}; {kinds.AUTO}, the best of several, with n-grams.",
        kinds.DEFAULT,
        choices=kinds.choices,
        group="Model",
    )
    time_limit: float | None = documented(
        "With --model auto: begin no further kind of model after so many minutes.",
        None,
        metavar="MINUTES",
        group="Model",
    )
    text_column: tuple[str, ...] = documented(TEXT_COLUMN_HELP, ("text",), metavar="COLUMN", group="Data")
    strip_html: bool = documented(STRIP_HTML_HELP.format("model"), False, group="Data")
    label_column: str = documented(LABEL_COLUMN_HELP, "label", metavar="COLUMN", group="Data")
    label_strip: bool = documented(LABEL_STRIP_HELP, False, group="Data")
    label_separator: str | None = documented(LABEL_SEPARATOR_HELP, None, metavar="TEXT", group="Data")
    unlabelled: tuple[str, ...] = documented(UNLABELLED_HELP, (), metavar="VALUE", group="Data")
    where: str | None = documented(
        "Use only rows of LABELLED and --validation for which this is true, such as \"lang == 'en' and year >= 2020\".",
        None,
        metavar="EXPR",
        group="Data",
    )
    format: str | None = documented(FORMAT_HELP, None, choices=STORE_FORMATS, group="Data")
    delimiter: str | None = documented(DELIMITER_HELP, None, metavar="CHARACTER", group="Data")
    table_version: int | None = documented(
        f"{TABLE_VERSION_HELP} This is for LABELLED, not for --validation.", None, metavar="N", group="Data"
    )
    validation: tuple[str, ...] = documented(
        "Labelled rows for early stopping, in place of a share of LABELLED. May be repeated.",
        (),
        metavar="PATH",
        group="Data",
    )
    validation_fraction: float | None = documented(
        lambda: (
            f"Share of LABELLED kept for early stopping. Default: {DEFAULT_VALIDATION_SHARE:g}; none with --validation "
            f"and for {kinds.fitted_at_once()}, which needs no early stopping."
        ),
        None,
        group="Data",
    )
    test_fraction: float | None = documented(
        "Keep this share of LABELLED apart, learn nothing from it, and measure the model on it at the end. Each label "
        "gives the same share, equal texts stay together, and the same --seed keeps the same rows.",
        None,
        group="Data",
    )
    tune_vectors: bool = documented(
        "Learn vectors for the words of LABELLED with the model, starting from those of VECTORS; the model keeps them.",
        False,
        group="Model",
    )
    ngrams: int | None = documented(
        "Also learn from n-grams, which are runs of up to N words: 1, 2 or 3. Words without a vector count in them.",
        None,
        metavar="N",
        group="Model",
    )
    buckets: int = documented(
        "With --ngrams: hashed buckets that the n-grams share, a power of two.",
        1 << 20,
        metavar="B",
        group="Model",
    )
    prune: float = documented(
        "With --ngrams: leave out this share of the buckets, those that matter least.",
        0.0,
        metavar="SHARE",
        group="Model",
    )
    balanced: bool = documented(
        "Let each label count as much as any other, however many rows have it.", False, group="Training"
    )
    class_weight: tuple[str, ...] = documented(
        "Let the rows of LABEL count W times as much. May be repeated.", (), metavar="LABEL=W", group="Training"
    )
    oov: str = documented(
        lambda: (
            "What the model reads for an out-of-vocabulary word, which has no vector: skip: nothing; zero: zeros; "
            "unknown: a row that all such words share, the table's mean at first, then learnt "
            f"({kinds.fitted_at_once()} keeps the mean); subword: the sum of its n-grams, if VECTORS have them."
        ),
        "skip",
        choices=OOV_CHOICES,
        group="Model",
    )
    calibrate: bool = documented(
        lambda: (
            "Fit a temperature on rows that were not learnt from, so that probabilities mean what they say: on those "
            f"kept for early stopping; for {kinds.fitted_at_once()}, by 5 folds."
        ),
        True,
        group="Training",
    )
    target_precision: float | None = documented(
        lambda: (
            f"{TARGET_PRECISION_HELP} They are chosen on the rows kept for early stopping; for "
            f"{kinds.fitted_at_once()}, by 5 folds."
        ),
        None,
        metavar="P",
        group="Training",
    )
    per_label: bool = documented(PER_LABEL_HELP, False, group="Training")
    confidence: float | None = documented(CONFIDENCE_HELP, None, metavar="C", group="Training")
    workers: str | int = documented(
        "Ray Train workers; MIN:MAX takes as many as there is room for, and goes on from the last epoch with more or "
        "fewer when that changes.",
        1,
        metavar="N|MIN:MAX",
        group="Where it runs",
    )
    shared_filesystem: bool = documented(SHARED_FILESYSTEM_HELP, False, group="Where it runs")
    gpu: bool = documented("Give each worker a GPU.", False, group="Where it runs")
    precision: str = documented(
        "Precision of the training's matrix products; bfloat16 is for GPUs.",
        "float32",
        choices=PRECISIONS,
        group="Training",
    )
    seed: int = documented("Seed for everything random.", 0, group="Training")
    with_vectors: bool = documented(
        "Copy the vectors into the model directory, so that it can be moved.", False, group="Output"
    )
    scratch: str | None = documented(
        "Folder for what the training has done so far, until MODEL is written; all hosts have to see it. Default: "
        "beside MODEL, or in the cache folder where MODEL is a URI.",
        None,
        metavar="DIR",
        group="Output",
    )
    model_settings: Mapping[str, Any] = field(default_factory=dict)  # checked by models/kinds.py

    def __post_init__(self) -> None:
        require_choices(self)
        require_paths(self, "scratch")
        require_places(self, "vectors", "output")
        require_text_columns(self.text_column)
        require_delimiter(self)
        require_version(self.table_version)
        require(self.label_separator != "", "label_separator", "", "at least one character")
        share = self.validation_fraction
        require(share is None or 0 < share < 1, "validation_fraction", share, "above 0, below 1")
        test = self.test_fraction
        require(test is None or 0 < test < 1, "test_fraction", test, "above 0, below 1")
        if self.validation and share is not None:
            raise ConfigError("--validation and --validation-fraction exclude each other; choose one")
        least, most = self.worker_range if _WORKERS.fullmatch(str(self.workers)) else (1, 0)
        require(least <= most, "workers", self.workers, "a whole number above 0, or MIN:MAX of two such")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")
        require(
            all(_is_weight(item) for item in self.class_weight) and len(set(_labels(self))) == len(self.class_weight),
            "class_weight",
            self.class_weight,
            f"LABEL=W with W from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, each label once",
        )
        limit = self.time_limit
        require(limit is None or 0 < limit < float("inf"), "time_limit", limit, "a number of minutes above 0")
        if limit is not None and self.model != kinds.AUTO:
            raise ConfigError("--time-limit is of use with --model auto only; leave it out")
        if self.model == kinds.AUTO and self.tune_vectors:
            raise ConfigError("--model auto tries words of the model's own by itself; leave out --tune-vectors")
        if self.model == kinds.AUTO and self.model_settings:
            given = ", ".join(flag(name) for name in self.model_settings)
            raise ConfigError(f"--model auto takes each model's defaults; leave out {given}, or name a --model")
        require(self.ngrams in {None, 1, 2, 3}, "ngrams", self.ngrams, "1, 2 or 3")
        allowed = {1 << bits for bits in range(LEAST_BITS, MOST_BITS + 1)}
        require(self.buckets in allowed, "buckets", self.buckets, f"a power of two, 1024 to {1 << MOST_BITS}")
        require(0 <= self.prune < 1, "prune", self.prune, "0 or more, below 1")
        if self.ngrams is None and (self.buckets != 1 << 20 or self.prune):
            raise ConfigError("--buckets and --prune are about n-grams; give --ngrams, or leave them out")
        require_promise(self.target_precision, self.confidence, per_label=self.per_label)
        if self.precision != "float32" and not self.gpu:
            raise ConfigError(f"--precision {self.precision} is for GPUs; give --gpu, or leave it out")
        if self.label_column in self.text_column:
            raise ConfigError(f"--label-column {self.label_column!r} is also a --text-column; name two columns")

    @property
    def bucket_bits(self) -> int:
        """The bits of a bucket's number."""
        return self.buckets.bit_length() - 1

    @property
    def worker_range(self) -> tuple[int, int]:
        """The fewest and the most workers."""
        least, _, most = str(self.workers).partition(":")
        return int(least), int(most or least)


def _labels(settings: TrainSettings) -> list[str]:
    return [item.rpartition("=")[0] for item in settings.class_weight]


def _is_weight(item: str) -> bool:
    label, _, weight = item.rpartition("=")
    try:
        return bool(label) and LEAST_WEIGHT <= float(weight) <= MOST_WEIGHT
    except ValueError:
        return False
