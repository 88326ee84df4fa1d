"""Tables and sentences of speeds, as pages have them."""

import re
from collections.abc import Mapping
from typing import Any

from measured_figures import Row, fasttext, of_corpora, read_figures, rival, rounded, speeds, table

from w2vray.store.units import LARGEST_UNIT

__all__ = [
    "NAMES",
    "costs_of_jobs",
    "jobs_of_fasttext_models",
    "largest_store",
    "sizes_of_stores",
    "speed_in_a_line",
    "speed_in_a_sentence",
    "speed_of_formats",
    "speed_of_jobs",
    "speed_of_small_jobs",
    "speed_of_texts",
    "speed_of_training",
    "speed_of_units",
    "speed_plot",
]


NAMES = {"descriptions": "short descriptions", "movie_reviews_v2": "film reviews"}
"""What the corpora are called on a page."""


def speed_of_jobs() -> str:
    """Return whole jobs, from Parquet to Parquet, on each corpus."""
    rows = [
        [
            f"`{model}`, {NAMES[corpus]}",
            f"{rounded(row['value'])} MB/s",
            f"{rounded(rival(row, 'on Ray'))} MB/s",
            f"{rounded(rival(row, fasttext(row)))} MB/s ({fasttext(row).removeprefix('fastText ')})",
            f"{_times(row)} times",
            f"{rounded(rival(row, 'TF-IDF + LR'))} MB/s",
        ]
        for corpus, found in of_corpora("speed-jobs").items()
        for model, row in _jobs(found).items()
    ]
    head = ["", "w2vray", "w2vray on a Ray that it starts", "script with fastText", "w2vray against it"]
    return table([*head, "TF-IDF and logistic regression"], rows)


def _jobs(found: Mapping[tuple[str, str], Row]) -> dict[str, Row]:
    return {model: found["job", model] for model in ("average", "cnn")}


def costs_of_jobs() -> str:
    """Return what a billion documents cost by whole jobs."""
    costs = read_figures("speed-jobs")["costs_of_jobs"]
    rows = [
        [
            f"`{model}`, {NAMES[corpus]}",
            *(_cost(costs[f"whole job of {model}, {corpus}, {tokens} tokens"]) for tokens in (100, 1000)),
        ]
        for corpus in of_corpora("speed-jobs")
        for model in ("average", "cnn")
    ]
    return table(["a billion documents of", "100 tokens", "1,000 tokens"], rows)


def _cost(told: str) -> str:
    """Write ``12.3 core-hours, 0.49 at 0.04 an hour`` as a cell."""
    hours, cost = re.findall(r"([\d.,]+) core-hours, ([\d.,]+) at", told)[0]
    return f"{cost} ({hours} core-hours)"


def speed_of_texts() -> str:
    """Return look-up and models on short descriptions and on long reviews, each beside its yardstick."""
    content = read_figures("speed-texts")
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
    return table(["", *map(_of_corpus, content["corpora"])], rows)


def _of_corpus(about: Mapping[str, Any]) -> str:
    return f"{about['corpus']}: {about['megabytes']:.1f} MB, {about['distinct_words']:,} distinct words"


def _of_texts(row: Row) -> str:
    if row["section"] == "look-up":
        return f"{rounded(row['value'])} MB/s, {rounded(row['against']['re.findall + dict'], 2)} times `re.findall`"
    rivals = [f"{rounded(row['against'][f'fastText {n}-grams'], 2)} times {n}-grams" for n in (1, 2)]
    return f"{rounded(row['value'])} M tokens/s, {', '.join(rivals)}"


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
    return table([*head, "two trainings side by side"], rows)


def speed_in_a_sentence() -> str:
    """Return how fast whole jobs are against scripts with fastText."""
    told = [
        f"on {NAMES[corpus]} `average` was {_times(found['job', 'average'])} times as fast as a script with fastText's "
        f"1-grams, and `cnn` {_times(found['job', 'cnn'])} times as fast as one with 2-grams"
        for corpus, found in of_corpora("speed-jobs").items()
    ]
    sentence = "; ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]}.\n"


def _times(row: Row) -> str:
    return rounded(row["against"][fasttext(row)], 2)


def speed_of_small_jobs() -> str:
    """Return how long little work takes."""
    told = []
    for corpus, found in of_corpora("speed-small").items():
        lines = []
        for model, row in _jobs(found).items():
            megabytes, name = float(row["note"].split()[0]), fasttext(row)
            ours, on_ray, theirs = (
                f"{megabytes / speed:.1f} s" for speed in (row["value"], rival(row, "on Ray"), rival(row, name))
            )
            lines.append(f"`{model}` took {ours} ({on_ray} on Ray), and {name} took {theirs}")
        told.append(f"On {megabytes:.0f} MB of {NAMES[corpus]} {'; '.join(lines)}.")
    return "\n".join(told) + "\n"


def jobs_of_fasttext_models() -> str:
    """Return whole jobs of imported fastText models beside scripts of fastText, and what memory they take."""
    found = {what: row for (section, what), row in speeds("speed-fasttext").items() if section == "fasttext"}
    rows = []
    for ngrams in ("1-grams", "2-grams"):
        row, on_ray = found[ngrams], found[f"{ngrams}, memory of 8 workers"]
        without = found[f"{ngrams}, memory of 8 workers without Ray"]
        model = str(row["note"]).rpartition(" a model of ")[2]
        sizes = without["value"], on_ray["value"], rival(without, "script of 8 processes")
        rows.append(
            [
                f"{ngrams}, a model of {model}",
                f"{rounded(row['value'])} MB/s",
                f"{rounded(rival(row, f'script, {ngrams}'))} MB/s",
                f"{row['against'][f'script, {ngrams}']:.1f} times",
                *(f"{size / 1000:.1f} GB" for size in sizes),
            ]
        )
    heads = ["", "`score`", "script", "as fast", "memory, 8 workers", "the same on Ray", "8 processes of the script"]
    return table(heads, rows)


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
    return table(["", "whole job", "CPU of all processes", "against Parquet"], rows)


def speed_of_units() -> str:
    """Return where the time of a unit goes, step by step."""
    content = read_figures("speed-unit")
    columns = [(model, about["corpus"]) for about in content["corpora"] for model in ("average", "cnn")]
    found = {(row["what"], row["corpus"]): row for row in content["rows_measured"]}
    steps = [what.removeprefix("average, ") for what, corpus in found if what.startswith("average, ")]
    rows = [["all"] + [f"{rounded(found[column]['value'])} MB/s" for column in columns]]
    rows += [
        [step, *(f"{found[f'{model}, {step}', corpus]['value']:.0f} %" for model, corpus in columns)]
        for step in dict.fromkeys(steps)
    ]
    return table(["", *(f"`{model}`, {NAMES[corpus]}" for model, corpus in columns)], rows)


def speed_in_a_line() -> str:
    """Return the line at the top of README: the least and the most that whole jobs are faster than scripts."""
    times = [
        row["against"][fasttext(row)] for found in of_corpora("speed-jobs").values() for row in _jobs(found).values()
    ]
    return (
        f"- **Fast.** From Parquet to Parquet {rounded(min(times), 2)} to {rounded(max(times), 2)} times as fast as a "
        "script with fastText ([How fast](#how-fast)).\n"
    )


def sizes_of_stores() -> str:
    """Return how long it takes to plan so many files, and to hand out so many units of no work."""
    rows = []
    for row in read_figures("size")["rows_measured"]:
        first, _, rest = row["note"].partition("; ")
        took = f"{row['value']:,.1f} s" if row["unit"] == "s" else f"{row['value']:,.0f} units/s"
        rows.append([row["what"], took, f"{first}; {rest}" if rest else first])
    return table(["", "all of it", "of which"], rows)


def largest_store() -> str:
    """Return how many cores one driver can feed, and how long the largest store that was tried would take."""
    found = {row["what"]: row for row in read_figures("size")["rows_measured"]}
    units, row = max((int(what.split()[0].replace(",", "")), row) for what, row in found.items() if "units" in what)
    unit_megabytes = LARGEST_UNIT / 1e6
    average = next(iter(of_corpora("speed-unit").values()))["unit", "average"]["value"]
    a_second = row["value"] * unit_megabytes
    return (
        f"A unit has up to {unit_megabytes:.0f} MB of text, so {units:,} units are {units * unit_megabytes / 1e6:,.0f} "
        f"TB. At {row['value']:,.0f} units a second one driver hands out {a_second / 1e3:,.0f} GB of text a second, as "
        f"much as {a_second / average:,.0f} cores score with `average` ({average:.0f} MB/s each, short descriptions). "
        "Its memory grows with the plan, not with the rows.\n"
    )


def speed_plot() -> str:
    """Return the picture of README, with a text for those who do not see it."""
    return (
        "![Bars: megabytes of text per second from Parquet to Parquet, w2vray beside scripts with fastText and "
        "scikit-learn](docs/figures/speed.svg)\n"
    )
