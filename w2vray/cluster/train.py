"""``train``: data-parallel training on Ray Train, over examples that Ray Data has looked up once."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from w2vray.cluster.choosing import Trial, chosen
from w2vray.cluster.connecting import connected
from w2vray.cluster.held_out import measure_held_out, told_of_test
from w2vray.cluster.measured_rows import MeasuredRows, rows_schema
from w2vray.cluster.repeating import Origin
from w2vray.cluster.seen_places import require_seen
from w2vray.cluster.suspects import suspects_of
from w2vray.cluster.train_labels import not_learnt
from w2vray.cluster.train_notes import not_at_its_best
from w2vray.cluster.train_rows import read_rows
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
from w2vray.cluster.trainings import Trainings, own_settings
from w2vray.cluster.waiting import Note
from w2vray.errors import BundleError, ConfigError, CorpusError, UnusableInputError
from w2vray.models.directory import Bundle, save_bundle
from w2vray.models.files import CONFIG
from w2vray.models.kinds import AUTO, DEFAULT, ModelSettings, settled
from w2vray.models.ladder import Candidate
from w2vray.places.cache import cache_folder
from w2vray.places.sending import require_free, send
from w2vray.places.uris import absolute, is_uri, shown, without_secrets
from w2vray.run.leases import only_writer
from w2vray.run.wholefiles import WholeFiles
from w2vray.settings.steps import StepSettings
from w2vray.stages import detail, stage
from w2vray.store.corpus import shared_files
from w2vray.store.description import ReadAs
from w2vray.store.labelled import Labelled, labelled_units
from w2vray.text.keys import TextSample
from w2vray.training.example_files import ExampleFile
from w2vray.training.fit import CONVERGED, CURVE, HELD_OUT, SEARCH, TEMPERATURES, second_fit
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import share_found

__all__ = ["TrainSummary", "train"]

_MADE = "made"
"""Folder of a training's storage where a model is made that is to be sent to a URI."""

NGRAMS_OF_AUTO = 2
"""Words of the longest runs that ``--model auto`` reads, where nobody says another number."""


def train(
    settings: TrainSettings,
    *,
    origin: Origin | None = None,
    address: str | None = None,
    progress: Progress = lambda *_: None,
    note: Note = lambda _: None,
) -> TrainSummary:
    """Train a classifier and write the model directory.

    Args:
        settings: what is asked for.
        origin: what a repeated training was given.
        address: of a Ray cluster.
        progress: told of the units of labelled rows read, then of the epochs done: how many, of how many, and a few
            words, which begin with what is counted.
        note: told where the workers have to wait for CPUs.

    Raises:
        UnusableInputError: the arguments, the labelled store, the vectors or the output cannot be used.
    """
    if settings.model == AUTO and settings.ngrams is None:
        settings = replace(settings, ngrams=NGRAMS_OF_AUTO)
    model = own_settings(settings if settings.model != AUTO else replace(settings, model=DEFAULT, time_limit=None))
    if isinstance(model, StepSettings) and model.refit and settings.validation:
        raise ConfigError(
            "--refit trains again with the rows of LABELLED that were kept for validation, and with --validation "
            "none are kept; leave out one of the two"
        )
    storage = _storage(settings)
    if is_uri(settings.output):
        require_free(settings.output, BundleError)
    elif os.path.lexists(settings.output):
        raise BundleError(
            f"{Path(settings.output).absolute()} already exists; give another --output, or remove it first"
        )
    vectors = Vectors.open(settings.vectors).for_oov(settings.oov)
    vectors.require_words()
    if settings.strip_html:
        vectors = vectors.without_html()
    model = settled(model, unit_length=vectors.unit_length)
    columns = (settings.text_column, settings.label_column, settings.where, ReadAs.of(settings))
    planned = partial(labelled_units, label_separator=settings.label_separator)
    stage("listing the labelled rows")
    stores = [planned(settings.labelled, *columns, table_version=settings.table_version)]
    stores += [planned(settings.validation, *columns)] if settings.validation else []
    if len(stores) > 1 and (shared := shared_files(stores[0].corpus, stores[1].corpus)):
        raise CorpusError(
            f"{min(shared)} is in LABELLED and in --validation: the model would be measured on rows that it learnt "
            "from. Name another --validation, or leave it out for a share of LABELLED"
        )
    for line in [line for store in stores for line in store.notes]:
        note(line)
    if len({store.multi_label for store in stores}) > 1:
        raise CorpusError(f"column {settings.label_column!r} holds lists in only one of LABELLED and --validation")
    if origin:
        origin.require_vectors(settings, vectors.fingerprint)
    for store in stores:
        detail(f"labelled rows: files {len(store.corpus.files):,}, units {len(store.units):,}")
    detail(f"vectors {vectors.place}: {len(vectors):,} words x {vectors.dim}, family {vectors.rules.name}")
    detail(f"until the model is written, {storage} holds what this training has done")
    with _only_training(storage):
        return _train(
            settings,
            model,
            stores,
            vectors,
            storage,
            origin=origin,
            address=address,
            progress=progress,
            note=note,
        )


@contextmanager
def _only_training(storage: Path) -> Iterator[None]:
    """Keep others out of a training's folder; what a refused one has made in it is removed, unless it went on there.

    Raises:
        RunError: another one trains there, or nothing can be written.
    """
    earlier = storage.exists()
    with only_writer(WholeFiles(str(storage))):
        try:
            yield
        except UnusableInputError:
            if not earlier:
                for place in storage.glob("examples-*"):
                    shutil.rmtree(place, ignore_errors=True)
            raise


def _train(
    settings: TrainSettings,
    model: ModelSettings,
    stores: list[Labelled],
    vectors: Vectors,
    storage: Path,
    *,
    origin: Origin | None,
    address: str | None,
    progress: Progress,
    note: Note,
) -> TrainSummary:
    name = fingerprint_of(settings, stores, vectors)
    multi_label = stores[0].multi_label
    with connected(address):
        _require_cluster(settings, stores, storage, note)
        read = read_rows(settings, model, stores, vectors, storage, progress=progress, note=note)
        if origin:
            origin.require_data(settings, read.sources)
        labels, few, total = read.labels, read.few, read.total

        with Trainings(settings, read, vectors, storage, multi_label, progress, note) as trainings:
            own, model, state, trials = _best(trainings, name)
        curve, refitted = state.get(SEARCH, state[CURVE]), state[CURVE] if SEARCH in state else None
        for line in not_at_its_best(own, model, state):
            note(line)
        training = {
            **history_of(settings, vectors, read.sources, read.counts),
            "labels": read.label_counts,
            "unlabelled": dict(total.unlabelled),
            "curve": curve,
            **({"refit": refitted} if refitted else {}),
            **({CONVERGED: state[CONVERGED]} if CONVERGED in state else {}),
            **({"tried": [trial.as_dict() for trial in trials]} if trials else {}),
        }
        every = few or (bool(trials) and not isinstance(model, StepSettings) and not settings.validation)
        config = model_config(own, model, labels, vectors, training, multi_label=multi_label)
        config = replace(config, temperatures=tuple(state.get(TEMPERATURES, ())))
        learnt_of = read.label_counts if every else read.counts[0].labels
        suspects = suspects_of(state.get(HELD_OUT), config, read.files, learnt_of, by_folds=every)
        if own.target_precision is not None:
            config = replace(config, thresholds=thresholds_of(own, config, state.get(HELD_OUT)))
        config, weights = with_weights(own, config, state)
        test, rows = None, None
        if read.test_texts is not None:
            rows = MeasuredRows(storage, rows_schema(1, multi_label=multi_label))
            test = measure_held_out(
                stores[0], read.job, Bundle(config, weights), read.shared, read.test_texts, note=note, rows=rows
            )
            config = replace(config, training={**training, "test": told_of_test(test)})
    stage("writing the model")
    trained = TextSample.of(ExampleFile(path).keys() for store in read.files for path in store)
    sent = is_uri(settings.output)
    output = storage / _MADE / _name(settings) if sent else Path(settings.output).absolute()
    if sent:
        shutil.rmtree(output.parent, ignore_errors=True)  # it could not be sent before
        output.parent.mkdir()
    inside = vectors.path if settings.with_vectors else None
    beside = None if settings.scratch and not sent else storage  # of the same filesystem
    runs = runs_named(config, weights, read.files, vectors)
    save_bundle(output, config, weights, with_vectors=inside, beside=beside, trained=trained, runs=runs)
    write_model_page(output, config, test, rows, suspects=suspects, note=note)
    if sent:
        send(output, settings.output, CONFIG)
        if inside is None and not vectors.uri:
            note(
                f"the model names its vectors by a path, {vectors.place}: elsewhere say with --vectors where they are, "
                "or train with --with-vectors"
            )
    shutil.rmtree(storage, ignore_errors=True)
    return TrainSummary(
        model=without_secrets(settings.output) if sent else str(output),
        labels=labels,
        rows=total.train + (total.validation if every else 0),
        rows_validation=0 if every else total.validation - (0 if multi_label else sum(read.unknown.values())),
        rows_test=read.counts[0].test,
        test=None if test is None else test.as_dict(),
        rows_without_label=total.without_label,
        rows_unlabelled=dict(total.unlabelled),
        rows_damaged=dict(total.damaged),
        label_counts=read.label_counts,
        label_findings=read.found,
        rows_without_evidence=total.without_evidence,
        labels_unknown=read.unknown,
        labels_not_learnt={} if refitted else not_learnt(read.counts[0]),
        epochs=len(curve),
        curve=curve,
        refit=refitted,
        model_kind=config.model,
        tried=[trial.as_dict() for trial in trials],
        ngrams=ngram_summary(config, weights, state),
        temperatures=config.temperatures,
        thresholds=config.thresholds,
        labels_without_promise=[] if config.thresholds is None else config.thresholds.without_promise(labels),
        tokens=total.tokens,
        tokens_found=total.tokens_found,
        coverage=share_found(total.tokens, total.tokens_found),
        warnings=read.warnings,
    )


def _best(trainings: Trainings, name: str) -> tuple[TrainSettings, ModelSettings, Mapping[str, Any], list[Trial]]:
    """Train the model that is asked for; of several kinds all, and return the best, with what they came to.

    The best one then learns from the rows for validation too, unless these are a store of their own.
    """
    settings, few = trainings.settings, trainings.read.few
    if settings.model != AUTO:
        return settings, *trainings.fitted(settings, name), []

    def folder(candidate: str) -> str:
        return f"{name}-{candidate.replace(' ', '-')}"

    def run(candidate: Candidate, own: TrainSettings) -> tuple[ModelSettings, Mapping[str, Any]]:
        stage(f"training {candidate.name}")
        return trainings.fitted(own, folder(candidate.name), by_validation=True, by_folds=few, keep_held_out=True)

    best = chosen(settings, run, trainings.cost, alone=trainings.multi_label, note=trainings.note)
    if few or settings.validation:
        return best.settings, best.model, best.state, best.trials
    # what scoring takes is measured, so that a call that goes on may choose another
    own, last = best.settings, f"{folder(best.name)}-all"
    stage(f"training {best.name} once more, on all rows")
    if isinstance(best.model, StepSettings):
        own = replace(own, model_settings={**own.model_settings, "refit": True})
        again = trainings.fitted(own, last, second_fit(best.state), keep_held_out=True)
    else:
        again = trainings.fitted(own, last, by_folds=True, keep_held_out=True)
    return own, *again, best.trials


def _require_cluster(settings: TrainSettings, stores: list[Labelled], storage: Path, note: Note) -> None:
    """Look whether the cluster can do it.

    Raises:
        ClusterError: there are too few CPUs or GPUs, or a host does not see the rows or the training's folder.
    """
    require_workers(settings)
    named = dict(zip(("LABELLED", "--validation"), (store.corpus for store in stores), strict=False))
    scratch = "--scratch" if settings.scratch or is_uri(settings.output) else "the folder of --output"
    require_seen(named, {scratch: str(storage)}, shared=settings.shared_filesystem, note=note)


def _storage(settings: TrainSettings) -> Path:
    """Return where checkpoints lie until the model is complete.

    Raises:
        ConfigError: its name would be too long.
    """
    name = _name(settings)
    if settings.scratch is None and not is_uri(settings.output):
        storage = Path(settings.output).absolute().parent / f".{name}.training"
    else:
        parent = Path(settings.scratch).absolute() if settings.scratch else cache_folder() / "trainings"
        place = absolute(without_secrets(settings.output))
        storage = parent / f"{name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.training"
    try:
        storage.exists()
    except OSError as error:
        raise ConfigError(f"--output {settings.output!r} cannot be checked ({error.strerror}); name another") from error
    return storage


def _name(settings: TrainSettings) -> str:
    """Return the last name of the model's place."""
    return Path(shown(absolute(settings.output))).name
