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
from w2vray.run.directory import NOTED, SUCCESS, TOTALS, RunDirectory
from w2vray.run.parts import COUNTS, CommittedPart
from w2vray.run.planning import RunPlan
from w2vray.run.refused_files import refused_files, refused_notes
from w2vray.run.reporting import is_unlike, rows_with_evidence
from w2vray.run.request import Request
from w2vray.store.corpus import Corpus
from w2vray.vectors.comparing import share_found

__all__ = ["closed", "with_kept"]


def closed(
    run: RunDirectory,
    plan: RunPlan,
    work: Work,
    corpus: Corpus,
    *,
    expected: str,
    seconds: float,
) -> ScoreSummary:
    """Write the manifest and, only when nothing is missing or the gaps are accepted, _SUCCESS."""
    settings = work.settings
    failed = {item.unit for item in work.failures}
    with watched(telling(run, work.counted), note=work.note):  # of many units this takes its time
        parts = run.committed([unit.id for unit in plan.units if unit.id not in failed])
        _require_own(run, parts, expected)
        run.require_rejected(parts)
        run.keep_rejected(parts)
    totals = {name: sum(getattr(part.record, name) for part in parts) for name in COUNTS}
    rejected = sum((Counter(part.record.rejected) for part in parts if part.record.rejected), Counter[str]())
    failures = [*plan.bad.values(), *work.failures]
    left_out: dict[str, str] = {}
    for name, why in dict.fromkeys((item.name, str(item)) for item in failures):
        left_out[name] = f"{left_out[name]}; {why}" if name in left_out else why
    accepted = settings.on_bad == "skip"
    too_many = settings.max_rejected is not None and totals["rows_rejected"] > settings.max_rejected
    run.write_manifest(parts, failures, accepted=accepted)
    run.remove(NOTED)
    run.tell(work.counted.as_json())
    tables = [table.as_json() for table in corpus.tables.values()]
    profiles = _distinct([part.record.profile for part in parts])
    coverage = share_found(totals["tokens"], totals["tokens_found"])
    refused = refused_files(plan.units, {part.record.unit: part.record.refused for part in parts})
    counted = {
        **totals,
        "rejected": dict(rejected),
        "refused": refused,
        "coverage": coverage,
        "profiles": profiles,
        "units": len(plan.units),
        "left_out": left_out,
        "ignored": corpus.ignored.files,
        "tables": tables,
        "gaps_accepted": accepted,
    }
    run.write_json(counted, TOTALS)
    complete = accepted or not failures
    if complete:
        run.write(b"", SUCCESS)
    return ScoreSummary(
        run=run.name,
        **totals,
        rejected=dict(rejected),
        coverage=coverage,
        expected_kept=None,
        kept=None,
        warnings=[],
        units=len(plan.units),
        units_skipped=work.skipped,
        units_failed=len(work.failures),
        rows_now=work.counted.rows,
        seconds=seconds,
        rows_per_second=None if (speed := work.counted.pace.rows_per_second) is None else round(speed, 1),
        left_out=left_out,
        ignored=corpus.ignored.files,
        tables=tables,
        notes=[*corpus.notes, *plan.notes, *_deleted_note(totals["rows_deleted"]), *refused_notes(refused)],
        gaps_accepted=accepted,
        new_files=plan.new_files,
        exit_code=0 if complete and not too_many else 3,
    )


def _rows_with_evidence(summary: ScoreSummary, *, multi_label: bool) -> int:
    """Count the scored rows with a known word; of several labels, a row that is given none has not abstained."""
    return rows_with_evidence(
        summary.rows_scored, summary.rows_abstained, summary.rows_below_threshold, multi_label=multi_label
    )


def with_kept(summary: ScoreSummary, request: Request, bundle: Bundle) -> ScoreSummary:
    """Say which share of the rows with a known word keeps a label, and which one the model's thresholds expect."""
    rows = _rows_with_evidence(summary, multi_label=bundle.config.multi_label)
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
