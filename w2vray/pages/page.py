"""A page as one HTML file: sections of text, facts, tables and plots. All that is put in is escaped, plots excepted.

The page's own policy forbids it to load anything, so that a text in it could not either.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["Cell", "Fact", "Page", "Section", "Table", "number", "percent", "text"]

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST = 400
"""Characters of a text that are shown: a document may have a million."""

_LONGEST_WORD = 24
"""Characters of a word that is never broken in a table."""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the number that it is sorted by; a bar of some length behind it, 0 to 1."""

    shown: str
    value: float | None = None
    bar: float | None = None

    def kind(self, *, wide: bool) -> str:
        """Return the classes of the cell of a text, which say where its lines may end.

        ``w`` makes room for a text. ``k`` keeps a short word or id on one line. ``l`` may break a word that is too long
        for any column; other words stay whole, and the table scrolls where they need more room than there is.
        """
        longest = max(map(len, self.shown.split()), default=0)
        if longest > _LONGEST_WORD:
            return "w l" if wide else "l"
        if wide:
            return "w"
        return "" if " " in self.shown else "k"


def number(value: float | None, digits: int = 0) -> Cell:
    """Return the cell of a number: ``1,234``."""
    return Cell("") if value is None else Cell(f"{value:,.{digits}f}", float(value))


def percent(value: float | None, digits: int = 1, *, bar: bool = False) -> Cell:
    """Return the cell of a share: ``12.3%``."""
    if value is None:
        return Cell("")
    return Cell(f"{value:.{digits}%}", float(value), min(max(value, 0.0), 1.0) if bar else None)


def text(value: str | None) -> Cell:
    """Return the cell of a text, cut where it is very long; of none, a word that says so."""
    if value is None:
        return Cell("(none)")
    return Cell(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}\u2026")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. ``wide`` columns hold texts."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    wide: frozenset[int] = frozenset()
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds numbers."""
        return [any(row[place].value is not None for row in self.rows) for place in range(len(self.heads))]


Fact = tuple[str, str]
"""A name, and what is so called."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page, in this order."""

    title: str
    warnings: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    lines: Sequence[str] = ()
    plots: Sequence[str] = ()
    tables: Sequence[Table] = ()

    @property
    def anchor(self) -> str:
        """What a link to it is called."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not any((self.warnings, self.facts, self.lines, self.plots, self.tables))

    def figures(self) -> list[Markup]:
        """Return the plots, which are of our own making, as they are."""
        return [Markup(plot) for plot in self.plots]  # noqa: S704 - plots.py escapes what it writes


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page."""

    title: str
    summary: str
    sections: Sequence[Section]
    made: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """Return the HTML."""
        environment = _environment()
        source, *_ = FileSystemLoader(_TEMPLATES).get_source(environment, "page.js")
        return environment.get_template("page.html").render(
            page=self,
            sections=[section for section in self.sections if not section.is_empty],
            script=Markup(source),  # noqa: S704 - the package's own file
            script_hash=base64.b64encode(hashlib.sha256(source.encode()).digest()).decode(),
        )


@cache
def _environment() -> Environment:
    made: Environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return made
