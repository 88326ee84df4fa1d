"""A model fitted to examples, in this process or in step with others: what every training comes down to, without Ray.

Shape letters: CONTRIBUTING.md.
"""

import copy
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
from w2vray.training.cross_validation import cross_validate
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.examples import NO_EXAMPLES, Examples, Numbering, joined
from w2vray.training.folds import ByFolds, fit_by_folds
from w2vray.training.logistic import LogisticFit, Means, fit_logistic
from w2vray.training.objectives import Objective
from w2vray.training.steps import EpochReport, Logits, Training, validate
from w2vray.training.stratified import folds_of
from w2vray.training.two_parts import TwoParts
from w2vray.training.wide import WideTask

__all__ = ["BEST", "CONVERGED", "CURVE", "HELD_OUT", "SEARCH", "TEMPERATURES", "WIDE", "Task", "fit", "second_fit"]

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

WIDE = "wide"
"""In the last state of a model with a wide part: that part, see ``TwoParts.as_state``."""

_WEIGHTS = "weights_of_parts"

_OF_FIRST = (TEMPERATURES, HELD_OUT, _WEIGHTS)
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
    wide: WideTask | None = None
    by_folds: bool = False  # the best number of epochs is found by folds of all examples, which are few
    by_validation: bool = False  # the weights of two parts are fitted on the rows for validation, never by folds
    refit: bool = False
    calibrate: bool = False
    keep_held_out: bool = False  # the answers to rows that were not learnt from, for thresholds
    seed: int = 0
    precision: str = "float32"
    kind: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", kind_of(self.model))

    def for_examples(self, examples: int) -> "Task":
        """Return the task with what of its settings depends on the number of examples; the kind is not looked up."""
        if not isinstance(self.model, StepSettings):
            return self
        settled = copy.copy(self)
        object.__setattr__(settled, "model", self.model.for_examples(examples))
        return settled


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
        folder: for temporary files, where means or n-grams take much memory.
    """
    task = task.for_examples(len(train))
    words = _Words.of(task, table_VD, joined(train, validation) if task.refit or task.by_folds else train)
    train, validation = (replace(examples, numbering=words.numbering) for examples in (train, validation))
    torch.manual_seed(task.seed)  # the same first weights on every worker
    if isinstance(task.model, LogisticSettings):
        if task.by_folds:
            train, validation = joined(train, validation), NO_EXAMPLES
        at_once = _AtOnce(task, words, table_VD, train, validation, workers, report, folder)
        return at_once.run(task.model)
    return _Steps(task, words, table_VD, train, validation, workers, device, report, dict(state or {}), folder).run()


def second_fit(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state that a second fit, on all rows, begins with, from the last one of a fit that kept rows apart."""
    return {SEARCH: state[CURVE], **{name: state[name] for name in _OF_FIRST if name in state}}


@dataclass
class _Steps:
    """A model that learns in steps: a first fit, a second one where that is asked for, and the wide part beside it.

    ``start`` is what an earlier call has left to go on from.
    """

    task: Task
    words: "_Words"
    table_VD: npt.NDArray[Any]
    train: Examples
    validation: Examples
    workers: Workers
    device: torch.device
    report: Report
    start: dict[str, Any]
    folder: Path | None

    def run(self) -> Mapping[str, Any]:
        """Go on to the end, and return the last state."""
        if WIDE in self.start:
            return self.start
        settings = self.task.model
        assert isinstance(settings, StepSettings), "what is imported is not trained"
        if SEARCH not in self.start:
            if self.task.by_folds and "weights" not in self.start:
                searched = self._searched_by_folds(settings)
            else:
                searching = self._training(settings)
                for line in searching.run(self.train, self.validation):
                    self.report(line, searching.state_dict())
                searched = searching.state_dict()
                parts = self._parts(searched[BEST])
                searched = {**searched, **self._of_parts(parts)}
                if not self.task.refit:
                    return self._last(searched, parts)
            self.start = second_fit(searched)
            torch.manual_seed(self.task.seed)
        return self._again(settings)

    def _searched_by_folds(self, settings: StepSettings) -> dict[str, Any]:
        """Find the best number of epochs, and what tells probabilities, by folds of all examples."""
        task = self.task
        every = joined(self.train, self.validation)
        found = cross_validate(self._training, settings, every, task.objective, self.workers)
        searched: dict[str, Any] = {CURVE: [line.as_dict() for line in found.curve], TEMPERATURES: []}
        if task.wide is not None:
            parts = TwoParts.of(task.wide, every, task.objective, self.workers, self.folder)
            parts = parts.weighed_by_folds(every, task.objective, _all_count(found.said, every), few=True)
            return searched | self._of_parts(parts)
        if task.calibrate:
            searched[TEMPERATURES] = list(found.temperatures())
        if task.keep_held_out:
            searched[HELD_OUT] = found.answers().as_state()
        return searched

    def _of_parts(self, parts: TwoParts | None) -> dict[str, Any]:
        """Return what a state keeps of two parts beside the wide one itself."""
        if parts is None:
            return {}
        held_out = parts.held_out if self.task.keep_held_out else None
        told = {} if held_out is None else {HELD_OUT: held_out.as_state()}
        return {_WEIGHTS: parts.weights, TEMPERATURES: [], **told}

    def _again(self, settings: StepSettings) -> Mapping[str, Any]:
        """Fit a second time, for the best number of epochs, to all examples."""
        search: list[dict[str, Any]] = self.start[SEARCH]
        best = min(search, key=lambda line: float(line["validation_loss"]))
        of_first = {name: self.start[name] for name in (SEARCH, _WEIGHTS) if name in self.start}
        again = self._training(replace(settings, epochs=best["epoch"]))
        again.temperatures = tuple(self.start.get(TEMPERATURES, ()))
        again.held_out = self.start.get(HELD_OUT)
        every = joined(self.train, self.validation)
        for line in again.run(every, NO_EXAMPLES):
            self.report(line, {**again.state_dict(), **of_first})
        last = {**again.state_dict(), **of_first}
        if self.task.wide is None:
            return last
        return self._last(last, TwoParts.of(self.task.wide, every, self.task.objective, self.workers, self.folder))

    def _last(self, state: Mapping[str, Any], parts: TwoParts | None) -> Mapping[str, Any]:
        """Put the wide part into the last state; where there is one, that has not been reported yet."""
        if parts is None:
            return state
        last = {**state, WIDE: parts.as_state(state[_WEIGHTS])}
        self.report(EpochReport(**last[CURVE][-1]), last)
        return last

    def _training(self, settings: StepSettings) -> Training:
        task = self.task
        made = Training(
            self._classifier(),
            settings,
            task.objective,
            seed=task.seed,
            workers=self.workers,
            precision=task.precision,
            calibrate=task.calibrate and task.wide is None,
            keep_held_out=task.keep_held_out and task.wide is None,
        )
        if "weights" in self.start:
            made.load_state_dict(self.start)
        return made

    def _classifier(self) -> Classifier:
        classifier = self.words.classifier(self.task, self.table_VD).to(self.device)
        classifier.words.move_table(self.device)
        return classifier

    def _parts(self, best: Mapping[str, Tensor]) -> TwoParts | None:
        """Fit the wide part to the examples, and the weights of both parts to the rows for validation."""
        task = self.task
        if task.wide is None:
            return None
        parts = TwoParts.of(task.wide, self.train, task.objective, self.workers, self.folder)
        classifier = self._classifier()
        classifier.load_state_dict(best)
        logits: Logits = []
        validate(classifier, self.validation, task.objective, self.workers, logits)
        return parts.weighed_by(self.validation, task.wide, _all_count(logits, self.validation))


def _all_count(logits: Logits, examples: Examples) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Return what was said of examples, with the word that all of it counts."""
    several = examples.multi_label
    return [(*answers, torch.ones(1 if several else len(answers[0]), dtype=torch.bool)) for answers in logits]


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


@dataclass(frozen=True)
class _AtOnce:
    """Logistic regression on the means, and what tells its probabilities; ``folder`` is as for ``fit``."""

    task: Task
    words: _Words
    table_VD: npt.NDArray[Any]
    train: Examples
    validation: Examples
    workers: Workers
    report: Report
    folder: Path | None

    def run(self, model: LogisticSettings) -> Mapping[str, Any]:
        """Fit it, report the one state that there is, and return it."""
        task, train, workers = self.task, self.train, self.workers
        classifier = self.words.classifier(task, self.table_VD)
        scaled = bool(model.unit_length)
        means = Means(classifier.words, train, unit_length=scaled, workers=workers, folder=self.folder)
        line, found = _to_the_optimum(classifier, means, task, model, workers=workers, examples=len(train))
        logits: Logits = []
        loss, accuracy = validate(classifier, self.validation, task.objective, workers, logits)
        line = replace(line, validation_loss=loss, validation_accuracy=accuracy)
        by_folds = None
        if not self._by_validation and (task.calibrate or task.keep_held_out or task.wide is not None):
            by_folds = fit_by_folds(means, found, model, task.objective, fold_N=folds_of(train), workers=workers)
        done = {
            BEST: {name: value.clone() for name, value in classifier.state_dict().items()},
            CURVE: [line.as_dict()],
            CONVERGED: found.converged,
            TEMPERATURES: [],
            **(self._calibrated(by_folds) if task.wide is None else self._with_wide_part(task.wide, by_folds, logits)),
        }
        self.report(line, done)
        return done

    @property
    def _by_validation(self) -> bool:
        return self.task.by_validation and self.task.wide is not None and len(self.validation) > 0

    def _calibrated(self, by_folds: ByFolds | None) -> dict[str, Any]:
        if by_folds is None:
            return {}
        return {
            **({TEMPERATURES: list(by_folds.temperatures())} if self.task.calibrate else {}),
            **({HELD_OUT: by_folds.answers().as_state()} if self.task.keep_held_out else {}),
        }

    def _with_wide_part(self, wide: WideTask, by_folds: ByFolds | None, logits: Logits) -> dict[str, Any]:
        parts = TwoParts.of(wide, self.train, self.task.objective, self.workers, self.folder)
        if self._by_validation:
            parts = parts.weighed_by(self.validation, wide, _all_count(logits, self.validation))
        elif by_folds is not None:
            parts = parts.weighed_by_folds(self.train, self.task.objective, by_folds.said())
        held_out = parts.held_out if self.task.keep_held_out else None
        return {WIDE: parts.as_state(), **({} if held_out is None else {HELD_OUT: held_out.as_state()})}


def _to_the_optimum(
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
        most_passes=model.iterations,
        sum_over_workers=workers.sum,
    )
    weights = {**classifier.state_dict(), "model.dense.weight": found.weight_CD, "model.dense.bias": found.bias_C}
    classifier.load_state_dict(weights)
    taken = int(workers.sum(torch.tensor([len(means.means_ND)])))
    return EpochReport(1, workers.count, taken, found.objectives[-1], None, None), found
