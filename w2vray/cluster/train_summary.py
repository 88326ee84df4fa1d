"""What ``train`` came to: its summary, as JSON and as a notebook shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2vray.models.thresholds import Thresholds
from w2vray.notebooks import as_html

__all__ = ["NgramSummary", "TrainSummary"]


@dataclass(frozen=True, kw_only=True)
class NgramSummary:
    """What n-grams add to a model. ``main`` and ``wide`` multiply the logits of the main part, and those of n-grams."""

    longest: int  # words of a run
    buckets: int  # that the training has seen
    kept: int  # of these, that say anything
    main: float
    wide: float


@dataclass(frozen=True, kw_only=True)
class TrainSummary:
    """What a training came to."""

    model: str
    model_kind: str  # of --model; of auto, the one that was kept
    tried: Sequence[
        Mapping[str, Any]
    ]  # by --model auto: each kind, its loss and accuracy on rows it did not learn from
    chosen: Mapping[str, Any] | None  # of tried, the one that became the model; None without --model auto
    labels: tuple[str, ...]
    rows: int
    rows_validation: int
    rows_test: int  # kept for the test: nothing learns from them, nothing stops by them
    test: Mapping[str, Any] | None  # the metrics on them; None without --test-fraction
    rows_without_label: int
    rows_unlabelled: Mapping[str, int]  # value of --unlabelled -> rows that it leaves out
    rows_damaged: Mapping[str, int]  # file -> rows whose line cannot be read
    label_counts: Mapping[str, int]  # of LABELLED: label -> rows that have it, those kept apart too
    label_findings: Sequence[str]  # what looks wrong about them, and what to do
    rows_without_evidence: int  # no word of theirs has a vector, or their text cannot be read
    labels_unknown: Mapping[str, int]  # of --validation, that no row to learn from has -> how often
    labels_not_learnt: Mapping[str, int]  # that only rows kept for validation have -> how often
    epochs: int
    curve: list[dict[str, Any]]
    refit: list[dict[str, Any]] | None  # the curve of the second fit, on the rows for validation too
    ngrams: NgramSummary | None  # what --ngrams has added; None without it
    temperatures: Sequence[float]  # what logits are divided by: one, or one a label; none where it is not calibrated
    thresholds: Thresholds | None  # that --target-precision has given it
    labels_without_promise: Sequence[str]  # whose rows do not suffice for it: they are never kept
    tokens: int  # of all rows that were read
    tokens_found: int  # those that have a vector
    coverage: float | None  # their share; None where there are no tokens
    warnings: Sequence[str]  # what to do where that share is low

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        test = self.test or {}
        facts = {
            "kind": self.model_kind,
            "rows to learn from": self.rows,
            "rows for validation": self.rows_validation,
            "rows for the test": self.rows_test or None,
            "accuracy on the test": test.get("accuracy"),
            "macro-F1 on the test": test.get("macro_f1"),
            "always answering the commonest label": test.get("largest_class_share"),
            "share of rows that keep a label": None if self.thresholds is None else self.thresholds.kept,
            "labels without a promise": list(self.labels_without_promise),
            "buckets of n-grams": None
            if self.ngrams is None
            else f"{self.ngrams.kept:,} of {self.ngrams.buckets:,} seen",
            "rows without a label": self.rows_without_label or None,
            "rows without a known word": self.rows_without_evidence or None,
            "tokens with a vector": None if self.coverage is None else f"{self.coverage:.1%}",
            "to look at": [*self.label_findings, *self.warnings],
        }
        labels = sorted(self.label_counts.items(), key=lambda item: -item[1])
        return as_html(f"Model {self.model}", facts, ("labels", ["label", "rows"], labels))
