"""The report: a table of the rounds, one of the bytes over links, and the same as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.hosts.links import Traffic
from tests.hosts.rounds import Round

__all__ = ["print_report", "write_report"]

_HEAD = ("fault", "verdict", "seconds", "to notice", "units again", "silence", "rows lost", "rows twice")


def print_report(rounds: Sequence[Round], skipped: Sequence[tuple[str, str]], traffic: Sequence[Traffic]) -> None:
    """Print it."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(*_HEAD)
    for found in rounds:
        verdict = "complete, verified, equal" if found.is_good else "FAILED"
        numbers = (found.seconds, found.seconds_to_notice, found.units_done_again, found.longest_silence)
        cells = [_short(value) for value in (*numbers, found.rows_lost, found.rows_twice)]
        table.add_row(found.fault, verdict, *cells)
    if rounds:
        console.print(table)
    for found in rounds:
        for problem in found.problems:
            console.print(Text(f"{found.fault}: {problem}"))
    for name, why in skipped:
        console.print(Text(f"{name}: skipped, {why}"))
    if traffic:
        console.print(_links(traffic))


def _links(traffic: Sequence[Traffic]) -> Table:
    counts = sorted({item.workers_a_host for item in traffic})
    table = Table("MB received, sent", *(f"{count} a host" for count in counts))
    for host in dict.fromkeys(item.host for item in traffic):
        own = {item.workers_a_host: item for item in traffic if item.host == host}
        table.add_row(host, *(f"{own[count].received / 1e6:.1f}, {own[count].sent / 1e6:.1f}" for count in counts))
    return table


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def write_report(
    place: Path, about: Mapping[str, Any], rounds: Sequence[Round], traffic: Sequence[Traffic], order: Sequence[str]
) -> None:
    """Write it as JSON; what the file says of faults that were not played now, and of links, stays there.

    Args:
        place: of the file.
        about: figures of all rounds, and what they were measured with.
        rounds: that were played now.
        traffic: over the links; empty where it was not measured now.
        order: of the faults.
    """
    before: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    known = {line["fault"]: line for line in before.get("rounds", [])} | {item.fault: item.as_dict() for item in rounds}
    lines = [known[name] for name in order if name in known]
    links = [asdict(item) for item in traffic] or before.get("links", [])
    place.write_text(
        json.dumps({**before, **about, "rounds": lines, "links": links}, indent=1) + "\n", encoding="utf-8"
    )
