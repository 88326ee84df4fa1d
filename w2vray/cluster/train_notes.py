"""What a training tells a person beside its numbers: rows that are few, and a cap that has ended it."""

from collections.abc import Mapping
from typing import Any

from w2vray.models.kinds import ModelSettings
from w2vray.settings.steps import SMALLEST_BATCH, StepSettings
from w2vray.training.cross_validation import FEW_ROWS
from w2vray.training.example_files import ExampleCounts
from w2vray.training.fit import CONVERGED, CURVE, SEARCH, WIDE
from w2vray.training.settings import TrainSettings
from w2vray.training.stratified import FOLDS
from w2vray.training.two_parts import MEASURED

__all__ = ["are_few", "larger_steps", "not_at_its_best", "rare_labels", "told_of_few"]

_RARE = 10


def are_few(settings: TrainSettings, model: ModelSettings, counts: ExampleCounts) -> bool:
    """Tell whether the rows are too few to keep some apart, and nobody has said which to keep."""
    said = settings.validation or settings.validation_fraction is not None
    rows = counts.train + counts.validation
    return isinstance(model, StepSettings) and not said and 1 < rows < FEW_ROWS  # a single one cannot be left out


def told_of_few(counts: ExampleCounts, *, few: bool) -> list[str]:
    """Say that no rows are kept apart."""
    told = (
        f"{counts.train + counts.validation:,} rows are too few to keep some apart: the best number of epochs is found "
        f"by {FOLDS} folds, then the model learns from all of them"
    )
    return [told] * few


def larger_steps(asked: StepSettings, settled: StepSettings, examples: int) -> list[str]:
    """Say that a step has more examples than for a small set, unless --batch-size was given."""
    if asked.batch_size is not None or settled.examples_a_step == SMALLEST_BATCH:
        return []
    rate = "" if asked.learning_rate is not None else f", with --learning-rate {settled.step_size:.2g}"
    told = f"each training step takes {settled.examples_a_step:,} of the {examples:,} rows{rate}"
    return [f"{told}; --batch-size {SMALLEST_BATCH} makes more, smaller steps"]


def not_at_its_best(settings: TrainSettings, model: ModelSettings, state: Mapping[str, Any]) -> list[str]:
    """Say where a cap has ended a training that might have become better, and where its n-grams change nothing."""
    told = []
    if not state.get(CONVERGED, True):
        told.append(f"{settings.model} has not reached its optimum; raise --iterations")
    if not state.get(WIDE, {}).get(CONVERGED, True):
        told.append("the weights of the n-grams have not reached their optimum, and are used as they are")
    if not state.get(WIDE, {}).get(MEASURED, True):
        told.append(
            "the rows are too few to find out what the n-grams are worth: both parts of the model count the same, and "
            "its probabilities are not calibrated"
        )
    if WIDE in state and not state[WIDE]["weights"][1]:
        told.append(
            "the rows do not show that n-grams gain anything, so these have no weight: the model answers as without "
            "--ngrams, and all texts of which no word has a vector get the same label"
        )
    curve = state.get(SEARCH, state[CURVE])
    losses = [line["validation_loss"] for line in curve if line["validation_loss"] is not None]
    if isinstance(model, StepSettings) and len(losses) == model.most_epochs > model.patient_epochs:
        since = len(losses) - 1 - losses.index(min(losses))
        if since < model.patient_epochs:
            told.append(
                f"epoch {len(losses)} was the last that --epochs allows, and the validation loss was best {since} "
                "before it: with more epochs the model may become better"
            )
    return told


def rare_labels(label_counts: Mapping[str, int]) -> list[str]:
    """Say which labels have too few rows to be learnt well."""
    rare = [label for label, count in label_counts.items() if 1 < count < _RARE]
    if not rare:
        return []
    named = ", ".join(map(repr, rare[:5])) + (f" and {len(rare) - 5:,} more" if len(rare) > 5 else "")
    return [f"fewer than {_RARE} rows: {named}. What a model learns of so few is little better than a guess"]
