"""Write the measured figures of ``docs/figures/*.json`` into README and the pages: tables, sentences, one plot.

A page has a pair of comments around each piece, and this script replaces what is between them::

    <!-- figures: accuracy -->
    ... written by this script ...
    <!-- end of figures -->

To measure anew, write the JSON files with the scripts that measure, then run this one (extra ``docs``)::

    python jobs/accuracy/make_table.py --data DIR --json ... > docs/figures/accuracy.json
    python jobs/benchmark/run.py --only job look-up models training --json > docs/figures/speed.json
    python jobs/benchmark/run.py --only job --job-megabytes 100 --runs 3 --json > docs/figures/speed-small.json
    python jobs/benchmark/run.py --only formats --corpus REVIEWS.parquet --json > docs/figures/speed-formats.json
    python jobs/benchmark/run.py --only evidence --corpus REVIEWS.parquet --json > docs/figures/evidence.json
    python jobs/benchmark/run.py --only look-up models --corpus REVIEWS.parquet --output docs/figures/speed-texts.json
    python jobs/accuracy/make_calibration.py --data DIR --json; python jobs/accuracy/precision_promise.py --json
    python jobs/docs/figures.py
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PIECES", "accuracies", "speeds", "written"]

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "figures"
PLOT = FIGURES / "speed.svg"
PAGES = ("README.md", "docs/accuracy.md", "docs/performance.md", "docs/trust.md", "docs/explaining.md")

VECTORS = {
    "glove50": "GloVe 50d",
    "googlenews8k": "GoogleNews, 8,007 words",
    "joined": "both joined",
    "trained": "trained on the set",
}
RECURRENT = ("average", "cnn", "lstm", "gru")
_PIECE = re.compile(r"(<!-- figures: ([\w ,-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

Row = Mapping[str, Any]


def accuracies(file: str = "accuracy") -> dict[tuple[str, str, str, str], Row]:
    """Return the accuracy figures by set, vectors, model and words."""
    return {tuple(figure["row"].values()): figure for figure in _read(file)["figures"]}


def speeds(file: str = "speed") -> dict[tuple[str, str], Row]:
    """Return the speed figures by section and by what was measured."""
    return {(row["section"], row["what"]): row for row in _read(file)["rows_measured"]}


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    return "".join([lines[0], f"|{'---|' * len(head)}\n", *lines[1:]])


def _measured(name: str) -> str:
    about = _read(name)["measured"]
    note = f" {about['note']}" if "note" in about else ""
    return f"Measured: {about['date']}, revision {about['revision']}; machine: {about['machine']}.{note}\n"


# Accuracy


def _cell(figure: Row | None, *, spread: bool = True) -> str:
    if figure is None:
        return ""
    of_seeds = f" ({figure['spread_percent']:.1f})" if spread and figure["spread_percent"] is not None else ""
    return f"{figure['mean_percent']:.1f}{of_seeds}"


def _sets() -> list[str]:
    return list(dict.fromkeys(key[0] for key in accuracies()))


def _accuracy_table(columns: Mapping[str, tuple[str, str, str]], *, spread: bool) -> str:
    """Return a row for each set; a column is a heading and the vectors, the model and the words that it shows."""
    found = {**accuracies(), **accuracies("accuracy-ngrams")}
    rows = [[name, *(_cell(found.get((name, *key)), spread=spread) for key in columns.values())] for name in _sets()]
    return _table(["set", *columns], [row for row in rows if any(row[2:])])


def accuracy_in_short() -> str:
    """Return the table of README."""
    columns = {
        "`average`": ("glove50", "average", "frozen"),
        "`average`, tuned": ("glove50", "average", "tuned"),
        "`average`, 2-grams": ("glove50", "average", "frozen, 2-grams"),
        "`cnn`": ("glove50", "cnn", "frozen"),
        "`gru`": ("glove50", "gru", "frozen"),
        "TF-IDF and logistic regression": ("-", "tfidf", "-"),
        "fastText, 2-grams": ("-", "fasttext", "-"),
    }
    return _accuracy_table(columns, spread=False)


def accuracy_beside_tools() -> str:
    """Return the models with frozen words, beside what people would use instead."""
    columns = {
        "average": ("glove50", "average", "frozen"),
        "average, 2-grams": ("glove50", "average", "frozen, 2-grams"),
        **{model: ("glove50", model, "frozen") for model in RECURRENT},
        "scikit-learn on the same means": ("glove50", "sklearn", "frozen"),
        "TF-IDF, 1- and 2-grams": ("-", "tfidf", "-"),
        "fastText, 2-grams": ("-", "fasttext", "-"),
    }
    return _accuracy_table(columns, spread=True)


def accuracy_beside_plain_networks() -> str:
    """Return the networks beside those that one would write in plain torch, of the sets that these were measured on."""
    shown = {
        "`cnn`": "cnn",
        "plain CNN": "plain-cnn",
        "padded CNN": "padded-cnn",
        "`lstm`": "lstm",
        "plain LSTM": "plain-lstm",
        "`gru`": "gru",
        "plain GRU": "plain-gru",
    }
    found, sets = accuracies(), _sets()
    rows = [
        [name, *(_cell(found.get((name, "glove50", model, "frozen"))) for model in shown.values())]
        for name in sets
        if (name, "glove50", "plain-cnn", "frozen") in found
    ]
    return _table(["set", *shown], rows)


def accuracy_of_all_vectors() -> str:
    """Return every set with every table of vectors: words frozen / words tuned."""
    found, rows = accuracies(), []
    for name in _sets():
        for number, (vectors, title) in enumerate(VECTORS.items()):
            cells = [
                " / ".join(_cell(found[name, vectors, model, words]) for words in ("frozen", "tuned"))
                for model in RECURRENT
            ]
            rows.append([name if number == 0 else "", title, *cells])
    return _table(["set", "vectors", *RECURRENT], rows).replace("|  |", "| |")


def accuracy_of_pieces() -> str:
    """Return tables of pieces of words beside one of words, frozen."""
    found = accuracies("accuracy-pieces")
    tables = {
        "glove50": "GloVe, 50 numbers",
        "wordllama256": "WordLlama, 256 numbers",
        "tokenlearn64": "multilingual tokenlearn, 64 numbers",
    }
    columns = {
        f"`{model}`, {title}": (vectors, model, "frozen")
        for model in ("average", "cnn")
        for vectors, title in tables.items()
    }
    rows = [
        [name, *(_cell(found.get((name, *key))) for key in columns.values())]
        for name in dict.fromkeys(key[0] for key in found)
    ]
    return _table(["set", *columns], rows)


# Speed


def rounded(value: float, digits: int = 3) -> str:
    """Round to some digits that count, and write no exponent: 159, 12.0, 3.3, 120."""
    short = float(f"{value:.{digits}g}")
    return f"{short:,.0f}" if short >= 10 ** (digits - 1) else f"{short:#.{digits}g}"


def _rival(row: Row, name: str) -> float:
    """Return the speed of a rival: a row says how many times as fast it is."""
    return float(row["value"] / row["against"][name])


def _fasttext(row: Row) -> str:
    return next(str(name) for name in row["against"] if name.startswith("fastText"))


def speed_of_jobs() -> str:
    """Return whole jobs, from Parquet to Parquet."""
    found, rows = speeds(), []
    for model in ("average", "cnn"):
        row = found["job", model]
        name = _fasttext(row)
        rows.append(
            [
                f"`{model}`",
                f"{rounded(row['value'])} MB/s",
                f"{rounded(_rival(row, 'no Ray'))} MB/s",
                f"{rounded(_rival(row, name))} MB/s ({name.removeprefix('fastText ')})",
                f"{rounded(_rival(row, 'TF-IDF + LR'))} MB/s",
            ]
        )
    head = ["4.0 GB of short descriptions", "through Ray", "the same units without Ray", "script with fastText"]
    return _table([*head, "TF-IDF and logistic regression"], rows)


def speed_of_kernels() -> str:
    """Return look-up and models alone, on one core."""
    rows = []
    for (section, what), row in speeds().items():
        if section == "look-up":
            times = rounded(row["against"]["re.findall + dict"], 2)
            rows.append(
                [f"look-up, `{what}`", f"{rounded(row['value'])} MB/s", f"{times} times `re.findall` and a dict"]
            )
        if section == "models":
            rows.append([f"`{what}`", f"{rounded(row['value'])} M tokens/s", _beside_torch(row)])
    return _table(["step", "speed", "compared with"], rows)


def speed_of_texts() -> str:
    """Return look-up and models on short descriptions and on long reviews, each beside its yardstick."""
    content = _read("speed-texts")
    corpora = [about["corpus"] for about in content["corpora"]]
    found = {(row["what"], row["corpus"]): row for row in content["rows_measured"]}
    rows = [
        [
            f"{'look-up, ' if row['section'] == 'look-up' else ''}`{what}`",
            *(_of_texts(found[what, name]) for name in corpora),
        ]
        for (what, corpus), row in found.items()
        if corpus == corpora[0]
    ]
    return _table(["", *map(_of_corpus, content["corpora"])], rows)


def _of_corpus(about: Mapping[str, Any]) -> str:
    return f"{about['corpus']}: {about['megabytes']:.1f} MB, {about['distinct_words']:,} distinct words"


def _of_texts(row: Row) -> str:
    if row["section"] == "look-up":
        return f"{rounded(row['value'])} MB/s, {rounded(row['against']['re.findall + dict'], 2)} times `re.findall`"
    rivals = [f"{rounded(row['against'][f'fastText {n}-grams'], 2)} times {n}-grams" for n in (1, 2)]
    return f"{rounded(row['value'])} M tokens/s, {', '.join(rivals)}"


def _beside_torch(row: Row) -> str:
    against, name = row["against"], _fasttext(row)
    text = f"{rounded(against['torch, sorted'], 2)} times torch on batches of similar lengths"
    if "torch, as they come" in against:
        text += f", {rounded(against['torch, as they come'], 2)} times on batches as they come"
    grams = f"fastText's {name.removeprefix('fastText ')}"
    if against[name] < 1:
        return f"{text}; {grams} are {rounded(1 / against[name], 2)} times as fast"
    return f"{text}; {rounded(against[name], 2)} times {grams}"


def speed_of_training() -> str:
    """Return trainings: one worker, two on one training, and two trainings side by side."""
    found, rows = speeds(), []
    for network in ("cnn", "lstm", "gru"):
        for words in ("frozen", "tuned"):
            one, two, apart = (
                found["training", f"{network}, {words}, {how}"] for how in ("1 worker", "2 workers", "2 apart")
            )
            rows.append(
                [
                    f"`{network}`, words {words}",
                    f"{one['value']:,.0f}",
                    f"{rounded(one['against']['plain loop'], 2)} times",
                    f"{two['value']:,.0f}, {two['against']['1 worker']:.1f} times one",
                    f"{apart['value']:,.0f}, {apart['against']['1 worker']:.1f} times one",
                ]
            )
    head = ["examples/s", "one worker", "against a plain loop", "two workers on one training"]
    return _table([*head, "two trainings side by side"], rows)


def speed_in_a_sentence() -> str:
    """Return how fast a whole job is."""
    average, cnn = speeds()["job", "average"], speeds()["job", "cnn"]
    return (
        f"`average` scored {rounded(average['value'])} MB/s, {_times(average)} times as fast as a script with "
        f"fastText; `cnn` scored {rounded(cnn['value'])} MB/s, {_times(cnn)} times as fast as fastText with 2-grams.\n"
    )


def _times(row: Row) -> str:
    return rounded(row["against"][_fasttext(row)], 2)


def speed_of_small_jobs() -> str:
    """Return what the start of Ray costs where there is little to do."""
    lines = []
    for model in ("average", "cnn"):
        row = speeds("speed-small")["job", model]
        megabytes, name = float(row["note"].split()[0]), _fasttext(row)
        ours, theirs = (f"{megabytes / speed:.1f} s" for speed in (row["value"], _rival(row, name)))
        lines.append(f"`{model}` took {ours}, and {name} took {theirs}")
    return f"On {megabytes:.0f} MB {'; '.join(lines)}.\n"


def speed_of_formats() -> str:
    """Return whole jobs on the same rows in each format of stores; seconds stand in a row's note."""
    found = {what: row for (section, what), row in speeds("speed-formats").items() if section == "formats"}
    cpu = {what: float(re.findall(r"([0-9.]+) CPU s", row["note"])[0]) for what, row in found.items()}
    rows = [
        [
            "Parquet" if what == "parquet" else f"`.{what}`",
            f"{rounded(row['value'])} MB/s",
            f"{cpu[what]:.0f} s",
            "" if what == "parquet" else f"{cpu[what] / cpu['parquet']:.1f} times",
        ]
        for what, row in found.items()
    ]
    return _table(["", "whole job", "CPU of all processes", "against Parquet"], rows)


def speed_of_formats_again() -> str:
    """Return what the same jobs took once more, with compiled kernels."""
    found = {what: row for (section, what), row in speeds("speed-formats").items() if section == "formats again"}
    cpu = {what: float(re.findall(r"([0-9.]+) CPU s", row["note"])[0]) for what, row in found.items()}
    told = ", ".join(f"{what} {seconds:.0f}" for what, seconds in cpu.items())
    most = max(cpu.values()) / cpu["parquet"]
    return (
        f"Once more, with kernels that had been compiled, and with more work beside it (load 5 to 20): {told} CPU "
        f"seconds, at most {most:.1f} times Parquet's.\n"
    )


# Trust


def calibration() -> str:
    """Return the table of calibration errors on test rows, and of what could be reached."""
    rows = [
        [line["set"], f"`{line['model']}`", f"{line['rows']:,}", f"{line['temperature']:.2f}"]
        + [f"{line[name]:.3f}" for name in ("by_chance", "before", "after")]
        + [f"{line[name]['before']:+.3f}, {line[name]['after']:+.3f}" for name in ("alike", "reachable")]
        for line in _read("calibration")["errors"]
    ]
    head = ["set", "model", "rows", "temperature", "by chance", "before", "after", "rows that are alike"]
    return _table([*head, "half of the test rows"], rows)


GOAL = 0.01
"""How far above chance a calibration error may be."""


def calibration_in_a_sentence() -> str:
    """Return how many models reach the goal, and the means over all of them."""
    lines = _read("calibration")["errors"]
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
    found = _read("evidence")["rows_measured"]
    cost = {(row["corpus"], row["what"]): f"{max(row['value'], 0):.0f} %" for row in found}
    lengths = {row["corpus"]: row["note"].partition(" characters")[0] for row in found}
    rows = [
        [f"{corpus}: {length} characters", *(cost[corpus, model] for model in ("average", "cnn"))]
        for corpus, length in lengths.items()
    ]
    return _table(["corpus", "`average`", "`cnn`"], rows)


def promises() -> str:
    """Return the table of promises of a precision, and how often they were broken."""
    rows = []
    for line in _read("calibration")["promises"]:
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
    return _table(["set", "model", "wanted", "not possible", "broken", "rows that keep a label", "by train"], rows)


def speed_plot() -> str:
    """Return the picture of README, with a text for those who do not see it."""
    return (
        "![Bars: megabytes of text per second from Parquet to Parquet, w2vray beside scripts with fastText and "
        "scikit-learn](docs/figures/speed.svg)\n"
    )


PIECES: Mapping[str, Callable[[], str]] = {
    "accuracy in short": accuracy_in_short,
    "accuracy beside tools": accuracy_beside_tools,
    "accuracy beside plain networks": accuracy_beside_plain_networks,
    "accuracy of all vectors": accuracy_of_all_vectors,
    "accuracy of pieces": accuracy_of_pieces,
    "accuracy of pieces, measured": lambda: _measured("accuracy-pieces"),
    "accuracy with n-grams, measured": lambda: _measured("accuracy-ngrams"),
    "accuracy, measured": lambda: _measured("accuracy"),
    "calibration": calibration,
    "calibration in a sentence": calibration_in_a_sentence,
    "evidence": evidence_costs,
    "evidence, measured": lambda: _measured("evidence"),
    "calibration, measured": lambda: _measured("calibration"),
    "promises": promises,
    "speed, measured": lambda: _measured("speed"),
    "speed of formats": speed_of_formats,
    "speed of formats again": speed_of_formats_again,
    "speed of formats, measured": lambda: _measured("speed-formats"),
    "speed of texts": speed_of_texts,
    "speed of texts, measured": lambda: _measured("speed-texts"),
    "speed of jobs": speed_of_jobs,
    "speed of kernels": speed_of_kernels,
    "speed of training": speed_of_training,
    "speed in a sentence": speed_in_a_sentence,
    "speed of small jobs": speed_of_small_jobs,
    "speed plot": speed_plot,
}
"""What a page can have between its comments, by name."""


def written(page: str) -> str:
    """Return a page's text with each piece as the JSON files have it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    new = _PIECE.sub(lambda found: f"{found[1]}{PIECES[found[2]]()}{found[3]}", text)
    return new.replace("(docs/figures/", "(figures/") if page.startswith("docs/") else new


def draw() -> None:
    """Draw the plot: bars of the whole jobs."""
    import matplotlib as mpl  # noqa: PLC0415 - of the extra `docs`, and only for this
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "w2vray", "font.family": "sans-serif"})
    average, cnn = speeds()["job", "average"], speeds()["job", "cnn"]
    ours, others = "#3f51b5", "#9e9e9e"
    bars = [
        ("w2vray, average", average["value"], ours),
        (_fasttext(average), _rival(average, _fasttext(average)), others),
        ("w2vray, cnn", cnn["value"], ours),
        (_fasttext(cnn), _rival(cnn, _fasttext(cnn)), others),
        ("TF-IDF, logistic regression", _rival(cnn, "TF-IDF + LR"), others),
    ]
    figure, axes = plt.subplots(figsize=(7.2, 2.5), layout="constrained")
    drawn = axes.barh([name for name, _, _ in bars], [speed for _, speed, _ in bars], color=[bar[2] for bar in bars])
    axes.bar_label(drawn, [f"{rounded(speed)} MB/s" for _, speed, _ in bars], padding=4)
    axes.invert_yaxis()
    axes.set_xlim(right=max(speed for _, speed, _ in bars) * 1.18)
    axes.set_xlabel("MB of text a second, from Parquet to Parquet, on two cores")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, metadata={"Date": None, "Creator": "jobs/docs/figures.py"})
    PLOT.write_text(re.sub(r"[ \t]+$", "", PLOT.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    for page in PAGES:
        (ROOT / page).write_text(written(page), encoding="utf-8")
    draw()
