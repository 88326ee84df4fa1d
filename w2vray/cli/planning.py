"""``w2vray plan``: a run, forecast."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted, table
from w2vray.settings.forecasts import PlanSettings

if TYPE_CHECKING:
    from w2vray.run.forecast import Forecast

__all__ = ["plan"]

_LABELS_SHOWN = 20


@verb(
    "plan",
    PlanSettings,
    when_stopped="nothing was written",
    examples=(
        "w2vray plan reviews/ --model model --workers 32 --price-per-core-hour 0.04",
        "w2vray plan reviews/ --model model --output plan.json",
        "w2vray score reviews/ --model model --output run --plan plan.json",
    ),
)
def plan(output: Output, /, **arguments: Any) -> None:
    """Forecast a run of score: rows, labels, time, cost."""
    settings = PlanSettings(**arguments)
    from w2vray.run.forecast import forecast

    with output.progress("planning"):
        found = forecast(settings)
    for line in found.notes:
        output.note(line)
    output.result(found.as_dict(), _labels(found), *_lines(found))


def _labels(found: "Forecast") -> Table:
    ordered = sorted(found.classes.items(), key=lambda item: -item[1].share)
    rows = [(label, f"{one.share:.2%}", f"{one.low:.2%}", f"{one.high:.2%}") for label, one in ordered[:_LABELS_SHOWN]]
    more = f", the commonest {_LABELS_SHOWN} of {len(ordered):,}" if len(ordered) > _LABELS_SHOWN else ""
    return table(f"labels of the scored rows{more}", ["label", "share", "from", "to"], rows)


def _lines(found: "Forecast") -> list[str]:
    by = (
        "all rows" if found.exact else f"{counted(found.sample_rows, 'row')} of {counted(found.sample_places, 'place')}"
    )
    because = ", ".join(f"{reason} {share:.2%}" for reason, share in found.rejected_because.items())
    coverage = "no token was read" if found.coverage is None else f"{found.coverage:.1%} of the tokens have a vector"
    size = f"{found.bytes:,} bytes of the columns that are read, in {counted(found.files, 'file')}"
    shares = {"below the threshold": found.below_threshold, "without a known word": found.no_evidence}
    cost = "" if found.cost is None else f", a cost of {found.cost:.4g}"
    memory = f"about {found.memory_bytes >> 20:,} MiB of memory a worker"
    workers = counted(found.workers, "worker")
    return [
        f"{counted(found.rows, 'row')}, {size} and {counted(found.units, 'unit')}; forecast from {by}",
        f"rejected {found.rejected.spelled}{f': {because}' if because else ''}",
        "; ".join(f"{name} {share.spelled}" for name, share in shares.items()),
        f"{coverage}, {found.tokens_per_row:.1f} tokens a row",
        f"about {_time(found.seconds)} with {workers}, {found.core_hours:.3g} core hours{cost}",
        f"{memory}, and {found.vectors_bytes >> 20:,} MiB a machine for the vectors",
        f"about {found.output_bytes:,} bytes of output",
    ]


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
