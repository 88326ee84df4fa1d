"""One training of one of w2vray's models and its test, in this process, by the library's ``fit`` and ``TextScorer``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from labelled_sets import LabelledSet, Rows

from w2vray.models.directory import Bundle, ModelConfig
from w2vray.models.kinds import ModelSettings, model_settings
from w2vray.models.wide.part import WIDE as WEIGHTS_OF_WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.scoring.metrics import NO_LABEL, Confusion, metrics
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.steps import StepSettings
from w2vray.text.word_ngrams import WordNgrams
from w2vray.training.examples import NO_EXAMPLES, Examples
from w2vray.training.fit import BEST, CURVE, HELD_OUT, SEARCH, TEMPERATURES, WIDE, Task, fit
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.objectives import OneLabel
from w2vray.training.two_parts import wide_state
from w2vray.training.wide import WideTask
from w2vray.vectors import Vectors

__all__ = ["Outcome", "measure_model", "outcome", "table_settings", "trained"]

OOV = "skip"


@dataclass(frozen=True)
class Outcome:
    """What a training came to on the test rows; ``epochs`` is 0 where nothing is learnt in epochs."""

    accuracy: float
    macro_f1: float
    epochs: int = 0


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
    """Train a model, then classify the test rows. A part ``dev`` stops the training and is never learnt from."""
    bundle, state = _fitted(labelled, vectors, model, settings, tuned=tuned, seed=seed, wide=wide)
    epochs = len(state.get(SEARCH, state[CURVE])) if isinstance(settings, StepSettings) else 0
    scores = TextScorer(bundle, vectors).score_array(pa.array(labelled.test.texts, pa.large_string()))
    return outcome(scores.label_N, labelled, epochs)


def trained(labelled: LabelledSet, vectors: Vectors, model: str, *, seed: int) -> tuple[Bundle, HeldOutAnswers]:
    """Train a model with the library's defaults, calibrated; return what it says of rows that it did not learn from."""
    settings = model_settings(model, {}, tuned=False)
    bundle, state = _fitted(labelled, vectors, model, settings, tuned=False, seed=seed, calibrate=True)
    return bundle, HeldOutAnswers.from_state(state[HELD_OUT])


def _fitted(
    labelled: LabelledSet,
    vectors: Vectors,
    model: str,
    settings: ModelSettings,
    *,
    tuned: bool,
    seed: int,
    calibrate: bool = False,
    wide: WideTask | None = None,
) -> tuple[Bundle, Mapping[str, Any]]:
    """Return the model, and the last state of its training."""
    steps = isinstance(settings, StepSettings)
    learnt, kept = labelled.learnt_and_kept(seed) if steps else (labelled.train, None)
    task = Task(
        model=settings,
        classes=len(labelled.labels),
        objective=OneLabel(),
        oov=OOV,
        tune_vectors=tuned,
        wide=wide,
        refit=isinstance(settings, StepSettings) and settings.refit and labelled.dev is None,
        seed=seed,
        calibrate=calibrate,
        keep_held_out=calibrate,
    )
    train = examples(learnt, vectors, labelled.labels, wide)
    validation = NO_EXAMPLES if kept is None else examples(kept, vectors, labelled.labels, wide)
    state = fit(task, vectors.table_VD, train, validation)
    config = ModelConfig(
        model=model,
        settings=settings,
        tuned_vectors=tuned,
        labels=labelled.labels,
        rules=vectors.rules,
        oov=OOV,
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(vectors.path),
        temperatures=tuple(state[TEMPERATURES]),
    )
    weights = {name: value.numpy() for name, value in state[BEST].items()}
    if wide is not None:
        arrays, (main, of_runs) = wide_state(state[WIDE])
        weights |= {WEIGHTS_OF_WIDE + name: array for name, array in arrays.items()}
        described = WideSettings(longest=wide.longest, bits=wide.bits, main=main, wide=of_runs)
        config = replace(config, wide=described)
    return Bundle(config, weights), state


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
