"""The page of a scoring run: what it came to, and whether the store is like the texts that the model learnt from."""

from collections.abc import Mapping
from typing import Any

from w2vray.models.thresholds import spelled_share
from w2vray.pages.page import Cell, Page, Section, Table, number, percent, text
from w2vray.pages.plots import bars, plot

__all__ = ["run_page"]

_LABELS_DRAWN = 15


def run_page(data: Mapping[str, Any], *, made: Mapping[str, str] | None = None) -> Page:
    """Return the page of a run, from what ``report.json`` holds."""
    totals = data["totals"]
    state = "complete" if data["complete"] else "not complete: see what is left out"
    return Page(
        title=f"Run {data['run']}",
        summary=f"{totals['rows_in']:,} rows: {totals['rows_scored']:,} scored, {totals['rows_rejected']:,} rejected; "
        f"{state}.",
        sections=[
            Section(title="In short", warnings=_warnings(data), facts=_facts(data), tables=_timing(data)),
            _labels(data),
            Section(title="Scores and texts", plots=_plots(data), tables=_drift(data)),
            _missing_words(data),
            _left_out(data),
            _examples(data),
        ],
        made=made or {},
    )


def _warnings(data: Mapping[str, Any]) -> list[str]:
    drifted = [
        f"the store is not like the training set in {item['what']}: {item['name']} {item['distance']:.2f}, and up to "
        f"{item['bound']:.2f} counts as alike{_both(item)}. Check some rows by hand: w2vray sample"
        for item in data["drift"]
        if item["drifted"]
    ]
    promise = data.get("promise")
    if not promise or not promise.get("unlike"):
        return drifted
    unlike = (
        f"{promise['kept']:.1%} of the rows with a known word kept a label, and {promise['expected']:.1%} were "
        "expected to: the precision that the model's thresholds promise may not hold for these rows. Check some by "
        "hand (w2vray sample), and calibrate the model on their true labels"
    )
    return [unlike, *drifted]


def _both(item: Mapping[str, Any]) -> str:
    return "" if item["run"] is None else f" ({item['run']:.2f} here, {item['training']:.2f} there)"


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    totals, training = data["totals"], data["training"] or {}
    facts = [(name, f"{totals[key]:,}") for name, key in _COUNTS.items() if totals.get(key)]
    facts += [
        (name, f"{data['statuses'][status]:,}") for status, name in _STATUSES.items() if status in data["statuses"]
    ]
    facts += [("units", f"{data['units']:,}")]
    if data["coverage"] is not None:
        facts.append(("tokens with a vector", f"{data['coverage']:.1%}"))
        there = training.get("coverage")
        facts.append(
            ("tokens with a vector in the training set", "the model does not say" if there is None else f"{there:.1%}")
        )
    if training.get("accuracy") is not None:
        facts.append(("accuracy on the training's test rows", f"{training['accuracy']:.1%}"))
    if (promise := data.get("promise")) and promise["kept"] is not None:
        sure = f"at least {spelled_share(promise['precision'])}, with {spelled_share(promise['confidence'])} confidence"
        facts += [
            ("share of the rows with a known word that kept a label", f"{promise['kept']:.1%}"),
            ("share that the model's thresholds expect to keep one", f"{promise['expected']:.1%}"),
            ("share of the kept labels that is promised to be right", sure),
        ]
    if time := data.get("timing"):
        facts += [
            ("seconds of the last call that scored rows, including the start", f"{time['seconds']:,.1f}"),
            ("rows of that call", f"{time['rows']:,}"),
        ]
        if time["rows"] and time["seconds"]:
            facts.append(("rows a second of that call, start included", f"{time['rows'] / time['seconds']:,.0f}"))
        if time.get("rows_per_second"):
            facts.append(("rows a second, from the end of the first unit on", f"{time['rows_per_second']:,.0f}"))
    if data["units_looked_at"] < data["units"]:
        facts.append(("units that labels and scores were counted of", f"{data['units_looked_at']:,}"))
    return facts


_STATUSES = {
    "below_threshold": "scored, with a label below the threshold",
    "no_evidence": "scored, without a known word and so without a label",
}

_COUNTS = {
    "rows": "rows_in",
    "scored": "rows_scored",
    "rejected": "rows_rejected",
    "scored, with no label that is relied on": "rows_abstained",
    "cut to --max-bytes": "rows_truncated",
    "deleted by the table": "rows_deleted",
}


def _timing(data: Mapping[str, Any]) -> list[Table]:
    slowest = (data.get("timing") or {}).get("slowest", ())
    rows = [
        (
            text(item["unit"]),
            number(item["seconds"], 1),
            number(item["rows"]),
            number(item["rows"] / item["seconds"] if item["seconds"] else None),
        )
        for item in slowest
    ]
    heads = ["unit", "seconds", "rows", "rows a second of its worker"]
    note = "A unit is the work of one worker. The run's rows a second are those of all workers together."
    return (
        [Table(title="Slowest units of the last call that scored rows", heads=heads, rows=rows, note=note)]
        if rows
        else []
    )


def _labels(data: Mapping[str, Any]) -> Section:
    counts = data["labels"]
    rows_here = max(data["rows_looked_at"], 1) if data["multi_label"] else max(sum(counts.values()), 1)
    training = (data["training"] or {}).get("labels")
    total = max(sum(training.values()), 1) if training else 1
    ordered = sorted(counts, key=lambda label: -counts[label])

    def there(label: str) -> float | None:
        return training.get(label, 0) / total if training else None

    rows = [
        (
            text(label),
            number(counts[label]),
            percent(counts[label] / rows_here, 2, bar=True),
            percent(there(label), 2, bar=True),
        )
        for label in ordered
    ]
    note = "" if training else "The model does not say how often its training set has each label."
    table = Table(
        title="Each label", heads=["label", "rows", "share", "share in the training set"], rows=rows, note=note
    )
    return Section(title="Labels", tables=[table])


def _plots(data: Mapping[str, Any]) -> list[str]:
    plots = []
    if sum(data["scores"]):
        total, bins = sum(data["scores"]), len(data["scores"])
        names = [f"{place / bins:.2f}" if place % 4 == 0 else "" for place in range(bins)]
        plots.append(
            plot(
                "Scores of the labels that were given",
                bars(names, [count / total for count in data["scores"]]),
                x="score, from",
                y="share of the labels",
            )
        )
    if sum(data["coverages"]):
        total, bins = sum(data["coverages"]), len(data["coverages"])
        plots.append(
            plot(
                "Coverage",
                bars([f"{place / bins:.0%}" for place in range(bins)], [count / total for count in data["coverages"]]),
                x="share of the tokens that have a vector, from",
                y="share of the rows",
            )
        )
    if sum(data["lengths"]):
        total = sum(data["lengths"])
        names = [f"{2**place:,}" for place in range(len(data["lengths"]))]
        plots.append(
            plot(
                "Length",
                bars(names, [count / total for count in data["lengths"]]),
                x="tokens of a text, up to",
                y="share of the rows",
            )
        )
    return plots


def _drift(data: Mapping[str, Any]) -> list[Table]:
    rows = [
        (
            text(item["what"]),
            number(item["training"], 3),
            number(item["run"], 3),
            text(item["name"]),
            number(item["distance"], 3),
            number(item["bound"], 3),
            Cell("beyond" if item["drifted"] else "alike"),
        )
        for item in data["drift"]
    ]
    heads = ["what", "training set", "run", "measure", "distance", "bound", "result"]
    note = "The bound for labels includes what chance alone may give." if rows else ""
    return [Table(title="Compared with the training set", heads=heads, rows=rows, note=note)] if rows else []


def _missing_words(data: Mapping[str, Any]) -> Section:
    found = data.get("missing_words") or {}
    rows = [
        (text(word), number(count), percent(count / max(found["tokens"], 1), 3))
        for word, count in found.get("words", {}).items()
    ]
    table = Table(
        title="Commonest words without a vector",
        heads=["word", "times", "share of the tokens"],
        rows=rows,
        note="Counted in all texts."
        if found.get("whole")
        else f"An estimate: counted in {found.get('tokens', 0):,} "
        "tokens, at the beginnings of some units from all over the store.",
    )
    return Section(title="Words without a vector", tables=[table] if rows else [])


def _left_out(data: Mapping[str, Any]) -> Section:
    rejected = [
        (text(reason), number(rows), percent(rows / max(data["totals"]["rows_in"], 1), 3))
        for reason, rows in sorted(data["rejected"].items(), key=lambda item: -item[1])
    ]
    left_out = [(text(name), text(why)) for name, why in data["left_out"].items()]
    ignored = [(text(why), number(files)) for why, files in data["ignored"].items()]
    tables = [
        Table(title="Rejected rows", heads=["reason", "rows", "share of all rows"], rows=rejected),
        Table(title="Left out, though they should be in it", heads=["file or unit", "why"], rows=left_out),
        Table(title="Files that are no part of the store", heads=["why", "files"], rows=ignored),
    ]
    return Section(title="Left out", tables=[table for table in tables if table.rows])


def _examples(data: Mapping[str, Any]) -> Section:
    rows = [
        (
            text(item["label"]),
            number(item["score"], 3),
            text(item["text"]),
            Cell(f"{item['source_file']}, row {item['source_row']:,}"),
        )
        for item in data.get("examples", ())
    ]
    table = Table(
        title="A few rows of each label",
        heads=["label", "score", "text", "where"],
        rows=rows,
        wide=frozenset({2}),
        note="The first ones of some units, not drawn by chance. To judge the run, draw some: w2vray sample",
    )
    return Section(title="Examples", tables=[table] if rows else [])
