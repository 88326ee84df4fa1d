"""Make the table of calibration errors: how far probabilities are from what they say, before and after a temperature.

Each set's test rows, each model, GloVe 50d, one seed. ``by chance`` is the error that a perfectly calibrated model
would have on so many rows; the goal is to be at most 0.01 above that. A temperature is only as good as the rows that it
was fitted on, so two more numbers say what can be reached, both less chance, and the mean of ``DRAWS`` random halves:
``alike`` is fitted on half of the rows that were kept apart in the training, and measured on the other half;
``reachable`` is fitted on half of the test rows, and measured on the other half. No model is made with either.

Each cell is written down as it ends, and what the model says of the test rows and of rows that it did not learn from is
kept beside it: the same command goes on where it was stopped.

Example::

    python jobs/accuracy/make_calibration.py --data DIR --sets trec6 r8 --models average cnn
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from answers_kept import Answers, kept_at, softmax
from classifiers import trained
from labelled_sets import LabelledSet, read_set
from make_table import SETS
from word_vectors import VECTORS, make_vectors

from w2vray.cli.console import Output, table
from w2vray.errors import W2vrayError
from w2vray.models import kinds
from w2vray.scoring.calibration_error import calibration_error, error_by_chance
from w2vray.scoring.scorer import TextScorer
from w2vray.training.calibration import fit_temperatures
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.vectors import Vectors


def answers(labelled: LabelledSet, vectors: Vectors, model: str, seed: int) -> Answers:
    """Train a model, and return what it says of the test rows, and of rows that it did not learn from."""
    bundle, held_out = trained(labelled, vectors, model, seed=seed)
    number = {label: index for index, label in enumerate(labelled.labels)}
    true_N = np.array([number.get(label, -1) for label in labelled.test.labels])
    logits_NC, evidence_N = TextScorer(bundle, vectors).logits(pa.array(labelled.test.texts, pa.large_string()))
    return Answers(
        temperature=bundle.config.temperatures[0],
        test=HeldOutAnswers(logits_NC[evidence_N], true_N[evidence_N]),
        held_out=held_out,
    )


def measured(found: Answers) -> dict[str, Any]:
    """Hold the probabilities of the test rows against what is true, with the temperature and without."""
    line: dict[str, Any] = {"temperature": found.temperature, "rows": len(found.test)}
    for name, temperature in (("before", 1.0), ("after", found.temperature)):
        probabilities_NC = found.probabilities(temperature)
        confidence_N = probabilities_NC.max(axis=1)
        right_N = probabilities_NC.argmax(axis=1) == found.test.labels
        line |= {name: calibration_error(confidence_N, right_N), "by_chance": error_by_chance(confidence_N)}
        line |= {"accuracy": float(right_N.mean())}
    return line


DRAWS = 20


def above_chance(answers: HeldOutAnswers, temperature: float) -> float:
    """Return the calibration error of answers with a temperature, less that of a perfectly calibrated model."""
    probabilities_NC = softmax(answers.logits_NC / np.float32(temperature))
    confidence_N = probabilities_NC.max(axis=1)
    right_N = probabilities_NC.argmax(axis=1) == answers.labels
    return calibration_error(confidence_N, right_N) - error_by_chance(confidence_N, draws=50)


def by_halves(answers: HeldOutAnswers, *, seed: int, draws: int = DRAWS) -> dict[str, float]:
    """Fit a temperature on a random half of rows and measure it on the other; return means over some such halves."""
    random, half = np.random.default_rng(seed), len(answers) // 2
    found = []
    for _ in range(draws):
        order_N = random.permutation(len(answers))
        fitted = answers.take(order_N[:half])
        known_N = torch.from_numpy(fitted.labels >= 0)
        rows = (torch.from_numpy(fitted.logits_NC), torch.from_numpy(np.maximum(fitted.labels, 0)), known_N)
        (temperature,) = fit_temperatures([rows], answers.logits_NC.shape[1], multi_label=False)
        others = answers.take(order_N[half:])
        found.append((above_chance(others, 1.0), above_chance(others, temperature), temperature))
    return dict(zip(("before", "after", "temperature"), np.mean(found, axis=0).round(5).tolist(), strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of SET.parquet files")
    parser.add_argument("--output", type=Path, default=Path("accuracy-output"), metavar="DIR", help="for what is made")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--models", nargs="+", default=kinds.names(), choices=kinds.names(), help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout in place of the table")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    out, lines = Output(options.json), []
    folder = options.output.absolute()
    try:
        for model in options.models:
            for name in options.sets:
                place = kept_at(folder, name, model, options.seed)
                if not place.exists():
                    labelled = read_set(options.data / f"{name}.parquet")
                    vectors = make_vectors(VECTORS[0], labelled, folder / "vectors", None)
                    answers(labelled, vectors, model, options.seed).write(place)
                found = Answers.read(place)
                halves = {
                    "reachable": by_halves(found.test, seed=options.seed),
                    "alike": by_halves(found.held_out, seed=options.seed),
                }
                counted = {"rows_fitted_on": len(found.held_out), **halves}
                lines.append({"set": name, "model": model, **measured(found), **counted})
                out.note(json.dumps(lines[-1]))
    except W2vrayError as error:
        sys.stderr.write(f"make_calibration: {error}\n")
        return error.exit_code
    numbers = ("before", "after", "by_chance", "accuracy")
    cells = [
        [line["set"], line["model"], f"{line['temperature']:.2f}", *(f"{line[name]:.3f}" for name in numbers)]
        for line in lines
    ]
    title = "Expected calibration error on the test rows, 15 bins of as many rows each"
    out.result({"lines": lines}, table(title, ["set", "model", "temperature", *numbers], cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
