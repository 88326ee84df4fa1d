"""The rows of an evaluation that are told one by one: confusions with examples, and labels that look wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from w2vray.pages.evaluation_data import CONFUSIONS
from w2vray.pages.page import Cell, Section, Table, number, percent, text

__all__ = ["confusions_section", "labels_cell", "suspects_section"]

_MATRIX = 15
"""Labels of a confusion matrix that a person can still read."""


def confusions_section(data: Mapping[str, Any]) -> Section:
    """Return the section of the labels that are mistaken for others."""
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
        for pair in wrong[:CONFUSIONS]
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


def suspects_section(data: Mapping[str, Any]) -> Section:
    """Return the section of the rows whose label looks wrong."""
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
