"""Settings of each verb: frozen, keyword-only, checked on construction.

A field's ``help`` is its documentation; the command line is made from these classes, so an option is described in
one place. Those of the ``vectors`` verbs are in ``vectors.py``, those of ``train`` in ``w2vray/training/settings.py``,
above the models that it offers; a model's own stand in its room.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from w2vray.artefacts import no_path_because
from w2vray.errors import ConfigError

__all__ = [
    "CalibrateSettings",
    "EvaluateSettings",
    "InfoSettings",
    "PredictSettings",
    "ScoreSettings",
    "VerifySettings",
    "choices_of",
    "documented",
    "flag",
    "help_of",
    "require",
    "require_choices",
    "require_delimiter",
    "require_paths",
    "require_promise",
    "require_text_columns",
    "require_version",
]

DTYPES = ("float32", "float16")
FAMILIES = ("plain", "glove", "googlenews", "fasttext", "cased", "uncased", "twitter")
ON_BAD = ("record", "skip", "fail")
OOV_CHOICES = ("skip", "zero", "unknown", "subword")
SPECIAL_OOV = ("zero", "unknown")  # one row of the model's own stands for every word without a vector
STORE_FORMATS = ("parquet", "jsonl", "csv", "fasttext")
EXPLAIN_METHODS = ("model", "occlusion")
SCORE_PRECISIONS = ("float32", "tf32", "bfloat16")

PROJECTION_CACHE = 128
BATCH_TOKENS, LEAST_TOKENS, MOST_TOKENS = 1 << 18, 1 << 10, 1 << 24
"""Of a batch on a GPU."""


def documented(
    help: str | Callable[[], str],  # noqa: A002 - the field's own word, as in click and argparse
    default: Any = MISSING,
    *,
    metavar: str | None = None,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    positional: bool = False,
    group: str = "",
) -> Any:
    """Declare a field together with the text that ``--help`` shows for it.

    What may change while the program runs, as the models do, is given as a function: see ``help_of``, ``choices_of``.
    ``group`` is the heading that ``--help`` shows it under.
    """
    metadata = {"help": help, "metavar": metavar, "choices": choices, "positional": positional, "group": group}
    return field(default=default, metadata=metadata)


def help_of(item: Field[Any]) -> str:
    """Return the text that ``--help`` shows for a field that was declared with one."""
    text: str | Callable[[], str] = item.metadata["help"]
    return text() if callable(text) else text


def choices_of(item: Field[Any]) -> tuple[str, ...]:
    """Return the values that a field allows; none where it allows any."""
    choices: Sequence[str] | Callable[[], Sequence[str]] = item.metadata.get("choices", ())
    return tuple(choices() if callable(choices) else choices)


def flag(name: str) -> str:
    """Spell a field's name as a person types it: ``text_column`` -> ``--text-column``."""
    return "--" + name.replace("_", "-")


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise a ConfigError that names the option, the value given and what is allowed."""
    if not condition:
        raise ConfigError(f"{flag(name)} is {value!r}; allowed: {allowed}")


def require_paths(settings: Any, *names: str) -> None:
    """Check that places which are opened by their path are none that only look so: a URI would become a folder."""
    for name in names:
        value = getattr(settings, name)
        for place in value if isinstance(value, tuple) else (value,):
            why = "its files are opened by their path, so it has to be on this machine" if "://" in str(place) else ""
            if place is not None and (why := why or no_path_because(str(place))):
                shown = re.sub("//[^/]*@", "//", str(place).partition("?")[0])  # without a key
                raise ConfigError(f"{name.upper()} is {shown!r}: {why}")


def require_choices(settings: Any) -> None:
    """Check each field that declares choices against them."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        choices = choices_of(item)
        if choices and value is not None:
            require(value in choices, item.name, value, ", ".join(choices))


def require_delimiter(settings: Any) -> None:
    """Check what is said of the cells of CSV."""
    value = settings.delimiter
    if value is None:
        return
    plain = value in {"tab", "\\t"} or (len(value) == 1 and value.isascii() and value not in '"\r\n\0')
    require(plain, "delimiter", value, "one ASCII character other than a quote or a line end, or tab")
    if settings.format not in {None, "csv"}:
        raise ConfigError(f"--delimiter is for CSV, and --format is {settings.format}; leave out one of them")


def require_text_columns(columns: tuple[str, ...], *, remembered: bool = False) -> None:
    """Check that there is a column of texts, unless a model remembers it, and each once."""
    require(remembered or bool(columns), "text_column", columns, "the name of at least one column")
    require(len(set(columns)) == len(columns), "text_column", columns, "each column once")


def require_version(version: int | None) -> None:
    """Check that a table can have such a version."""
    require(version is None or version >= 0, "table_version", version, "0 or more")


CORPUS_HELP = (
    "Parquet, JSON Lines or CSV: files, directories (searched recursively), globs or URIs; or Delta Lake and Iceberg "
    "tables."
)
FORMAT_HELP = (
    "Read only files of this format. Needed if a store has several, or if neither content nor name shows the format."
)
DELIMITER_HELP = (
    "Character between the cells of CSV; write tab for a tab. Default: what the header has: comma, semicolon, tab or |."
)
TABLE_VERSION_HELP = (
    "Read this version of the table instead of the current one: Delta Lake's number, or the id or sequence number of a "
    "snapshot of Iceberg."
)
TEXT_COLUMN_HELP = "Column that holds the text; repeat it to join several by a newline."

THRESHOLD_HELP = (
    "Mark rows with a lower score as below_threshold; they count as abstained, like rows without evidence. A "
    "multi-label model gives every label whose score is at least this (default: 0.5), and marks no row. Overrides the "
    "model's own thresholds."
)
NO_THRESHOLD_HELP = "Ignore the model's own thresholds, which --target-precision has given it."
TARGET_PRECISION_HELP = (
    "Choose thresholds so that at least this share of the labels that are kept is right, with --confidence, on rows "
    "like these; score and predict apply them. With several labels per row, it holds for each label."
)
PER_LABEL_HELP = (
    "With --target-precision: a threshold for each label, so that it holds for each. A label whose rows do not suffice "
    "is named, and never kept."
)
CONFIDENCE_HELP = "With --target-precision: how sure it is. Default: 0.95."

EXPLAIN_METHOD_HELP = (
    "How pieces are weighed. model splits up what the model computed: the words of average, the windows of words that "
    "cnn's filters chose. occlusion leaves out one word after another, for any model; it scores a text as many times "
    "as it has words."
)

LABEL_COLUMN_HELP = (
    "Column with the label: strings, whole numbers or booleans; or lists of them, for any number of labels per row."
)

REMEMBERED = " Default: as the model was trained."

LABEL_STRIP_HELP = (
    "Treat labels as the same if they differ only in spaces around or inside them, in invisible characters or in "
    "Unicode form (NFKC)."
)
LABEL_SEPARATOR_HELP = (
    "Text between the labels in a string of several, such as a comma (\\t for a tab): any number of labels per row."
)
UNLABELLED_HELP = (
    "Value that means that a row has no label, such as -1 or unknown; such rows are left out. May be repeated."
)
STRIP_HTML_HELP = (
    "Read texts without their HTML: tags and comments go, entities become characters. It is a token rule of the {}, so "
    "every verb that reads texts with them does it."
)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Settings of ``evaluate``."""

    labelled: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    model: tuple[str, ...] = documented(
        "Model directory. Repeat it to compare other models with the first, on the same rows.",
        metavar="MODEL",
        group="Model",
    )
    output: str | None = documented(
        "Directory to write, new or of an earlier evaluation: report.html, a page to read; metrics.json; and "
        "rows.parquet, with each row's place, text, true and predicted label.",
        None,
        metavar="DIR",
        group="Output",
    )
    vectors: str | None = documented(
        "Where the vectors are now, if they were moved.", None, metavar="VECTORS", group="Model"
    )
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

    def __post_init__(self) -> None:
        require_choices(self)
        require(
            isinstance(self.model, tuple) and len(set(self.model)) == len(self.model) > 0,
            "model",
            self.model,
            "at least one model directory, each once",
        )
        require_paths(self, "model", "vectors", "output")
        require_text_columns(self.text_column, remembered=True)
        require_delimiter(self)
        require(self.workers is None or self.workers > 0, "workers", self.workers, "a whole number above 0")
        require_version(self.table_version)


DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class CalibrateSettings:
    """Settings of ``calibrate``."""

    labelled: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    model: str = documented("Model directory.", metavar="MODEL", group="Model")
    output: str = documented("Model directory to make.", metavar="MODEL", group="Output")
    vectors: str | None = documented(
        "Where the vectors are now, if they were moved.", None, metavar="VECTORS", group="Model"
    )
    target_precision: float | None = documented(TARGET_PRECISION_HELP, None, metavar="P", group="Model")
    per_label: bool = documented(PER_LABEL_HELP, False, group="Model")
    confidence: float | None = documented(CONFIDENCE_HELP, None, metavar="C", group="Model")
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

    def __post_init__(self) -> None:
        require_choices(self)
        require_paths(self, "model", "output", "vectors")
        require_text_columns(self.text_column, remembered=True)
        require_delimiter(self)
        require(self.workers is None or self.workers > 0, "workers", self.workers, "a whole number above 0")
        require_version(self.table_version)
        require_promise(self.target_precision, self.confidence, per_label=self.per_label)


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Settings of ``score``."""

    corpus: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    model: str = documented("Model directory.", metavar="MODEL", group="Model")
    output: str = documented("Directory or URI of the run: parts, plan, manifest.", metavar="RUN", group="Output")
    vectors: str | None = documented(
        "Where the vectors are now, if they were moved.", None, metavar="VECTORS", group="Model"
    )
    text_column: tuple[str, ...] = documented(TEXT_COLUMN_HELP + REMEMBERED, (), metavar="COLUMN", group="Data")
    keep: tuple[str, ...] = documented(
        "Column of the store to carry into the scores; OLD=NEW renames it, and == is an = in a name. May be repeated.",
        (),
        metavar="COLUMN",
        group="Answers",
    )
    probabilities: bool = documented(
        "Write the probability of every label; not together with --top-k.", False, group="Answers"
    )
    top_k: int | None = documented(
        "Write the K best labels and their probabilities.", None, metavar="K", group="Answers"
    )
    threshold: float | None = documented(THRESHOLD_HELP, None, group="Answers")
    no_threshold: bool = documented(NO_THRESHOLD_HELP, False, group="Answers")
    evidence: int | None = documented(
        "Write up to N pieces of each text that weighed most for its label or against it, with place and weight.",
        None,
        metavar="N",
        group="Answers",
    )
    evidence_sample: int | None = documented(
        "With --evidence: explain about so many rows of the store, chosen by a hash of their place, and not all.",
        None,
        metavar="ROWS",
        group="Answers",
    )
    explain_method: str = documented(EXPLAIN_METHOD_HELP, "model", choices=EXPLAIN_METHODS, group="Answers")
    where: str | None = documented(
        "Score only rows for which this is true, such as \"lang == 'en' and year >= 2020\".",
        None,
        metavar="EXPR",
        group="Data",
    )
    limit: int | None = documented("Score only the first rows of the store.", None, metavar="ROWS", group="Data")
    table_version: int | None = documented(TABLE_VERSION_HELP, None, metavar="N", group="Data")
    max_bytes: int = documented("Reject texts of more UTF-8 bytes than this.", 64 << 20, metavar="BYTES", group="Data")
    truncate: bool = documented("Cut texts to --max-bytes and count them instead.", False, group="Data")
    null_as_empty: bool = documented(
        "Score a null text as an empty one instead of rejecting the row.", False, group="Data"
    )
    format: str | None = documented(FORMAT_HELP, None, choices=STORE_FORMATS, group="Data")
    delimiter: str | None = documented(DELIMITER_HELP, None, metavar="CHARACTER", group="Data")
    on_bad: str = documented(
        "Files and units that cannot be read: record names them, finishes the rest, exits with 3 and tries them again "
        "the next time; skip names them and accepts the gaps; fail stops.",
        "record",
        choices=ON_BAD,
        group="Data",
    )
    new_files: bool = documented("Add files that came into the store after the run was planned.", False, group="Data")
    workers: int | None = documented(
        "Scoring workers. Default: one per CPU of the cluster; with --gpu, one per GPU.", None, group="Where it runs"
    )
    gpu: bool = documented("Give each worker a GPU.", False, group="Where it runs")
    cpus_per_gpu: int = documented(
        "With --gpu: CPUs per worker, whose threads split and look up texts.", 4, group="Where it runs"
    )
    precision: str = documented(
        "Precision of matrix products; tf32 and bfloat16 are for GPUs, and change answers.",
        "float32",
        choices=SCORE_PRECISIONS,
        group="Where it runs",
    )
    batch_tokens: int = documented(
        "With --gpu: words per batch, padding included; bounds its memory.", BATCH_TOKENS, group="Where it runs"
    )
    projection_cache: int = documented(
        "MiB of projected word rows that each worker may keep; does not change answers.",
        PROJECTION_CACHE,
        group="Where it runs",
    )
    plan: str | None = documented(
        "Forecast of this run, as `w2vray plan --output` wrote it: the end says how far it was off.",
        None,
        metavar="PATH",
        group="Output",
    )
    max_rejected: int | None = documented(
        "Exit with 3 if more rows than this are rejected.", None, metavar="ROWS", group="Output"
    )

    def __post_init__(self) -> None:
        require_choices(self)
        require_paths(self, "model", "vectors", "plan")
        require_text_columns(self.text_column, remembered=True)
        require_delimiter(self)
        require_version(self.table_version)
        require(self.max_bytes > 0, "max_bytes", self.max_bytes, "a whole number above 0")
        if self.probabilities and self.top_k is not None:
            raise ConfigError("--probabilities and --top-k exclude each other; choose one")
        for name in ("top_k", "limit", "workers", "evidence_sample"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "a whole number above 0")
        _require_pieces("evidence", self.evidence, self.explain_method)
        if self.evidence_sample is not None and self.evidence is None:
            raise ConfigError(
                "--evidence-sample is used only with --evidence; give the number of pieces, as --evidence 3"
            )
        require(self.cpus_per_gpu > 0, "cpus_per_gpu", self.cpus_per_gpu, "a whole number above 0")
        allowed = f"{LEAST_TOKENS} to {MOST_TOKENS}"
        require(LEAST_TOKENS <= self.batch_tokens <= MOST_TOKENS, "batch_tokens", self.batch_tokens, allowed)
        changed = {item.name for item in fields(self) if getattr(self, item.name) != item.default}
        for name in ("precision", "cpus_per_gpu", "batch_tokens"):
            if name in changed and not self.gpu:
                raise ConfigError(f"{flag(name)} {getattr(self, name)} is for GPUs; give --gpu, or leave it out")
        if self.gpu and "projection_cache" in changed:
            raise ConfigError("--projection-cache is for CPUs; leave it out, or --gpu")
        require(self.projection_cache >= 0, "projection_cache", self.projection_cache, "0 or more")
        _require_threshold(self.threshold, no_threshold=self.no_threshold)
        require(
            self.max_rejected is None or self.max_rejected >= 0,
            "max_rejected",
            self.max_rejected,
            "0 or more",
        )


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
class InfoSettings:
    """Settings of ``info``."""

    path: str = documented("Vectors, a model, a run, or files of a store.", positional=True)


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """Settings of ``predict``."""

    text: tuple[str, ...] = documented("Texts to classify. Default: the lines of stdin.", (), positional=True)
    model: str = documented("Model directory.", metavar="MODEL")
    vectors: str | None = documented("Where the vectors are now, if they were moved.", None, metavar="VECTORS")
    top_k: int | None = documented("Print the K best labels too.", None, metavar="K")
    threshold: float | None = documented(THRESHOLD_HELP, None)
    no_threshold: bool = documented(NO_THRESHOLD_HELP, False)
    explain: int | None = documented(
        "List up to N pieces of each text that weighed most for its label or against it, in logits.", None, metavar="N"
    )
    explain_method: str = documented(EXPLAIN_METHOD_HELP, "model", choices=EXPLAIN_METHODS)

    def __post_init__(self) -> None:
        require_paths(self, "model", "vectors")
        require(self.top_k is None or self.top_k > 0, "top_k", self.top_k, "a whole number above 0")
        _require_threshold(self.threshold, no_threshold=self.no_threshold)
        require_choices(self)
        _require_pieces("explain", self.explain, self.explain_method)

    @property
    def evidence(self) -> int | None:
        """How ``score`` calls ``explain``."""
        return self.explain


def _require_pieces(name: str, pieces: int | None, method: str) -> None:
    require(pieces is None or pieces > 0, name, pieces, "a whole number above 0")
    if pieces is None and method != "model":
        raise ConfigError(
            f"--explain-method is used only with {flag(name)}; give the number of pieces, as {flag(name)} 3"
        )


def _require_threshold(value: float | None, *, no_threshold: bool) -> None:
    require(value is None or 0 <= value <= 1, "threshold", value, "0 to 1")
    if value is not None and no_threshold:
        raise ConfigError("--threshold and --no-threshold exclude each other; choose one")


def require_promise(precision: float | None, confidence: float | None, *, per_label: bool) -> None:
    """Check what is said of a wanted precision."""
    require(precision is None or 0 < precision < 1, "target_precision", precision, "above 0, below 1")
    require(confidence is None or 0 < confidence < 1, "confidence", confidence, "above 0, below 1")
    if precision is None and (per_label or confidence is not None):
        name = "--per-label" if per_label else "--confidence"
        raise ConfigError(f"{name} is used only with --target-precision; add it, or leave {name} out")
