"""What a person sees: progress on stderr, summaries on stdout; with ``--json`` one object on stdout, nothing else."""

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from logging import DEBUG
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

from w2vray.errors import W2vrayError
from w2vray.stages import EVERYTHING, detail, listening

__all__ = ["Output", "ReaderGone", "Update", "counted", "progress_bar", "spelled", "table"]

_LINE_SECONDS = 10.0


class Update(Protocol):
    """Called with how much is done, the total (None: unknown) and a few words.

    ``left`` are the seconds left, if the caller knows better than an estimate from what is done.
    """

    def __call__(self, done: int, total: int | None, text: str, left: float | None = None, /) -> None:
        """Show it."""


@dataclass(frozen=True)
class Output:
    """Where a verb puts its results."""

    as_json: bool
    quiet: bool = False
    verbose: int = 0

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
        """Show progress on stderr, unless nobody wants to see it.

        Meanwhile nothing else gets to stdout: Ray prints there what befalls a worker, such as when Ctrl-C ends it.
        """
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, ExitStack() as opened:
            update: Update = lambda *_: None  # noqa: E731 - it is replaced, or called
            if not self.quiet:
                update = opened.enter_context(progress_bar(title, self.verbose))
            with redirect_stdout(sys.stderr if self.verbose else nowhere):
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
    made = Table(title=Text(title, "table.title"), title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(Text(column), justify="right" if index else "left")
    for row in rows:
        made.add_row(*(Text(f"{cell:.4f}" if isinstance(cell, float) else f"{cell}") for cell in row))  # no markup
    return made


@contextmanager
def progress_bar(title: str, verbose: int = 0) -> Iterator[Update]:
    """Show on stderr what is going on.

    On a terminal this is a line that moves. Elsewhere it is a line for each stage, and one every ten seconds.

    Args:
        title: what the lines begin with.
        verbose: 1 shows each stage and its details as lines that stay, with their time; 2 shows Ray's own log too.
    """
    started = time.monotonic()
    if not sys.stderr.isatty():
        with _listening(lambda what: _write(f"{title}: {what}"), _write, started, verbose):
            yield _lines(title)
        return
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(bar_width=12), _Done(), _Elapsed(started))
    console = Console(stderr=True)
    with Progress(*columns, _Left(), _What(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def begin(what: str) -> None:
            bar.reset(task, total=None, description=what)

        def print_line(line: str) -> None:
            bar.console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

        with _listening(begin, print_line, started, verbose):
            yield lambda done, total, text, left=None: bar.update(
                task, completed=done, total=total, description=text, left=left
            )


@contextmanager
def _listening(
    begin: Callable[[str], None], print_line: Callable[[str], None], started: float, verbose: int
) -> Iterator[None]:
    """Show what begins; where more is wanted, as lines with their time, each followed by its details."""

    def begin_told(what: str) -> None:
        print_line(f"{time.monotonic() - started:7.1f} s  {what}")
        if sys.stderr.isatty():
            begin(what)

    if not verbose:
        with listening(begin):
            yield
        return
    with listening(begin_told, lambda what: print_line(f"{'':11}{what}"), level=(DEBUG, EVERYTHING)[verbose > 1]):
        detail(_versions())
        yield


def _versions() -> str:
    """Name what is at work: this program, Python, and the libraries that decide most."""
    found = [f"{name} {version(name)}" for name in ("w2vray", "ray", "torch", "numpy", "pyarrow")]
    return ", ".join([*found, f"Python {platform.python_version()}", f"{len(os.sched_getaffinity(0))} CPUs"])


class _Elapsed(ProgressColumn):
    """The time since the verb began, whatever stage it is in: ``0:01:12``."""

    def __init__(self, started: float) -> None:
        super().__init__()
        self._started = started

    def render(self, _: Task) -> Text:
        """Return it."""
        return Text(str(timedelta(seconds=int(time.monotonic() - self._started))), style="progress.elapsed")


class _Left(ProgressColumn):
    """The time that is left, where it can be told: ``4 min left``."""

    max_refresh = 1.0

    def render(self, task: Task) -> Text:
        """Return it; nothing where nobody knows."""
        told = task.fields.get("left")
        left = task.time_remaining if told is None else told
        known = task.total is not None and left is not None and not task.finished
        return Text(f"{spelled(left or 0)} left" if known else "", style="progress.remaining")


class _What(ProgressColumn):
    """What is going on, cut where the line ends."""

    def render(self, task: Task) -> Text:
        """Return it."""
        return Text(task.description, overflow="ellipsis", no_wrap=True)


class _Done(ProgressColumn):
    """What is done, and of how much where that is known: ``3/32``, ``8``."""

    def render(self, task: Task) -> Text:
        """Return it; nothing where nothing is done yet."""
        if task.total is not None:
            return Text(f"{task.completed:,.0f}/{task.total:,.0f}")
        return Text(f"{task.completed:,.0f}" if task.completed else "")


def _lines(title: str) -> Update:
    last = time.monotonic()
    counted: int | None = None
    before = 0
    first: tuple[float, int] | None = None  # when something was first done, and how much: the start tells no speed

    def update(done: int, total: int | None, text: str, seconds: float | None = None) -> None:
        nonlocal last, first, counted, before
        now = time.monotonic()
        if total != counted or done < before:
            first, counted = None, total  # something else is counted now
        before = done
        if first is None and done:
            first = now, done
        if now - last < _LINE_SECONDS and done != total:
            return
        last = now
        count = f"{done:,} of {total:,} " if total else f"{done:,} " if done else ""
        if (total or done) == 1:
            text = re.sub("^(epoch|unit)s", r"\1", text)
        left = ""
        if seconds is None and first is not None and total and first[1] < done < total:
            seconds = (now - first[0]) * (total - done) / (done - first[1])
        if seconds is not None and done != total:
            left = f", {spelled(seconds)} left{' at most' * ('at most' in text)}"
        _write(f"{title}: {count}{text}".rstrip() + left)

    return update


def spelled(seconds: float) -> str:
    """Spell a time as a person would: ``40 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")
