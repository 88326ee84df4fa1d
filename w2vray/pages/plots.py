"""Plots as SVG inside of a page. They take the page's colours, and lines differ by dashes and marks, not by colour.

matplotlib draws them. It takes a second to import, so only what makes a page imports this module.
"""

import io
import re
import threading
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["bars", "calibration", "lines", "plot"]

_INK = "#010203"
_SOFT = "#040506"
_STYLES = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.grid": True,
    "grid.color": _SOFT,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "text.parse_math": False,
}


_DRAWING = threading.Lock()
"""matplotlib's settings are those of the process: two threads that draw would change each other's."""


def plot(title: str, draw: Callable[[Axes], object], *, x: str, y: str) -> str:
    """Return a plot with its title and the names of its axes.

    Args:
        title: says what is seen.
        draw: puts it into the axes.
        x: what goes to the right, with its unit.
        y: what goes up.
    """
    with _DRAWING, mpl.rc_context({**_SETTINGS, "svg.hashsalt": title}):
        figure = Figure(figsize=(5.2, 3.4))
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0.14, right=0.97, bottom=0.22, top=0.9)
        draw(axes)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_title(title, loc="left", fontsize=11)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = made.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1))
    svg = svg.replace(_INK, "currentColor").replace(_SOFT, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


_MARKED = 60
"""Points of a line that are marked at most."""


def lines(*series: tuple[str, Sequence[float], Sequence[float]], marks: bool = True) -> Callable[[Axes], None]:
    """Draw lines, each with its name; marks tell them apart, as long as they do not run together."""

    def draw(axes: Axes) -> None:
        for (name, x, y), (style, mark) in zip(series, _STYLES, strict=False):
            marker = mark if marks and len(x) <= _MARKED else ""
            axes.plot(x, y, style, marker=marker, color=_INK, label=name, markersize=4, linewidth=1.5)
        if all(float(value).is_integer() for _, x, _ in series for value in x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 1.5

    return draw


def bars(
    names: Sequence[str], heights: Sequence[float], *, intervals: Sequence[tuple[float, float]] = ()
) -> Callable[[Axes], None]:
    """Draw a bar for each name, with an interval where there are some."""

    def draw(axes: Axes) -> None:
        options: dict[str, Any] = {}
        if intervals:
            low = [max(height - ends[0], 0) for height, ends in zip(heights, intervals, strict=True)]
            high = [max(ends[1] - height, 0) for height, ends in zip(heights, intervals, strict=True)]
            options = {"yerr": [low, high], "capsize": 3, "error_kw": {"ecolor": _INK}}
        axes.bar(range(len(names)), heights, fill=False, hatch="////", edgecolor=_INK, width=0.8, **options)
        axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 6 else 0)
        axes.grid(visible=False, axis="x")

    return draw


def calibration(said: Sequence[float], found: Sequence[float], rows: Sequence[int]) -> Callable[[Axes], None]:
    """Draw what probabilities say against what is found; the dotted line is where both are equal."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], ":", color=_INK, label="as good as it says")
        axes.plot(said, found, "-o", color=_INK, markersize=4, label=f"{len(rows)} bins of about {rows[0]:,} rows")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)

    return draw
