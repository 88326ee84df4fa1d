"""Temperatures of a model, fitted anew on rows that its training did not see, and what they do, by folds.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from w2vray.cluster.logits_of_rows import RowsSaid
from w2vray.models.directory import ModelConfig
from w2vray.scoring.answers import plain_answer
from w2vray.scoring.calibration_error import CalibrationError
from w2vray.training.calibration import fit_temperatures
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.stratified import FOLDS

__all__ = [
    "Refitted",
    "answers_alone",
    "held_out_loss",
    "held_out_losses",
    "probabilities_of",
    "refitted",
    "temperatures_suit",
]


@dataclass(frozen=True)
class Refitted:
    """Temperatures, and what they do: ``changed`` is False where other ones than those of before do no good."""

    temperatures: tuple[float, ...]
    changed: bool
    before: CalibrationError
    after: CalibrationError


def refitted(said: RowsSaid, config: ModelConfig) -> Refitted:
    """Fit temperatures, starting from those that the model has; keep these where other ones do no good.

    A model whose single label is the best of questions that are asked each by itself keeps its own: no temperature
    makes such answers one distribution. What temperatures do is measured by folds of the texts: rows that they are
    fitted on do not tell.
    """
    answers, before = said.answers, config.temperatures
    alone = answers_alone(config)
    if not temperatures_suit(config):
        error = _error(probabilities_of(answers, before, alone=alone), answers)
        return Refitted(before, changed=False, before=error, after=error)
    classes = len(config.labels) if config.multi_label else 1
    new = _fit(answers, before, classes)
    fold_N = said.keys_N % np.uint64(FOLDS)
    probabilities = {name: np.empty(answers.logits_NC.shape, dtype=np.float32) for name in ("before", "after")}
    for fold in range(FOLDS):
        of_fold_N = fold_N == fold
        for name, temperatures in (("before", before), ("after", _fit(answers.take(~of_fold_N), before, classes))):
            probabilities[name][of_fold_N] = probabilities_of(answers.take(of_fold_N), temperatures, alone=alone)
    losses = {name: held_out_loss(of_rows, answers) for name, of_rows in probabilities.items()}
    errors = {name: _error(of_rows, answers) for name, of_rows in probabilities.items()}
    changed = losses["after"] < losses["before"]
    return Refitted(
        new if changed else before,
        changed=changed,
        before=errors["before"],
        after=errors["after" if changed else "before"],
    )


def _fit(answers: HeldOutAnswers, before: tuple[float, ...], classes: int) -> tuple[float, ...]:
    """Fit temperatures; few rows draw them to those of before."""
    earlier = np.array(before or (1.0,), dtype=np.float32)
    if not answers.multi_label:
        answers = answers.take(answers.labels >= 0)
    rows = (
        torch.from_numpy(answers.logits_NC / earlier),
        torch.from_numpy(answers.labels),
        torch.ones(1, dtype=torch.bool),
    )
    found = fit_temperatures([rows], answers.logits_NC.shape[1], multi_label=answers.multi_label)
    product = np.broadcast_to(np.array(found) * earlier.astype(np.float64), classes)
    return tuple(float(f"{value:.5g}") for value in product)


def answers_alone(config: ModelConfig) -> bool:
    """Tell whether a model asks of each label by itself: of several labels, or because it was imported as such."""
    return config.multi_label or bool(getattr(config.settings, "independent", False))


def temperatures_suit(config: ModelConfig) -> bool:
    """Tell whether temperatures can be fitted: not to the best of answers that are each given by itself."""
    return config.multi_label or not answers_alone(config)


def probabilities_of(
    answers: HeldOutAnswers, temperatures: tuple[float, ...], *, alone: bool
) -> npt.NDArray[np.float32]:
    """Return probabilities_NC, as a scorer gives them; ``alone`` says whether each label is a question of its own."""
    logits_NC = answers.logits_NC
    if temperatures:
        logits_NC = np.multiply(logits_NC, 1 / np.array(temperatures, dtype=np.float32), dtype=np.float32)
    return plain_answer(logits_NC, np.ones(len(answers), dtype=np.bool_), alone)[0]


def held_out_loss(probabilities_NC: npt.NDArray[np.float32], answers: HeldOutAnswers) -> float:
    """Return the mean cross-entropy of the rows whose label is known."""
    return float(held_out_losses(probabilities_NC, answers).mean())


def held_out_losses(probabilities_NC: npt.NDArray[np.float32], answers: HeldOutAnswers) -> npt.NDArray[np.float64]:
    """Return the cross-entropy of each row whose label is known; where rows may have several, the mean of a label's."""
    least, exact_NC = 1e-12, probabilities_NC.astype(np.float64)
    if answers.multi_label:
        of_truth_NC = np.where(answers.labels > 0, exact_NC, 1 - exact_NC)
        return np.asarray(-np.log(np.maximum(of_truth_NC, least)).mean(axis=1))
    known_N = answers.labels >= 0
    of_truth_N = exact_NC[known_N, answers.labels[known_N]]
    return np.asarray(-np.log(np.maximum(of_truth_N, least)))


def _error(probabilities_NC: npt.NDArray[np.float32], answers: HeldOutAnswers) -> CalibrationError:
    if answers.multi_label:
        found = CalibrationError.of(probabilities_NC, answers.labels > 0)
    else:
        found = CalibrationError.of(probabilities_NC.max(axis=1), probabilities_NC.argmax(axis=1) == answers.labels)
    assert found is not None, "there are rows"
    return found
