"""``train --model auto``: several kinds of model learn from the same examples, and the best is kept.

All of them are measured on the rows that are kept for validation, or, where rows are few, by folds of all. The one
whose probabilities say most about these rows, by the mean cross-entropy, becomes the model. Each candidate is a
training of its own, with its own checkpoints: the same command goes on where it was stopped, and what is done is not
done again.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from w2vray.cluster.refitting import held_out_loss, probabilities_of
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
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class Chosen:
    """The best candidate, the settings and the last state of its training, and what all of them came to."""

    name: str
    settings: TrainSettings
    model: ModelSettings
    state: State
    trials: list[Trial]


Run = Callable[[Candidate, TrainSettings], tuple[ModelSettings, State]]
"""Trains a candidate; returns its settings and the last state."""


def chosen(asked: TrainSettings, run: Run, *, alone: bool, note: Note) -> Chosen:
    """Train one candidate after another until all are done or the time is over, and return the best.

    Args:
        asked: what is asked for.
        run: trains one.
        alone: whether each label is a question of its own.
        note: told of each that is done, and of those that there was no time for.

    Raises:
        CorpusError: no row is there to compare them on.
        DivergedError: none of them could be trained.
    """
    begun = time.monotonic()
    best: Chosen | None = None
    trials: list[Trial] = []
    for number, candidate in enumerate(LADDER):
        if trials and asked.time_limit is not None and time.monotonic() - begun > 60 * asked.time_limit:
            left = ", ".join(other.name for other in LADDER[number:])
            note(f"the time limit of {asked.time_limit:g} minutes is over; not tried: {left}")
            break
        started = time.monotonic()
        settings = _settings(candidate, asked)
        try:
            model, state = run(candidate, settings)
        except DivergedError as error:
            note(f"{candidate.name} cannot be trained and is left out: {error}")
            continue
        trial = _measured(candidate, state, seconds=time.monotonic() - started, alone=alone)
        note(
            f"{candidate.name}: loss {trial.loss:.4f}, accuracy {trial.accuracy:.4f} on rows that it did not learn "
            f"from, {trial.seconds:.0f} s"
        )
        if trial.loss < min((other.loss for other in trials), default=float("inf")):
            best = Chosen(candidate.name, settings, model, state, trials)
        trials.append(trial)
    if best is None:
        raise DivergedError("--model auto: none of the models could be trained; name one with --model, and its options")
    return best


def _settings(candidate: Candidate, asked: TrainSettings) -> TrainSettings:
    """Return the settings of a candidate's training."""
    options = dict(candidate.options)
    tuned = candidate.tune_vectors
    return replace(asked, model=candidate.model, tune_vectors=tuned, model_settings=options, time_limit=None)


def _measured(candidate: Candidate, state: State, *, seconds: float, alone: bool) -> Trial:
    if HELD_OUT not in state:
        raise CorpusError("--model auto has no rows to compare models on; give more rows, or name a --model")
    answers = HeldOutAnswers.from_state(state[HELD_OUT])
    probabilities_NC = probabilities_of(answers, tuple(state.get(TEMPERATURES, ())), alone=alone)
    if answers.multi_label:
        right_N = ((probabilities_NC >= 0.5) == (answers.labels > 0)).all(axis=1)
    else:
        right_N = probabilities_NC.argmax(axis=1) == answers.labels
    return Trial(
        model=candidate.model,
        tune_vectors=candidate.tune_vectors,
        loss=held_out_loss(probabilities_NC, answers),
        accuracy=float(right_N.mean()),
        epochs=len(state.get(SEARCH, state[CURVE])),
        seconds=round(seconds, 1),
    )
