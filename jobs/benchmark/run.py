"""Measure w2vray against what people would use instead: one command, no network, a table and JSON.

Look-up, models and jobs are measured on the descriptions that ``botocore`` ships, which are short and have few words,
and on each ``--corpus``, any Parquet; all else is on the last of these. Rivals run in turn and medians count. Speeds do
not depend on what a model has learned: weights and vectors are random.

Example::

    pip install '.[bench]'
    python jobs/benchmark/run.py --json > benchmark.json
    python jobs/benchmark/run.py --only look-up models --corpus reviews/ --text-column body
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from w2vray.cli.console import Output, table
from w2vray.cli.extras import extra

with extra("bench"):
    import kernel_speed
    import whole_jobs
    from evidence_bench import measure_evidence
    from fasttext_bench import measure_fasttext
    from formats_bench import measure_formats
    from gpu_speed import measure_gpu
    from material import Material
    from memory import measure_memory
    from provenance import measured  # beside the folder, as `material` has found out
    from size_bench import measure_size
    from stopwatch import Row
    from training_bench import NETWORKS, measure_training
    from training_memory import measure_training_memory
    from unit_bench import measure_unit
    from vectors_bench import measure_vectors

DOCUMENTS, LENGTHS = 10**9, (100, 1000)
"""What the cost is told for: so many documents of so many tokens."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    torch.set_num_threads(1)
    materials = Material.read_all(options.corpus, options.text_column, options.megabytes)
    materials = materials[1:] if options.corpus_alone else materials
    corpora = [material.about() for material in materials]
    rows = [
        replace(row, corpus=material.name)
        for name, material in _asked(options.only, materials)
        for row in _told(name, material, options)
    ]
    cpus = len(os.sched_getaffinity(0))
    costs = _costs(rows, options)
    of_jobs = _costs_of_jobs(rows, corpora, cpus, options.core_hour)
    result = {
        "measured": measured(),
        "corpora": corpora,
        "cpus": cpus,
        "rows_measured": [row.as_dict() for row in rows],
        "costs": costs,
        "costs_of_jobs": of_jobs,
    }
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    title = "; ".join(
        f"{about['corpus']}: {about['rows']:,} texts, {about['megabytes']:,.1f} MB, {about['distinct_words']:,} words"
        for about in corpora
    )
    Output(options.json).result(
        result,
        table(
            title, ["corpus", "section", "what", "figure", "times as fast as", "note"], [_cells(row) for row in rows]
        ),
        *(f"{what}: a billion documents of {LENGTHS[0]} tokens: {text}" for what, text in costs.items()),
        *(f"{what}: a billion documents: {text}" for what, text in of_jobs.items()),
    )


ON_EACH = ("look-up", "models", "ngrams", "unit", "job", "fasttext", "evidence")
"""Sections that are measured on each corpus."""


def _asked(names: Sequence[str], materials: Sequence[Material]) -> Iterator[tuple[str, Material]]:
    for name in names:
        for material in materials if name in ON_EACH else materials[-1:]:
            yield name, material


def _section(name: str, material: Material, options: argparse.Namespace) -> Iterator[Row]:
    sections: dict[str, Callable[[], Iterator[Row]]] = {
        "look-up": lambda: kernel_speed.measure_lookup(material, options.runs),
        "models": lambda: kernel_speed.measure_models(material, options.runs),
        "ngrams": lambda: kernel_speed.measure_ngrams(material, options.runs),
        "unit": lambda: measure_unit(material, options.unit_megabytes, options.runs),
        "job": lambda: whole_jobs.measure_jobs(material, options.job_megabytes, options.runs),
        "fasttext": lambda: measure_fasttext(material, options.job_megabytes, options.runs),
        "evidence": lambda: measure_evidence(material, options.evidence_megabytes, options.runs),
        "formats": lambda: measure_formats(material, options.formats_megabytes, options.runs),
        "memory": lambda: measure_memory(options.words, 300, "cnn"),
        "growth": lambda: whole_jobs.measure_growth(material, options.job_megabytes),
        "vectors": lambda: measure_vectors(max(options.words)),
        "training": lambda: measure_training(material, options.runs, options.networks, options.batch_size),
        "training-memory": lambda: measure_training_memory(
            material, options.training_megabytes, options.training_seconds
        ),
        "size": lambda: measure_size(options.files, options.units),
        "gpu": lambda: measure_gpu(material, options.runs),
    }
    return sections[name]()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure w2vray against what people would use instead.")
    sections = (
        "look-up",
        "models",
        "ngrams",
        "unit",
        "job",
        "fasttext",
        "evidence",
        "formats",
        "memory",
        "growth",
        "vectors",
        "training",
        "training-memory",
        "size",
        "gpu",
    )

    def number(option: str, default: float, text: str) -> None:
        parser.add_argument(option, type=type(default), default=default, help=f"{text} (default: {default:g})")

    parser.add_argument("--only", nargs="+", choices=sections, default=sections, help="what is measured (default: all)")
    parser.add_argument("--corpus", nargs="+", default=(), help="any Parquet, beside botocore's descriptions")
    parser.add_argument("--corpus-alone", action="store_true", help="leave out botocore's descriptions")
    parser.add_argument("--text-column", default="text", help="of each corpus (default: text)")
    number("--megabytes", 16.0, "text of each corpus that is used")
    number("--job-megabytes", 4000.0, "text of the whole jobs' store: copies of it")
    number("--unit-megabytes", 200.0, "text of the store whose units are timed step by step")
    number("--evidence-megabytes", 60.0, "text of the store that is scored with evidence and without")
    number("--formats-megabytes", 1000.0, "text of the stores in each format")
    words = [100_000, 1_000_000, 3_000_000]
    parser.add_argument("--words", type=int, nargs="+", default=words, help=f"sizes of tables (default: {words})")
    sizes = [1_000, 10_000, 100_000]
    parser.add_argument("--files", type=int, nargs="+", default=sizes, help=f"of stores to plan (default: {sizes})")
    parser.add_argument("--units", type=int, nargs="+", default=sizes, help=f"to hand out (default: {sizes})")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="to train (default: all)")
    parser.add_argument("--batch-size", type=int, help="texts of a step of training (default: the network's own)")
    number("--training-megabytes", 1000.0, "text of the labelled set that memory is measured with")
    number("--training-seconds", 600.0, "steps that memory is watched in, at most so long")
    number("--runs", 5, "of each rival, of which the median counts")
    number("--core-hour", 0.04, "price of a core for an hour")
    number("--gpu-hour", 1.0, "price of a GPU and the cores beside it for an hour")
    parser.add_argument("--output", help="file that the JSON is written to as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and only that, on stdout")
    return parser.parse_args(arguments)


def _told(name: str, material: Material, options: argparse.Namespace) -> Iterator[Row]:
    for row in _section(name, material, options):
        sys.stderr.write(f"{material.name}: {name}: {row.what}: {row.value:,.4g} {row.unit}\n")
        yield row


def _costs(rows: Sequence[Row], options: argparse.Namespace) -> dict[str, str]:
    """Tell what a billion documents cost at the prices stated, by the models' speed alone, ids in hand."""
    units = {"M tokens/s/core": ("core-hours", options.core_hour), "M tokens/s/GPU": ("GPU-hours", options.gpu_hour)}
    costs = {}
    for row in rows:
        if row.unit in units:
            name, price = units[row.unit]
            hours = DOCUMENTS * LENGTHS[0] / (row.value * 1e6) / 3600
            costs[", ".join(filter(None, (row.what, row.corpus)))] = (
                f"{hours:,.1f} {name}, {hours * price:,.2f} at {price} an hour"
            )
    return costs


def _costs_of_jobs(
    rows: Sequence[Row], corpora: Sequence[Mapping[str, Any]], cpus: int, price: float
) -> dict[str, str]:
    """Tell what a billion documents cost by whole jobs: decoded, looked up, scored, written and committed."""
    bytes_a_token = {about["corpus"]: about["bytes_a_token"] for about in corpora}
    costs = {}
    for row in rows:
        if row.section == "job" and row.unit == "MB/s":
            for tokens in LENGTHS:
                megabytes = DOCUMENTS * tokens * bytes_a_token[row.corpus] / 1e6
                hours = megabytes / row.value / 3600 * cpus
                costs[f"whole job of {row.what}, {row.corpus}, {tokens} tokens"] = (
                    f"{hours:,.1f} core-hours, {hours * price:,.2f} at {price} an hour"
                )
    return costs


def _cells(row: Row) -> list[str]:
    against = ", ".join(f"{rival} {times:,.2f}" for rival, times in row.against.items())
    return [row.corpus, row.section, row.what, f"{row.value:,.4g} {row.unit}", against, row.note]


if __name__ == "__main__":
    main()
