"""``train``: data-parallel training on Ray Train, over examples that Ray Data has looked up once."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from w2vray.cluster.held_out import measure_held_out, told_of_test
from w2vray.cluster.measured_rows import MeasuredRows, rows_schema
from w2vray.cluster.repeating import Origin
from w2vray.cluster.runtime import connected, share
from w2vray.cluster.suspects import suspects_of
from w2vray.cluster.train_examples import examples_of, reading_jobs, texts_for_test
from w2vray.cluster.train_labels import (
    counts_of_labels,
    findings_of_labels,
    left_out_of_validation,
    not_learnt,
    require_usable,
    unknown_labels,
)
from w2vray.cluster.train_notes import are_few, not_at_its_best, rare_labels, told_of_few
from w2vray.cluster.train_summary import TrainSummary
from w2vray.cluster.train_worker import WorkerConfig
from w2vray.cluster.trained_model import (
    fingerprint_of,
    history_of,
    keeps_held_out,
    model_config,
    ngram_summary,
    thresholds_of,
    with_wide_part,
)
from w2vray.cluster.trained_page import write_model_page
from w2vray.cluster.trainer import Progress, require_workers, run_trainer
from w2vray.cluster.waiting import Note
from w2vray.errors import BundleError, ConfigError, CorpusError, UnusableInputError
from w2vray.models.directory import Bundle, save_bundle
from w2vray.models.kinds import ModelSettings, model_settings, settled
from w2vray.run.leases import only_writer
from w2vray.run.wholefiles import WholeFiles
from w2vray.settings.steps import StepSettings
from w2vray.stages import detail, stage
from w2vray.store.corpus import shared_files
from w2vray.store.description import ReadAs
from w2vray.store.filters import parse_where
from w2vray.store.label_findings import listed_labels
from w2vray.store.labelled import Labelled, labelled_units
from w2vray.store.labels import label_order
from w2vray.store.sampling import sample_texts
from w2vray.text.keys import TextSample
from w2vray.training.example_files import ExampleCounts, ExampleFile
from w2vray.training.fit import BEST, CONVERGED, CURVE, HELD_OUT, SEARCH, TEMPERATURES, WIDE, Task
from w2vray.training.objectives import label_weights, objective
from w2vray.training.settings import TrainSettings
from w2vray.training.wide import WideTask
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import coverage_warnings, share_found

__all__ = ["TrainSummary", "train"]


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
    model = model_settings(settings.model, dict(settings.model_settings), tuned=settings.tune_vectors)
    if isinstance(model, StepSettings) and model.refit and settings.validation:
        raise ConfigError(
            "--refit trains again with the rows of LABELLED that were kept for validation, and with --validation "
            "none are kept; leave out one of the two"
        )
    output = Path(settings.output).absolute()
    storage = _storage(output)
    if os.path.lexists(output):
        raise BundleError(f"{output} already exists; give another --output, or remove it first")
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
    detail(f"vectors {vectors.path}: {len(vectors):,} words x {vectors.dim}, family {vectors.rules.name}")
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
    output, name = Path(settings.output).absolute(), fingerprint_of(settings, stores, vectors)
    with connected(address):
        require_workers(settings)
        shared = share(vectors)
        stage("reading the labelled rows")
        test_texts = texts_for_test(settings, stores[0], shared, note)
        jobs = reading_jobs(settings, model, stores, shared, test_texts)
        files, counts, sources = examples_of(
            settings, stores, jobs, shared, storage, test_texts=test_texts, note=note, progress=progress
        )
        if origin:
            origin.require_data(settings, sources)
        # what is kept for validation is of the same set, and is learnt from too where there is a second fit
        labels = label_order({**counts[0].labels, **counts[0].validation_labels})
        total = sum(counts, ExampleCounts())
        label_counts = counts_of_labels(counts[0], labels)
        found = findings_of_labels(settings, counts[0], label_counts, multi_label=stores[0].multi_label)
        warnings = _warnings(settings, vectors, stores, total)
        few = are_few(settings, model, total)
        for line in [listed_labels(label_counts), *found, *warnings, *left_out_of_validation(counts)]:
            note(line)
        for line in [*told_of_few(total, few=few), *rare_labels(label_counts)]:
            note(line)
        if isinstance(model, StepSettings):
            model = model.for_examples(total.train + (total.validation if few else 0))
        require_usable(total, labels, settings, model, multi_label=stores[0].multi_label, few=few)
        unknown = unknown_labels(counts, labels, settings, model)
        worker = WorkerConfig(
            shared=shared,
            task=_task(settings, model, labels, total, multi_label=stores[0].multi_label, few=few),
            labels=labels,
            multi_label=stores[0].multi_label,
            files=files,
            checkpoints=storage / name,
        )
        most = model.most_epochs if isinstance(model, StepSettings) else None
        progress(0, most, f"epochs, {total.train + (total.validation if few else 0):,} examples")
        detail(f"{total.train:,} examples to learn from, {total.validation:,} for validation, {len(labels)} classes")
        state = run_trainer(settings, worker, storage, name, progress=progress, note=note)
        curve, refitted = state.get(SEARCH, state[CURVE]), state[CURVE] if SEARCH in state else None
        for line in not_at_its_best(settings, model, state):
            note(line)
        training = {
            **history_of(settings, vectors, sources, counts),
            "labels": label_counts,
            "unlabelled": dict(total.unlabelled),
            "curve": curve,
            **({"refit": refitted} if refitted else {}),
            **({CONVERGED: state[CONVERGED]} if CONVERGED in state else {}),
        }
        config = model_config(settings, model, labels, vectors, training, multi_label=stores[0].multi_label)
        config = replace(config, temperatures=tuple(state.get(TEMPERATURES, ())))
        suspects = suspects_of(
            state.get(HELD_OUT), config, files, label_counts if few else counts[0].labels, by_folds=few
        )
        if settings.target_precision is not None:
            config = replace(config, thresholds=thresholds_of(settings, config, state.get(HELD_OUT)))
        weights = {name: value.numpy() for name, value in state[BEST].items()}
        if WIDE in state:
            config, weights = with_wide_part(settings, config, weights, state[WIDE])
        test, rows = None, None
        if test_texts is not None:
            rows = MeasuredRows(storage, rows_schema(1, multi_label=stores[0].multi_label))
            test = measure_held_out(
                stores[0], jobs[0], Bundle(config, weights), shared, test_texts, note=note, rows=rows
            )
            config = replace(config, training={**training, "test": told_of_test(test)})
    stage("writing the model")
    trained = TextSample.of(ExampleFile(path).keys() for store in files for path in store)
    save_bundle(output, config, weights, with_vectors=settings.with_vectors, beside=storage, trained=trained)
    write_model_page(output, config, test, rows, suspects=suspects, note=note)
    shutil.rmtree(storage, ignore_errors=True)
    return TrainSummary(
        model=str(output),
        labels=labels,
        rows=total.train + (total.validation if few else 0),
        rows_validation=0 if few else total.validation - (0 if stores[0].multi_label else sum(unknown.values())),
        rows_test=counts[0].test,
        test=None if test is None else test.as_dict(),
        rows_without_label=total.without_label,
        rows_unlabelled=dict(total.unlabelled),
        rows_damaged=dict(total.damaged),
        label_counts=label_counts,
        label_findings=found,
        rows_without_evidence=total.without_evidence,
        labels_unknown=unknown,
        labels_not_learnt={} if refitted else not_learnt(counts[0]),
        epochs=len(curve),
        curve=curve,
        refit=refitted,
        ngrams=ngram_summary(config, weights),
        temperatures=config.temperatures,
        thresholds=config.thresholds,
        labels_without_promise=[] if config.thresholds is None else config.thresholds.without_promise(labels),
        tokens=total.tokens,
        tokens_found=total.tokens_found,
        coverage=share_found(total.tokens, total.tokens_found),
        warnings=warnings,
    )


def _warnings(
    settings: TrainSettings, vectors: Vectors, stores: Sequence[Labelled], counts: ExampleCounts
) -> list[str]:
    """Say where few tokens have a vector."""
    store = stores[0]
    where = parse_where(settings.where).fitted(store.schema) if settings.where is not None else None
    sample = partial(sample_texts, store.units, store.corpus.roots, settings.text_column, where, store.schema)
    return coverage_warnings(counts.tokens, counts.tokens_found, vectors, vectors.rules, sample)


def _task(
    settings: TrainSettings,
    model: ModelSettings,
    labels: tuple[str, ...],
    counts: ExampleCounts,
    *,
    multi_label: bool,
    few: bool,
) -> Task:
    return Task(
        model=model,
        classes=len(labels),
        objective=objective(
            labels,
            counts.labels,
            counts.train,
            multi_label=multi_label,
            balanced=settings.balanced,
            weights=label_weights(settings.class_weight, labels),
        ),
        oov=settings.oov,
        tune_vectors=settings.tune_vectors,
        wide=None if settings.ngrams is None else WideTask(settings.ngrams, settings.bucket_bits, settings.prune),
        refit=isinstance(model, StepSettings) and model.refit,
        by_folds=few,
        seed=settings.seed,
        precision=settings.precision,
        calibrate=settings.calibrate,
        keep_held_out=keeps_held_out(settings),
    )


def _storage(output: Path) -> Path:
    """Return where checkpoints lie until the model is complete.

    Raises:
        ConfigError: its name would be too long.
    """
    storage = output.parent / f".{output.name}.training"
    try:
        storage.exists()
    except OSError as error:
        raise ConfigError(f"--output {str(output)!r} cannot be checked ({error.strerror}); name another") from error
    return storage
