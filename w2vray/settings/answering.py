"""Settings of the verbs that answer for texts: ``score`` and ``predict``."""

from dataclasses import dataclass, fields

from w2vray.errors import ConfigError
from w2vray.settings.choices import EXPLAIN_METHODS, STORE_FORMATS
from w2vray.settings.fields import (
    documented,
    flag,
    require,
    require_choices,
    require_delimiter,
    require_paths,
    require_places,
    require_text_columns,
    require_version,
)
from w2vray.settings.wording import (
    CORPUS_HELP,
    DELIMITER_HELP,
    FORMAT_HELP,
    MOVED_VECTORS_HELP,
    REMEMBERED,
    SHARED_FILESYSTEM_HELP,
    TABLE_VERSION_HELP,
    TEXT_COLUMN_HELP,
)

__all__ = ["PredictSettings", "ScoreSettings"]

ON_BAD = ("record", "skip", "fail")
SCORE_PRECISIONS = ("float32", "tf32", "bfloat16")
PROJECTION_CACHE = 512
"""MiB: room for 112,000 words of `cnn`. Long texts of film reviews have 45,000 different words, which take 210 MiB."""

BATCH_TOKENS, LEAST_TOKENS, MOST_TOKENS = 1 << 18, 1 << 10, 1 << 24
"""Of a batch on a GPU."""
THRESHOLD_HELP = (
    "Mark rows with a lower score as below_threshold. They keep their label, but it is not to be relied on. A "
    "multi-label model gives every label whose score is at least this (default: 0.5), and marks no row. Overrides the "
    "model's own thresholds."
)
NO_THRESHOLD_HELP = "Ignore the model's own thresholds, which --target-precision has given it."
EXPLAIN_METHOD_HELP = (
    "How pieces are weighed. model splits up what the model computed: the words of average, the windows of words that "
    "cnn's filters chose. occlusion leaves out one word after another, for any model; it scores a text as many times "
    "as it has words."
)


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Settings of ``score``."""

    corpus: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    model: str = documented("Model directory, or its URI.", metavar="MODEL", group="Model")
    output: str = documented("Directory or URI of the run: parts, plan, manifest.", metavar="RUN", group="Output")
    vectors: str | None = documented(MOVED_VECTORS_HELP, None, metavar="VECTORS", group="Model")
    text_column: tuple[str, ...] = documented(TEXT_COLUMN_HELP + REMEMBERED, (), metavar="COLUMN", group="Data")
    keep: tuple[str, ...] = documented(
        "Column of the store to carry into the scores. OLD=NEW renames it; == is one = of a name. May be repeated.",
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
        "With --evidence: explain only about this many rows of the store, chosen by a hash of their place.",
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
        "Scoring workers. Default: one per CPU of the cluster, or with --gpu one per GPU, up to one per unit.",
        None,
        group="Where it runs",
    )
    shared_filesystem: bool = documented(SHARED_FILESYSTEM_HELP, False, group="Where it runs")
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
        "Forecast of this run, as `w2vray plan --output` wrote it. The summary then says how far it was off.",
        None,
        metavar="PATH",
        group="Output",
    )
    max_rejected: int | None = documented(
        "Exit with 3 if more rows than this are rejected.", None, metavar="ROWS", group="Output"
    )

    def __post_init__(self) -> None:
        require_choices(self)
        require_paths(self, "plan")
        require_places(self, "model", "vectors")
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
class PredictSettings:
    """Settings of ``predict``."""

    text: tuple[str, ...] = documented("Texts to classify. Default: the lines of stdin.", (), positional=True)
    model: str = documented("Model directory, or its URI.", metavar="MODEL")
    vectors: str | None = documented(MOVED_VECTORS_HELP, None, metavar="VECTORS")
    top_k: int | None = documented("Print the K best labels too.", None, metavar="K")
    threshold: float | None = documented(THRESHOLD_HELP, None)
    no_threshold: bool = documented(NO_THRESHOLD_HELP, False)
    explain: int | None = documented(
        "List up to N pieces of each text that weighed most for its label or against it, in logits.", None, metavar="N"
    )
    explain_method: str = documented(EXPLAIN_METHOD_HELP, "model", choices=EXPLAIN_METHODS)

    def __post_init__(self) -> None:
        require_places(self, "model", "vectors")
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
