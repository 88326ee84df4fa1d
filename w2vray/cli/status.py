"""``w2vray status``: how far a run is."""

from typing import Any

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted, spelled
from w2vray.cli.scoring_shown import speed
from w2vray.run.status import RunStatus
from w2vray.settings.checks import StatusSettings

__all__ = ["status"]

_STATES = {
    "complete": "complete",
    "incomplete": "ended with something left out: run the same score again to try that again",
    "running": "running",
    "stopped": "stopped; the same command goes on",
    "silent": "neither ended nor running: run the same score again to finish it",
}


@verb("status", StatusSettings, examples=("w2vray status run", "w2vray status s3://bucket/run --json"))
def status(output: Output, /, **arguments: Any) -> None:
    """Tell how far a run is. It reads the run's files, and needs no Ray."""
    settings = StatusSettings(**arguments)
    from w2vray.run.status import status as status_of

    found = status_of(settings)
    output.result(found.as_dict(), *_lines(found))


def _lines(found: RunStatus) -> list[str]:
    rejected = "" if found.rows_rejected is None else f", {found.rows_rejected:,} rejected"
    failed = f", {found.units_failed:,} failed" if found.units_failed else ""
    left = "" if found.seconds_left is None else f", about {spelled(found.seconds_left)} left"
    units = f"{found.units_done:,} of {counted(found.units, 'unit')}{failed}"
    rows = f"{found.rows_done:,} of {counted(found.rows, 'row')}{rejected}"
    lines = [f"{found.run}: {_STATES[found.state]}", f"{units}, {rows}{speed(found.rows_per_second)}{left}"]
    if found.files_left_out:
        lines.append(f"{counted(found.files_left_out, 'file')} left out: `w2vray verify` names them")
    if found.seconds_since is not None:
        by = found.written_by
        who = "" if by is None else f", by process {by['pid']} of {by['host']}, which began at {by['began']} UTC"
        lines.append(f"last written {spelled(found.seconds_since)} ago{who}")
    return lines
