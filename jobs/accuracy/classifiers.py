"""One training of one of w2vray's models and its test, in this process, by the library's ``fit`` and ``TextScorer``."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from labelled_sets import LabelledSet, Rows

from w2vray.cluster.choosing import chosen
from w2vray.cluster.scoring_cost import nanoseconds_a_word
from w2vray.models.directory import Bundle, ModelConfig
from w2vray.models.kinds import AUTO, ModelSettings, model_settings
from w2vray.models.ladder import Candidate
from w2vray.models.wide.part import WIDE as WEIGHTS_OF_WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.scoring.metrics import NO_LABEL, Confusion, metrics
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.steps import StepSettings
from w2vray.text.word_ngrams import WordNgrams
from w2vray.training.examples import NO_EXAMPLES, Examples
from w2vray.training.fit import BEST, CURVE, HELD_OUT, SEARCH, TEMPERATURES, WIDE, Task, fit, second_fit
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.objectives import OneLabel
from w2vray.training.settings import TrainSettings
from w2vray.training.two_parts import wide_state
from w2vray.training.wide import WideTask
from w2vray.vectors import Vectors

_TEXTS_OF_COST = 100
"""Texts by which it is measured what scoring takes."""

__all__ = ["Outcome", "measure_auto", "measure_model", "outcome", "table_settings", "trained"]

OOV = "skip"


@dataclass(frozen=True)
class Outcome:
    """What a training came to on the test rows; ``epochs`` is 0 where nothing is learnt in epochs.

    ``chosen`` and ``tried`` are of a choice among several.
    """

    accuracy: float
    macro_f1: float
    epochs: int = 0
    chosen: str = ""
    tried: Sequence[Mapping[str, Any]] = ()


def table_settings(model: str, *, tuned: bool) -> ModelSettings:
    """Return the settings that the table is made with: the library's defaults, but for ``refit``.

    The counterparts learn from all rows; so do the networks, once their number of epochs is known.
    """
    steps = tuned or model != "average"
    return model_settings(model, {"refit": True} if steps else {}, tuned=tuned)


def measure_model(
    labelled: LabelledSet,
    vectors: Vectors,
    model: str,
    settings: ModelSettings,
    *,
    tuned: bool,
    seed: int,
    wide: WideTask | None = None,
) -> Outcome:
    """Train a model, then classify the test rows. A part ``dev`` stops the training and is never learnt from.

    Without one, and with few rows, the number of epochs is found by folds, as ``train`` finds it.
    """
    fitted = _Trained(labelled, vectors, model, settings, tuned, seed, wide)
    refit = isinstance(settings, StepSettings) and settings.refit and labelled.dev is None
    return fitted.measured(fitted.state(*_parts(labelled, settings, seed), refit=refit))


def measure_auto(labelled: LabelledSet, vectors: Vectors, *, seed: int, wide: WideTask) -> Outcome:
    """Try what ``train --model auto`` tries, as it does, and classify the test rows with each, and with the best.

    ``tried`` tells of each: the loss and accuracy that it was chosen by, and its accuracy on the test rows. The best
    one then learns from all rows, unless there is a part ``dev``, or rows are few and it has learnt from all of them.
    """
    asked = TrainSettings(labelled=("",), vectors=str(vectors.path), output="model", model=AUTO, seed=seed)
    learnt, kept = labelled.learnt_and_kept(seed)
    of_test = []

    def fitted(own: TrainSettings, **changes: Any) -> _Trained:
        settings = model_settings(own.model, dict(own.model_settings), tuned=own.tune_vectors)
        return _Trained(
            labelled, vectors, own.model, settings, own.tune_vectors, seed, wide, keep_held_out=True, **changes
        )

    def run(_: Candidate, own: TrainSettings) -> tuple[ModelSettings, Mapping[str, Any], float]:
        trained, begun = fitted(own, by_validation=True), time.monotonic()
        state = trained.state(learnt, kept)
        seconds = time.monotonic() - begun
        of_test.append(trained.measured(state).accuracy)
        return trained.settings, state, seconds

    def cost(own: TrainSettings, _: ModelSettings, state: Mapping[str, Any]) -> float:
        texts = (kept or learnt).texts[:_TEXTS_OF_COST]
        return nanoseconds_a_word(TextScorer(fitted(own).bundle(state), vectors), texts)

    best = chosen(asked, run, cost, alone=False, few=labelled.few, note=lambda _: None)
    tried = [trial.as_dict() | {"test_accuracy": of} for trial, of in zip(best.trials, of_test, strict=True)]
    again = fitted(best.settings)
    if labelled.few or labelled.dev is not None:
        measured = again.measured(best.state)
    elif isinstance(best.model, StepSettings):
        measured = again.measured(again.state(learnt, kept, refit=True, start=second_fit(best.state)))
    else:
        measured = again.measured(again.state(labelled.train, None))
    return replace(measured, chosen=best.name, tried=tried)


def trained(labelled: LabelledSet, vectors: Vectors, model: str, *, seed: int) -> tuple[Bundle, HeldOutAnswers]:
    """Train a model with the library's defaults, calibrated; return what it says of rows that it did not learn from."""
    settings = model_settings(model, {}, tuned=False)
    fitted = _Trained(labelled, vectors, model, settings, False, seed, calibrate=True, keep_held_out=True)
    state = fitted.state(*_parts(labelled, settings, seed))
    return fitted.bundle(state), HeldOutAnswers.from_state(state[HELD_OUT])


def _parts(labelled: LabelledSet, settings: ModelSettings, seed: int) -> tuple[Rows, Rows | None]:
    """Return the rows to learn from, and those to stop by, which a fit at once does not need."""
    return labelled.learnt_and_kept(seed) if isinstance(settings, StepSettings) else (labelled.train, None)


@dataclass(frozen=True)
class _Trained:
    """A kind of model with its settings, to be fitted to rows of a set; the flags are those of the task."""

    labelled: LabelledSet
    vectors: Vectors
    model: str
    settings: ModelSettings
    tuned: bool
    seed: int
    wide: WideTask | None = None
    by_validation: bool = False
    calibrate: bool = False
    keep_held_out: bool = False

    def state(
        self, learnt: Rows, kept: Rows | None, *, refit: bool = False, start: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Fit it, and return the last state of the training."""
        labels = self.labelled.labels
        task = Task(
            model=self.settings,
            classes=len(labels),
            objective=OneLabel(),
            oov=OOV,
            tune_vectors=self.tuned,
            wide=self.wide,
            by_folds=self.labelled.few,
            by_validation=self.by_validation,
            refit=refit,
            seed=self.seed,
            calibrate=self.calibrate,
            keep_held_out=self.keep_held_out,
        )
        train = examples(learnt, self.vectors, labels, self.wide)
        validation = NO_EXAMPLES if kept is None else examples(kept, self.vectors, labels, self.wide)
        return fit(task, self.vectors.table_VD, train, validation, state=start)

    def bundle(self, state: Mapping[str, Any]) -> Bundle:
        """Return the model of a training's last state."""
        vectors = self.vectors
        config = ModelConfig(
            model=self.model,
            settings=self.settings,
            tuned_vectors=self.tuned,
            labels=self.labelled.labels,
            rules=vectors.rules,
            oov=OOV,
            dim=vectors.dim,
            vectors_fingerprint=vectors.fingerprint,
            vectors_path=str(vectors.path),
            temperatures=tuple(state[TEMPERATURES]),
        )
        weights = {name: value.numpy() for name, value in state[BEST].items()}
        if self.wide is not None:
            arrays, (main, of_runs) = wide_state(state[WIDE])
            weights |= {WEIGHTS_OF_WIDE + name: array for name, array in arrays.items()}
            described = WideSettings(longest=self.wide.longest, bits=self.wide.bits, main=main, wide=of_runs)
            config = replace(config, wide=described)
        return Bundle(config, weights)

    def measured(self, state: Mapping[str, Any]) -> Outcome:
        """Classify the test rows."""
        texts = pa.array(self.labelled.test.texts, pa.large_string())
        scores = TextScorer(self.bundle(state), self.vectors).score_array(texts)
        epochs = len(state.get(SEARCH, state[CURVE])) if isinstance(self.settings, StepSettings) else 0
        return outcome(scores.label_N, self.labelled, epochs)


def outcome(predicted_N: npt.NDArray[np.integer[Any]], labelled: LabelledSet, epochs: int = 0) -> Outcome:
    """Compare numbers of labels with the test rows' labels; a label that was never learnt counts as wrong."""
    number = {label: index for index, label in enumerate(labelled.labels)}
    true_N = np.array([number.get(label, NO_LABEL) for label in labelled.test.labels])
    measured = metrics(Confusion.of(true_N, predicted_N), labelled.labels)
    return Outcome(measured.accuracy, measured.macro_f1, epochs)


def examples(rows: Rows, vectors: Vectors, labels: Sequence[str], wide: WideTask | None = None) -> Examples:
    """Look up rows to learn from: those of a known label of which a word has a vector, as ``w2vray train`` does."""
    number = {label: index for index, label in enumerate(labels)}
    known = rows.take(np.flatnonzero([label in number for label in rows.labels]))
    runs = None if wide is None else WordNgrams(wide.longest, wide.bits)
    ids = vectors.lookup(vectors.rules, OOV, word_ngrams=runs)(known.texts)
    usable_N = ids.evidence_N
    labels_N = np.array([number[label] for label in known.labels], dtype=np.int64)
    offsets_N1 = np.concatenate(([0], np.cumsum(ids.lengths_N[usable_N])))
    found = Examples.of(ids.ids_L, offsets_N1, labels_N[usable_N], len(labels))
    if ids.ngrams is None:
        return found
    part = replace(found.parts[0], ngrams=ids.ngrams.of(np.flatnonzero(usable_N)))
    return replace(found, parts=(part,))
