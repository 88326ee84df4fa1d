"""Make the table of calibration errors: how far probabilities are from what they say, before and after a temperature.

Each set's test rows, each model, GloVe 50d, one seed. ``by chance`` is the error that a perfectly calibrated model
would have on so many rows.

Example::

    python jobs/accuracy/make_calibration.py --data DIR --sets trec6 r8 --models average cnn
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from classifiers import trained
from labelled_sets import LabelledSet, read_set
from make_table import SETS
from word_vectors import VECTORS, make_vectors

from w2vray.cli.console import Output, table
from w2vray.errors import W2vrayError
from w2vray.models import kinds
from w2vray.models.directory import Bundle
from w2vray.scoring.calibration_error import calibration_error, error_by_chance
from w2vray.scoring.scorer import TextScorer
from w2vray.vectors import Vectors


def measured(bundle: Bundle, vectors: Vectors, labelled: LabelledSet) -> dict[str, Any]:
    """Score the test rows with the model's temperatures and without, and compare."""
    number = {label: index for index, label in enumerate(labelled.labels)}
    true_N = np.array([number.get(label, -1) for label in labelled.test.labels])
    texts = pa.array(labelled.test.texts, pa.large_string())
    line: dict[str, Any] = {"temperature": list(bundle.config.temperatures)}
    for name, temperatures in (("before", ()), ("after", bundle.config.temperatures)):
        config = dataclasses.replace(bundle.config, temperatures=temperatures)
        scores = TextScorer(Bundle(config, bundle.weights), vectors).score_array(texts)
        answered_N = scores.label_N >= 0
        confidence_N = scores.probabilities_NC[answered_N].max(axis=1)
        right_N = (scores.label_N == true_N)[answered_N]
        line |= {name: calibration_error(confidence_N, right_N), "by_chance": error_by_chance(confidence_N)}
        line |= {"rows": len(right_N), "accuracy": float(right_N.mean())}
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of SET.parquet files")
    parser.add_argument("--output", type=Path, default=Path("accuracy-output"), metavar="DIR", help="for vectors")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--models", nargs="+", default=kinds.names(), choices=kinds.names(), help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout in place of the table")
    options = parser.parse_args(arguments)
    out = Output(options.json)
    lines = []
    try:
        for name in options.sets:
            labelled = read_set(options.data / f"{name}.parquet")
            vectors = make_vectors(VECTORS[0], labelled, options.output.absolute() / "vectors", None)
            for model in options.models:
                bundle = trained(labelled, vectors, model, seed=options.seed)
                lines.append({"set": name, "model": model, **measured(bundle, vectors, labelled)})
                out.note(f"{name} {model}: {lines[-1]['before']:.3f} -> {lines[-1]['after']:.3f}")
    except W2vrayError as error:
        sys.stderr.write(f"make_calibration: {error}\n")
        return error.exit_code
    numbers = ("before", "after", "by_chance", "accuracy")
    cells = [
        [line["set"], line["model"], f"{line['temperature'][0]:.2f}", *(f"{line[name]:.3f}" for name in numbers)]
        for line in lines
    ]
    title = "Expected calibration error on the test rows, 15 bins of as many rows each"
    out.result({"lines": lines}, table(title, ["set", "model", "temperature", *numbers], cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
