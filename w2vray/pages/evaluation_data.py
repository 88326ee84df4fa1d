"""What the page of an evaluation shows, counted, as JSON can hold it.

Shape letters: CONTRIBUTING.md.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2vray.pages.rows import ReadRows, read_rows, rows_at
from w2vray.scoring.bootstrap import bootstrap_many_labels, bootstrap_one_label
from w2vray.scoring.calibration_error import calibration_error, error_by_chance
from w2vray.scoring.metrics import Confusion
from w2vray.scoring.reliability import binned, precision_curve, reliability, thresholds

__all__ = ["CONFUSIONS", "evaluation_data"]

CONFUSIONS = 50
"""Pairs of labels that are told, the commonest."""

_EXAMPLES = 3
_SUSPECTS = 100
_BINS = 8
_POINTS = 200

Explain = Callable[[Sequence[str]], Sequence[list[dict[str, Any]] | None]]
"""Returns the evidence of texts: of each its pieces, or None where it has no label."""


def evaluation_data(
    rows: Path,
    metrics: Mapping[str, Any],
    labels: Sequence[str],
    *,
    with_texts: bool = True,
    explain: Explain | None = None,
) -> dict[str, Any]:
    """Count what the page shows.

    Args:
        rows: ``rows.parquet`` of the evaluation.
        metrics: of the evaluation, as ``metrics.json`` has them.
        labels: of the model.
        with_texts: whether texts of rows are among it.
        explain: tells which words decided about those; None where the model does not.
    """
    read = read_rows(rows, labels)
    curve = precision_curve(read.confidence_Y, read.right_Y)
    step = max(len(curve) // _POINTS, 1)
    wanted = thresholds(curve)
    answered = read.answered_N
    return {
        "metrics": {name: metrics[name] for name in _TOLD if name in metrics},
        "multi_label": read.multi_label,
        "intervals": {name: list(ends) for name, ends in _intervals(read, len(labels)).items()},
        "rows_answered": int(answered.sum()),
        "reliability": [item.as_dict() for item in reliability(read.confidence_Y, read.right_Y)],
        "calibration": metrics.get("calibration") or _calibration(read),
        "curve": [point.as_dict() for point in [*curve[:-1:step], *curve[-1:]]],
        "thresholds": {str(target): None if point is None else point.as_dict() for target, point in wanted.items()},
        "by_length": [item.as_dict() for item in binned(read.tokens_N, read.right_N, _BINS)],
        "by_coverage": [item.as_dict() for item in binned(read.coverage_N, read.right_N, _BINS)],
        **(_of_texts(rows, read, explain) if with_texts else {}),
    }


def _calibration(read: ReadRows) -> dict[str, Any]:
    """Return the calibration error where the metrics have none: of a multi-label model, of the labels that it gave."""
    draws = 50 if len(read.confidence_Y) < 50_000 else 5
    return {
        "error": calibration_error(read.confidence_Y, read.right_Y),
        "by_chance": error_by_chance(read.confidence_Y, draws=draws),
    }


_TOLD = (
    "model",
    "rows",
    "rows_no_evidence",
    "accuracy",
    "micro_f1",
    "macro_f1",
    "largest_class_share",
    "classes",
    "confusion",
    "rows_without_label",
    "rows_unknown_label",
    "rows_trained_on",
    "accuracy_elsewhere",
    "coverage",
    "warnings",
    "comparisons",
    "own_thresholds",
)


def _intervals(read: ReadRows, labels: int) -> dict[str, Any]:
    if read.multi_label:
        return bootstrap_many_labels(read.true_NC, read.given_NC, read.right_N)
    return bootstrap_one_label(Confusion.of(read.true_N, read.predicted_N), labels)


def _of_texts(rows: Path, read: ReadRows, explain: Explain | None) -> dict[str, Any]:
    """Choose the rows that are shown: the surest errors, and examples of the commonest confusions."""
    wrong_Y = np.flatnonzero(~read.right_Y)
    surest_Y = wrong_Y[np.argsort(-read.confidence_Y[wrong_Y], kind="stable")]
    suspects = list(dict.fromkeys(read.rows_Y[surest_Y].tolist()))[:_SUSPECTS]
    examples: dict[tuple[int, int], list[int]] = {}
    if not read.multi_label:
        pairs = Counter(
            (int(true), int(given))
            for true, given in zip(read.true_N.tolist(), read.predicted_N.tolist(), strict=True)
            if true != given
        )
        shown = {pair for pair, _ in pairs.most_common(CONFUSIONS)}
        unsure_N = np.flatnonzero(~read.right_N & ~read.answered_N)
        for row in [*read.rows_Y[surest_Y].tolist(), *unsure_N.tolist()]:
            pair = (int(read.true_N[row]), int(read.predicted_N[row]))
            if pair in shown and len(examples.setdefault(pair, [])) < _EXAMPLES:
                examples[pair].append(row)
    found = rows_at(rows, [*suspects, *(row for of_pair in examples.values() for row in of_pair)])
    explained = [row for row in found if found[row]["text"] is not None] if explain is not None else []
    evidence = dict(zip(explained, explain([found[row]["text"] for row in explained]), strict=True)) if explain else {}

    def told(row: int) -> dict[str, Any]:
        shown = {name: value for name, value in found[row].items() if name in _SHOWN}
        return {**shown, **({"evidence": evidence[row]} if evidence.get(row) else {})}

    names = [*read.labels, None]
    return {
        "tells_evidence": explain is not None,
        "suspects": [told(row) for row in suspects],
        "examples": [
            {"true": names[true], "given": names[given], "rows": [told(row) for row in of_pair]}
            for (true, given), of_pair in examples.items()
        ],
    }


_SHOWN = frozenset({"source_file", "source_row", "text", "true", "predicted", "score"})
