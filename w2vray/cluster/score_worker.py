"""A worker of a scoring run: it holds the model, sees the shared vectors, and commits each unit by itself."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

import pyarrow as pa

from w2vray.cluster.hosts import is_lost, this_host
from w2vray.cluster.resources import use_one_thread
from w2vray.cluster.sharing import SharedVectors
from w2vray.errors import FileError
from w2vray.models.directory import Bundle
from w2vray.run.attempts import MOST_ATTEMPTS
from w2vray.run.directory import RunDirectory
from w2vray.run.one_unit import ScoringJob, damaged, score_unit
from w2vray.run.parts import UnitRecord
from w2vray.run.request import Request
from w2vray.schema import FileReason
from w2vray.scoring.device_scorer import DeviceScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.store.failures import Failure
from w2vray.store.units import Unit

__all__ = ["Outcome", "ScoringWorker"]


def _scorer(bundle: Bundle, shared: SharedVectors, request: Request, text_ahead: int) -> TextScorer:
    if request.device is None:
        cache = request.projection_cache
        return TextScorer(bundle, shared.get(), projection_cache=cache, text_ahead=text_ahead)
    return DeviceScorer(bundle, shared.get(), device=request.device, threads=request.threads)


@dataclass(frozen=True)
class Outcome:
    """What a worker made of a unit: how many rows it took, and why the unit was not scored, where it was not."""

    unit: str
    rows: int
    failure: Failure | None = None
    seconds: float = 0.0
    rejected: int = 0  # of the rows

    def as_row(self) -> dict[str, Any]:
        """Return the outcome as a row for Ray, whose columns have the same types in each."""
        failure = "" if self.failure is None else json.dumps(asdict(self.failure))
        return {
            "unit": self.unit,
            "rows": self.rows,
            "failure": failure,
            "seconds": self.seconds,
            "rejected": self.rejected,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Rebuild what ``as_row`` gave."""
        stored = json.loads(row["failure"]) if row["failure"] else None
        failure = None if stored is None else Failure(**{**stored, "reason": FileReason(stored["reason"])})
        return cls(row["unit"], row["rows"], failure, row["seconds"], row["rejected"])


class ScoringWorker:
    """A worker of the pool: loads once, then scores and commits unit after unit.

    ``text_ahead`` is how many bytes of text it will have scored in the end, more or less.
    """

    def __init__(
        self, shared: SharedVectors, bundle: Bundle, job: ScoringJob, drafts: str, text_ahead: int = 0
    ) -> None:
        use_one_thread()
        self.job = job
        self._drafts = drafts
        self.scorer = _scorer(bundle, shared, job.request, text_ahead)
        self.host = this_host()

    @cached_property
    def run(self) -> RunDirectory:
        """The run's directory: opened where units are done, for a connection to a store cannot be copied."""
        return RunDirectory(self.job.request.output, self._drafts)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Score a unit, unless its part is there already: Ray hands a unit out again when a worker has died."""
        started = time.monotonic()
        outcome = self._outcome(unit)
        return replace(outcome, seconds=round(time.monotonic() - started, 3)).as_row()

    def _outcome(self, unit: Unit) -> Outcome:
        if unit.id in self.run:
            return _scored(self.run.committed_part(unit.id).record)
        mark = self.run.attempts.begin(unit.id, self.host, is_lost)
        if mark is None:
            detail = f"{MOST_ATTEMPTS} workers died while scoring this unit of {unit.rows:,} rows of {_files(unit)}"
            return _failed(unit, FileReason.KILLED_WORKERS, detail)
        try:
            return _scored(self._commit(unit))
        except FileError as error:
            return Outcome(unit.id, 0, Failure.of(error, unit=unit.id))
        except MemoryError as error:
            detail = f"{_files(unit)}: {unit.rows:,} rows do not fit into a worker's memory ({error})"
            return _failed(unit, FileReason.OUT_OF_MEMORY, detail, _files(unit))
        finally:
            self.run.attempts.end(unit.id, mark)

    def _commit(self, unit: Unit) -> UnitRecord:
        """Score a unit and write its part; return the record of the part that is there.

        Raises:
            FileError: a file of the unit cannot be read, or its values are damaged.
        """
        try:
            with self.run.part(unit.id, self.job.scores_schema) as part:
                record = score_unit(unit, self.scorer, self.job, part.write)
                return self.run.commit(part, record).record
        except MemoryError:  # Arrow's is an ArrowException too
            raise
        except pa.ArrowException as error:
            if (damage := damaged(unit, self.job)) is None:
                raise
            raise FileError(f"{damage}: {error}", file=damage, reason=FileReason.DAMAGED_DATA) from error


def _scored(record: UnitRecord) -> Outcome:
    return Outcome(record.unit, record.rows_in, rejected=record.rows_rejected)


def _files(unit: Unit) -> str:
    return ", ".join(dict.fromkeys(piece.file for piece in unit.pieces))


def _failed(unit: Unit, reason: FileReason, detail: str, file: str | None = None) -> Outcome:
    return Outcome(unit.id, 0, Failure(reason=reason, detail=detail, file=file, unit=unit.id))
