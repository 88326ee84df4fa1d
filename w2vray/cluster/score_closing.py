"""The end of a scoring run: its manifest, its totals, ``_SUCCESS``, and the summary that tells of them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from w2vray.cluster.score_summary import ScoreSummary
from w2vray.cluster.score_units import Work, telling
from w2vray.cluster.watching import watched
from w2vray.errors import RunError
from w2vray.models.directory import Bundle
from w2vray.models.thresholds import Thresholds
from w2vray.run.directory import RunDirectory
from w2vray.run.parts import COUNTS, CommittedPart
from w2vray.run.planning import RunPlan
from w2vray.run.refused_files import refused_files, refused_notes
from w2vray.run.reporting import is_unlike
from w2vray.run.request import Request
from w2vray.run.run_files import NOTED, SUCCESS, TOTALS
from w2vray.store.corpus import Corpus
from w2vray.store.failures import Failure
from w2vray.vectors.comparing import share_found

__all__ = ["closed", "with_kept"]


def closed(
    run: RunDirectory, plan: RunPlan, work: Work, corpus: Corpus, request: Request, *, seconds: float
) -> ScoreSummary:
    """Write the manifest and, only when nothing is missing or the gaps are accepted, _SUCCESS."""
    accepted = work.settings.on_bad == "skip"
    failures = [*plan.bad.values(), *work.failures]
    parts = _parts_of(run, plan, work, request.fingerprint)
    run.write_manifest(parts, failures, accepted=accepted)
    run.remove(NOTED)
    run.tell(work.counted.as_json())
    totals = _totals(parts, plan, corpus, failures, accepted=accepted)
    run.write_json(totals, TOTALS)
    complete = accepted or not failures
    if complete:
        run.write(b"", SUCCESS)
    most = work.settings.max_rejected
    too_many = most is not None and totals["rows_rejected"] > most
    return ScoreSummary(
        run=run.name,
        **{name: totals[name] for name in (*COUNTS, *_TOLD)},
        rows_no_evidence=totals["rows_abstained"]
        - (0 if request.answer.multi_label else totals["rows_below_threshold"]),
        expected_kept=None,
        kept=None,
        warnings=[],
        units_skipped=work.skipped,
        units_failed=len(work.failures),
        rows_now=work.counted.rows,
        seconds=seconds,
        rows_per_second=None if (speed := work.counted.pace.rows_per_second) is None else round(speed, 1),
        notes=_notes(plan, corpus, totals),
        new_files=plan.new_files,
        exit_code=0 if complete and not too_many else 3,
    )


_TOLD = ("rejected", "coverage", "units", "left_out", "ignored", "tables", "gaps_accepted")
"""What the summary tells as ``manifest.json`` does."""


def _parts_of(run: RunDirectory, plan: RunPlan, work: Work, expected: str) -> list[CommittedPart]:
    """Read the records of all finished units, and hold them against the run and the rejected rows that are there."""
    failed = {item.unit for item in work.failures}
    with watched(telling(run, work.counted), note=work.note):  # of many units this takes its time
        parts = run.committed([unit.id for unit in plan.units if unit.id not in failed])
        _require_own(run, parts, expected)
        run.require_rejected(parts)
        run.keep_rejected(parts)
    return parts


def _totals(
    parts: Sequence[CommittedPart], plan: RunPlan, corpus: Corpus, failures: Sequence[Failure], *, accepted: bool
) -> dict[str, Any]:
    """Return what ``manifest.json`` holds: the sums of all parts, and what is in none."""
    counts = {name: sum(getattr(part.record, name) for part in parts) for name in COUNTS}
    rejected = sum((Counter(part.record.rejected) for part in parts if part.record.rejected), Counter[str]())
    return {
        **counts,
        "rejected": dict(rejected),
        "refused": refused_files(plan.units, {part.record.unit: part.record.refused for part in parts}),
        "coverage": share_found(counts["tokens"], counts["tokens_found"]),
        "profiles": _distinct([part.record.profile for part in parts]),
        "units": len(plan.units),
        "left_out": _left_out(failures),
        "ignored": corpus.ignored.files,
        "tables": [table.as_json() for table in corpus.tables.values()],
        "gaps_accepted": accepted,
    }


def _left_out(failures: Sequence[Failure]) -> dict[str, str]:
    """Return why each file or unit is left out; one that failed for several reasons has all of them."""
    left_out: dict[str, str] = {}
    for name, why in dict.fromkeys((item.name, str(item)) for item in failures):
        left_out[name] = f"{left_out[name]}; {why}" if name in left_out else why
    return left_out


def _notes(plan: RunPlan, corpus: Corpus, totals: Mapping[str, Any]) -> list[str]:
    """Return what a person is told of the store."""
    return [*corpus.notes, *plan.notes, *_deleted_note(totals["rows_deleted"]), *refused_notes(totals["refused"])]


def with_kept(summary: ScoreSummary, request: Request, bundle: Bundle) -> ScoreSummary:
    """Say which share of the rows with a known word keeps a label, and which one the model's thresholds expect."""
    rows = summary.rows_scored - summary.rows_no_evidence
    kept = round((rows - summary.rows_below_threshold) / rows, 6) if rows else None
    own = bundle.config.thresholds
    if own is None or request.answer.threshold is not None or request.answer.no_threshold:
        return replace(summary, kept=kept)
    return replace(summary, kept=kept, expected_kept=own.kept, warnings=_unlike(kept, rows, own))


def _unlike(kept: float | None, rows: int, own: Thresholds) -> list[str]:
    """Say that rows are not like those that thresholds were chosen on, where far more or fewer keep a label."""
    if kept is None or not is_unlike(kept, rows, own.kept, own.rows):
        return []
    line = (
        f"{kept:.1%} of the rows with a known word kept a label, and {own.kept:.1%} were expected to: these rows are "
        "not like those that the model's thresholds were chosen on, so the precision that they promise may not hold. "
        "Check some by hand (`w2vray sample`), and `calibrate` the model on their true labels"
    )
    return [line]


def _deleted_note(rows: int) -> list[str]:
    return [f"{rows:,} rows of the files were not scored: the table has deleted them"] if rows else []


def _distinct(profiles: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return on what machines, in all that answers may differ by, the parts were made: told by the workers."""
    return list({json.dumps(profile, sort_keys=True): profile for profile in profiles}.values())


def _require_own(run: RunDirectory, parts: Sequence[CommittedPart], expected: str) -> None:
    foreign = next((part.record for part in parts if part.record.run != expected), None)
    if foreign is not None:
        raise RunError(
            f"{run.name}: the part of unit {foreign.unit} was made by another model or with other options; remove it"
        )
