"""What learns in a training: the model that is asked for, or one of each kind, of which the best is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from w2vray.cluster.choosing import Trial, chosen
from w2vray.cluster.training_seconds import taken
from w2vray.cluster.trainings import Trainings
from w2vray.models.kinds import AUTO, ModelSettings
from w2vray.models.ladder import Candidate
from w2vray.settings.steps import StepSettings
from w2vray.stages import stage
from w2vray.training.fit import CURVE, SEARCH, second_fit
from w2vray.training.settings import TrainSettings

__all__ = ["Learnt", "learn"]


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What was learnt: the settings and the last state of the training that is kept, and what all trainings came to."""

    own: TrainSettings
    model: ModelSettings
    state: Mapping[str, Any]
    trials: list[Trial]

    @property
    def curve(self) -> list[dict[str, Any]]:
        """The learning curve that found how many epochs are best."""
        found: list[dict[str, Any]] = self.state.get(SEARCH, self.state[CURVE])
        return found

    @property
    def refit(self) -> list[dict[str, Any]] | None:
        """The curve of the second fit, on the rows for validation too; None where there was none."""
        return self.state[CURVE] if SEARCH in self.state else None

    @property
    def trial(self) -> Trial | None:
        """What the kind that is kept came to beside the others."""
        kept = (self.own.model, self.own.tune_vectors)
        return next((trial for trial in self.trials if (trial.model, trial.tune_vectors) == kept), None)


def learn(trainings: Trainings, name: str) -> Learnt:
    """Train the model that is asked for; of several kinds all, and return the best, with what they came to.

    The best one then learns from the rows for validation too, unless these are a store of their own.
    """
    settings, few = trainings.settings, trainings.read.few
    if settings.model != AUTO:
        model, state = trainings.fitted(settings, name)
        return Learnt(own=settings, model=model, state=state, trials=[])

    def folder(candidate: str) -> str:
        return f"{name}-{candidate.replace(' ', '-')}"

    def run(candidate: Candidate, own: TrainSettings) -> tuple[ModelSettings, Mapping[str, Any], float]:
        stage(f"training {candidate.name}")
        place = folder(candidate.name)
        with taken(trainings.storage / place) as this:
            model, state = trainings.fitted(own, place, by_validation=True, by_folds=few, keep_held_out=True)
        return model, state, this.seconds

    best = chosen(settings, run, trainings.cost, alone=trainings.multi_label, few=few, note=trainings.note)
    if few or settings.validation:
        return Learnt(own=best.settings, model=best.model, state=best.state, trials=best.trials)
    # a call that goes on may have time for further kinds, and choose another
    own, last = best.settings, f"{folder(best.name)}-all"
    stage(f"training {best.name} once more, with the rows for validation too")
    if isinstance(best.model, StepSettings):
        own = replace(own, model_settings={**own.model_settings, "refit": True})
        model, state = trainings.fitted(own, last, second_fit(best.state), keep_held_out=True)
    else:
        model, state = trainings.fitted(own, last, by_folds=True, keep_held_out=True)
    return Learnt(own=own, model=model, state=state, trials=best.trials)
