"""A look at some rows of a store before it is scored: what the model makes of them, and what that takes.

A place is a stretch of a file, such as a row group. Places are drawn one after another, with chances as their rows, and
some rows of each by chance. So each row has the same chance, and the draws tell how much places differ.

Shape letters: CONTRIBUTING.md.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import FileError
from w2vray.run.one_unit import ScoringJob, rejected_rows, scored_rows
from w2vray.scoring.answers import Answer, Scores
from w2vray.scoring.cluster_samples import ClusterSample
from w2vray.scoring.metrics import NO_LABEL
from w2vray.scoring.scorer import TextScorer
from w2vray.store.reading import read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import read_texts

__all__ = ["Look", "Survey", "survey"]

MOST_DRAWS, LEAST_ROWS = 40, 50
"""Draws, and rows of each one, unless many are asked for."""


@dataclass(kw_only=True)
class Look:
    """What was found in one place."""

    rows_there: int
    read_bytes: int
    rows_kept: int = 0  # for which the condition of --where holds
    rows: int = 0  # that were looked at: of those kept
    rejected: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    labels_C: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    tokens: int = 0
    tokens_found: int = 0
    read_seconds: float = 0.0  # of processors, for all rows that are there
    score_seconds: float = 0.0  # of processors, for the rows looked at
    scores: list[pa.RecordBatch] = field(default_factory=list)
    rejections: list[pa.RecordBatch] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found in all places that were drawn."""

    looks: Sequence[Look]
    whole: bool  # all rows were looked at
    unreadable: Sequence[str]  # why a place could not be read
    memory: int  # private bytes of this process, at most

    @property
    def sample(self) -> ClusterSample:
        """The draws, for estimating shares of the rows that are kept."""
        weights_N = np.array([look.rows_kept / max(look.rows_there, 1) for look in self.looks])
        return ClusterSample(weights_N, np.array([float(look.rows) for look in self.looks]), self.whole)

    @property
    def scored(self) -> ClusterSample:
        """The draws, for estimating shares of the rows that are scored."""
        rows_N = np.array([float(look.rows - look.rejected.total()) for look in self.looks])
        parts_N = rows_N / np.array([max(look.rows, 1) for look in self.looks])
        return ClusterSample(self.sample.weights_N * parts_N, rows_N, self.whole)

    @property
    def kept_share(self) -> float:
        """The share of the store's rows for which the condition holds."""
        if self.whole:
            return sum(look.rows_kept for look in self.looks) / max(sum(look.rows_there for look in self.looks), 1)
        return float(np.mean([look.rows_kept / max(look.rows_there, 1) for look in self.looks]))

    @property
    def read_seconds_per_byte(self) -> float:
        """Seconds of a core to read a byte of the columns that are read."""
        return sum(look.read_seconds for look in self.looks) / max(sum(look.read_bytes for look in self.looks), 1)

    @property
    def score_seconds_per_row(self) -> float:
        """Seconds of a core to score a row; of the later half of the draws, when caches are as they stay."""
        later = [look for look in self.looks[len(self.looks) // 2 :] if look.rows] or list(self.looks)
        return sum(look.score_seconds for look in later) / max(sum(look.rows for look in later), 1)


def survey(
    places: Sequence[Unit],
    scorer: TextScorer,
    job: ScoringJob,
    *,
    rows: int,
    seed: int,
) -> Survey:
    """Look at about so many rows.

    Args:
        places: the rows of the plan, cut as finely as they can be read.
        scorer: by what they are classified.
        job: of the run that is forecast.
        rows: how many to look at; all, if there are no more.
        seed: of what is left to chance.
    """
    random = np.random.default_rng(seed)
    sizes_N = np.array([place.rows - place.rows_deleted for place in places], dtype=np.float64)
    whole = sizes_N.sum() <= rows
    if whole:
        drawn = list(places)
        each = rows
    else:
        draws = int(np.clip(rows // LEAST_ROWS, 2, MOST_DRAWS))
        drawn = [places[index] for index in random.choice(len(places), draws, p=sizes_N / sizes_N.sum())]
        each = -(-rows // draws)
    looks: list[Look] = []
    unreadable: list[str] = []
    memory = 0
    for place in drawn:
        try:
            looks.append(_look(place, scorer, job, each, random))
        except FileError as error:
            unreadable.append(str(error))
        memory = max(memory, _private_bytes())
    return Survey(looks=looks, whole=bool(whole) and not unreadable, unreadable=unreadable, memory=memory)


def _look(place: Unit, scorer: TextScorer, job: ScoringJob, rows: int, random: np.random.Generator) -> Look:
    where = job.request.where.fitted(job.schema) if job.request.where else None
    found = Look(rows_there=place.rows - place.rows_deleted, read_bytes=sum(piece.read_bytes for piece in place.pieces))
    started = time.process_time()
    chosen = _some_rows(read_unit(place, job.roots, job.columns, where, job.schema), rows, random, found)
    found.read_seconds = time.process_time() - started
    found.labels_C = np.zeros(len(scorer.labels), dtype=np.int64)
    started = time.process_time()
    for batch in chosen:
        _score(batch, scorer, job, found)
    found.score_seconds = time.process_time() - started
    return found


def _some_rows(
    batches: Iterator[pa.RecordBatch], rows: int, random: np.random.Generator, found: Look
) -> list[pa.RecordBatch]:
    """Choose some rows of batches by chance, in their order, and count all of them."""
    kept: list[tuple[npt.NDArray[np.float64], pa.RecordBatch]] = []
    bound = np.inf
    for batch in batches:
        found.rows_kept += len(batch)
        keys_N = random.random(len(batch))
        chosen_N = keys_N < bound
        kept.append((keys_N[chosen_N], batch.filter(pa.array(chosen_N))))
        keys_N = np.concatenate([keys for keys, _ in kept])
        if len(keys_N) > rows:
            bound = float(np.partition(keys_N, rows)[rows])
            kept = [(keys[keys < bound], some.filter(pa.array(keys < bound))) for keys, some in kept]
    return [some for _, some in kept if len(some)]


def _score(batch: pa.RecordBatch, scorer: TextScorer, job: ScoringJob, found: Look) -> None:
    """Do with a batch what a worker does, and count."""
    texts = read_texts(batch, job.request.text_columns, job.request.limits)
    answers = scorer.score_array(texts.values)
    scores = scored_rows(batch.select(job.carried).take(pa.array(texts.rows_N)), answers, job)
    found.scores.append(scores)
    if texts.rejected:
        found.rejections.append(rejected_rows(batch, texts))
    found.rows += len(batch)
    found.rejected.update(item.reason.value for item in texts.rejected)
    found.statuses.update(
        {item["values"]: item["counts"] for item in pc.value_counts(scores.column("status")).to_pylist()}
    )
    found.labels_C += _label_counts(answers, job.request.answer)
    found.tokens += int(answers.token_counts_N.sum(dtype=np.int64))
    found.tokens_found += int(answers.found_counts_N.sum(dtype=np.int64))


def _label_counts(answers: Scores, asked: Answer) -> npt.NDArray[np.int64]:
    """Return how many rows have each label."""
    if answers.multi_label:
        return np.asarray(
            answers.given_NC(asked.threshold, no_threshold=asked.no_threshold).sum(axis=0), dtype=np.int64
        )
    given_N = answers.label_N[answers.label_N != NO_LABEL]
    return np.bincount(given_N, minlength=len(answers.labels)).astype(np.int64)


def _private_bytes() -> int:
    """Return the memory that this process does not share: not the vectors, which are mapped; 0 where nobody tells."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - it is no file of anybody's
            lines = dict(line.split(":", 1) for line in status)
        return int(lines["RssAnon"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return 0
