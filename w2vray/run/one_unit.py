"""One unit, scored: what a worker does, without Ray, so that it can be read and tested by itself."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.run.explaining import explained, scored_arrays
from w2vray.run.parts import UnitRecord
from w2vray.run.request import Request
from w2vray.schema import REJECTED_SCHEMA, SOURCE_FILE, SOURCE_ROW, Status
from w2vray.scoring.answers import Scores
from w2vray.scoring.scorer import TextScorer, numeric_profile
from w2vray.store.ahead import read_ahead
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN, joined, read_unit
from w2vray.store.units import Unit
from w2vray.text.columns import BATCH_ROWS, BLOCK_ROWS, SMALL_BLOCK_BYTES, Texts, read_texts
from w2vray.text.keys import ALL_KEYS

__all__ = ["ScoringJob", "batches_of", "damaged", "rejected_rows", "score_unit", "scored_rows"]

_PROBABILITIES = 1 << 20
"""About so many are held at a time, unless a single block has more."""

_NONE_REJECTED = pa.RecordBatch.from_pylist([], REJECTED_SCHEMA)


@dataclass(frozen=True, kw_only=True)
class ScoringJob:
    """What every unit of a run has in common: what was asked for, and the store as it was found."""

    request: Request
    roots: tuple[str, ...]
    schema: pa.Schema  # of the columns that are kept or filtered by
    kept_schema: pa.Schema  # by the names in the scores
    explained_up_to: int = ALL_KEYS  # keys of places from there on have no evidence

    @property
    def columns(self) -> list[str]:
        """Columns to read from the store, beside those of the condition."""
        return list(dict.fromkeys([*self.request.text_columns, *self.request.kept.values()]))

    @property
    def carried(self) -> list[str]:
        """Columns that a row's scores are given, beside the answer."""
        return list(dict.fromkeys([FILE_COLUMN, ROW_COLUMN, *self.request.kept.values()]))

    @property
    def scores_schema(self) -> pa.Schema:
        """Schema of the scores."""
        return self.request.answer.schema(list(self.kept_schema))


def score_unit(
    unit: Unit, scorer: TextScorer, job: ScoringJob, write: Callable[[pa.RecordBatch, pa.RecordBatch], None]
) -> UnitRecord:
    """Read, score and account for a unit, in bounded memory.

    Args:
        unit: what is scored.
        scorer: by what.
        job: of which the unit is.
        write: takes scores and rejected rows, as they come, in input order.

    Returns:
        The unit's record.

    Raises:
        FileError: a file cannot be read.
    """
    request = job.request
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    of_files: Counter[str] = Counter()
    refused: dict[str, tuple[int, str]] = {}
    waiting: deque[tuple[pa.RecordBatch, Texts]] = deque()

    def arrays() -> Iterator[pa.LargeStringArray]:
        for batch in read_ahead(batches_of(unit, scorer, job)):
            texts = read_texts(batch, request.text_columns, request.limits)
            waiting.append((batch, texts))
            yield texts.values

    for scored in scored_arrays(scorer, arrays(), request):
        batch, texts = waiting.popleft()
        rows = batch.select(job.carried)  # not the text: it need not be copied
        rows = rows.take(pa.array(texts.rows_N)) if texts.rejected else rows
        answers = explained(scored, scorer, texts.values, rows, request=request, up_to=job.explained_up_to)
        scores = scored_rows(rows, answers, job)
        rejected = rejected_rows(batch, texts)
        write(scores, rejected)
        _note_refused(batch, texts, of_files, refused)
        reasons.update(item.reason.value for item in texts.rejected)
        counts.update(
            rows_in=len(batch),
            rows_scored=len(scores),
            rows_rejected=len(rejected),
            rows_abstained=pc.sum(pc.not_equal(scores["status"], Status.SCORED.value)).as_py() or 0,
            rows_truncated=texts.truncated,
            rows_below_threshold=request.answer.below(answers),
            tokens=int(answers.token_counts_N.sum(dtype=np.int64)),
            tokens_found=int(answers.found_counts_N.sum(dtype=np.int64)),
        )
    return UnitRecord(
        unit=unit.id,
        rows_read=unit.rows,
        rows_in=counts["rows_in"],
        rows_scored=counts["rows_scored"],
        rows_rejected=counts["rows_rejected"],
        rejected=dict(sorted(reasons.items())),
        refused=refused or None,
        rows_abstained=counts["rows_abstained"],
        rows_truncated=counts["rows_truncated"],
        rows_below_threshold=counts["rows_below_threshold"],
        tokens=counts["tokens"],
        tokens_found=counts["tokens_found"],
        rows_deleted=unit.rows_deleted,
        run=request.fingerprint,
        profile=numeric_profile(request.device),
    )


def batches_of(unit: Unit, scorer: TextScorer, job: ScoringJob) -> Iterator[pa.RecordBatch]:
    """Read a unit, in batches that the model is quick on."""
    request = job.request
    where = request.where.fitted(job.schema) if request.where else None
    most = _rows_at_once(len(scorer.labels))
    batches = read_unit(unit, job.roots, job.columns, where, job.schema, most_rows=most)
    if scorer.block_bytes > SMALL_BLOCK_BYTES:
        return joined(batches, request.text_columns, most_bytes=scorer.block_bytes, most_rows=BLOCK_ROWS)
    return batches


def _rows_at_once(labels: int) -> int:
    """Return how many rows are answered before they are written: whole blocks, fewer where there are many labels."""
    return max(1, min(BATCH_ROWS // BLOCK_ROWS, _PROBABILITIES // (BLOCK_ROWS * labels))) * BLOCK_ROWS


def _note_refused(
    batch: pa.RecordBatch, texts: Texts, of_files: Counter[str], refused: dict[str, tuple[int, str]]
) -> None:
    """Count the rows of a batch's file, and keep why the first was rejected as long as all of them are."""
    if not len(batch):
        return
    file = batch.column(FILE_COLUMN)[0].as_py()
    before = of_files[file]
    of_files[file] += len(batch)
    if len(texts.rejected) < len(batch):
        refused.pop(file, None)
    elif not before or file in refused:
        first = texts.rejected[0]
        why = f"{first.reason.value}: {first.detail}"
        refused[file] = (of_files[file], refused[file][1] if before else why)


def damaged(unit: Unit, job: ScoringJob) -> str | None:
    """Read a unit again that Arrow could not go through, and return the first file whose values are none of their type.

    None says that all are as they should be: then the fault is not the file's.
    """
    for batch in read_unit(unit, job.roots, job.request.columns.all, schema=job.schema):
        try:
            batch.validate(full=True)
        except pa.ArrowException:
            return str(batch.column(FILE_COLUMN)[0].as_py())
    return None


def scored_rows(rows: pa.RecordBatch, answers: Scores, job: ScoringJob) -> pa.RecordBatch:
    """Return the scores of rows that have a text: where they are, what is kept of them, and the answers."""
    columns = job.request.answer.columns(answers)
    columns |= {SOURCE_FILE: rows.column(FILE_COLUMN), SOURCE_ROW: rows.column(ROW_COLUMN)}
    columns |= {name: rows.column(stored) for name, stored in job.request.kept.items()}
    schema = job.scores_schema
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def rejected_rows(batch: pa.RecordBatch, texts: Texts) -> pa.RecordBatch:
    """Return the rows of a batch that have no readable text, with the reason."""
    if not texts.rejected:
        return _NONE_REJECTED
    rows = batch.select([FILE_COLUMN, ROW_COLUMN]).take(pa.array([item.row for item in texts.rejected], pa.int64()))
    return pa.RecordBatch.from_arrays(
        [
            rows.column(FILE_COLUMN),
            rows.column(ROW_COLUMN),
            _strings([item.reason.value for item in texts.rejected]),
            _strings([item.detail for item in texts.rejected]),
        ],
        schema=REJECTED_SCHEMA,
    )


def _strings(values: Sequence[str]) -> pa.StringArray:
    return pa.array(values, pa.string())
