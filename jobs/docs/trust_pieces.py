"""Tables and sentences of how far labels can be trusted, as pages have them."""

from collections.abc import Sequence

from measured_figures import read_figures, table

__all__ = ["calibration", "calibration_in_a_sentence", "evidence_costs", "promises"]


def calibration() -> str:
    """Return the table of calibration errors on test rows, and of what could be reached."""
    rows = [
        [line["set"], f"`{line['model']}`", f"{line['rows']:,}", f"{line['temperature']:.2f}"]
        + [f"{line[name]:.3f}" for name in ("by_chance", "before", "after")]
        + [f"{line[name]['before']:+.3f}, {line[name]['after']:+.3f}" for name in ("alike", "reachable")]
        for line in read_figures("calibration")["errors"]
    ]
    head = ["set", "model", "rows", "temperature", "by chance", "before", "after", "rows that are alike"]
    return table([*head, "half of the test rows"], rows)


GOAL = 0.01
"""How far above chance a calibration error may be."""


def calibration_in_a_sentence() -> str:
    """Return how many models reach the goal, and the means over all of them."""
    lines = read_figures("calibration")["errors"]
    above = {name: [line[name] - line["by_chance"] for line in lines] for name in ("before", "after")}
    missed = [
        f"`{line['model']}` on {line['set']}" for line in lines if round(line["after"] - line["by_chance"], 3) > GOAL
    ]
    alike = {name: [line["alike"][name] for line in lines] for name in ("before", "after")}
    return (
        f"{len(lines) - len(missed)} of {len(lines)} models are at most {GOAL} above chance. The others are "
        f"{', '.join(missed)}. On the test rows, calibration changed the mean error above chance from "
        f"{_mean(above['before'])} to {_mean(above['after'])}; on rows that are alike, from {_mean(alike['before'])} "
        f"to {_mean(alike['after'])}.\n"
    )


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.4f}"


def evidence_costs() -> str:
    """Return what evidence costs, by the length of texts."""
    found = read_figures("evidence")["rows_measured"]
    cost = {(row["corpus"], row["what"]): f"{max(row['value'], 0):.0f} %" for row in found}
    lengths = {row["corpus"]: row["note"].partition(" characters")[0] for row in found}
    rows = [
        [f"{corpus}: {length} characters", *(cost[corpus, model] for model in ("average", "cnn"))]
        for corpus, length in lengths.items()
    ]
    return table(["corpus", "`average`", "`cnn`"], rows)


def promises() -> str:
    """Return the table of promises of a precision, and how often they were broken."""
    rows = []
    for line in read_figures("calibration")["promises"]:
        made, of_train = line["promised"], line["trained"]
        rows.append(
            [
                line["set"],
                f"`{line['model']}`",
                f"{line['precision']:g}",
                f"{line['draws'] - made}",
                f"{line['broken']}",
                "" if line["kept"] is None else f"{line['kept']:.1%}",
                "not possible" if of_train is None else f"{of_train['right']:.1%} of {of_train['kept']:.0%}",
            ]
        )
    return table(["set", "model", "wanted", "not possible", "broken", "rows that keep a label", "by train"], rows)
