"""How fast a run goes: one definition, by one clock, for the progress, the summary and the page."""

import time
from collections.abc import Callable

__all__ = ["Pace"]


_LEAST_SECONDS = 1.0


class Pace:
    """Rows and bytes a second of all workers together, from the end of the first unit on and without what is in it.

    Before that Ray starts, workers load and compile, which tells no speed. Nor do units that end within a second of the
    first one: they were begun together with it.

    Example:
        >>> pace = Pace(iter([10.0, 12.0, 15.0]).__next__)
        >>> [pace.at(rows, 10 * rows) for rows in (100, 300, 600)]
        [None, 100.0, 100.0]
        >>> pace.bytes_per_second, pace.seconds_for(400)
        (1000.0, 4.0)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin; ``clock`` tells the time in seconds."""
        self._clock = clock
        self._first: tuple[float, int, int] | None = None
        self.rows_per_second: float | None = None
        self.bytes_per_second: float | None = None

    def at(self, rows: int, size: int = 0) -> float | None:
        """Take down how many rows and bytes are done now, and return the rows a second so far.

        None where nothing tells them yet.
        """
        now = self._clock()
        if self._first is None:
            if rows:
                self._first = now, rows, size
            return None
        seconds, done = now - self._first[0], rows - self._first[1]
        if seconds >= _LEAST_SECONDS and done > 0:
            self.rows_per_second = done / seconds
            self.bytes_per_second = (size - self._first[2]) / seconds
        return self.rows_per_second

    def seconds_for(self, rows: int) -> float | None:
        """Return how long so many rows take at this speed; None where nothing tells it."""
        return None if self.rows_per_second is None else rows / self.rows_per_second
