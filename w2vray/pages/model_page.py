"""The page of a model: how its training went, and how good it is on the rows that were kept for the test.

It holds no text of any row: models are passed on, and texts may be nobody else's business. ``evaluate --output`` shows
some.
"""

from collections.abc import Mapping
from typing import Any

from w2vray.models.card import promise_of
from w2vray.models.directory import ModelConfig
from w2vray.pages.confusions import labels_cell
from w2vray.pages.evaluation import evaluation_page
from w2vray.pages.evaluation_plots import learning_section
from w2vray.pages.page import Page, Section, Table, number, percent, text

__all__ = ["model_page"]


def model_page(
    config: ModelConfig,
    tested: Mapping[str, Any] | None,
    *,
    name: str,
    suspects: Mapping[str, Any] | None = None,
    made: Mapping[str, str] | None = None,
) -> Page:
    """Return the page of a model.

    Args:
        config: of the model; its history tells of the training.
        tested: of ``evaluation_data``, on the rows kept for the test; None where there were none.
        name: where the model is.
        suspects: rows of the training whose label looks wrong; None where nobody looked for them.
        made: by what the page was made.
    """
    title = f"Model {name}"
    curve = config.training.get("curve")
    learning = curve if isinstance(curve, list) else []
    if tested is not None:
        page = evaluation_page(tested, title=title, learning=learning, made=made)
        sections = [page.sections[0], _training(config), *page.sections[1:], _suspects(suspects)]
        return Page(title=title, summary=f"{page.summary} {_tested_on(config)}", sections=sections, made=page.made)
    return Page(
        title=title,
        summary=f"{config.model}, {len(config.labels):,} labels. {_not_tested(config)}",
        sections=[_training(config), learning_section(learning), _suspects(suspects)],
        made=made or {},
    )


def _tested_on(config: ModelConfig) -> str:
    """Say where the rows of the test come from."""
    asked = _mapping(config.training.get("settings"))
    share = asked.get("test_fraction")
    drawn = "" if share is None else f" by chance (--test-fraction {share:g})"
    return f"The training drew these rows from its labelled rows{drawn}, and learnt nothing from them.{_only(asked)}"


def _not_tested(config: ModelConfig) -> str:
    """Say why the page has no test, and what the model's history tells of one all the same."""
    history = config.training
    if "imported" in history:
        return "It was imported, so nothing is known here of how good it is: w2vray evaluate measures it."
    test, asked = _mapping(history.get("test")), _mapping(history.get("settings"))
    if test:
        return (
            f"Its training reached an accuracy of {test['accuracy']:.1%} on {test['rows']:,} labelled rows that it "
            f"learnt nothing from. This copy of the model does not have the details.{_only(asked)}"
        )
    return (
        "The training kept no rows apart for a test (--test-fraction), so nothing here says how good it is on rows "
        f"that had no part in the training: w2vray evaluate measures it on rows that you name.{_only(asked)}"
    )


def _only(asked: Mapping[str, Any]) -> str:
    """Say which rows the training took at all."""
    where = asked.get("where")
    return f" The training took only the rows for which {where} holds, and saw no others." if where else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _training(config: ModelConfig) -> Section:
    history = config.training
    rows, labels = history.get("rows"), history.get("labels")
    counts = rows if isinstance(rows, Mapping) else {}
    facts = [("kind", config.model), ("labels", f"{len(config.labels):,}")]
    facts += [(name, f"{counts[key]:,}") for name, key in _ROWS.items() if counts.get(key)]
    if history.get("coverage") is not None:
        facts.append(("tokens with a vector", f"{history['coverage']:.1%}"))
    table = []
    if isinstance(labels, Mapping) and labels:
        total = sum(labels.values())
        ordered = sorted(labels.items(), key=lambda item: -item[1])
        cells = [(text(label), number(count), percent(count / max(total, 1), bar=True)) for label, count in ordered]
        table = [Table(title="Labels of the training set", heads=["label", "rows", "share"], rows=cells)]
    lines = [f"{name}: {said}." for name, said in promise_of(config).items()]
    curve = history.get("curve")
    if config.wide is not None and isinstance(curve, list) and len(curve) > 1:
        lines.append(f"The learning curve is that of {config.model} alone: the n-grams were added to it in the end.")
    return Section(title="Training", facts=facts, lines=lines, tables=[*_tried(history), *table, *_thresholds(config)])


def _tried(history: Mapping[str, Any]) -> list[Table]:
    """Return what the kinds of model that ``--model auto`` has tried came to."""
    trials = history.get("tried")
    lines = [line for line in trials if isinstance(line, Mapping)] if isinstance(trials, list) else []
    if not lines:
        return []
    cells = [
        (
            text(f"{line['model']}{' with tuned words' if line.get('tune_vectors') else ''}"),
            number(line["loss"], 4),
            percent(line["accuracy"]),
            number(line["seconds"], 1),
            number(line["scoring"], 0) if "scoring" in line else text(""),
            number(line["scoring"] / min(other["scoring"] for other in lines), 1) if "scoring" in line else text(""),
        )
        for line in lines
    ]
    heads = ["model", "loss", "accuracy", "seconds to train", "ns a word to score", "times the cheapest"]
    note = "Measured on rows that none of them has learnt from. Scoring was measured on the machine of the training."
    return [Table(title="Models that were tried", heads=heads, rows=cells, note=note)]


def _thresholds(config: ModelConfig) -> list[Table]:
    """Return the model's own thresholds: one for all labels, or one for each."""
    if config.thresholds is None:
        return []
    values = config.thresholds.values
    of = ["any label"] if len(values) == 1 else config.labels
    cells = [
        (text(label), text("never kept") if value is None else number(value, 4))
        for label, value in zip(of, values, strict=True)
    ]
    note = "A label whose score is lower is not relied on: its row is marked below_threshold."
    return [Table(title="The model's thresholds", heads=["label", "threshold"], rows=cells, note=note)]


def _suspects(suspects: Mapping[str, Any] | None) -> Section:
    """Return the section of the rows whose label looks wrong: where they are, for this page holds no text."""
    found = suspects["rows"] if suspects else ()
    if suspects is None or not found:
        return Section(title="Labels that look wrong")
    rows = [
        (
            labels_cell(row["true"]),
            labels_cell(row["predicted"]),
            number(row["score"], 3),
            text(row["source_file"]),
            number(row["source_row"]),
        )
        for row in found
    ]
    table = Table(
        title="Rows of the training set on which a model is sure, and disagrees",
        heads=["label", "model says", "score", "file", "row, from 0"],
        rows=rows,
        note=f"The surest first, of {suspects['rows_asked']:,} rows. {_ASKED[suspects['by']]} Either the model errs, "
        "or the label is wrong: look through them.",
    )
    return Section(title="Labels that look wrong", tables=[table])


_ASKED = {
    "folds": "Each was scored by a model that learnt without it, and without a fifth of the others.",
    "validation": "They are those kept for validation: the model did not learn from them.",
}

_ROWS = {
    "rows to learn from": "train",
    "rows kept for validation": "validation",
    "rows kept for the test": "test",
    "rows without a label": "without_label",
    "rows without a known word": "without_evidence",
}
