"""What a scoring run came to, as its caller gets it and a notebook shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2vray.notebooks import as_html

__all__ = ["ScoreSummary"]


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """What a run came to, finished units of earlier calls included."""

    run: str
    rows_in: int
    rows_scored: int
    rows_rejected: int
    rejected: Mapping[str, int]  # why -> rows; of parts that an earlier version wrote, nobody counted why
    rows_abstained: int  # of the scored ones: those whose status is no_evidence or below_threshold
    rows_no_evidence: int  # of the scored ones: without a known word, and so without a label
    rows_truncated: int
    rows_below_threshold: int  # of the scored ones: they have a known word, and keep no label
    expected_kept: (
        float | None
    )  # of the rows with a known word, by the model's thresholds; None where they are not used
    kept: float | None  # what came out; None where no row has a known word
    tokens: int  # of the scored rows
    tokens_found: int  # those that have a vector
    coverage: float | None  # their share; None where there are no tokens
    rows_deleted: int  # in the files of a table that has deleted them: neither scored nor rejected
    units: int
    units_skipped: int  # finished by an earlier call
    units_failed: int
    rows_now: int  # of the units that this call handed out: rejected ones too, and of parts that were there
    seconds: float
    rows_per_second: float | None  # of this call, from its first finished unit on; None where it had no second one
    left_out: Mapping[str, str]  # file, or unit -> why
    ignored: Mapping[
        str, int
    ]  # why files are not read -> how many: hidden, no data, read by another way, excluded by --where
    tables: Sequence[Mapping[str, Any]]  # kind, place and version of each table that was read
    notes: Sequence[str]  # for a person: those files by name, and columns that are null where a file has none
    gaps_accepted: bool  # what is left out is meant to be: --on-bad skip
    new_files: Sequence[str]  # in the store, but not in the run's plan
    warnings: Sequence[str]  # what to do where few tokens have a vector
    exit_code: int
    report: str | None = None  # the page of the run; None where it could not be made
    forecast: Mapping[str, Any] | None = None  # of --plan, beside what was found

    @property
    def not_relied_on(self) -> dict[str, int]:
        """Which scored rows have no label that is relied on, in words, and how many there are of each kind.

        A model of several labels marks no row as below the threshold: it gives such a row no label.
        """
        marked = self.rows_abstained - self.rows_no_evidence
        counts = {
            "with a label below the threshold": marked,
            "given no label, because none reaches the threshold": self.rows_below_threshold - marked,
            "without a known word and so without a label": self.rows_no_evidence,
        }
        return {what: rows for what, rows in counts.items() if rows}

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            "complete": self.exit_code == 0,
            "rows": self.rows_in,
            "scored": self.rows_scored,
            **{f"of them {what}": rows for what, rows in self.not_relied_on.items()},
            "share that kept a label": self.kept,
            "share that was expected to": self.expected_kept,
            "rejected": self.rows_rejected,
            "rejected because": dict(self.rejected),
            "tokens with a vector": None if self.coverage is None else f"{self.coverage:.1%}",
            "seconds": self.seconds,
            "left out": dict(self.left_out),
            "to look at": [*self.notes, *self.warnings],
        }
        return as_html(f"Run {self.run}", facts)
