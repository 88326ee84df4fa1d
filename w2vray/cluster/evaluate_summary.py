"""How good a model was found to be, as its caller gets it and a notebook shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from w2vray.models.reading import Reading
from w2vray.notebooks import as_html
from w2vray.scoring.calibration_error import CalibrationError
from w2vray.scoring.comparing import Comparison
from w2vray.scoring.kept_labels import OwnThresholds
from w2vray.scoring.metrics import Metrics, MultiLabelMetrics
from w2vray.scoring.repeats import Repeats
from w2vray.vectors.comparing import share_found

__all__ = ["EvaluationSummary"]

_CONFUSIONS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """Metrics of a labelled store. Rows of a label that the model does not know count as wrong in ``accuracy``."""

    metrics: Metrics | MultiLabelMetrics
    rows_without_label: int
    rows_unknown_label: int
    model: str = ""
    calibration: CalibrationError | None = None  # of its probabilities; None where no row got an answer
    own_thresholds: OwnThresholds | None = None  # what the model's own come to here; None where it has none
    rows_unlabelled: Mapping[str, int] = field(default_factory=dict)  # value of --unlabelled -> rows left out by it
    rows_damaged: Mapping[str, int] = field(default_factory=dict)  # file -> rows left out, for their line is damaged
    labels_unknown: Mapping[str, int] = field(default_factory=dict)  # that the model does not know -> how often
    rows_trained_on: int | None = None  # whose text the training saw; None where the model does not tell
    accuracy_elsewhere: float | None = None  # on the other rows, where the training saw some and not all
    trained_on_estimated: bool = False  # both are estimated from a sample of the texts
    repeats: Repeats = field(default_factory=Repeats)  # of texts in the store
    tokens: int = 0  # of all rows that were read
    tokens_found: int = 0  # those that have a vector
    warnings: Sequence[str] = ()  # what makes the accuracy less than it seems, and what to do
    reading: Reading = field(default_factory=Reading)  # the columns and label options that were used
    others: Sequence["EvaluationSummary"] = ()  # of the other models, on the same rows
    comparisons: Sequence[Comparison] = ()  # each other model held against this one

    @property
    def coverage(self) -> float | None:
        """Share of the tokens that have a vector; None where there are no tokens."""
        return share_found(self.tokens, self.tokens_found)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return {
            "model": self.model,
            **self.metrics.as_dict(),
            "calibration": None if self.calibration is None else self.calibration.as_dict(),
            "own_thresholds": self.own_thresholds and self.own_thresholds.as_dict(),
            "rows_without_label": self.rows_without_label,
            "rows_unknown_label": self.rows_unknown_label,
            "rows_unlabelled": dict(self.rows_unlabelled),
            "rows_damaged": dict(self.rows_damaged),
            "labels_unknown": dict(self.labels_unknown),
            "rows_trained_on": self.rows_trained_on,
            "accuracy_elsewhere": self.accuracy_elsewhere,
            "trained_on_estimated": self.trained_on_estimated,
            "repeats": self.repeats.as_dict(),
            "tokens": self.tokens,
            "tokens_found": self.tokens_found,
            "coverage": self.coverage,
            "warnings": list(self.warnings),
            "reading": self.reading.as_dict(),
            "others": [other.as_dict() for other in self.others],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
        }

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        found = self.metrics
        stated = found.as_dict()
        facts = {
            "rows": found.rows,
            "accuracy": found.accuracy,
            "always answering the commonest label": stated.get("largest_class_share"),
            "micro-F1": stated.get("micro_f1"),
            "macro-F1": found.macro_f1,
            "calibration error": None if self.calibration is None else self.calibration.error,
            "calibration error by chance alone": None if self.calibration is None else self.calibration.by_chance,
            "thresholds": self.own_thresholds and self.own_thresholds.sentence,
            "rows without a known word": found.rows_no_evidence or None,
            "rows of a label that the model does not know": self.rows_unknown_label or None,
            "rows that the training saw": self.rows_trained_on,
            "accuracy on the others": self.accuracy_elsewhere,
            "other models": {other.model: other.metrics.accuracy for other in self.others},
            "compared": [comparison.sentence for comparison in self.comparisons],
            "to look at": list(self.warnings),
        }
        classes = [(item.label, item.rows, item.precision, item.recall, item.f1) for item in found.classes]
        wrong = [] if isinstance(found, MultiLabelMetrics) else found.confusions(_CONFUSIONS_SHOWN)
        return as_html(
            f"Model {self.model}",
            facts,
            ("classes", ["label", "rows", "precision", "recall", "F1"], classes),
            ("commonest confusions", ["label", "given instead", "rows"], wrong),
        )
