"""``train --model auto``: several kinds of model learn from the same examples, and the best is kept.

All of them are measured on the rows that are kept for validation, or, where rows are few, by folds of all. The one
whose probabilities say most about these rows, by the mean cross-entropy, becomes the model; or one of a cheaper kind
that says as much, as far as these rows can tell. What scoring takes is measured and told, but does not decide: the same
training again has to choose the same model. Each candidate is a training of its own, with its own checkpoints: the same
command goes on where it was stopped, and what is done is not done again.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.cluster.refitting import held_out_losses, probabilities_of
from w2vray.cluster.waiting import Note
from w2vray.errors import CorpusError, DivergedError
from w2vray.models.kinds import ModelSettings
from w2vray.models.ladder import LADDER, Candidate
from w2vray.training.fit import CURVE, HELD_OUT, SEARCH, TEMPERATURES
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.settings import TrainSettings

__all__ = ["Chosen", "Trial", "chosen"]

State = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a candidate came to: mean cross-entropy in nats, and accuracy, on rows that it did not learn from."""

    model: str
    tune_vectors: bool
    loss: float
    accuracy: float
    epochs: int
    seconds: float  # that training took, in earlier calls too
    scoring: float  # nanoseconds of a CPU for each word that is scored; told, and decides nothing

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Tried:
    """A candidate that was trained, and what it said of each row that it did not learn from."""

    candidate: Candidate
    settings: TrainSettings
    model: ModelSettings
    state: State
    trial: Trial
    losses_N: npt.NDArray[np.float64]

    def worse_by(self, other: "_Tried") -> tuple[float, float]:
        """Return by how much the loss is above another one's, row by row, and the standard error of that."""
        apart_N = self.losses_N - other.losses_N
        return float(apart_N.mean()), float(apart_N.std() / math.sqrt(len(apart_N)))


@dataclass(frozen=True)
class Chosen:
    """The candidate that is kept, the settings and the last state of its training, and what all of them came to."""

    name: str
    settings: TrainSettings
    model: ModelSettings
    state: State
    trials: list[Trial]


Run = Callable[[Candidate, TrainSettings], tuple[ModelSettings, State, float]]
"""Trains a candidate; returns its settings, the last state, and the seconds that it took, in earlier calls too."""

Cost = Callable[[TrainSettings, ModelSettings, State], float]
"""Measures what a candidate takes to score: nanoseconds of a CPU for each word."""

LEAST_LOSS = 0.01
"""A candidate of a cheaper kind is preferred to the one of the least loss if its loss is higher by at most this, in
nats, and by at most one standard error of the difference."""

ERRORS_OF_FEW = 2
"""Where rows are few, a simpler candidate is preferred if its loss is higher by at most so many standard errors. A
network's number of epochs is that of the least loss on these very rows, so that its loss is lower than it would be on
others."""


def chosen(asked: TrainSettings, run: Run, cost: Cost, *, alone: bool, few: bool, note: Note) -> Chosen:
    """Train one candidate after another until all are done or the time is over, and return the best.

    Args:
        asked: what is asked for.
        run: trains one.
        cost: measures what one takes to score.
        alone: whether each label is a question of its own.
        few: whether all rows, since they are few, are what the candidates are compared on.
        note: told of each that is done, and of those that there was no time for.

    Raises:
        CorpusError: no row is there to compare them on.
        DivergedError: none of them could be trained.
    """
    begun = time.monotonic()
    tried: list[_Tried] = []
    for number, candidate in enumerate(LADDER):
        if tried and asked.time_limit is not None and time.monotonic() - begun > 60 * asked.time_limit:
            left = ", ".join(other.name for other in LADDER[number:])
            note(f"the time limit of {asked.time_limit:g} minutes is over; not tried: {left}")
            break
        settings = _settings(candidate, asked)
        try:
            model, state, seconds = run(candidate, settings)
        except DivergedError as error:
            note(f"{candidate.name} cannot be trained and is left out: {error}")
            continue
        this = _tried(
            candidate, settings, model, state, seconds=seconds, scoring=cost(settings, model, state), alone=alone
        )
        trial = this.trial
        note(
            f"{candidate.name}: loss {trial.loss:.4f}, accuracy {trial.accuracy:.4f} on rows that it did not learn "
            f"from, {trial.seconds:.0f} s; scoring takes {trial.scoring:,.0f} ns a word"
        )
        tried.append(this)
    if not tried:
        raise DivergedError("--model auto: none of the models could be trained; name one with --model, and its options")
    kept = _first_as_good(tried, note) if few else _preferred(tried, note)
    return Chosen(kept.candidate.name, kept.settings, kept.model, kept.state, [this.trial for this in tried])


def _preferred(tried: Sequence[_Tried], note: Note) -> _Tried:
    """Return the candidate of the least loss, or one of a cheaper kind whose loss is hardly higher.

    The kinds of the ladder differ by a factor of two and more in what scoring takes, and the cheapest come first in it.
    """
    kinds = list(dict.fromkeys(candidate.model for candidate in LADDER))

    def order(this: _Tried) -> tuple[int, float]:
        return kinds.index(this.candidate.model), this.trial.loss

    best = min(tried, key=lambda this: this.trial.loss)
    for other in sorted(tried, key=order):
        if other.candidate.model == best.candidate.model:
            break
        worse, error = other.worse_by(best)
        if worse <= min(error, LEAST_LOSS):
            note(
                f"{_kept_although(other, best)}, and {other.candidate.model} is cheaper to score with (here "
                f"{other.trial.scoring:,.0f} ns a word, not {best.trial.scoring:,.0f})"
            )
            return other
    return best


def _first_as_good(tried: Sequence[_Tried], note: Note) -> _Tried:
    """Return the first candidate of the ladder, which is the simplest, whose loss is as low as few rows can tell.

    A candidate whose loss is higher than that of a simpler one is never kept. Otherwise this is the one-standard-error
    rule of Breiman et al., "Classification and Regression Trees", 1984, with ``ERRORS_OF_FEW`` of them.
    """
    best = min(tried, key=lambda this: this.trial.loss)
    least = itertools.accumulate((this.trial.loss for this in tried), min)
    none_simpler = (this for this, loss in zip(tried, least, strict=True) if this.trial.loss == loss)
    worse_by = ((this, *this.worse_by(best)) for this in none_simpler)
    kept = next(this for this, worse, error in worse_by if worse <= ERRORS_OF_FEW * error)
    if kept is not best:
        note(f"{_kept_although(kept, best)}, and so few rows cannot tell more; it is the simplest of those")
    return kept


def _kept_although(kept: _Tried, best: _Tried) -> str:
    worse, error = kept.worse_by(best)
    return (
        f"{kept.candidate.name} is kept, although {best.candidate.name} has the least loss: its loss is only "
        f"{worse:.4f} higher (one standard error: {error:.4f})"
    )


def _settings(candidate: Candidate, asked: TrainSettings) -> TrainSettings:
    """Return the settings of a candidate's training."""
    options = dict(candidate.options)
    tuned = candidate.tune_vectors
    return replace(asked, model=candidate.model, tune_vectors=tuned, model_settings=options, time_limit=None)


def _tried(
    candidate: Candidate,
    settings: TrainSettings,
    model: ModelSettings,
    state: State,
    *,
    seconds: float,
    scoring: float,
    alone: bool,
) -> _Tried:
    if HELD_OUT not in state:
        raise CorpusError("--model auto has no rows to compare models on; give more rows, or name a --model")
    answers = HeldOutAnswers.from_state(state[HELD_OUT])
    if answers.numbers_N is not None:  # so that the rows of all candidates are in one order
        answers = answers.take(np.argsort(answers.numbers_N, kind="stable"))
    probabilities_NC = probabilities_of(answers, tuple(state.get(TEMPERATURES, ())), alone=alone)
    if answers.multi_label:
        right_N = ((probabilities_NC >= 0.5) == (answers.labels > 0)).all(axis=1)
    else:
        right_N = probabilities_NC.argmax(axis=1) == answers.labels
    losses_N = held_out_losses(probabilities_NC, answers)
    trial = Trial(
        model=candidate.model,
        tune_vectors=candidate.tune_vectors,
        loss=float(losses_N.mean()),
        accuracy=float(right_N.mean()),
        epochs=len(state.get(SEARCH, state[CURVE])),
        seconds=round(seconds, 1),
        scoring=float(f"{scoring:.3g}"),
    )
    return _Tried(candidate, settings, model, state, trial, losses_N)
