"""The page of an evaluation: how good a model is, where it errs, and how far its scores can be trusted.

It is made in two steps. ``evaluation_data`` counts, and gives what JSON can hold; ``evaluation_page`` shows that.

Shape letters: CONTRIBUTING.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2vray.pages.page import Cell, Page, Section, Table, number, percent, text
from w2vray.pages.plots import bars, calibration, lines, plot
from w2vray.pages.rows import ReadRows, read_rows, rows_at
from w2vray.scoring.bootstrap import bootstrap_many_labels, bootstrap_one_label
from w2vray.scoring.calibration_error import calibration_error, error_by_chance
from w2vray.scoring.metrics import Confusion
from w2vray.scoring.reliability import TARGETS, binned, precision_curve, reliability, thresholds

__all__ = ["evaluation_data", "evaluation_page", "labels_cell", "learning_section"]

_CONFUSIONS = 50
_MATRIX = 15
"""Labels of a confusion matrix that a person can still read."""

_EXAMPLES = 3
_SUSPECTS = 100
_BINS = 8
_POINTS = 200
_LABELS = 2000


Explain = Callable[[Sequence[str]], Sequence[list[dict[str, Any]] | None]]
"""Returns the evidence of texts: of each its pieces, or None where it has no label."""


def evaluation_data(
    rows: Path,
    metrics: Mapping[str, Any],
    labels: Sequence[str],
    *,
    with_texts: bool = True,
    explain: Explain | None = None,
) -> dict[str, Any]:
    """Count what the page shows.

    Args:
        rows: ``rows.parquet`` of the evaluation.
        metrics: of the evaluation, as ``metrics.json`` has them.
        labels: of the model.
        with_texts: whether texts of rows are among it.
        explain: tells which words decided about those; None where the model does not.
    """
    read = read_rows(rows, labels)
    curve = precision_curve(read.confidence_Y, read.right_Y)
    step = max(len(curve) // _POINTS, 1)
    wanted = thresholds(curve)
    answered = read.answered_N
    return {
        "metrics": {name: metrics[name] for name in _TOLD if name in metrics},
        "multi_label": read.multi_label,
        "intervals": {name: list(ends) for name, ends in _intervals(read, len(labels)).items()},
        "rows_answered": int(answered.sum()),
        "reliability": [item.as_dict() for item in reliability(read.confidence_Y, read.right_Y)],
        "calibration": metrics.get("calibration") or _calibration(read),
        "curve": [point.as_dict() for point in [*curve[:-1:step], *curve[-1:]]],
        "thresholds": {str(target): None if point is None else point.as_dict() for target, point in wanted.items()},
        "by_length": [item.as_dict() for item in binned(read.tokens_N, read.right_N, _BINS)],
        "by_coverage": [item.as_dict() for item in binned(read.coverage_N, read.right_N, _BINS)],
        **(_of_texts(rows, read, explain) if with_texts else {}),
    }


def _calibration(read: ReadRows) -> dict[str, Any]:
    """Return the calibration error where the metrics have none: of a multi-label model, of the labels that it gave."""
    draws = 50 if len(read.confidence_Y) < 50_000 else 5
    return {
        "error": calibration_error(read.confidence_Y, read.right_Y),
        "by_chance": error_by_chance(read.confidence_Y, draws=draws),
    }


_TOLD = (
    "model",
    "rows",
    "rows_no_evidence",
    "accuracy",
    "micro_f1",
    "macro_f1",
    "largest_class_share",
    "classes",
    "confusion",
    "rows_without_label",
    "rows_unknown_label",
    "rows_trained_on",
    "accuracy_elsewhere",
    "coverage",
    "warnings",
    "comparisons",
)


def _intervals(read: ReadRows, labels: int) -> dict[str, Any]:
    if read.multi_label:
        return bootstrap_many_labels(read.true_NC, read.given_NC, read.right_N)
    return bootstrap_one_label(Confusion.of(read.true_N, read.predicted_N), labels)


def _of_texts(rows: Path, read: ReadRows, explain: Explain | None) -> dict[str, Any]:
    """Choose the rows that are shown: the surest errors, and examples of the commonest confusions."""
    wrong_Y = np.flatnonzero(~read.right_Y)
    surest_Y = wrong_Y[np.argsort(-read.confidence_Y[wrong_Y], kind="stable")]
    suspects = list(dict.fromkeys(read.rows_Y[surest_Y].tolist()))[:_SUSPECTS]
    examples: dict[tuple[int, int], list[int]] = {}
    if not read.multi_label:
        pairs = Counter(
            (int(true), int(given))
            for true, given in zip(read.true_N.tolist(), read.predicted_N.tolist(), strict=True)
            if true != given
        )
        shown = {pair for pair, _ in pairs.most_common(_CONFUSIONS)}
        unsure_N = np.flatnonzero(~read.right_N & ~read.answered_N)
        for row in [*read.rows_Y[surest_Y].tolist(), *unsure_N.tolist()]:
            pair = (int(read.true_N[row]), int(read.predicted_N[row]))
            if pair in shown and len(examples.setdefault(pair, [])) < _EXAMPLES:
                examples[pair].append(row)
    found = rows_at(rows, [*suspects, *(row for of_pair in examples.values() for row in of_pair)])
    explained = [row for row in found if found[row]["text"] is not None] if explain is not None else []
    evidence = dict(zip(explained, explain([found[row]["text"] for row in explained]), strict=True)) if explain else {}

    def told(row: int) -> dict[str, Any]:
        shown = {name: value for name, value in found[row].items() if name in _SHOWN}
        return {**shown, **({"evidence": evidence[row]} if evidence.get(row) else {})}

    names = [*read.labels, None]
    return {
        "tells_evidence": explain is not None,
        "suspects": [told(row) for row in suspects],
        "examples": [
            {"true": names[true], "given": names[given], "rows": [told(row) for row in of_pair]}
            for (true, given), of_pair in examples.items()
        ],
    }


_SHOWN = frozenset({"source_file", "source_row", "text", "true", "predicted", "score"})


# The page


def evaluation_page(
    data: Mapping[str, Any],
    *,
    title: str,
    learning: Sequence[Mapping[str, Any]] = (),
    missing: Mapping[str, int] | None = None,
    made: Mapping[str, str] | None = None,
) -> Page:
    """Return the page of an evaluation.

    Args:
        data: of ``evaluation_data``.
        title: what the page is called.
        learning: the curve of the training, where the page is of one.
        missing: the commonest words without a vector.
        made: when and by what.
    """
    found = data["metrics"]
    low, high = data["intervals"]["accuracy"]
    exactly = "have exactly the right labels" if data["multi_label"] else "are right"
    summary = (
        f"{found['accuracy']:.1%} of {found['rows']:,} labelled rows {exactly}. On other rows of the same kind it "
        f"would be {low:.1%} to {high:.1%}, with 95 % confidence."
    )
    return Page(
        title=title,
        summary=summary,
        sections=[
            Section(title="In short", warnings=found.get("warnings", ()), facts=_facts(data), lines=_compared(found)),
            learning_section(learning),
            _classes(found),
            _confusions(data),
            _trust(data),
            _where_it_errs(data),
            _words(missing),
            _suspects(data),
        ],
        made=made or {},
    )


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


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    found, intervals = data["metrics"], data["intervals"]

    def spelled(name: str) -> str:
        low, high = intervals[name]
        return f"{found[name]:.1%} ({low:.1%} to {high:.1%})"

    facts = [
        ("accuracy, exact match" if data["multi_label"] else "accuracy", spelled("accuracy")),
        ("macro-F1", spelled("macro_f1")),
    ]
    shares = {
        "micro-F1": found.get("micro_f1"),
        "always answering the commonest label": found.get("largest_class_share"),
        "tokens with a vector": found.get("coverage"),
        "accuracy on rows that the training did not see": found.get("accuracy_elsewhere"),
        "calibration error": data["calibration"]["error"],
        "calibration error by chance alone": data["calibration"]["by_chance"],
    }
    facts += [(name, f"{share:.1%}") for name, share in shares.items() if share is not None]
    counts = {
        "rows": found["rows"],
        "labels": len(found["classes"]),
        "rows without a known word": found["rows_no_evidence"],
        "rows without a label": found.get("rows_without_label"),
        "rows of a label that the model does not know": found.get("rows_unknown_label"),
        "rows that the training saw": found.get("rows_trained_on"),
    }
    return facts + [(name, f"{count:,}") for name, count in counts.items() if count]


def _compared(found: Mapping[str, Any]) -> list[str]:
    return [
        f"{item['model']} against {item['first']}: accuracy {100 * item['difference']:+.2f} points "
        f"({100 * item['low']:+.2f} to {100 * item['high']:+.2f} with 95 % confidence); "
        + (f"{item['better']} is better" if item["better"] else "these rows do not suffice to tell which is better")
        for item in found.get("comparisons", ())
    ]


def _classes(found: Mapping[str, Any]) -> Section:
    classes = sorted(found["classes"], key=lambda item: -item["rows"])
    rows = [
        (
            text(item["label"]),
            number(item["rows"]),
            percent(item["precision"], bar=True),
            percent(item["recall"], bar=True),
            percent(item["f1"], bar=True),
        )
        for item in classes[:_LABELS]
    ]
    table = Table(title="Each label", heads=["label", "rows", "precision", "recall", "F1"], rows=rows)
    return Section(title="Labels", tables=[table])


def _confusions(data: Mapping[str, Any]) -> Section:
    pairs = data["metrics"].get("confusion", ())
    wrong = sorted((pair for pair in pairs if pair["label"] != pair["predicted"]), key=lambda pair: -pair["rows"])
    if not wrong:
        return Section(title="Confusions")
    sizes: Counter[str | None] = Counter()
    for pair in pairs:
        sizes[pair["label"]] += pair["rows"]
    examples = {(item["true"], item["given"]): item["rows"] for item in data.get("examples", ())}
    rows = [
        (
            _label(pair["label"], "(unknown to the model)"),
            _label(pair["predicted"], "(no answer)"),
            number(pair["rows"]),
            percent(pair["rows"] / sizes[pair["label"]], bar=True),
            *([Cell(_told(examples.get((pair["label"], pair["predicted"]), ())))] if examples else []),
        )
        for pair in wrong[:_CONFUSIONS]
    ]
    heads = ["label", "given instead", "rows", "of the label's rows", *(["for example"] if examples else [])]
    commonest = Table(
        title="Commonest confusions",
        heads=heads,
        rows=rows,
        wide=frozenset({4}),
        note=" ".join(
            [
                *(
                    [f"The commonest {len(rows):,} of {len(wrong):,} pairs of labels."]
                    if len(wrong) > len(rows)
                    else []
                ),
                *([_about_evidence(data)] if examples else []),
            ]
        ),
    )
    return Section(title="Confusions", tables=[_matrix(pairs, sizes), commonest])


def _about_evidence(data: Mapping[str, Any]) -> str:
    """Say what stands behind the texts, or why nothing does."""
    if data.get("tells_evidence"):
        return "In brackets: what weighed most for the label that was given, or against it (below 0), in logits."
    return "Models of this kind do not tell which words decided."


def _matrix(pairs: Iterable[Mapping[str, Any]], sizes: Mapping[str | None, int]) -> Table:
    """Return the matrix of the commonest labels: a row for each true label, a column for each given one."""
    ordered = sorted((label for label in sizes if label is not None), key=lambda label: -sizes[label])
    shown = ordered[:_MATRIX]
    counts = {(pair["label"], pair["predicted"]): pair["rows"] for pair in pairs}
    rows = []
    for label in shown:
        of_label = [counts.get((label, given), 0) for given in shown]
        others = sizes[label] - sum(of_label)
        rows.append(
            (
                text(label),
                *(Cell(f"{count:,}", float(count), count / max(sizes[label], 1)) for count in of_label),
                Cell(f"{others:,}", float(others), others / max(sizes[label], 1)),
            )
        )
    more = f" Of {len(ordered):,} labels, the {len(shown)} commonest." if len(ordered) > len(shown) else ""
    return Table(
        title="Confusion matrix",
        heads=["true label", *shown, "another, or none"],
        rows=rows,
        note=f"A row is a true label, a column what was given; a bar is the share of the row.{more}",
    )


def _trust(data: Mapping[str, Any]) -> Section:
    bins, curve = data["reliability"], data["curve"]
    if not bins:
        return Section(title="Trust in the scores")
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
        title="Thresholds",
        heads=["precision that is wanted", "threshold", "share of rows that is left", "precision here", "rows"],
        rows=rows,
        note="The lowest threshold that reaches the precision on these rows. It was chosen by them, so it is slightly "
        "too good for others.",
    )
    return Section(title="Trust in the scores", plots=plots, tables=[table])


def _where_it_errs(data: Mapping[str, Any]) -> Section:
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


def _words(missing: Mapping[str, int] | None) -> Section:
    rows = [(text(word), number(count)) for word, count in (missing or {}).items()]
    tables = [Table(title="Commonest words without a vector", heads=["word", "times"], rows=rows)] if rows else []
    return Section(title="Words without a vector", tables=tables)


def _suspects(data: Mapping[str, Any]) -> Section:
    suspects = data.get("suspects", ())
    if not suspects:
        return Section(title="Labels that look wrong")
    evidence = any(row.get("evidence") for row in suspects)
    rows = [
        (
            labels_cell(row["true"]),
            labels_cell(row["predicted"]),
            _score(row["score"]),
            text(row["text"]),
            *([Cell(_spelled(row.get("evidence")))] if evidence else []),
            Cell(f"{row['source_file']}, row {row['source_row']:,}"),
        )
        for row in suspects
    ]
    table = Table(
        title="Rows on which the model is sure, and disagrees",
        heads=["label", "model says", "score", "text", *(["evidence"] if evidence else []), "where"],
        rows=rows,
        wide=frozenset({3}),
        note="The surest first. Either the model errs, or the label is wrong: look through them. "
        f"{_whose_rows(data['metrics'])} {_about_evidence(data)}".replace("In brackets", "Evidence"),
    )
    return Section(title="Labels that look wrong", tables=[table])


def _whose_rows(found: Mapping[str, Any]) -> str:
    """Say whether the training saw the rows: what a model has learnt, it seldom contradicts."""
    seen = found.get("rows_trained_on")
    if seen is None:
        return "If the training saw these rows, a wrong label may be missing here: the model has learnt it."
    if seen:
        return (
            f"The training saw {seen:,} of all rows: there the model has learnt wrong labels, and may agree with them."
        )
    return "The training saw none of these rows."


def _label(label: str | None, otherwise: str) -> Cell:
    return Cell(otherwise) if label is None else text(label)


def labels_cell(labels: Any) -> Cell:
    """Return the cell of a label, or of several."""
    return text(", ".join(labels) if isinstance(labels, list) else labels)


def _score(score: Any) -> Cell:
    value = max(score, default=None) if isinstance(score, list) else score
    return Cell("") if value is None else Cell(f"{value:.3f}", float(value))


def _told(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return some texts, one a line, each with its evidence where there is any."""
    return "\n".join(
        f"\u2022 {text(row['text']).shown}" + (f" [{told}]" if (told := _spelled(row.get("evidence"))) else "")
        for row in rows
    )


def _spelled(evidence: Any) -> str:
    """Spell the evidence of an answer: ``dull +1.20, film -0.10``."""
    return ", ".join(f"{item['text']} {item['weight']:+.2f}" for item in evidence or ())
