"""A model fitted to examples, in this process or in step with others: what every training comes down to, without Ray.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from w2vray.models.classifier import Classifier, shared_table, special_row
from w2vray.models.kinds import Kind, ModelSettings, kind_of
from w2vray.models.word_vectors import WordVectors
from w2vray.settings.logistic import LogisticSettings
from w2vray.settings.steps import StepSettings
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.examples import NO_EXAMPLES, Examples, Numbering, joined
from w2vray.training.folds import fit_by_folds
from w2vray.training.logistic import LogisticFit, Means, fit_logistic
from w2vray.training.objectives import Objective
from w2vray.training.steps import EpochReport, Training, validate

__all__ = ["BEST", "CONVERGED", "CURVE", "HELD_OUT", "SEARCH", "TEMPERATURES", "Task", "fit"]

BEST, CURVE = "best", "curve"
"""In a state: the weights to keep, and the learning curve so far."""

CONVERGED = "converged"
"""In the state of a logistic regression: whether the weights are its optimum."""

TEMPERATURES = "temperatures"
"""In a state: what the logits of the weights to keep are divided by; an empty list where that is not known."""

HELD_OUT = "held_out"
"""In a state, where the task asks for it: what was said of rows that were not learnt from, as ``HeldOutAnswers``."""

SEARCH = "search"
"""In a state of the second fit: the learning curve of the first, which found how many epochs are best."""

_OF_FIRST = (TEMPERATURES, HELD_OUT)
"""What a second fit takes from the first: it has no rows that it does not learn from."""

Report = Callable[[EpochReport, Mapping[str, Any]], None]
"""Called after each epoch with its line of the learning curve and a state to go on from."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learnt, but for the examples. ``refit`` asks for a second fit, on the validation rows too.

    ``kind`` is looked up once, by the settings, and goes with the task to other processes, which need not know the kind
    otherwise.
    """

    model: ModelSettings
    classes: int
    objective: Objective
    oov: str = "skip"
    tune_vectors: bool = False  # the words of the examples get vectors of the model's own, started from the table's
    refit: bool = False
    calibrate: bool = False
    keep_held_out: bool = False  # the answers to rows that were not learnt from, for thresholds
    seed: int = 0
    precision: str = "float32"
    kind: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", kind_of(self.model))


def fit(
    task: Task,
    table_VD: npt.NDArray[Any],
    train: Examples,
    validation: Examples,
    *,
    workers: Workers = ALONE,
    device: torch.device = torch.device("cpu"),  # noqa: B008 - it cannot be changed
    state: Mapping[str, Any] | None = None,
    report: Report = lambda _, __: None,
    folder: Path | None = None,
) -> Mapping[str, Any]:
    """Fit a model and return the last state: ``BEST`` holds the weights, ``CURVE`` the learning curve.

    Args:
        task: what is to be learnt.
        table_VD: the vectors; they are not written to.
        train: all examples to learn from, whatever the number of workers.
        validation: all examples to stop by.
        workers: those that fit together, each of which calls this with the same arguments.
        device: where the model is.
        state: a state of an earlier call, to go on from.
        report: called after each epoch.
        folder: for a temporary file, where means take much memory.
    """
    words = _Words.of(task, table_VD, joined(train, validation) if task.refit else train)
    train, validation = (replace(examples, numbering=words.numbering) for examples in (train, validation))
    torch.manual_seed(task.seed)  # the same first weights on every worker
    if isinstance(task.model, LogisticSettings):
        classifier = words.classifier(task, table_VD)
        scaled = bool(task.model.unit_length)
        means = Means(classifier.words, train, unit_length=scaled, workers=workers, folder=folder)
        line, found = _fit_at_once(classifier, means, task, task.model, workers=workers, examples=len(train))
        loss, accuracy = validate(classifier, validation, task.objective, workers)
        by_folds = None
        if task.calibrate or task.keep_held_out:
            by_folds = fit_by_folds(means, found, task.model, task.objective, examples=len(train), workers=workers)
        temperatures = by_folds.temperatures() if by_folds is not None and task.calibrate else ()
        line = replace(line, validation_loss=loss, validation_accuracy=accuracy)
        weights = {name: value.clone() for name, value in classifier.state_dict().items()}
        done = {BEST: weights, CURVE: [line.as_dict()], CONVERGED: found.converged, TEMPERATURES: list(temperatures)}
        if by_folds is not None and task.keep_held_out:
            done[HELD_OUT] = by_folds.answers().as_state()
        report(line, done)
        return done
    assert isinstance(task.model, StepSettings), "what is imported is not trained"
    in_steps = task.model
    start = dict(state or {})

    def training(model: StepSettings) -> Training:
        classifier = words.classifier(task, table_VD).to(device)
        classifier.words.move_table(device)
        made = Training(
            classifier,
            model,
            task.objective,
            seed=task.seed,
            workers=workers,
            precision=task.precision,
            calibrate=task.calibrate,
            keep_held_out=task.keep_held_out,
        )
        if "weights" in start:
            made.load_state_dict(start)
        return made

    if SEARCH not in start:
        searching = training(in_steps)
        for line in searching.run(train, validation):
            report(line, searching.state_dict())
        if not task.refit:
            return searching.state_dict()
        searched = searching.state_dict()
        start = {SEARCH: searched[CURVE], **{name: searched[name] for name in _OF_FIRST if name in searched}}
        torch.manual_seed(task.seed)
    search: list[dict[str, Any]] = start[SEARCH]
    best = min(search, key=lambda line: float(line["validation_loss"]))
    again = training(replace(in_steps, epochs=best["epoch"]))
    again.temperatures = tuple(start.get(TEMPERATURES, ()))
    again.held_out = start.get(HELD_OUT)
    for line in again.run(joined(train, validation), NO_EXAMPLES):
        report(line, {**again.state_dict(), SEARCH: search})
    return {**again.state_dict(), SEARCH: search}


@dataclass(frozen=True)
class _Words:
    """The overlay that a model starts with, and how the ids of examples are numbered with it."""

    overlay_KD: Tensor
    numbering: Numbering

    @classmethod
    def of(cls, task: Task, table_VD: npt.NDArray[Any], learnt: Examples) -> "_Words":
        special_KD = special_row(task.oov, table_VD)
        if not task.tune_vectors:
            return cls(special_KD, Numbering(len(table_VD), len(special_KD), np.empty(0, dtype=np.int64)))
        replaced_rows = learnt.table_rows(len(table_VD))
        tuned_KD = torch.from_numpy(np.asarray(table_VD[replaced_rows], dtype=np.float32))
        numbering = Numbering(len(table_VD), len(special_KD), replaced_rows)
        return cls(torch.cat((special_KD, tuned_KD)), numbering)

    def classifier(self, task: Task, table_VD: npt.NDArray[Any]) -> Classifier:
        """Build the model with fresh weights; with ``--oov zero``, the special row stays as it is."""
        special = self.numbering.special_rows
        words = WordVectors(
            shared_table(table_VD),
            self.overlay_KD.clone(),
            trainable=task.tune_vectors or (task.oov == "unknown" and isinstance(task.model, StepSettings)),
            replaced_rows=torch.from_numpy(self.numbering.replaced_rows) if task.tune_vectors else None,
            fixed_rows=special if task.oov == "zero" else 0,
        )
        return Classifier(words, task.kind.build(task.model, words.dim, task.classes))


def _fit_at_once(
    classifier: Classifier, means: Means, task: Task, model: LogisticSettings, *, workers: Workers, examples: int
) -> tuple[EpochReport, LogisticFit]:
    """Set the model to the optimum of logistic regression on the means; the special row stays as it is."""
    found = fit_logistic(
        means,
        classifier.words.dim,
        task.classes,
        task.objective,
        examples=examples,
        C=model.C,
        max_iterations=model.iterations,
        sum_over_workers=workers.sum,
    )
    weights = {**classifier.state_dict(), "model.dense.weight": found.weight_CD, "model.dense.bias": found.bias_C}
    classifier.load_state_dict(weights)
    taken = int(workers.sum(torch.tensor([len(means.means_ND)])))
    return EpochReport(1, workers.count, taken, found.objectives[-1], None, None), found
