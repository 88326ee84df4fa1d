"""The rows of a training: which are kept for the test, how each store is read, and the files of looked-up examples."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2vray.cluster.examples import ReadingJob, read_examples
from w2vray.cluster.held_out import held_out_texts
from w2vray.cluster.resources import reading_workers
from w2vray.cluster.sharing import SharedVectors
from w2vray.cluster.trainer import Progress
from w2vray.cluster.waiting import Note
from w2vray.models.kinds import ModelSettings
from w2vray.settings.steps import StepSettings
from w2vray.store.labelled import Labelled
from w2vray.training.example_files import ExampleCounts
from w2vray.training.settings import DEFAULT_VALIDATION_SHARE, TrainSettings

__all__ = ["TestTexts", "examples_of", "reading_jobs", "texts_for_test"]

TestTexts = npt.NDArray[np.uint64]
"""The sorted keys of the texts that are kept for the test."""


def texts_for_test(settings: TrainSettings, store: Labelled, shared: SharedVectors, note: Note) -> TestTexts | None:
    """Choose the texts that are kept for the test; None where none are asked for."""
    if settings.test_fraction is None:
        return None
    job = _job(settings, store, shared, 0.0)
    return held_out_texts(store, job, settings.test_fraction, workers=_readers(settings), note=note)


def _readers(settings: TrainSettings) -> int | None:
    return reading_workers(settings.worker_range[1])


def reading_jobs(
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
        ngrams=None if settings.ngrams is None else (settings.ngrams, settings.bucket_bits),
        held_out=held_out,
    )


def examples_of(
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
