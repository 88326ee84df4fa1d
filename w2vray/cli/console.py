"""What a person sees: progress on stderr, summaries on stdout; with ``--json`` one object on stdout, nothing else."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from w2vray.errors import W2vrayError
from w2vray.stages import listening

__all__ = ["Output", "ReaderGone", "counted", "progress_bar", "table"]

_LINE_SECONDS = 10.0

Update = Callable[[int, int | None, str], None]
"""Called with what is done, what there is to do (None: unknown) and a few words."""


@dataclass(frozen=True)
class Output:
    """Where a verb puts its results."""

    as_json: bool
    quiet: bool = False

    def result(self, value: Mapping[str, Any], *lines: str | Table) -> None:
        """Print a verb's result: as JSON, or as the lines and tables for people."""
        with _to_stdout():
            if self.as_json:
                sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
                return
            if self.quiet:
                return
            console = _Results(highlight=False, soft_wrap=True)
            for line in lines:
                console.print(line, markup=False) if isinstance(line, str) else console.print(line)

    def answers(self, values: Sequence[Mapping[str, Any]]) -> None:
        """Print some of many results at once: a JSON object a line."""
        with _to_stdout():
            sys.stdout.write("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))

    @contextmanager
    def progress(self, title: str) -> Iterator[Update]:
        """Show progress on stderr, unless nobody wants to see it."""
        if self.quiet:
            yield lambda *_: None
            return
        with progress_bar(title) as update:
            yield update

    def note(self, text: str) -> None:
        """Tell a person something by the way."""
        sys.stderr.write(text + "\n")


class ReaderGone(Exception):  # noqa: N818 - it is no error
    """Whoever read stdout has enough: ``| head``."""


@contextmanager
def _to_stdout() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        raise W2vrayError(f"the result cannot be written to stdout ({error.strerror})") from error


class _Results(Console):
    def on_broken_pipe(self) -> None:
        """Let the error through, which rich would answer with an exit code of its own."""
        raise  # noqa: PLE0704 - it is called while the error is handled


def counted(number: int, noun: str) -> str:
    """Spell a number of things: ``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table; every column but the first is aligned to the right."""
    made = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left")
    for row in rows:
        made.add_row(*(f"{cell:.4f}" if isinstance(cell, float) else f"{cell}" for cell in row))
    return made


@contextmanager
def progress_bar(title: str) -> Iterator[Update]:
    """Show on stderr what is going on: a moving line on a terminal, otherwise a line a stage and every ten seconds."""
    if not sys.stderr.isatty():
        with listening(lambda what: _write(f"{title}: {what}")):
            yield _lines(title)
        return
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(bar_width=20), _Done(), TimeElapsedColumn())
    ahead = (TimeRemainingColumn(compact=True), TextColumn("{task.description}"))
    with Progress(*columns, *ahead, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        with listening(lambda what: bar.update(task, description=what)):
            yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)


class _Done(ProgressColumn):
    """What is done, and of how much where that is known: ``3/32``, ``8``."""

    def render(self, task: Task) -> Text:
        """Return it; nothing where nothing is done yet."""
        if task.total is not None:
            return Text(f"{task.completed:,.0f}/{task.total:,.0f}")
        return Text(f"{task.completed:,.0f}" if task.completed else "")


def _lines(title: str) -> Update:
    last = time.monotonic()
    first: tuple[float, int] | None = None  # when something was first done, and how much: the start tells no speed

    def update(done: int, total: int | None, text: str) -> None:
        nonlocal last, first
        now = time.monotonic()
        if first is None and done:
            first = now, done
        if now - last < _LINE_SECONDS and done != total:
            return
        last = now
        count = f"{done:,} of {total:,} " if total else f"{done:,} " if done else ""
        if (total or done) == 1:
            text = re.sub("^(epoch|unit)s", r"\1", text)
        left = ""
        if first is not None and total and first[1] < done < total:
            seconds = (now - first[0]) * (total - done) / (done - first[1])
            left = f", {_spelled(seconds)} left"
        _write(f"{title}: {count}{text}".rstrip() + left)

    return update


def _spelled(seconds: float) -> str:
    """Spell a time as a person would: ``40 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")
