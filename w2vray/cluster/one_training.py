"""One training: its rows are read, a model or one of each kind learns from them, and the best becomes a directory."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from w2vray.cluster.connecting import connected
from w2vray.cluster.held_out import Tested, measure_held_out, told_of_test
from w2vray.cluster.learning import Learnt, learn
from w2vray.cluster.measured_rows import MeasuredRows, rows_schema
from w2vray.cluster.repeating import Origin
from w2vray.cluster.seen_places import require_seen
from w2vray.cluster.suspects import suspects_of
from w2vray.cluster.train_labels import not_learnt
from w2vray.cluster.train_notes import not_at_its_best
from w2vray.cluster.train_rows import LookedUp, read_rows
from w2vray.cluster.train_storage import name_of
from w2vray.cluster.train_summary import TrainSummary
from w2vray.cluster.trained_model import (
    fingerprint_of,
    history_of,
    model_config,
    ngram_summary,
    runs_named,
    thresholds_of,
    with_weights,
)
from w2vray.cluster.trained_page import write_model_page
from w2vray.cluster.trainer import Progress, require_workers
from w2vray.cluster.trainings import Trainings
from w2vray.cluster.waiting import Note
from w2vray.models.directory import Bundle, ModelConfig, save_bundle
from w2vray.models.files import CONFIG
from w2vray.models.kinds import ModelSettings
from w2vray.places.sending import send
from w2vray.places.uris import is_uri, without_secrets
from w2vray.settings.steps import StepSettings
from w2vray.stages import stage
from w2vray.store.labelled import Labelled
from w2vray.text.keys import TextSample
from w2vray.training.example_files import ExampleFile
from w2vray.training.fit import CONVERGED, HELD_OUT, TEMPERATURES
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import share_found

__all__ = ["OneTraining"]

_MADE = "made"
"""Folder of a training's storage where a model is made that is to be sent to a URI."""


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A model that is ready to be written, and what was measured of it."""

    config: ModelConfig
    weights: dict[str, npt.NDArray[Any]]
    suspects: Mapping[str, Any] | None
    test: Tested | None = None
    rows: MeasuredRows | None = None  # those kept for the test, for the page


@dataclass(frozen=True, kw_only=True)
class OneTraining:
    """What a training is given; ``storage`` is the folder where it keeps what it has done until the model is there."""

    settings: TrainSettings
    model: ModelSettings
    stores: list[Labelled]
    vectors: Vectors
    storage: Path
    origin: Origin | None
    progress: Progress
    note: Note

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels."""
        return self.stores[0].multi_label

    def run(self, address: str | None) -> TrainSummary:
        """Train, and write the model directory."""
        name = fingerprint_of(self.settings, self.stores, self.vectors)
        with connected(address):
            _require_cluster(self.settings, self.stores, self.storage, self.note)
            read = read_rows(
                self.settings,
                self.model,
                self.stores,
                self.vectors,
                self.storage,
                progress=self.progress,
                note=self.note,
            )
            if self.origin:
                self.origin.require_data(self.settings, read.sources)
            learnt = self._learnt(read, name)
            made = self._tested(read, self._made(read, learnt))
        self._write(read, made)
        shutil.rmtree(self.storage, ignore_errors=True)
        return self._summary(read, learnt, made)

    def _learnt(self, read: LookedUp, name: str) -> Learnt:
        """Train, or go on with what is trained already."""
        with Trainings(
            self.settings, read, self.vectors, self.storage, self.multi_label, self.progress, self.note
        ) as trainings:
            learnt = learn(trainings, name)
        for line in not_at_its_best(learnt.own, learnt.model, learnt.state):
            self.note(line)
        return learnt

    def _from_every_row(self, read: LookedUp, learnt: Learnt) -> bool:
        """Tell whether no rows were kept for validation in the end, though the last fit has no curve that says so."""
        fitted_at_once = bool(learnt.trials) and not isinstance(learnt.model, StepSettings)
        return read.few or (fitted_at_once and not self.settings.validation)

    def _made(self, read: LookedUp, learnt: Learnt) -> _Made:
        """Make the model of what was learnt: its history, temperatures, thresholds and weights."""
        own, state = learnt.own, learnt.state
        training = {
            **history_of(self.settings, self.vectors, read.sources, read.counts),
            "labels": read.label_counts,
            "unlabelled": dict(read.total.unlabelled),
            "curve": learnt.curve,
            **({"refit": learnt.refit} if learnt.refit else {}),
            **({CONVERGED: state[CONVERGED]} if CONVERGED in state else {}),
            **({"tried": [trial.as_dict() for trial in learnt.trials]} if learnt.trials else {}),
        }
        config = model_config(own, learnt.model, read.labels, self.vectors, training, multi_label=self.multi_label)
        config = replace(config, temperatures=tuple(state.get(TEMPERATURES, ())))
        every = self._from_every_row(read, learnt)
        learnt_of = read.label_counts if every else read.counts[0].labels
        suspects = suspects_of(state.get(HELD_OUT), config, read.files, learnt_of, by_folds=every)
        if own.target_precision is not None:
            config = replace(config, thresholds=thresholds_of(own, config, state.get(HELD_OUT)))
        config, weights = with_weights(own, config, state)
        return _Made(config=config, weights=weights, suspects=suspects)

    def _tested(self, read: LookedUp, made: _Made) -> _Made:
        """Measure the model on the rows that are kept for the test, if there are some."""
        if read.test_texts is None:
            return made
        rows = MeasuredRows(self.storage, rows_schema(1, multi_label=self.multi_label))
        bundle = Bundle(made.config, made.weights)
        test = measure_held_out(
            self.stores[0], read.job, bundle, read.shared, read.test_texts, note=self.note, rows=rows
        )
        training = {**made.config.training, "test": told_of_test(test)}
        return replace(made, config=replace(made.config, training=training), test=test, rows=rows)

    def _write(self, read: LookedUp, made: _Made) -> None:
        """Write the model directory with its page; one that is to be at a URI is made here first."""
        stage("writing the model")
        settings, sent = self.settings, is_uri(self.settings.output)
        output = self._folder
        if sent:
            shutil.rmtree(output.parent, ignore_errors=True)  # it could not be sent before
            output.parent.mkdir()
        save_bundle(
            output,
            made.config,
            made.weights,
            with_vectors=self._inside,
            beside=None if settings.scratch and not sent else self.storage,  # of the same filesystem
            trained=TextSample.of(ExampleFile(path).keys() for store in read.files for path in store),
            runs=runs_named(made.config, made.weights, read.files, self.vectors),
        )
        write_model_page(output, made.config, made.test, made.rows, suspects=made.suspects, note=self.note)
        if sent:
            send(output, settings.output, CONFIG)
            if self._inside is None and not self.vectors.uri:
                self.note(
                    f"the model names its vectors by a path, {self.vectors.place}: elsewhere say with --vectors where "
                    "they are, or train with --with-vectors"
                )

    @property
    def _folder(self) -> Path:
        """Where the model directory is written."""
        output = self.settings.output
        return self.storage / _MADE / name_of(self.settings) if is_uri(output) else Path(output).absolute()

    @property
    def _inside(self) -> Path | None:
        """The vectors that are put into the model directory; None where it only names them."""
        return self.vectors.path if self.settings.with_vectors else None

    def _summary(self, read: LookedUp, learnt: Learnt, made: _Made) -> TrainSummary:
        """Say what the training came to."""
        settings, config, total = self.settings, made.config, read.total
        every = self._from_every_row(read, learnt)
        unknown = 0 if self.multi_label else sum(read.unknown.values())
        return TrainSummary(
            model=without_secrets(settings.output) if is_uri(settings.output) else str(self._folder),
            labels=read.labels,
            rows=total.train + (total.validation if every else 0),
            rows_validation=0 if every else total.validation - unknown,
            rows_test=read.counts[0].test,
            test=None if made.test is None else made.test.as_dict(),
            rows_without_label=total.without_label,
            rows_unlabelled=dict(total.unlabelled),
            rows_damaged=dict(total.damaged),
            label_counts=read.label_counts,
            label_findings=read.found,
            rows_without_evidence=total.without_evidence,
            labels_unknown=read.unknown,
            labels_not_learnt={} if learnt.refit else not_learnt(read.counts[0]),
            epochs=len(learnt.curve),
            curve=learnt.curve,
            refit=learnt.refit,
            model_kind=config.model,
            tried=[trial.as_dict() for trial in learnt.trials],
            chosen=None if learnt.trial is None else learnt.trial.as_dict(),
            ngrams=ngram_summary(config, made.weights, learnt.state),
            temperatures=config.temperatures,
            thresholds=config.thresholds,
            labels_without_promise=[] if config.thresholds is None else config.thresholds.without_promise(read.labels),
            tokens=total.tokens,
            tokens_found=total.tokens_found,
            coverage=share_found(total.tokens, total.tokens_found),
            warnings=read.warnings,
        )


def _require_cluster(settings: TrainSettings, stores: list[Labelled], storage: Path, note: Note) -> None:
    """Look whether the cluster can do it.

    Raises:
        ClusterError: there are too few CPUs or GPUs, or a host does not see the rows or the training's folder.
    """
    require_workers(settings)
    named = dict(zip(("LABELLED", "--validation"), (store.corpus for store in stores), strict=False))
    scratch = "--scratch" if settings.scratch or is_uri(settings.output) else "the folder of --output"
    require_seen(named, {scratch: str(storage)}, shared=settings.shared_filesystem, note=note)
