"""Summaries as a notebook shows them: plain tables of HTML, everything in them escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["Sheet", "as_html"]

ROWS_SHOWN = 30

Sheet = tuple[str, Sequence[str], Sequence[Sequence[Any]]]
"""A table: its caption, the heads of its columns, its rows."""


def as_html(title: str, facts: Mapping[str, Any], *sheets: Sheet) -> str:
    """Return a title, a table of facts, and further tables; facts that are None or empty are left out.

    Example:
        >>> as_html("A run", {"rows": 1200, "left out": None})
        '<b>A run</b><table><tr><th style="text-align:left">rows</th><td>1,200</td></tr></table>'
    """
    rows = [
        f'<tr><th style="text-align:left">{escape(name)}</th><td>{_cell(value)}</td></tr>'
        for name, value in facts.items()
        if not _is_nothing(value)
    ]
    parts = [f"<b>{escape(title)}</b><table>{''.join(rows)}</table>"]
    parts += [_sheet(*sheet) for sheet in sheets if sheet[2]]
    return "".join(parts)


def _sheet(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:ROWS_SHOWN])
    more = f" (the first {ROWS_SHOWN} of {len(rows):,})" if len(rows) > ROWS_SHOWN else ""
    return f"<table><caption>{escape(caption)}{more}</caption><tr>{head}</tr>{body}</table>"


def _is_nothing(value: Any) -> bool:
    return value is None or (not isinstance(value, int | float) and not value)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, Mapping):
        return "<br>".join(f"{escape(str(name))}: {_cell(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "<br>".join(map(_cell, value))
    return escape(str(value))
