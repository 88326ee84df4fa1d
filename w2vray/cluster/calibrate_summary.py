"""What a calibration came to, as its caller gets it and a notebook shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2vray.models.thresholds import Thresholds
from w2vray.notebooks import as_html
from w2vray.scoring.calibration_error import CalibrationError

__all__ = ["CalibrationSummary"]


@dataclass(frozen=True, kw_only=True)
class CalibrationSummary:
    """What a calibration came to."""

    model: str
    rows: int  # that temperatures and thresholds were fitted on
    rows_trained_on: int | None  # left out, because the training saw their texts; None where the model does not tell
    rows_without_label: int
    rows_without_evidence: int
    rows_unlabelled: Mapping[str, int]
    rows_damaged: Mapping[str, int]
    labels_unknown: Mapping[str, int]  # that the model does not know -> how often
    temperatures: Sequence[float]
    fitted: bool  # False where the model is of a kind that no temperature suits; then only thresholds are chosen
    changed: bool  # False where no other temperature makes the rows more probable: the model keeps what it had
    before: CalibrationError  # of the model as it was
    after: CalibrationError  # with temperatures that were fitted on the other rows, by folds
    thresholds: Thresholds | None
    labels_without_promise: Sequence[str]  # whose rows do not suffice: they are never kept

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return {
            **vars(self),
            "rows_unlabelled": dict(self.rows_unlabelled),
            "rows_damaged": dict(self.rows_damaged),
            "labels_unknown": dict(self.labels_unknown),
            "temperatures": list(self.temperatures),
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "thresholds": None if self.thresholds is None else self.thresholds.as_dict(),
            "labels_without_promise": list(self.labels_without_promise),
        }

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        kept = self.thresholds
        facts = {
            "rows": self.rows,
            "rows left out, which the training saw": self.rows_trained_on or None,
            "temperatures": ", ".join(f"{value:.3g}" for value in self.temperatures[:5]),
            "calibration error before": self.before.error,
            "calibration error after": self.after.error,
            "calibration error by chance alone": self.after.by_chance,
            "share of rows that keep a label": None if kept is None else kept.kept,
            "labels without a promise": list(self.labels_without_promise),
        }
        return as_html(f"Model {self.model}", facts)
