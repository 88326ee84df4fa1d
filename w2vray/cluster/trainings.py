"""The trainings of one ``train``: one, or one for each kind of model that is tried, on the same examples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from w2vray.cluster.one_trainer import OneTrainer
from w2vray.cluster.resources import worker_cpus
from w2vray.cluster.scoring_cost import nanoseconds_a_word, sample_of
from w2vray.cluster.train_notes import larger_steps
from w2vray.cluster.train_rows import LookedUp
from w2vray.cluster.train_worker import WorkerConfig
from w2vray.cluster.trained_model import keeps_held_out, model_config, with_weights
from w2vray.cluster.trainer import Progress, run_trainer
from w2vray.cluster.waiting import Note
from w2vray.models.directory import Bundle
from w2vray.models.kinds import AUTO, ModelSettings, model_settings, settled
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.steps import StepSettings
from w2vray.stages import stage
from w2vray.training.example_files import ExampleFile
from w2vray.training.fit import Task
from w2vray.training.objectives import label_weights, objective
from w2vray.training.settings import TrainSettings
from w2vray.training.wide import WideTask
from w2vray.vectors import Vectors

__all__ = ["Trainings", "own_settings"]

REPORTING = 0.2
"""Share of a training's time that its reports may take: a second or so of work is lost where a worker dies."""


@dataclass(frozen=True)
class Trainings:
    """Trains models on the same examples. Used as a context manager: what it has started ends then."""

    settings: TrainSettings
    read: LookedUp
    vectors: Vectors
    storage: Path
    multi_label: bool
    progress: Progress
    note: Note

    def fitted(
        self, own: TrainSettings, folder: str, start: Mapping[str, Any] | None = None, **changes: Any
    ) -> tuple[ModelSettings, Mapping[str, Any]]:
        """Train by these settings in a folder of this name, from a state to start with.

        ``changes`` are of the task. Returns the model's settings, and the last state.
        """
        read = self.read
        model = settled(own_settings(own), unit_length=self.vectors.unit_length)
        if isinstance(model, StepSettings):
            asked, model = model, model.for_examples(read.learnt)
            for line in larger_steps(asked, model, read.learnt):
                self.note(line)
        worker = WorkerConfig(
            shared=read.shared,
            task=replace(self._task(own, model), **changes),
            labels=read.labels,
            multi_label=self.multi_label,
            files=read.files,
            checkpoints=self.storage / folder,
            start=start,
            reporting=REPORTING,
        )
        most = model.most_epochs if isinstance(model, StepSettings) else None
        self.progress(0, most, f"epochs, {read.learnt:,} examples")
        state = run_trainer(
            own, worker, self.storage, folder, train=self._alone, progress=self.progress, note=self.note
        )
        return model, state

    def cost(self, own: TrainSettings, model: ModelSettings, state: Mapping[str, Any]) -> float:
        """Measure what it takes to score with what was trained: nanoseconds of a CPU for each word."""
        stage("measuring what scoring takes")
        labels, several = self.read.labels, self.multi_label
        parts = (ExampleFile(path).parts(labels, multi_label=several)[0] for path in self.read.files[0])
        config = model_config(own, model, labels, self.vectors, {}, multi_label=several)
        scorer = TextScorer(Bundle(*with_weights(own, config, state)), self.vectors)
        return nanoseconds_a_word(scorer, sample_of(parts, self.vectors.vocabulary))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._alone is not None:
            self._alone.end()

    @cached_property
    def _alone(self) -> OneTrainer | None:
        """One process that trains one model after another: several workers, or GPUs, are Ray Train's."""
        settings = self.settings
        several = settings.model == AUTO and settings.worker_range == (1, 1) and not settings.gpu
        return OneTrainer(worker_cpus(1), self.note) if several else None

    def _task(self, own: TrainSettings, model: ModelSettings) -> Task:
        labels, counts = self.read.labels, self.read.total
        return Task(
            model=model,
            classes=len(labels),
            objective=objective(
                labels,
                counts.labels,
                counts.train,
                multi_label=self.multi_label,
                balanced=own.balanced,
                weights=label_weights(own.class_weight, labels),
            ),
            oov=own.oov,
            tune_vectors=own.tune_vectors,
            wide=None if own.ngrams is None else WideTask(own.ngrams, own.bucket_bits, own.prune),
            refit=isinstance(model, StepSettings) and model.refit,
            by_folds=self.read.few,
            seed=own.seed,
            precision=own.precision,
            calibrate=own.calibrate,
            keep_held_out=keeps_held_out(own),
        )


def own_settings(settings: TrainSettings) -> ModelSettings:
    """Return the settings of the kind of model that is trained."""
    return model_settings(settings.model, dict(settings.model_settings), tuned=settings.tune_vectors)
