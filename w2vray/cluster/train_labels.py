"""The labels of a training: how many rows each has, what looks wrong about them, and what cannot be trained on."""

import math
from collections.abc import Collection, Mapping, Sequence

from w2vray.errors import CorpusError
from w2vray.models.kinds import AUTO, ModelSettings
from w2vray.settings.steps import StepSettings
from w2vray.store.label_findings import label_findings
from w2vray.store.label_reading import mended
from w2vray.store.labels import label_order
from w2vray.training.example_files import ExampleCounts
from w2vray.training.settings import DEFAULT_VALIDATION_SHARE, TrainSettings
from w2vray.training.stratified import FOLDS

__all__ = [
    "counts_of_labels",
    "findings_of_labels",
    "left_out_of_validation",
    "not_learnt",
    "require_usable",
    "unknown_labels",
]

_FEWEST_IDS = 10
"""Labels of a row each are taken for ids where there are so many."""


def counts_of_labels(counts: ExampleCounts, labels: Sequence[str]) -> dict[str, int]:
    """Return how many rows have each label."""
    kinds = (counts.labels, counts.validation_labels, counts.test_labels)
    return {label: sum(kind.get(label, 0) for kind in kinds) for label in labels}


def findings_of_labels(
    settings: TrainSettings, counts: ExampleCounts, label_counts: Mapping[str, int], *, multi_label: bool
) -> list[str]:
    """Say what looks wrong about the labels, and which value of ``--unlabelled`` no row has."""
    rows = counts.train + counts.validation + counts.test
    found = label_findings(label_counts, rows, multi_label=multi_label) if label_counts else []
    left_out = {mended(value) for value in counts.unlabelled}
    unmet = [value for value in settings.unlabelled if value and mended(value) not in left_out]
    return found + [f"--unlabelled {value!r}: no row of LABELLED has this label" for value in unmet]


def require_usable(
    counts: ExampleCounts,
    labels: tuple[str, ...],
    settings: TrainSettings,
    model: ModelSettings,
    *,
    multi_label: bool,
    few: bool,
) -> None:
    """Refuse rows that no classifier can be made of; where they are ``few``, none are kept to stop by.

    Raises:
        CorpusError: there are none to learn from, or too few labels, or none to stop by.
    """
    where = f"column {settings.label_column!r}"
    if not counts.train and not (few and counts.validation):
        raise CorpusError(
            f"no row to train on: {counts.without_label:,} rows have no label in {where}, and "
            f"{counts.without_evidence:,} have a label but no word with a vector{_also_left_out(counts)}"
            + (f"; --where {settings.where!r} selects no other rows: give another" if settings.where else "")
        )
    if multi_label and not labels:
        raise CorpusError(f"{where} holds empty lists only; a classifier needs at least one label")
    if not multi_label and len(labels) < 2:
        rows = counts.train + counts.validation
        raise CorpusError(
            f"{where} holds one class only ({labels[0]!r}, {rows:,} rows); a classifier needs at least two. Left out: "
            f"{counts.without_label:,} rows without a label, {counts.without_evidence:,} without a known word or a "
            f"text that can be read{_also_left_out(counts)}"
        )
    rows_of = counts_of_labels(counts, labels)
    if not multi_label and len(labels) >= _FEWEST_IDS and set(rows_of.values()) == {1}:
        raise CorpusError(
            f"{where} holds another label in each of its {len(labels):,} rows ({labels[0]!r}, {labels[1]!r}, ...): "
            "they look like ids, from which nothing can be learnt; name the column of the labels with --label-column"
        )
    if isinstance(model, StepSettings) and not counts.validation and settings.validation:
        raise CorpusError("--validation has no row with a label and a word that has a vector; name another set")
    if isinstance(model, StepSettings) and not counts.validation and not few:
        raise CorpusError(
            "no rows for validation: a share of "
            f"{settings.validation_fraction or DEFAULT_VALIDATION_SHARE:g} of {counts.train:,} rows is less than one; "
            "raise --validation-fraction or give --validation"
        )
    rows = counts.train + counts.validation
    alone_of_two = not multi_label and len(labels) == 2 and 1 in rows_of.values()
    if settings.model == AUTO and few and (rows - math.ceil(rows / FOLDS) < FOLDS or alone_of_two):
        raise CorpusError(
            f"--model auto compares models by {FOLDS} folds of so few rows; "
            + ("a label has one row only" if alone_of_two else f"{rows:,} rows are too few")
            + ": give more rows, or name a --model"
        )


def _also_left_out(counts: ExampleCounts) -> str:
    """Name the rows that options leave out, and those whose line is damaged."""
    told = [f"{rows:,} of --unlabelled {value!r}" for value, rows in counts.unlabelled.items()]
    told += [f"{rows:,} damaged lines of {file}" for file, rows in list(counts.damaged.items())[:3]]
    return "".join(f", {one}" for one in told)


def unknown_labels(
    counts: Sequence[ExampleCounts],
    labels: tuple[str, ...],
    settings: TrainSettings,
    model: ModelSettings,
) -> dict[str, int]:
    """Return the labels of a set for validation that are none of the model's, and how often each is there.

    Raises:
        CorpusError: no other one is there, and the training was to be stopped by that set.
    """
    of_set: Mapping[str, int] = counts[1].validation_labels if len(counts) > 1 else {}
    unknown = {name: count for name, count in of_set.items() if name not in labels}
    if isinstance(model, StepSettings) and unknown and len(unknown) == len(of_set):
        raise CorpusError(
            f"--validation: none of its rows has a label of LABELLED; column {settings.label_column!r} has "
            f"{_some(unknown)} there, and {_some(labels)} in LABELLED"
        )
    return unknown


def left_out_of_validation(counts: Sequence[ExampleCounts]) -> list[str]:
    """Say that the set for validation has texts that are kept for the test."""
    rows = sum(of_set.test for of_set in counts[1:])
    return (
        [f"--validation: {rows:,} rows are left out, because rows kept for the test have their texts"] if rows else []
    )


def not_learnt(counts: ExampleCounts) -> dict[str, int]:
    """Return the labels that only rows kept for validation have, and how often each is there."""
    return {name: kept for name, kept in counts.validation_labels.items() if name not in counts.labels}


def _some(labels: Collection[str]) -> str:
    """Name a few labels."""
    more = f" and {len(labels) - 3:,} more" if len(labels) > 3 else ""
    return ", ".join(map(repr, label_order(labels)[:3])) + more
