"""How far a scoring run is, told by its own files alone: from anywhere, while it goes on and afterwards.

A listing says which parts are there and since when; the plan says how many rows each has. Only parts with rejected
rows are opened, if they are few, and only their ends are read.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pyarrow import fs

from w2vray.errors import RunError
from w2vray.notebooks import as_html
from w2vray.places.uris import absolute
from w2vray.run.directory import RunDirectory
from w2vray.run.leases import LEASES
from w2vray.run.parts import unit_of
from w2vray.run.run_files import PROGRESS, REJECTED, RUN, SCORES, SUCCESS, TOTALS
from w2vray.settings.checks import StatusSettings
from w2vray.standing import SIGNS

__all__ = ["RunStatus", "status"]

RECENT_SECONDS = 300.0
"""The speed is that of these last minutes."""

ALIVE_SECONDS = 60.0
"""A driver says something of itself every few seconds: one that has said nothing for so long has ended."""

MOST_ENDS = 512
"""The most parts whose ends are read to count rejected rows."""

COMPLETE, INCOMPLETE, RUNNING, STOPPED, SILENT = "complete", "incomplete", "running", "stopped", "silent"


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How far a run is."""

    run: str
    state: str  # complete; incomplete: ended with something left out; running; stopped: by a person or an error;
    # silent: nobody says that it has ended, and nobody goes on with it
    units: int
    units_done: int
    units_failed: int
    rows: int  # of the store's files that are planned
    rows_done: int
    rows_rejected: int | None  # of those done; None where too many parts would have to be read
    rows_per_second: float | None  # over the last five minutes; None where nothing tells it
    seconds_left: float | None
    files_left_out: int
    last_written: str | None  # UTC
    seconds_since: float | None  # then
    written_by: Mapping[str, Any] | None  # host, pid, and when it began: of the last call, where it has said so

    def as_dict(self) -> dict[str, Any]:
        """Return the status as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = self.as_dict()
        return as_html(f"Run {facts.pop('run')}", facts)


def status(settings: StatusSettings) -> RunStatus:
    """Tell how far a run is.

    Raises:
        RunError: there is none, or its plan is damaged.
    """
    run = RunDirectory(absolute(settings.run))
    if run.is_file():
        raise RunError(f"{run.name} holds no run: it is a file")
    top = {info.base_name: info for info in run.list()}
    if RUN not in top:
        raise RunError(f"{run.name} holds no run: there is no {RUN}{_instead(top)}")
    units, left_out = run.plan()
    rows = {unit.id: unit.rows for unit in units}
    listed = [(unit_of(info.base_name), info) for info in run.list(SCORES)]
    parts = {unit: info for unit, info in listed if unit in rows}
    written = {unit: _seconds(info) for unit, info in parts.items()}
    told = [_seconds(info) for name, info in top.items() if name in {PROGRESS, TOTALS, SUCCESS}]
    leases = [_seconds(info) for info in run.list(LEASES)] if LEASES in top else []
    last = max([*written.values(), *told, *leases], default=None)
    now = max(time.time(), last or 0.0)  # the store may have another clock
    said = _said(run, top)
    state = _state(top, said, max([*written.values(), *leases], default=0.0), now)
    until = now if state in {RUNNING, SILENT} else max(written.values(), default=now)
    speed = _speed([(when, rows[unit]) for unit, when in written.items()], until)
    to_do = sum(rows.values()) - sum(rows[unit] for unit in parts)
    return RunStatus(
        run=run.name,
        state=state,
        units=len(units),
        units_done=len(parts),
        units_failed=len({item.unit for item in [*run.failures(), *run.noted()]} & (rows.keys() - parts.keys())),
        rows=sum(rows.values()),
        rows_done=sum(rows[unit] for unit in parts),
        rows_rejected=_rejected(run, parts.keys() & {unit_of(name) for name in run.parts(REJECTED)}),
        rows_per_second=None if speed is None else round(speed, 1),
        seconds_left=round(to_do / speed, 1) if speed and state == RUNNING else None,
        files_left_out=len(left_out),
        last_written=None if last is None else f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M:%S}",
        seconds_since=None if last is None else round(now - last, 1),
        written_by=_writer(said),
    )


def _state(top: Mapping[str, fs.FileInfo], said: Mapping[str, Any], worked: float, now: float) -> str:
    """Tell whether the run has ended, and how.

    ``said`` is the driver's last word, and ``worked`` is when a worker or a lease was last heard of.
    """
    if SUCCESS in top:
        return COMPLETE
    told = _seconds(top[PROGRESS]) if PROGRESS in top else 0.0
    if TOTALS in top and _seconds(top[TOTALS]) >= max(told, worked):
        return INCOMPLETE
    if said.get("ended") is True and told >= worked:
        return STOPPED
    return RUNNING if now - max(told, worked) < ALIVE_SECONDS else SILENT


def _speed(done: Sequence[tuple[float, int]], until: float) -> float | None:
    """Return the rows a second of the last minutes, from the end of the first unit in them on and without its rows."""
    recent = sorted(item for item in done if item[0] > until - RECENT_SECONDS)
    if len(recent) < 2 or until <= recent[0][0]:
        return None
    return sum(rows for _, rows in recent[1:]) / (until - recent[0][0])


def _rejected(run: RunDirectory, units: set[str]) -> int | None:
    if len(units) > MOST_ENDS:
        return None
    return sum(part.record.rows_rejected for part in run.committed(units))


def _said(run: RunDirectory, top: Mapping[str, fs.FileInfo]) -> dict[str, Any]:
    """Return what a driver has last said of itself; nothing where none has, or it cannot be read."""
    if PROGRESS in top:
        with suppress(RunError, OSError):
            return run.read_json(PROGRESS)
    return {}


def _writer(said: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        began = f"{datetime.fromtimestamp(said['started'], UTC):%Y-%m-%d %H:%M:%S}"
        return {"host": said["host"], "pid": said["pid"], "began": began}
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None  # of another version


def _seconds(info: fs.FileInfo) -> float:
    return (info.mtime_ns or 0) / 1e9


def _instead(top: Mapping[str, fs.FileInfo]) -> str:
    """Say what is there instead."""
    kind = next((kind for sign, kind in SIGNS.items() if sign in top), None)
    if kind is not None:
        return f"; it is {kind}"
    if top:
        return f"; it holds {', '.join(sorted(top)[:5])}"
    return "; nothing is there"
