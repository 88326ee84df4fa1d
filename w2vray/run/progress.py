"""What a scoring run has done so far: counted as units become done, on whichever machine, in whatever order."""

import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from w2vray.run.pace import Pace
from w2vray.store.units import Unit

__all__ = ["Counted", "ScoreProgress"]


@dataclass(frozen=True, kw_only=True)
class ScoreProgress:
    """What this call of ``score`` has done of what was missing when it began."""

    units_done: int  # scored, or found to be impossible
    units: int
    rows: int  # of the units done, rejected ones included
    rows_left: int
    rows_rejected: int
    bytes: int  # of the columns that are read, unpacked
    rows_per_second: float | None  # of all workers, since the first unit was done; None where that tells nothing yet
    bytes_per_second: float | None
    seconds_left: float | None  # at that speed


@dataclass
class Counted:
    """Counts what ``ScoreProgress`` tells."""

    pace: Pace = field(default_factory=Pace)
    units_done: int = 0
    units: int = 0
    rows: int = 0
    rows_rejected: int = 0
    bytes: int = 0
    _to_do: dict[str, Unit] = field(default_factory=dict)
    _rows_left: int = 0
    clock: Callable[[], float] = time.time
    _started: float | None = None

    def planned(self, units: Iterable[Unit]) -> None:
        """Take down units that are to be done now, beside those that are done."""
        self._started = self._started or self.clock()
        for unit in units:
            self._to_do[unit.id] = unit
            self._rows_left += unit.rows
            self.units += 1

    def done(self, unit: str, rows: int, rejected: int) -> ScoreProgress:
        """Take down that a unit is done: how many rows were in it, and how many of them were rejected."""
        planned = self._to_do.pop(unit, None)
        if planned is None:  # it was told before: a block that is done again after a loss
            return self.now()
        self._rows_left -= planned.rows
        self.units_done += 1
        self.rows += rows
        self.rows_rejected += rejected
        self.bytes += sum(piece.read_bytes for piece in planned.pieces)
        self.pace.at(self.rows, self.bytes)
        return self.now()

    def now(self) -> ScoreProgress:
        """Return what is counted."""
        return ScoreProgress(
            units_done=self.units_done,
            units=self.units,
            rows=self.rows,
            rows_left=self._rows_left,
            rows_rejected=self.rows_rejected,
            bytes=self.bytes,
            rows_per_second=self.pace.rows_per_second,
            bytes_per_second=self.pace.bytes_per_second,
            seconds_left=self.pace.seconds_for(self._rows_left),
        )

    def as_json(self, *, ended: bool = False) -> dict[str, Any]:
        """Return what is written into the run's directory: who writes, since when, and what no listing shows.

        ``ended`` says that the call ends here, before the run is finished.
        """
        self._started = self._started or self.clock()
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": round(self._started, 1),
            "written": round(self.clock(), 1),
            "ended": ended,
            "units_done": self.units_done,
            "units": self.units,
            "rows": self.rows,
            "rows_rejected": self.rows_rejected,
            "bytes": self.bytes,
            "rows_per_second": self.pace.rows_per_second,
        }
