"""``evaluate --of-run``: the precision of a whole run, estimated from rows of it that a person has checked.

Shape letters: CONTRIBUTING.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import CorpusError, RunError
from w2vray.notebooks import as_html
from w2vray.run.answers import FinishedRun, Given
from w2vray.run.judged_rows import Judged, read_judged
from w2vray.run.sampling import BELOW
from w2vray.schema import SOURCE_FILE, SOURCE_ROW
from w2vray.scoring.proportions import Share, share_of_sample
from w2vray.settings.checks import EvaluateRunSettings
from w2vray.store.label_reading import mended

__all__ = ["RunEstimate", "evaluate_run"]

_YES, _NO = frozenset({"yes", "y", "true"}), frozenset({"no", "n", "false"})
_FEW = 10
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """How good a run's labels are, as rows that a person has checked tell."""

    run: str
    rows: int  # of the file
    rows_judged: int
    rows_not_filled_in: int
    precision: Share | None  # of the labels that the run stands for: those at or above its threshold, if it has one
    has_threshold: bool  # whether the run has rows whose label is below a threshold
    labels: Mapping[str, Share]  # the precision of each label that was checked
    below_threshold: Share | None  # the share of rows below the threshold whose label is right all the same
    confusions: Sequence[tuple[str, str, int]]  # label, true label, rows of the file
    notes: Sequence[str]  # what a person should know

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON can hold it."""
        return {
            **vars(self),
            "precision": self.precision and self.precision.as_dict(),
            "below_threshold": self.below_threshold and self.below_threshold.as_dict(),
            "labels": {label: share.as_dict() for label, share in self.labels.items()},
            "confusions": [list(item) for item in self.confusions],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            f"precision{' at or above the threshold' * self.has_threshold}, with 95% confidence": self.precision
            and self.precision.spelled,
            "rows checked": self.rows_judged,
            "rows not filled in": self.rows_not_filled_in or None,
            "right below the threshold": self.below_threshold and self.below_threshold.spelled,
            "to look at": list(self.notes),
        }
        rows = [(label, one.rows, one.share, one.low, one.high) for label, one in self.labels.items()]
        return as_html(
            f"Run {self.run}",
            facts,
            ("labels", ["label", "rows checked", "precision", "from", "to"], rows),
            ("labels that were wrong", ["label", "true label", "rows"], self.confusions),
        )


def evaluate_run(settings: EvaluateRunSettings) -> RunEstimate:
    """Estimate a run's precision from a file of ``sample`` that was filled in.

    Raises:
        RunError: the run is not finished, or the file's rows are not of it.
        CorpusError: the file cannot be read, or no row of it is filled in.
    """
    run = FinishedRun.open(settings.run)
    lines = read_judged(settings.labelled, run)
    _require_rows_of(run, lines, settings.labelled)
    known = _by_spelling(run.labels)
    verdicts = {line: _true_label(line, known) for line in lines if line.true}
    if not verdicts:
        raise CorpusError(
            f"{settings.labelled}: no row has a true_label; fill in the right label, or yes or no, and try again"
        )
    judged = list(verdicts)
    right_N = np.array([verdicts[line] == line.label for line in judged])
    filled = Counter(line.stratum for line in judged)
    weights_N = np.array([line.stratum_rows / filled[line.stratum] for line in judged])
    names = {name: place for place, name in enumerate(filled)}
    strata_N = np.array([names[line.stratum] for line in judged])
    below_N = np.array([line.stratum == BELOW for line in judged])

    def share(chosen_N: Any) -> Share | None:
        return share_of_sample(right_N[chosen_N], weights_N[chosen_N], strata_N[chosen_N])

    labels_N = np.array([line.label for line in judged], dtype=object)
    ordered = sorted({line.label for line in judged}, key=_order(run.labels))
    of_labels = {label: share((labels_N == label) & ~below_N) for label in ordered}
    wrong = Counter((line.label, verdicts[line]) for line in judged if verdicts[line] != line.label)
    return RunEstimate(
        run=run.name,
        rows=len(lines),
        rows_judged=len(judged),
        rows_not_filled_in=len(lines) - len(judged),
        precision=share(~below_N),
        has_threshold=_below_threshold(run) > 0,
        labels={label: found for label, found in of_labels.items() if found is not None},
        below_threshold=share(below_N),
        confusions=[(label, true, rows) for (label, true), rows in wrong.most_common(_SHOWN)],
        notes=[*_left_aside(run), *_notes(lines, filled, run), *_strange(verdicts.values(), run.labels)],
    )


# The file


def _require_rows_of(run: FinishedRun, lines: Sequence[Judged], name: str) -> None:
    """Hold each line against the run's parts.

    Raises:
        RunError: a row is not in the run, or has another label there.
    """
    wanted = {(line.file, line.row, line.label): line for line in lines}
    units = run.units_of([(line.file, line.row) for line in lines])
    files = pa.array(sorted({line.file for line in lines}), pa.string())
    rows = pa.array(sorted({line.row for line in lines}), pa.int64())
    chosen = list({unit.id: unit for of_file in units.values() for unit in of_file}.values())
    for batch in run.batches([SOURCE_FILE, SOURCE_ROW, *run.answer_columns], chosen):
        among = pc.and_(pc.is_in(batch.column(SOURCE_FILE), files), pc.is_in(batch.column(SOURCE_ROW), rows))
        given = Given.of(batch.filter(among))
        places = zip(
            given.column(SOURCE_FILE).to_pylist(),
            given.column(SOURCE_ROW).to_pylist(),
            given.labels.to_pylist(),
            strict=True,
        )
        for place in places:
            wanted.pop(place, None)
    for (file, row, label), line in wanted.items():
        raise RunError(
            f"{name}: line {line.line}: row {row} of {file} does not have the label {label!r} in {run.name}; was the "
            "cell changed, or is the file of another run?"
        )


# What people write


def _by_spelling(labels: Sequence[str]) -> dict[str, str]:
    """Return the labels by how people may spell them; one that two labels share is left out."""
    spelled = Counter(mended(label).casefold() for label in labels)
    return {mended(label).casefold(): label for label in labels if spelled[mended(label).casefold()] == 1}


def _true_label(line: Judged, known: Mapping[str, str]) -> str:
    """Return the label that a person means: yes stands for the given one, no for any other."""
    spelled = mended(line.true).casefold()
    if line.true == line.label or known.get(spelled) == line.label:
        return line.label
    if spelled in known:
        return known[spelled]
    if spelled in _YES:
        return line.label
    if spelled in _NO:
        return "(another)"
    return line.true


def _strange(verdicts: Any, labels: Sequence[str]) -> list[str]:
    """Name what was filled in and is no label of the model."""
    unknown = Counter(true for true in verdicts if true not in labels and true != "(another)")
    if not unknown:
        return []
    some = ", ".join(f"{label!r} ({rows:,} rows)" for label, rows in unknown.most_common(5))
    more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
    return [f"true_label has values that the model does not know, which count as wrong: {some}{more}"]


def _below_threshold(run: FinishedRun) -> int:
    """Return how many rows of the run have a label below its threshold; a model of several labels gives none then."""
    return 0 if run.multi_label else int(run.totals.get("rows_below_threshold", 0))


def _left_aside(run: FinishedRun) -> list[str]:
    """Say of how many rows the precision does not speak, where the run has a threshold."""
    below = _below_threshold(run)
    if not below:
        return []
    kept = int(run.totals["rows_scored"]) - int(run.totals["rows_abstained"])
    return [
        f"the precision is of the {kept:,} rows with a label at or above the threshold, not of the {below:,} below it"
    ]


def _notes(lines: Sequence[Judged], filled: Mapping[str, int], run: FinishedRun) -> list[str]:
    sizes = {line.stratum: line.stratum_rows for line in lines}
    empty = [name for name in sizes if not filled.get(name)]
    notes = []
    if empty:
        left_out = sum(sizes[name] for name in empty)
        notes.append(
            f"no row of {', '.join(empty[:3])}{' and others' if len(empty) > 3 else ''} is filled in: nothing is said "
            f"of {left_out:,} labels of the run"
        )
    few = [name for name in sizes if 0 < filled.get(name, 0) < _FEW]
    if few:
        notes.append(f"fewer than {_FEW} rows are filled in of {', '.join(few[:3])}: their intervals are wide")
    drawn = sum(size for name, size in sizes.items() if name != BELOW)
    there = int(run.totals["rows_scored"]) - int(run.totals["rows_abstained"])
    if not run.multi_label and there > drawn:
        notes.append(
            f"the run has {there:,} rows with a label, and the sample was drawn from {drawn:,}: it says nothing of the "
            "others"
        )
    return notes


def _order(labels: Sequence[str]) -> Any:
    places = {label: place for place, label in enumerate(labels)}
    return lambda label: (places.get(label, len(labels)), label)
