"""The page of an evaluation: how good a model is, where it errs, and how far its scores can be trusted.

``evaluation_data.py`` counts, and gives what JSON can hold; this shows it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from w2vray.pages.confusions import confusions_section, suspects_section
from w2vray.pages.evaluation_plots import errors_section, learning_section, trust_section
from w2vray.pages.page import Page, Section, Table, number, percent, text

__all__ = ["evaluation_page"]

_LABELS = 2000


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
            confusions_section(data),
            trust_section(data),
            errors_section(data),
            _words(missing),
            suspects_section(data),
        ],
        made=made or {},
    )


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


def _words(missing: Mapping[str, int] | None) -> Section:
    rows = [(text(word), number(count)) for word, count in (missing or {}).items()]
    tables = [Table(title="Commonest words without a vector", heads=["word", "times"], rows=rows)] if rows else []
    return Section(title="Words without a vector", tables=tables)
