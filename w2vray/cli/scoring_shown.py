"""What a scoring run has done, in a line: ``12 of 64 units, 48,000 rows, 3,200 rows/s, 4.1 MB/s, 96 rejected``."""

from w2vray.cli.console import Update, counted
from w2vray.run.progress import ScoreProgress

__all__ = ["show_scoring", "speed", "spent"]


def show_scoring(update: Update, now: ScoreProgress) -> None:
    """Show it in the progress line."""
    rejected = f", {now.rows_rejected:,} rejected" if now.rows_rejected else ""
    words = f"units, {counted(now.rows, 'row')}{speed(now.rows_per_second, now.bytes_per_second)}{rejected}"
    update(now.units_done, now.units, words, now.seconds_left)


def spent(seconds: float, rows: int, rows_per_second: float | None) -> str:
    """Spell how long a call took, and its speed: including the start of the workers, and, if it is known, without it.

    Example:
        >>> spent(10.0, 5_000, 2_500.0)
        'in 10.0 s, 500 rows/s including the start; 2,500 rows/s from the end of the first unit on'
    """
    if not rows or not seconds:
        return f"in {seconds:.1f} s"
    after = "" if rows_per_second is None else f"; {rows_per_second:,.0f} rows/s from the end of the first unit on"
    return f"in {seconds:.1f} s, {rows / seconds:,.0f} rows/s including the start{after}"


def speed(rows_per_second: float | None, bytes_per_second: float | None = None) -> str:
    """Spell the speed; empty if it is unknown."""
    rows = "" if rows_per_second is None else f", {rows_per_second:,.0f} rows/s"
    return rows + ("" if bytes_per_second is None else f", {bytes_per_second / 1e6:,.1f} MB/s")
