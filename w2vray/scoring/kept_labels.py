"""What a model's own thresholds come to on labelled rows: the share that is found right, beside what they promise.

The two differ. A promise is a lower bound that held on other rows, with confidence; what is found is a share of these.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2vray.models.thresholds import Thresholds, spelled_share
from w2vray.scoring.answers import Scores
from w2vray.scoring.metrics import NO_LABEL
from w2vray.scoring.proportions import Share, exact_interval

__all__ = ["KeptLabels", "OwnThresholds"]


@dataclass
class KeptLabels:
    """Counts, which can be added: of labelled rows with a known word, and of the labels that reach the thresholds."""

    rows: int = 0
    rows_kept: int = 0
    labels: int = 0
    right: int = 0

    def count(self, scores: Scores, labelled_N: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]) -> None:
        """Count texts that were scored.

        Args:
            scores: the answers.
            labelled_N: which of the texts have a true label.
            right: right_N, which answers are right; of several labels right_NC, which labels are true.
        """
        counted_N = labelled_N & (scores.label_N != NO_LABEL)
        kept_N = scores.kept_N() & counted_N
        self.rows += int(counted_N.sum())
        self.rows_kept += int(kept_N.sum())
        if scores.multi_label:
            given_NC = scores.given_NC() & counted_N[:, None]
            self.labels += int(given_NC.sum())
            self.right += int((given_NC & right).sum())
        else:
            self.labels += int(kept_N.sum())
            self.right += int((kept_N & right).sum())

    def add(self, stored: Mapping[str, int]) -> None:
        """Add the counts of another part."""
        for name, value in stored.items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True, kw_only=True)
class OwnThresholds:
    """A model's thresholds with what they promise, and what was found: ``precision`` is None where none is kept."""

    thresholds: Thresholds
    rows: int
    rows_kept: int
    precision: Share | None

    @classmethod
    def of(cls, thresholds: Thresholds | None, counted: KeptLabels) -> Self | None:
        """Return what was counted; None of a model without thresholds, or without a row that they could hold for."""
        if thresholds is None or not counted.rows:
            return None
        share = None
        if counted.labels:
            low, high = exact_interval(counted.right, counted.labels)
            share = Share(rows=counted.labels, share=counted.right / counted.labels, low=low, high=high)
        return cls(thresholds=thresholds, rows=counted.rows, rows_kept=counted.rows_kept, precision=share)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it, with a sentence for people."""
        return {
            "promised": self.thresholds.as_dict(),
            "rows": self.rows,
            "rows_kept": self.rows_kept,
            "precision": self.precision and self.precision.as_dict(),
            "sentence": self.sentence,
        }

    @property
    def sentence(self) -> str:
        """What was found beside what was promised.

        Example: the model's own threshold of 0.789 keeps a label in 57.1% of 1,821 rows; 91.4% (89.6% to 93.0%) of the
        labels kept are right here. The model promises at least 0.9, with 0.95 confidence, by 5,536 rows of its own.
        """
        promised = self.thresholds
        values = sorted({value for value in promised.values if value is not None})
        least, most = spelled_share(values[0]), spelled_share(values[-1])
        which = f"threshold of {least} keeps" if least == most else f"thresholds of {least} to {most} keep"
        found = "" if self.precision is None else f"; {self.precision.spelled} of the labels kept are right here"
        each = " of each label" if len(promised.values) > 1 else ""
        return (
            f"the model's own {which} a label in {self.rows_kept / self.rows:.1%} of the {self.rows:,} rows with a "
            f"known word{found}. The model promises at least {spelled_share(promised.precision)}{each}, with "
            f"{spelled_share(promised.confidence)} confidence, by {promised.rows:,} rows that its threshold was "
            "chosen on"
        )
