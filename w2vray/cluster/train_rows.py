"""The labelled rows of a training: looked up, counted, and what a person should know of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from w2vray.cluster.examples import ReadingJob
from w2vray.cluster.sharing import SharedVectors, share
from w2vray.cluster.train_examples import TestTexts, examples_of, reading_jobs, texts_for_test
from w2vray.cluster.train_labels import (
    counts_of_labels,
    findings_of_labels,
    left_out_of_validation,
    require_usable,
    unknown_labels,
)
from w2vray.cluster.train_notes import are_few, rare_labels, told_of_few
from w2vray.cluster.trainer import Progress
from w2vray.cluster.waiting import Note
from w2vray.models.kind import ModelSettings
from w2vray.stages import detail, stage
from w2vray.store.filters import parse_where
from w2vray.store.label_findings import listed_labels
from w2vray.store.labelled import Labelled
from w2vray.store.labels import label_order
from w2vray.store.sampling import sample_texts
from w2vray.training.example_files import ExampleCounts
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import coverage_warnings

__all__ = ["LookedUp", "read_rows"]


@dataclass(frozen=True, kw_only=True)
class LookedUp:
    """The labelled rows of a training, looked up and counted; ``few`` are learnt from all together."""

    shared: SharedVectors
    job: ReadingJob
    test_texts: TestTexts | None
    files: tuple[tuple[Path, ...], ...]
    counts: list[ExampleCounts]
    sources: list[str]
    labels: tuple[str, ...]
    label_counts: dict[str, int]
    found: list[str]
    warnings: list[str]
    few: bool
    unknown: dict[str, int]

    @property
    def total(self) -> ExampleCounts:
        """What all stores came to."""
        return sum(self.counts, ExampleCounts())

    @property
    def learnt(self) -> int:
        """Rows to learn from."""
        return self.total.train + (self.total.validation if self.few else 0)


def read_rows(
    settings: TrainSettings,
    model: ModelSettings,
    stores: list[Labelled],
    vectors: Vectors,
    storage: Path,
    *,
    progress: Progress,
    note: Note,
) -> LookedUp:
    """Look the rows up, and say what is to be known of them."""
    shared = share(vectors)
    stage("reading the labelled rows")
    test_texts = texts_for_test(settings, stores[0], shared, note)
    jobs = reading_jobs(settings, model, stores, shared, test_texts)
    files, counts, sources = examples_of(
        settings, stores, jobs, shared, storage, test_texts=test_texts, note=note, progress=progress
    )
    # what is kept for validation is of the same set, and is learnt from too where there is a second fit
    labels = label_order({**counts[0].labels, **counts[0].validation_labels})
    total = sum(counts, ExampleCounts())
    label_counts = counts_of_labels(counts[0], labels)
    multi_label = stores[0].multi_label
    found = findings_of_labels(settings, counts[0], label_counts, multi_label=multi_label)
    warnings = _warnings(settings, vectors, stores, total)
    few = are_few(settings, model, total)
    for line in [listed_labels(label_counts), *found, *warnings, *left_out_of_validation(counts)]:
        note(line)
    for line in [*told_of_few(total, few=few), *rare_labels(label_counts)]:
        note(line)
    require_usable(total, labels, settings, model, multi_label=multi_label, few=few)
    detail(f"{total.train:,} examples to learn from, {total.validation:,} for validation, {len(labels)} classes")
    return LookedUp(
        shared=shared,
        job=jobs[0],
        test_texts=test_texts,
        files=files,
        counts=counts,
        sources=sources,
        labels=labels,
        label_counts=label_counts,
        found=found,
        warnings=warnings,
        few=few,
        unknown=unknown_labels(counts, labels, settings, model),
    )


def _warnings(
    settings: TrainSettings, vectors: Vectors, stores: Sequence[Labelled], counts: ExampleCounts
) -> list[str]:
    """Say where few tokens have a vector."""
    store = stores[0]
    where = parse_where(settings.where).fitted(store.schema) if settings.where is not None else None
    sample = partial(sample_texts, store.units, store.corpus.roots, settings.text_column, where, store.schema)
    return coverage_warnings(counts.tokens, counts.tokens_found, vectors, vectors.rules, sample)
