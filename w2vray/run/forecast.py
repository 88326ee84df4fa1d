"""``plan``: what a scoring run will come to, what it will take and what it will cost; and how far that was off."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.errors import ConfigError, CorpusError
from w2vray.models.directory import Bundle
from w2vray.notebooks import as_html
from w2vray.run.one_unit import ScoringJob
from w2vray.run.planning import RunPlan, plan_run
from w2vray.run.request import Request
from w2vray.run.sealed import seal
from w2vray.run.survey import Survey, survey
from w2vray.schema import Status
from w2vray.scoring.proportions import Share
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.forecasts import PlanSettings
from w2vray.stages import stage
from w2vray.store.corpus import Corpus, find_corpus, one_version
from w2vray.store.describing import describe_files
from w2vray.store.units import Unit, processes_without_ray, split_unit

__all__ = ["Forecast", "Outcome", "forecast", "outcome"]

FORMAT = 1

START_SECONDS, ALONE_SECONDS = 12.0, 3.0
"""Until the first worker works: Ray starts, and each worker imports and loads; and where a store needs no Ray. A
cluster that runs takes less."""

UNIT_SECONDS = 0.05
"""To hand out a unit, open its files, and publish its part."""

_WORKER_BYTES = 150 << 20
"""Of a worker of Ray, before it does anything of ours."""

_FOOTER_BYTES = 3000  # of a part
_NAMED = 5
_FEW_PLACES = 20


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run will come to. Shares are of the rows that are scored, unless said otherwise."""

    rows: int  # that will be scored or rejected
    bytes: int  # of the columns that are read, uncompressed
    files: int
    files_left_out: int
    units: int
    classes: Mapping[str, Share]  # share of the scored rows that get a label
    rejected: Share  # share of all rows
    rejected_because: Mapping[str, float]
    below_threshold: Share
    no_evidence: Share
    coverage: float | None  # share of the tokens that have a vector
    tokens_per_row: float
    workers: int
    seconds: float
    core_hours: float
    cost: float | None
    memory_bytes: int  # of a worker, beside the vectors
    vectors_bytes: int  # shared by the workers of a machine
    output_bytes: int
    sample_rows: int
    sample_places: int
    exact: bool  # every row was looked at
    run: str  # the fingerprint of the run that is forecast
    store: str | None = None  # what the files are known by; forecasts of before have none
    notes: Sequence[str] = ()
    format: int = FORMAT

    def as_dict(self) -> dict[str, Any]:
        """Return the forecast as JSON can hold it."""
        return asdict(self)

    @classmethod
    def load(cls, file: str) -> Self:
        """Read what ``plan --output`` wrote.

        Raises:
            ConfigError: it is no such file.
        """
        try:
            stored = json.loads(Path(file).read_text(encoding="utf-8"))
            if stored["format"] != FORMAT:
                raise ConfigError(
                    f"--plan {file}: format {stored['format']!r}; this version reads {FORMAT}. Run `w2vray plan` again"
                )
            shares = {name: Share(**stored[name]) for name in ("rejected", "below_threshold", "no_evidence")}
            classes = {label: Share(**share) for label, share in stored["classes"].items()}
            return cls(**{**stored, **shares, "classes": classes})
        except OSError as error:
            raise ConfigError(f"--plan {file} cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"--plan {file} is not a forecast ({error}); give the file that `w2vray plan --output` wrote"
            ) from error

    def require_of(self, request: Request, file: str) -> None:
        """Refuse a forecast of another run.

        Raises:
            ConfigError: its model or an option that changes answers differs.
        """
        if self.run != request.fingerprint:
            raise ConfigError(
                f"--plan {file} forecasts a run of another model or with other options; give the one of this run, or "
                "leave out --plan"
            )

    def of_another_store(self, units: Sequence[Unit]) -> str:
        """Say that a run reads another store than was forecast, or the same one after it has changed; else nothing."""
        if self.store is None or self.store == _store(units):
            return ""
        files = len({piece.source for unit in units for piece in unit.pieces})
        return (
            f"it forecasts another store, or this one before it changed (its files were {self.files:,}, the run's are "
            f"{files:,}); what is told of it at the end is not of this store"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            "rows": self.rows,
            "bytes": self.bytes,
            "units": self.units,
            "hours": self.seconds / 3600,
            "workers": self.workers,
            "core hours": self.core_hours,
            "cost": self.cost,
            "rejected": self.rejected.spelled,
            "below the threshold": self.below_threshold.spelled,
            "tokens with a vector": None if self.coverage is None else f"{self.coverage:.1%}",
            "bytes of the output": self.output_bytes,
            "to look at": list(self.notes),
        }
        rows = [(label, one.share, one.low, one.high) for label, one in self.classes.items()]
        return as_html("Forecast of a run", facts, ("labels", ["label", "share", "from", "to"], rows))


def forecast(settings: PlanSettings) -> Forecast:
    """Look at a store and at some of its rows, in this process, and say what a run will come to.

    Raises:
        UnusableInputError: the arguments, the store or the model cannot be used.
    """
    output = None if settings.output is None else _writable(settings.output)
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    scoring = settings.scoring("forecast")
    request = Request.of(scoring, bundle)
    stage("listing the store")
    corpus = find_corpus(settings.corpus, one_version(settings.corpus, settings.table_version))
    stage("planning")
    plan = plan_run(request, corpus)
    job = ScoringJob(request=request, roots=corpus.roots, schema=plan.schema, kept_schema=plan.kept_schema)
    stage("scoring a sample of rows")
    scorer = TextScorer(bundle, vectors, projection_cache=request.projection_cache)
    found = survey(_places(plan, corpus, request), scorer, job, rows=settings.sample, seed=settings.seed)
    if not any(look.rows_there for look in found.looks):
        raise CorpusError(f"no row could be looked at: {next(iter(found.unreadable), 'the store has none')}")
    made = _forecast(settings, plan, request, found, scorer.labels, vectors_bytes=vectors.table_VD.nbytes)
    if output is not None:
        _write(made, output)
    return made


def _places(plan: RunPlan, corpus: Corpus, request: Request) -> list[Unit]:
    """Return the rows of a plan as finely cut as they can be read."""
    wanted = {piece.source for unit in plan.units for piece in unit.pieces}
    files, _ = describe_files(
        corpus, [file for file in corpus.files if file in wanted], request.columns.all, request.read_as
    )
    described = {item.file: item for item in files}
    alone = [Unit((piece,)) for unit in plan.units for piece in unit.pieces]
    return [part for unit in alone for part in split_unit(unit, described) or [unit]]


def _forecast(
    settings: PlanSettings,
    plan: RunPlan,
    request: Request,
    found: Survey,
    labels: Sequence[str],
    *,
    vectors_bytes: int,
) -> Forecast:
    looks, sample, scored = found.looks, found.sample, found.scored
    rows = round(sum(unit.rows - unit.rows_deleted for unit in plan.units) * found.kept_share)
    pieces = [piece for unit in plan.units for piece in unit.pieces]
    size = sum(piece.read_bytes for piece in pieces)
    because = sum((look.rejected for look in looks), Counter[str]())
    (rejected,) = sample.shares(_column([look.rejected.total() for look in looks]))
    statuses = (Status.BELOW_THRESHOLD.value, Status.NO_EVIDENCE.value)
    below, silent = scored.shares(np.array([[float(look.statuses[name]) for name in statuses] for look in looks]))
    classes = scored.shares(np.array([look.labels_C.astype(np.float64) for look in looks]))
    tokens, tokens_found = (
        sample.share(np.array([float(getattr(look, name)) for look in looks])) for name in ("tokens", "tokens_found")
    )
    workers = settings.workers or len(os.sched_getaffinity(0))
    core_seconds = found.read_seconds_per_byte * size + found.score_seconds_per_row * rows
    core_seconds += UNIT_SECONDS * len(plan.units)
    start, processes = _start(len(plan.units), size, workers)
    busiest = math.ceil(len(plan.units) / processes) / max(len(plan.units), 1)  # share of the one with most units
    seconds = start + core_seconds * max(busiest, 1 / processes)
    price = settings.price_per_core_hour
    return Forecast(
        rows=rows,
        bytes=size,
        files=len({piece.source for piece in pieces}),
        files_left_out=len(plan.bad),
        units=len(plan.units),
        classes=dict(zip(labels, classes, strict=True)),
        rejected=rejected,
        rejected_because={
            reason: sample.share(np.array([float(look.rejected[reason]) for look in looks]))
            for reason, _ in because.most_common()
        },
        below_threshold=below,
        no_evidence=silent,
        coverage=tokens_found / tokens if tokens else None,
        tokens_per_row=tokens,
        workers=workers,
        seconds=seconds,
        core_hours=core_seconds / 3600,
        cost=None if price is None else price * seconds * workers / 3600,
        memory_bytes=found.memory + _WORKER_BYTES,
        vectors_bytes=vectors_bytes,
        output_bytes=_output_bytes(found, rows, len(plan.units)),
        sample_rows=sample.rows,
        sample_places=len(looks),
        exact=found.whole,
        run=request.fingerprint,
        store=_store(plan.units),
        notes=[*plan.notes, *_notes(plan, found)],
    )


def _column(values: Sequence[int]) -> npt.NDArray[np.float64]:
    return np.array(values, dtype=np.float64)[:, None]


def _output_bytes(found: Survey, rows: int, units: int) -> int:
    """Return what parts take, from one that is made of the rows looked at."""
    size = 0.0
    for batches in ([look.scores for look in found.looks], [look.rejections for look in found.looks]):
        tables = [batch for of_look in batches for batch in of_look]
        if tables:
            size += len(seal(pa.Table.from_batches(tables))[0])
    looked_at = sum(look.rows for look in found.looks)
    return round(size / max(looked_at, 1) * rows) + units * _FOOTER_BYTES


def _notes(plan: RunPlan, found: Survey) -> list[str]:
    """Say what the forecast does not know."""
    notes = [f"left out: {bad.name}: {bad.detail}" for bad in list(plan.bad.values())[:_NAMED]]
    if len(plan.bad) > _NAMED:
        notes.append(f"and {len(plan.bad) - _NAMED:,} more files")
    unreadable = dict.fromkeys(found.unreadable)
    notes += [f"could not be looked at: {why}" for why in list(unreadable)[:_NAMED]]
    if not found.whole and len(found.looks) < _FEW_PLACES:
        notes.append(
            f"the sample is of {len(found.looks)} places: its intervals are wide; raise --sample for narrower ones"
        )
    return notes


def _writable(output: str) -> Path:
    """Look before the work whether the file can be written.

    Raises:
        ConfigError: it cannot, or it is there and holds something else than a forecast.
    """
    file = Path(output).absolute()
    if file.is_dir() or not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigError(f"--output is {output!r}; allowed: a file in a folder that can be written")
    if file.is_file() and file.stat().st_size and not _is_forecast(file):
        raise ConfigError(
            f"--output {output!r} exists already and is no forecast; name another file, or remove it first"
        )
    return file


def _is_forecast(file: Path) -> bool:
    """Tell whether a file is a forecast, of this version or another."""
    try:
        with file.open("rb") as begun:
            if begun.read(1) != b"{":  # the rest may be long
                return False
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return {"format", "run", "sample_places"} <= set(stored)


def _write(made: Forecast, file: Path) -> None:
    try:
        file.write_text(json.dumps(made.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {str(file)!r} cannot be written ({error.strerror})") from error


# Afterwards


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A forecast held against the run that it was of."""

    rows: tuple[int, int]  # forecast, then found
    seconds: tuple[float, float] | None  # None where an earlier call had done a part
    output_bytes: tuple[int, int]
    rejected: tuple[float, float]
    labels_outside: Mapping[str, tuple[float, float]]  # label -> forecast and found share, outside its interval

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @property
    def lines(self) -> list[str]:
        """What a person is told."""
        lines = [f"forecast of rows: {_off(*self.rows)}", f"forecast of the output's bytes: {_off(*self.output_bytes)}"]
        if self.seconds is not None:
            lines.append(f"forecast of the time: {_off(*self.seconds, unit=' s')}")
        lines.append(f"forecast of rejected rows: {self.rejected[0]:.2%}, found {self.rejected[1]:.2%}")
        if not self.labels_outside:
            return [*lines, "each label's share is inside its interval"]
        some = [
            f"{label!r} {planned:.2%}, found {found:.2%}"
            for label, (planned, found) in list(self.labels_outside.items())[:_NAMED]
        ]
        more = f" and {len(self.labels_outside) - _NAMED:,} more" if len(self.labels_outside) > _NAMED else ""
        return [*lines, f"labels outside their interval: {'; '.join(some)}{more}"]


def outcome(
    planned: Forecast,
    *,
    counts: Mapping[str, int],
    rows: int,
    rows_scored: int,
    output_bytes: int,
    seconds: float | None,
    workers: int | None,
) -> Outcome:
    """Hold a forecast against a finished run.

    Args:
        planned: the forecast.
        counts: rows of the run that have each label.
        rows: of the run.
        rows_scored: of the run.
        output_bytes: of its parts.
        seconds: that it took; None where an earlier call had done a part.
        workers: that were asked for; None for as many as there are CPUs, as the forecast took them.
    """
    outside = {}
    for label, share in planned.classes.items():
        found = counts.get(label, 0) / max(rows_scored, 1)
        if not share.low - 1e-9 <= found <= share.high + 1e-9:
            outside[label] = (share.share, found)
    start, processes = _start(planned.units, planned.bytes, planned.workers)
    work = (planned.seconds - start) * processes
    start, processes = _start(planned.units, planned.bytes, workers or planned.workers)
    return Outcome(
        rows=(planned.rows, rows),
        seconds=None if seconds is None else (round(start + work / processes, 1), seconds),
        output_bytes=(planned.output_bytes, output_bytes),
        rejected=(planned.rejected.share, (rows - rows_scored) / max(rows, 1)),
        labels_outside=outside,
    )


def _start(units: int, size: int, workers: int) -> tuple[float, int]:
    """Return the seconds until the first process works, and how many of them there are."""
    alone = processes_without_ray(units, size, workers) if workers <= len(os.sched_getaffinity(0)) else 0
    return (ALONE_SECONDS, alone) if alone else (START_SECONDS, workers)


def _store(units: Sequence[Unit]) -> str:
    """Return what the files of a plan are known by together: names, sizes and rows, however units are cut."""
    rows: Counter[tuple[str, int]] = Counter()
    for piece in (piece for unit in units for piece in unit.pieces):
        rows[piece.file, piece.file_size] += piece.rows
    listed = sorted([*known, count] for known, count in rows.items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _off(planned: float, found: float, unit: str = "") -> str:
    """Say how far a number was off: ``1,200, found 1,000 (20% too high)``."""
    both = f"{planned:,.0f}{unit}, found {found:,.0f}{unit}"
    if not found:
        return both
    off = planned / found - 1
    told = "exact" if planned == found else f"{abs(off):.0%} too {'high' if off > 0 else 'low'}"
    return f"{both} ({told})"
