"""How fast a run goes: one definition for the progress, the summary and the page."""

import time
from collections.abc import Callable

__all__ = ["Pace"]


class Pace:
    """Rows a second of all workers together, from the end of the first unit on and without its rows.

    Before that Ray starts, workers load and compile, which tells no speed.

    Example:
        >>> pace = Pace(iter([10.0, 12.0, 15.0]).__next__)
        >>> [pace.at(rows) for rows in (100, 300, 600)]
        [None, 100.0, 100.0]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin; ``clock`` tells the time in seconds."""
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self.rows_per_second: float | None = None

    def at(self, rows: int) -> float | None:
        """Take down how many rows are done now, and return the speed so far; None where nothing tells it yet."""
        now = self._clock()
        if self._first is None:
            if rows:
                self._first = now, rows
            return None
        seconds, done = now - self._first[0], rows - self._first[1]
        if seconds > 0 and done > 0:
            self.rows_per_second = done / seconds
        return self.rows_per_second
