"""``train``: data-parallel training on Ray Train, over examples that Ray Data has looked up once."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.cluster.examples import ReadingJob, read_examples
from w2vray.cluster.held_out import held_out_texts, measure_held_out, told_of_test
from w2vray.cluster.repeating import Origin
from w2vray.cluster.resources import reading_workers
from w2vray.cluster.runtime import SharedVectors, connected, share
from w2vray.cluster.train_worker import WorkerConfig
from w2vray.cluster.trainer import Progress, require_workers, run_trainer
from w2vray.cluster.waiting import Note
from w2vray.errors import BundleError, ConfigError, CorpusError, UnusableInputError
from w2vray.models.directory import Bundle, ModelConfig, save_bundle
from w2vray.models.kinds import ModelSettings, model_settings, settled
from w2vray.models.reading import Reading
from w2vray.notebooks import as_html
from w2vray.run.leases import only_writer
from w2vray.run.wholefiles import WholeFiles
from w2vray.settings.steps import StepSettings
from w2vray.stages import detail, stage
from w2vray.store.corpus import shared_files
from w2vray.store.description import ReadAs
from w2vray.store.filters import parse_where
from w2vray.store.label_findings import label_findings, listed_labels
from w2vray.store.label_reading import mended
from w2vray.store.labelled import Labelled, labelled_units
from w2vray.store.labels import label_order
from w2vray.store.places import absolute, without_secrets
from w2vray.store.sampling import sample_texts
from w2vray.text.keys import TextSample
from w2vray.training.example_files import ExampleCounts, ExampleFile
from w2vray.training.fit import BEST, CONVERGED, CURVE, SEARCH, TEMPERATURES, Task
from w2vray.training.objectives import label_weights, objective
from w2vray.training.settings import DEFAULT_VALIDATION_SHARE, TrainSettings
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import coverage_warnings, share_found

__all__ = ["TrainSummary", "train"]

TestTexts = npt.NDArray[np.uint64]
"""The sorted keys of the texts that are kept for the test."""


@dataclass(frozen=True, kw_only=True)
class TrainSummary:
    """What a training came to."""

    model: str
    labels: tuple[str, ...]
    rows: int
    rows_validation: int
    rows_test: int  # kept for the test: nothing learns from them, nothing stops by them
    test: Mapping[str, Any] | None  # the metrics on them; None without --test-fraction
    rows_without_label: int
    rows_unlabelled: Mapping[str, int]  # value of --unlabelled -> rows that it leaves out
    rows_damaged: Mapping[str, int]  # file -> rows whose line cannot be read
    label_counts: Mapping[str, int]  # of LABELLED: label -> rows that have it, those kept apart too
    label_findings: Sequence[str]  # what looks wrong about them, and what to do
    rows_without_evidence: int  # no word of theirs has a vector, or their text cannot be read
    labels_unknown: Mapping[str, int]  # of --validation, that no row to learn from has -> how often
    labels_not_learnt: Mapping[str, int]  # that only rows kept for validation have -> how often
    epochs: int
    curve: list[dict[str, Any]]
    refit: list[dict[str, Any]] | None  # the curve of the second fit, on the rows for validation too
    temperatures: Sequence[float]  # what logits are divided by: one, or one a label; none where it is not calibrated
    tokens: int  # of all rows that were read
    tokens_found: int  # those that have a vector
    coverage: float | None  # their share; None where there are no tokens
    warnings: Sequence[str]  # what to do where that share is low

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        test = self.test or {}
        facts = {
            "rows to learn from": self.rows,
            "rows for validation": self.rows_validation,
            "rows for the test": self.rows_test or None,
            "accuracy on the test": test.get("accuracy"),
            "macro-F1 on the test": test.get("macro_f1"),
            "always answering the commonest label": test.get("largest_class_share"),
            "rows without a label": self.rows_without_label or None,
            "rows without a known word": self.rows_without_evidence or None,
            "tokens with a vector": None if self.coverage is None else f"{self.coverage:.1%}",
            "to look at": [*self.label_findings, *self.warnings],
        }
        labels = sorted(self.label_counts.items(), key=lambda item: -item[1])
        return as_html(f"Model {self.model}", facts, ("labels", ["label", "rows"], labels))


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
    output, name = Path(settings.output).absolute(), _fingerprint(settings, stores, vectors)
    with connected(address):
        require_workers(settings)
        shared = share(vectors)
        stage("reading the labelled rows")
        test_texts = _test_texts(settings, stores[0], shared, note)
        jobs = _jobs(settings, model, stores, shared, test_texts)
        files, counts, sources = _examples(
            settings, stores, jobs, shared, storage, test_texts=test_texts, note=note, progress=progress
        )
        if origin:
            origin.require_data(settings, sources)
        # what is kept for validation is of the same set, and is learnt from too where there is a second fit
        labels = label_order({**counts[0].labels, **counts[0].validation_labels})
        total = sum(counts, ExampleCounts())
        label_counts = _label_counts(counts[0], labels)
        found = _label_findings(settings, counts[0], label_counts, multi_label=stores[0].multi_label)
        warnings = _warnings(settings, vectors, stores, total)
        for line in [listed_labels(label_counts), *found, *warnings, *_left_out_of_validation(counts)]:
            note(line)
        _require_usable(total, labels, settings, model, multi_label=stores[0].multi_label)
        unknown = _unknown_labels(counts, labels, settings, model)
        worker = WorkerConfig(
            shared=shared,
            task=_task(settings, model, labels, total, multi_label=stores[0].multi_label),
            labels=labels,
            multi_label=stores[0].multi_label,
            files=files,
            checkpoints=storage / name,
        )
        most = model.epochs if isinstance(model, StepSettings) else None
        progress(0, most, f"epochs, {total.train:,} examples")
        detail(f"{total.train:,} examples to learn from, {total.validation:,} for validation, {len(labels)} classes")
        state = run_trainer(settings, worker, storage, name, progress=progress, note=note)
        curve, refitted = state.get(SEARCH, state[CURVE]), state[CURVE] if SEARCH in state else None
        if not state.get(CONVERGED, True):
            note(f"{settings.model} has not reached its optimum; raise --iterations")
        training = {
            **_history(settings, vectors, sources, counts),
            "labels": label_counts,
            "unlabelled": dict(total.unlabelled),
            "curve": curve,
            **({"refit": refitted} if refitted else {}),
            **({CONVERGED: state[CONVERGED]} if CONVERGED in state else {}),
        }
        config = _config(settings, model, labels, vectors, training, multi_label=stores[0].multi_label)
        config = replace(config, temperatures=tuple(state.get(TEMPERATURES, ())))
        weights = {name: value.numpy() for name, value in state[BEST].items()}
        test = None
        if test_texts is not None:
            test = measure_held_out(stores[0], jobs[0], Bundle(config, weights), shared, test_texts, note=note)
            config = replace(config, training={**training, "test": told_of_test(test)})
    stage("writing the model")
    trained = TextSample.of(ExampleFile(path).keys() for store in files for path in store)
    save_bundle(output, config, weights, with_vectors=settings.with_vectors, beside=storage, trained=trained)
    shutil.rmtree(storage, ignore_errors=True)
    return TrainSummary(
        model=str(output),
        labels=labels,
        rows=total.train,
        rows_validation=total.validation - (0 if stores[0].multi_label else sum(unknown.values())),
        rows_test=counts[0].test,
        test=None if test is None else test.as_dict(),
        rows_without_label=total.without_label,
        rows_unlabelled=dict(total.unlabelled),
        rows_damaged=dict(total.damaged),
        label_counts=label_counts,
        label_findings=found,
        rows_without_evidence=total.without_evidence,
        labels_unknown=unknown,
        labels_not_learnt={} if refitted else _not_learnt(counts[0]),
        epochs=len(curve),
        curve=curve,
        refit=refitted,
        temperatures=config.temperatures,
        tokens=total.tokens,
        tokens_found=total.tokens_found,
        coverage=share_found(total.tokens, total.tokens_found),
        warnings=warnings,
    )


def _config(
    settings: TrainSettings,
    model: ModelSettings,
    labels: tuple[str, ...],
    vectors: Vectors,
    training: Mapping[str, Any],
    *,
    multi_label: bool,
) -> ModelConfig:
    return ModelConfig(
        model=settings.model,
        settings=model,
        tuned_vectors=settings.tune_vectors,
        labels=labels,
        multi_label=multi_label,
        rules=vectors.rules,
        oov=settings.oov,
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(vectors.path),
        reading=Reading.of(settings),
        training=training,
    )


def _warnings(
    settings: TrainSettings, vectors: Vectors, stores: Sequence[Labelled], counts: ExampleCounts
) -> list[str]:
    """Say where few tokens have a vector."""
    store = stores[0]
    where = parse_where(settings.where).fitted(store.schema) if settings.where is not None else None
    sample = partial(sample_texts, store.units, store.corpus.roots, settings.text_column, where, store.schema)
    return coverage_warnings(counts.tokens, counts.tokens_found, vectors, vectors.rules, sample)


# The labels


def _label_counts(counts: ExampleCounts, labels: Sequence[str]) -> dict[str, int]:
    """Return how many rows have each label."""
    kinds = (counts.labels, counts.validation_labels, counts.test_labels)
    return {label: sum(kind.get(label, 0) for kind in kinds) for label in labels}


def _label_findings(
    settings: TrainSettings, counts: ExampleCounts, label_counts: Mapping[str, int], *, multi_label: bool
) -> list[str]:
    """Say what looks wrong about the labels, and which value of ``--unlabelled`` no row has."""
    rows = counts.train + counts.validation + counts.test
    found = label_findings(label_counts, rows, multi_label=multi_label) if label_counts else []
    left_out = {mended(value) for value in counts.unlabelled}
    unmet = [value for value in settings.unlabelled if value and mended(value) not in left_out]
    return found + [f"--unlabelled {value!r}: no row of LABELLED has this label" for value in unmet]


# The examples


def _test_texts(settings: TrainSettings, store: Labelled, shared: SharedVectors, note: Note) -> TestTexts | None:
    """Choose the texts that are kept for the test; None where none are asked for."""
    if settings.test_fraction is None:
        return None
    job = _job(settings, store, shared, 0.0)
    return held_out_texts(store, job, settings.test_fraction, workers=_readers(settings), note=note)


def _readers(settings: TrainSettings) -> int | None:
    return reading_workers(settings.worker_range[1])


def _jobs(
    settings: TrainSettings,
    model: ModelSettings,
    stores: Sequence[Labelled],
    shared: SharedVectors,
    test_texts: TestTexts | None,
) -> list[ReadingJob]:
    """Say how each store is read: of LABELLED a share is kept for validation, of --validation all."""
    share_kept = settings.validation_fraction
    if share_kept is None:
        share_kept = 0.0 if settings.validation or not isinstance(model, StepSettings) else DEFAULT_VALIDATION_SHARE
    held_out = "" if test_texts is None else hashlib.sha256(test_texts.tobytes()).hexdigest()
    return [
        _job(settings, store, shared, validation_share, held_out)
        for store, validation_share in zip(stores, (share_kept, 1.0), strict=False)
    ]


def _job(
    settings: TrainSettings, store: Labelled, shared: SharedVectors, validation_share: float, held_out: str = ""
) -> ReadingJob:
    return ReadingJob(
        roots=store.corpus.roots,
        text_columns=settings.text_column,
        label_column=settings.label_column,
        where=settings.where,
        read_as=(settings.format, settings.delimiter),
        schema=store.schema,
        multi_label=store.multi_label,
        rules=shared.rules,
        oov=settings.oov,
        validation_share=validation_share,
        seed=settings.seed,
        label_strip=settings.label_strip,
        label_separator=settings.label_separator,
        unlabelled=settings.unlabelled,
        held_out=held_out,
    )


def _examples(
    settings: TrainSettings,
    stores: Sequence[Labelled],
    jobs: Sequence[ReadingJob],
    shared: SharedVectors,
    storage: Path,
    *,
    test_texts: TestTexts | None,
    note: Note,
    progress: Progress,
) -> tuple[tuple[tuple[Path, ...], ...], list[ExampleCounts], list[str]]:
    """Tokenise and look up what has not been yet, into files beside the checkpoints.

    Returns:
        The files of each store, what its rows came to, and a hash of them.
    """
    files, counts, sources = [], [], []
    for store, job in zip(stores, jobs, strict=True):
        paths, of_store, source = read_examples(
            store,
            job,
            shared,
            storage,
            test_texts=test_texts,
            workers=_readers(settings),
            note=note,
            progress=progress,
        )
        files.append(tuple(paths))
        counts.append(of_store)
        sources.append(source)
    return tuple(files), counts, sources


def _require_usable(
    counts: ExampleCounts, labels: tuple[str, ...], settings: TrainSettings, model: ModelSettings, *, multi_label: bool
) -> None:
    where = f"column {settings.label_column!r}"
    if not counts.train:
        raise CorpusError(
            f"no row to train on: {counts.without_label:,} rows have no label in {where}, and "
            f"{counts.without_evidence:,} have a label but no word with a vector{_also_left_out(counts)}"
            + (f"; --where {settings.where!r} selects no other rows: give another" if settings.where else "")
        )
    if multi_label and not labels:
        raise CorpusError(f"{where} holds empty lists only; a classifier needs at least one label")
    if not multi_label and len(labels) < 2:
        rows = counts.train + counts.validation
        raise CorpusError(
            f"{where} holds one class only ({labels[0]!r}, {rows:,} rows); a classifier needs at least two. Left out: "
            f"{counts.without_label:,} rows without a label, {counts.without_evidence:,} without a known word or a "
            f"text that can be read{_also_left_out(counts)}"
        )
    if isinstance(model, StepSettings) and not counts.validation and settings.validation:
        raise CorpusError("--validation has no row with a label and a word that has a vector; name another set")
    if isinstance(model, StepSettings) and not counts.validation:
        raise CorpusError(
            "no rows for validation: a share of "
            f"{settings.validation_fraction or DEFAULT_VALIDATION_SHARE:g} of {counts.train:,} rows is less than one; "
            "raise --validation-fraction or give --validation"
        )


def _also_left_out(counts: ExampleCounts) -> str:
    """Name the rows that options leave out, and those whose line is damaged."""
    told = [f"{rows:,} of --unlabelled {value!r}" for value, rows in counts.unlabelled.items()]
    told += [f"{rows:,} damaged lines of {file}" for file, rows in list(counts.damaged.items())[:3]]
    return "".join(f", {one}" for one in told)


def _unknown_labels(
    counts: Sequence[ExampleCounts],
    labels: tuple[str, ...],
    settings: TrainSettings,
    model: ModelSettings,
) -> dict[str, int]:
    """Return the labels of a set for validation that are none of the model's, and how often each is there.

    Raises:
        CorpusError: no other one is there, and the training was to be stopped by that set.
    """
    of_set: Mapping[str, int] = counts[1].validation_labels if len(counts) > 1 else {}
    unknown = {name: count for name, count in of_set.items() if name not in labels}
    if isinstance(model, StepSettings) and unknown and len(unknown) == len(of_set):
        raise CorpusError(
            f"--validation: none of its rows has a label of LABELLED; column {settings.label_column!r} has "
            f"{_some(unknown)} there, and {_some(labels)} in LABELLED"
        )
    return unknown


def _left_out_of_validation(counts: Sequence[ExampleCounts]) -> list[str]:
    """Say that the set for validation has texts that are kept for the test."""
    rows = sum(of_set.test for of_set in counts[1:])
    return (
        [f"--validation: {rows:,} rows are left out, because rows kept for the test have their texts"] if rows else []
    )


def _not_learnt(counts: ExampleCounts) -> dict[str, int]:
    return {name: kept for name, kept in counts.validation_labels.items() if name not in counts.labels}


def _some(labels: Collection[str]) -> str:
    """Name a few labels."""
    more = f" and {len(labels) - 3:,} more" if len(labels) > 3 else ""
    return ", ".join(map(repr, label_order(labels)[:3])) + more


def _task(
    settings: TrainSettings,
    model: ModelSettings,
    labels: tuple[str, ...],
    counts: ExampleCounts,
    *,
    multi_label: bool,
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
        refit=isinstance(model, StepSettings) and model.refit,
        seed=settings.seed,
        precision=settings.precision,
        calibrate=settings.calibrate,
    )


# What a training is called, and what is told of it


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


def _fingerprint(settings: TrainSettings, stores: list[Labelled], vectors: Vectors) -> str:
    """Name the training by all that it depends on, so that only the same one is gone on with.

    It does not depend on how many workers there are: after any epoch another number of them may go on.
    """
    left_out = {"vectors", "output", "with_vectors", "workers"}
    stated = {
        **{name: value for name, value in asdict(settings).items() if name not in left_out},
        "vectors": vectors.fingerprint,
        "stores": [store.corpus.fingerprint for store in stores],
    }
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


def _history(
    settings: TrainSettings, vectors: Vectors, sources: Sequence[str], of_stores: Sequence[ExampleCounts]
) -> dict[str, Any]:
    """Return what the model directory tells of how the model came to be: where the data is, without any key."""
    labelled, validation = (
        [without_secrets(absolute(place)) for place in places] for places in (settings.labelled, settings.validation)
    )
    counts = sum(of_stores, ExampleCounts())
    packages = ("w2vray", "ray", "torch", "numpy", "pyarrow")
    return {
        "settings": {
            **asdict(settings),
            "labelled": labelled,
            "validation": validation,
            "vectors": str(vectors.path),
        },
        "data": list(sources),
        "tokens": counts.tokens,
        "tokens_found": counts.tokens_found,
        "coverage": share_found(counts.tokens, counts.tokens_found),
        "rows": {
            **{name: getattr(counts, name) for name in ("train", "validation", "without_label", "without_evidence")},
            **({} if settings.test_fraction is None else {"test": of_stores[0].test}),
        },
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in packages}},
    }
