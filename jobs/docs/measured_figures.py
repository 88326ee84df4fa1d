"""The JSON files of ``docs/figures``, and how a figure, a rival and a table are written on a page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "FIGURES",
    "ROOT",
    "Row",
    "accuracies",
    "fasttext",
    "measured",
    "of_corpora",
    "read_figures",
    "rival",
    "rounded",
    "speeds",
    "table",
]

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "figures"

Row = Mapping[str, Any]


def accuracies(file: str = "accuracy") -> dict[tuple[str, str, str, str], Row]:
    """Return the accuracy figures by set, vectors, model and words."""
    return {tuple(figure["row"].values()): figure for figure in read_figures(file)["figures"]}


def speeds(file: str = "speed") -> dict[tuple[str, str], Row]:
    """Return the speed figures by section and by what was measured."""
    return {(row["section"], row["what"]): row for row in read_figures(file)["rows_measured"]}


def of_corpora(file: str) -> dict[str, dict[tuple[str, str], Row]]:
    """Return the speed figures of each corpus, by its name."""
    content = read_figures(file)
    found: dict[str, dict[tuple[str, str], Row]] = {about["corpus"]: {} for about in content["corpora"]}
    for row in content["rows_measured"]:
        found[row["corpus"]][row["section"], row["what"]] = row
    return found


def read_figures(name: str) -> dict[str, Any]:
    """Return what a JSON file of figures holds."""
    content: dict[str, Any] = json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    return "".join([lines[0], f"|{'---|' * len(head)}\n", *lines[1:]])


def measured(name: str) -> str:
    """Say when, at which revision and on what machine the figures of a file were measured."""
    about = read_figures(name)["measured"]
    note = f" {about['note']}" if "note" in about else ""
    return f"Measured: {about['date']}, revision {about['revision']}; machine: {about['machine']}.{note}\n"


def rounded(value: float, digits: int = 3) -> str:
    """Round to some digits that count, and write no exponent: 159, 12.0, 3.3, 120."""
    short = float(f"{value:.{digits}g}")
    return f"{short:,.0f}" if short >= 10 ** (digits - 1) else f"{short:#.{digits}g}"


def rival(row: Row, name: str) -> float:
    """Return the speed of a rival: a row says how many times as fast it is."""
    return float(row["value"] / row["against"][name])


def fasttext(row: Row) -> str:
    """Return the name of the rival of a row that is fastText."""
    return next(str(name) for name in row["against"] if name.startswith("fastText"))
