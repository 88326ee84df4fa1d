"""What is drawn of an evaluation: the learning curve, how far scores can be trusted, and where a model errs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2vray.pages.page import Cell, Section, Table, number, percent
from w2vray.pages.plots import bars, calibration, lines, plot
from w2vray.scoring.reliability import TARGETS

__all__ = ["errors_section", "learning_section", "trust_section"]


def learning_section(curve: Sequence[Mapping[str, Any]]) -> Section:
    """Return the section with the learning curve of a training; an empty one where it has none."""
    epochs = [float(line["epoch"]) for line in curve]
    if len(epochs) < 2:
        return Section(title="Learning curve")
    plots = []
    for name, title in (("loss", "Loss"), ("accuracy", "Accuracy")):
        series = [
            (told, epochs, [line[key] for line in curve])
            for told, key in (
                ("rows to learn from", f"train_{name}"),
                ("rows kept for validation", f"validation_{name}"),
            )
            if all(line.get(key) is not None for line in curve)
        ]
        if series:
            plots.append(plot(f"{title} after each epoch", lines(*series), x="epoch", y=title.lower()))
    return Section(title="Learning curve", plots=plots)


def trust_section(data: Mapping[str, Any]) -> Section:
    """Return the section that holds scores against what was found, and the model's thresholds against their promise."""
    own = data["metrics"].get("own_thresholds")
    told = [] if not own else [f"{own['sentence'][0].upper()}{own['sentence'][1:]}."]
    bins, curve = data["reliability"], data["curve"]
    if not bins:
        return Section(title="Trust in the scores", lines=told)
    said, found = [item["mean"] for item in bins], [item["right"] / item["rows"] for item in bins]
    plots = [
        plot(
            "What a score says, and what is found",
            calibration(said, found, [item["rows"] for item in bins]),
            x="score",
            y="share that is right",
        ),
        plot(
            "Precision against coverage",
            lines(("", [point["coverage"] for point in curve], [point["precision"] for point in curve]), marks=False),
            x="share of the rows with the highest scores",
            y="share of them that is right",
        ),
    ]
    rows = []
    for target in TARGETS:
        point = data["thresholds"][str(target)]
        if point is None:
            rows.append((percent(target, 0), Cell("none reaches it"), percent(0.0), percent(None), number(0)))
        else:
            rows.append(
                (
                    percent(target, 0),
                    Cell(f"{point['threshold']:.4f}", point["threshold"]),
                    percent(point["coverage"]),
                    percent(point["precision"]),
                    number(point["rows"]),
                )
            )
    table = Table(
        title="Precision that thresholds reach on these rows",
        heads=["precision that is wanted", "threshold", "share of rows that is left", "precision here", "rows"],
        rows=rows,
        note="The lowest threshold that happens to reach the precision on these rows. It was chosen by them, so on "
        "other rows it reaches slightly less, and promises nothing. A promise (--target-precision) usually takes a "
        "higher one.",
    )
    return Section(title="Trust in the scores", lines=told, plots=plots, tables=[table])


def errors_section(data: Mapping[str, Any]) -> Section:
    """Return the section of the accuracy by length and by coverage."""

    def drawn(name: str, title: str, x: str, spelled: Callable[[float], str]) -> list[str]:
        bins = data[name]
        if len(bins) < 2:
            return []
        names = [
            spelled(item["least"])
            if item["least"] == item["most"]
            else f"{spelled(item['least'])}\u2013{spelled(item['most'])}"
            for item in bins
        ]
        heights = [item["right"] / item["rows"] for item in bins]
        intervals = [(item["low"], item["high"]) for item in bins]
        return [plot(title, bars(names, heights, intervals=intervals), x=x, y="accuracy")]

    return Section(
        title="Where it errs",
        plots=[
            *drawn("by_length", "Accuracy by length", "tokens of the text", lambda value: f"{value:.0f}"),
            *drawn(
                "by_coverage", "Accuracy by coverage", "share of tokens with a vector", lambda value: f"{value:.0%}"
            ),
        ],
    )
