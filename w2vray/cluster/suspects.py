"""Rows of a training set whose label looks wrong: a model that has not learnt from a row is sure of another label.

``average`` is fitted five times more, each time without a fifth of the rows; a network keeps rows for validation. What
is said of those rows is said by a model that has not seen them.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.cluster.refitting import answers_alone, probabilities_of
from w2vray.models.directory import ModelConfig
from w2vray.settings.steps import StepSettings
from w2vray.training.example_files import ExampleFile
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.stratified import FOLDS

__all__ = ["suspects_of"]

_MOST = 100
_SURE = 0.5


def suspects_of(
    held_out: Mapping[str, Any] | None,
    config: ModelConfig,
    files: Sequence[Sequence[Path]],
    learnt: Mapping[str, int],
    *,
    by_folds: bool,
) -> dict[str, Any] | None:
    """Find the rows, the surest first.

    Args:
        held_out: what was said of rows that were not learnt from, of a training's last state.
        config: of the model, with its temperatures.
        files: the example files of each store.
        learnt: how many rows of each label were learnt from.
        by_folds: whether all examples were left out in turn, as those of a small set are; else they were kept for
            validation, unless the model has no epochs.

    Returns:
        What JSON can hold, without a text: ``rows`` with place, label, what the model says and how sure it is,
        ``rows_asked``, and whether these were left out in turn (``folds``) or kept for ``validation``. None where there
        are no such rows.
    """
    if held_out is None:
        return None
    answers = HeldOutAnswers.from_state(held_out)
    if answers.numbers_N is None or not len(answers):
        return None
    probabilities_NC = probabilities_of(answers, config.temperatures, alone=answers_alone(config))
    in_epochs = isinstance(config.settings, StepSettings)
    by_validation = in_epochs and not by_folds
    fewest = 1 if by_validation else FOLDS
    sure_N = _sure(probabilities_NC, answers, [learnt.get(label, 0) >= fewest for label in config.labels])
    chosen = [row for row in np.argsort(-sure_N, kind="stable")[:_MOST].tolist() if sure_N[row] >= _SURE]
    kinds = [1] if by_validation else [0, 1] if by_folds else [0]
    places = _places(answers.numbers_N[chosen].tolist(), config, files, kinds)
    rows = [
        {
            "source_file": place[0],
            "source_row": place[1],
            "true": _true(answers, row, config),
            "predicted": _said(probabilities_NC[row], config),
            "score": round(float(sure_N[row]), 6),
        }
        for row, place in zip(chosen, places, strict=True)
    ]
    return {"rows": rows, "rows_asked": len(answers), "by": "validation" if by_validation else "folds"}


def _sure(
    probabilities_NC: npt.NDArray[np.float32], answers: HeldOutAnswers, known_C: Sequence[bool]
) -> npt.NDArray[np.float64]:
    """Return how sure the model is that the label of each row is wrong; 0 where it agrees.

    Nor can it doubt a label that it never saw: one of very few rows may be all in the part that was left out.
    """
    sure_NC = probabilities_NC.astype(np.float64)
    if answers.multi_label:
        return np.asarray(np.abs(sure_NC - answers.labels).max(axis=1, initial=0.0))
    differs_N = sure_NC.argmax(axis=1) != answers.labels
    return np.where(np.array(known_C)[answers.labels] & differs_N, sure_NC.max(axis=1), 0.0)


def _true(answers: HeldOutAnswers, row: int, config: ModelConfig) -> Any:
    if answers.multi_label:
        return [config.labels[label] for label in np.flatnonzero(answers.labels[row]).tolist()]
    return config.labels[answers.labels[row]]


def _said(probabilities_C: npt.NDArray[np.float32], config: ModelConfig) -> Any:
    if config.multi_label:
        return [config.labels[label] for label in np.flatnonzero(probabilities_C >= _SURE).tolist()]
    return config.labels[int(probabilities_C.argmax())]


def _places(
    numbers: Sequence[int], config: ModelConfig, files: Sequence[Sequence[Path]], kinds: Sequence[int]
) -> list[tuple[str, int]]:
    """Return where rows of a training are, by their numbers among its examples to learn from (0), for validation (1).

    Those of both kinds are numbered one kind after the other.
    """
    found: dict[int, tuple[str, int]] = {}
    wanted = np.unique(np.array(numbers, dtype=np.int64))
    start = 0
    for kind, path in product(kinds, list(chain.from_iterable(files))):
        places = ExampleFile(path).places(config.labels, multi_label=config.multi_label)[kind]
        inside = wanted[(wanted >= start) & (wanted < start + len(places))]
        found.update((number, places[number - start]) for number in inside.tolist())
        start += len(places)
    return [found[number] for number in numbers]
