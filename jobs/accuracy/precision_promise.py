"""Count how often a promised precision is broken, on answers that ``make_calibration.py`` has kept.

The test rows of a set stand for all rows that there are, so that the precision above any threshold is known. 200 times,
as many rows are drawn from them with replacement, the threshold is chosen on those as ``w2vray calibrate
--target-precision`` chooses it, and the precision of all rows above the threshold is looked at. The temperature is the
model's own. ``trained``
is the threshold that ``train --target-precision`` would have chosen on rows that were kept apart in the training, and
the precision that the test rows had above it.

Example::

    python jobs/accuracy/precision_promise.py --output accuracy-output --sets r8 subj --models average
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from answers_kept import Answers, kept_at, softmax
from make_table import SETS

from w2vray.cli.console import Output, table
from w2vray.models import kinds
from w2vray.scoring.promises import lowest_threshold
from w2vray.training.held_out_answers import HeldOutAnswers

CONFIDENCE = 0.95


def sure_and_right(answers: HeldOutAnswers, temperature: float) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return how sure each answer is, and whether it is right."""
    probabilities_NC = softmax(answers.logits_NC / np.float32(temperature)).astype(np.float32)
    return probabilities_NC.max(axis=1), probabilities_NC.argmax(axis=1) == answers.labels


def measured(found: Answers, precision: float, *, draws: int, seed: int) -> dict[str, Any]:
    """Draw rows, choose thresholds on them, and count."""
    random, rows = np.random.default_rng(seed), len(found.test)
    sure_N, right_N = sure_and_right(found.test, found.temperature)
    kept, broken = [], 0
    for _ in range(draws):
        some_N = random.integers(0, rows, rows)
        threshold = lowest_threshold(sure_N[some_N], right_N[some_N], precision, CONFIDENCE)
        if threshold is not None:
            reached_N = sure_N >= np.float32(threshold)
            kept.append(float(reached_N.mean()))
            broken += bool(right_N[reached_N].mean() < precision)
    line: dict[str, Any] = {"precision": precision, "rows": rows, "draws": draws, "promised": len(kept)}
    line |= {"broken": broken, "kept": float(np.mean(kept)) if kept else None}
    return line | {"trained": trained(found, precision)}


def trained(found: Answers, precision: float) -> dict[str, Any] | None:
    """Say what a threshold of the training came to on the test rows; None where it could not promise anything."""
    asked = sure_and_right(found.held_out, found.temperature)
    threshold = lowest_threshold(*asked, precision, CONFIDENCE)
    if threshold is None:
        return None
    sure_N, right_N = sure_and_right(found.test, found.temperature)
    reached_N = sure_N >= np.float32(threshold)
    expected = float((asked[0] >= np.float32(threshold)).mean())
    right = float(right_N[reached_N].mean()) if reached_N.any() else None
    return {"expected": expected, "kept": float(reached_N.mean()), "right": right, "rows": len(found.held_out)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path("accuracy-output"), metavar="DIR", help="of make_calibration"
    )
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--models", nargs="+", default=kinds.names(), choices=kinds.names(), help="default: all")
    parser.add_argument("--precisions", nargs="+", type=float, default=[0.9, 0.95], metavar="P")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout in place of the table")
    options = parser.parse_args(arguments)
    out, lines = Output(options.json), []
    for model in options.models:
        for name in options.sets:
            place = kept_at(options.output.absolute(), name, model, options.seed)
            if not place.exists():
                out.note(f"{name} {model}: no answers are kept; make_calibration.py makes them")
                continue
            found = Answers.read(place)
            for precision in options.precisions:
                line = measured(found, precision, draws=options.draws, seed=options.seed)
                lines.append({"set": name, "model": model, **line})
                out.note(json.dumps(lines[-1]))
    cells = [
        [
            line["set"],
            line["model"],
            f"{line['precision']:g}",
            f"{line['promised']} of {line['draws']}",
            line["broken"],
            "" if line["kept"] is None else f"{line['kept']:.3f}",
            "" if line["trained"] is None else f"{line['trained']['right']:.3f}",
        ]
        for line in lines
    ]
    header = ["set", "model", "wanted", "promised", "broken", "rows that keep a label", "right, trained"]
    out.result({"lines": lines}, table("Promises with 0.95 confidence", header, cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
