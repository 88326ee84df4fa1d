"""What a page says of a finished run: counted from its parts, so that it is the same however often the run was resumed.

Only the time is told by who measured it: it is kept in ``report.json`` for whoever makes the page again.

Shape letters: CONTRIBUTING.md.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from w2vray.models.directory import ModelConfig
from w2vray.run.answers import FinishedRun, Given, RowPlace, counts_of
from w2vray.schema import SOURCE_FILE, SOURCE_ROW
from w2vray.store.ahead import read_ahead
from w2vray.store.corpus import Corpus
from w2vray.store.units import Unit

__all__ = ["MOST_ROWS", "drift", "examples", "is_unlike", "rows_with_evidence", "run_data", "training_facts"]

MOST_ROWS = 20_000_000
"""Of a larger run some units are looked at, chosen by their names, which are as good as chance; so it takes seconds."""

_SCORE_BINS, _COVERAGE_BINS = 20, 10
_LENGTHS = 24  # powers of two
_FEW_UNITS = 4
_EXAMPLES, _LABELS = 3, 20

MIX_BOUND, COVERAGE_BOUND, LENGTH_BOUND = 0.1, 0.05, 1.5
"""From where on a store is said to have drifted: the total variation distance of the labels, beyond what chance gives;
the difference of the shares of tokens with a vector; the ratio of the mean lengths."""


def training_facts(config: ModelConfig) -> dict[str, Any]:
    """Return what a model knows of its training set, as far as it does."""
    history = config.training
    rows = history.get("rows")
    counts = [rows.get(name, 0) for name in ("train", "validation")] if isinstance(rows, Mapping) else []
    tokens, labels = history.get("tokens"), history.get("labels")
    return {
        "labels": dict(labels) if isinstance(labels, Mapping) else None,
        "coverage": history.get("coverage"),
        "tokens_per_row": tokens / sum(counts) if isinstance(tokens, int) and sum(counts) else None,
        "accuracy": test.get("accuracy") if isinstance(test := history.get("test"), Mapping) else None,
        "promise": None if config.thresholds is None else {**config.thresholds.as_dict(), "values": None},
    }


def rows_with_evidence(scored: int, abstained: int, below_threshold: int, *, multi_label: bool) -> int:
    """Count the scored rows with a known word; of several labels, a row that is given none has not abstained."""
    return scored - (abstained - (0 if multi_label else below_threshold))


def run_data(run: FinishedRun, training: Mapping[str, Any] | None) -> dict[str, Any]:
    """Count what the page shows, but for its examples.

    Args:
        run: a finished run.
        training: of ``training_facts``; None where nobody knows the model any more.
    """
    units = _looked_at(run)
    counted = _count(run, units)
    data = {
        "run": run.name,
        "fingerprint": run.fingerprint,
        "complete": run.complete,
        "units": len(run.units),
        "units_looked_at": len(units),
        "totals": {
            name: run.totals.get(name)
            for name in ("rows_in", "rows_scored", "rows_rejected", "rows_abstained", "rows_truncated", "rows_deleted")
        },
        "tokens": run.totals.get("tokens"),
        "coverage": run.totals.get("coverage"),
        "rejected": dict(run.totals.get("rejected", {})),
        "left_out": dict(run.totals.get("left_out", {})),
        "ignored": dict(run.totals.get("ignored", {})),
        "training": None if training is None else dict(training),
        "promise": _promise(run, training),
        **counted,
    }
    return {**data, "drift": drift(data)}


def _promise(run: FinishedRun, training: Mapping[str, Any] | None) -> dict[str, float | bool | None] | None:
    """Return what the thresholds promise and expect, and what was kept; None where the run went without them."""
    options, promise = run.identity["options"], (training or {}).get("promise")
    names = ("rows_scored", "rows_abstained", "rows_below_threshold")
    if (
        not promise
        or not run.totals.keys() >= set(names)
        or options.get("threshold") is not None
        or options.get("no_threshold")
    ):
        return None
    scored, abstained, below = (int(run.totals[name]) for name in names)
    rows = rows_with_evidence(scored, abstained, below, multi_label=run.multi_label)
    kept, expected = (rows - below) / rows if rows else None, promise["kept"]
    return {
        **{name: promise[name] for name in ("precision", "confidence")},
        "expected": expected,
        "kept": kept,
        "unlike": kept is not None and is_unlike(kept, rows, expected, promise["rows"]),
    }


def is_unlike(kept: float, rows: int, expected: float, expected_of: int) -> bool:
    """Tell whether the share of rows that keep a label is far from the expected one, and that by no chance.

    Args:
        kept: the share of ``rows`` that keep one.
        rows: how many there are.
        expected: the share of ``expected_of`` rows that keep one.
        expected_of: on how many rows it was found.
    """
    share = (kept * rows + expected * expected_of) / (rows + expected_of)
    by_chance = 3 * math.sqrt(share * (1 - share) * (1 / rows + 1 / max(expected_of, 1)))
    return abs(kept - expected) > max(_FAR, by_chance)


_FAR = 0.05
"""Difference of the share that keeps a label from the expected one which is told, if it is no chance either."""


def _looked_at(run: FinishedRun) -> list[Unit]:
    left, chosen = MOST_ROWS, []
    for unit in sorted(run.units, key=lambda unit: unit.id):
        if left <= 0:
            break
        chosen.append(unit)
        left -= unit.rows
    return chosen


def _count(run: FinishedRun, units: Sequence[Unit]) -> dict[str, Any]:
    labels: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    scores, coverage = np.zeros(_SCORE_BINS, dtype=np.int64), np.zeros(_COVERAGE_BINS, dtype=np.int64)
    lengths = np.zeros(_LENGTHS, dtype=np.int64)
    rows = 0
    for batch in read_ahead(run.batches([*run.answer_columns, "token_count", "coverage"], units, coded=True)):
        given = Given.of(batch)
        labels.update(counts_of(given.labels))
        statuses.update(counts_of(batch.column("status")))
        scores += _histogram(given.scores_Y, _SCORE_BINS)
        coverage += _histogram(batch.column("coverage").to_numpy(zero_copy_only=False), _COVERAGE_BINS)
        tokens_N = batch.column("token_count").to_numpy()
        powers_N = np.frexp(np.maximum(tokens_N, 1) - 1)[1]  # the power of two that reaches so many: bits of one less
        lengths += np.bincount(np.minimum(powers_N, _LENGTHS - 1), minlength=_LENGTHS)
        rows += len(batch)
    last = int(np.flatnonzero(lengths)[-1]) + 1 if lengths.any() else 0
    return {
        "multi_label": run.multi_label,
        "rows_looked_at": rows,
        "labels": {label: labels[label] for label in run.labels},
        "statuses": dict(statuses),
        "scores": scores.tolist(),
        "coverages": coverage.tolist(),
        "lengths": lengths[:last].tolist(),
    }


def _histogram(values: Any, bins: int) -> Any:
    """Count shares, from 0 to 1."""
    return np.bincount(np.minimum((values * bins).astype(np.int64), bins - 1), minlength=bins)


# Drift


def drift(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hold a run against the training set: each distance that can be told, with its bound.

    Returns:
        What is compared, both numbers, the distance and the bound; ``drifted`` where it is beyond.
    """
    training = data["training"] or {}
    found = []
    if training.get("labels"):
        distance, chance = mix_distance(data["labels"], training["labels"])
        found.append(_distance("labels", "total variation distance", distance, MIX_BOUND + chance))
    if training.get("coverage") is not None and data["coverage"] is not None:
        distance = abs(data["coverage"] - training["coverage"])
        both = {"training": training["coverage"], "run": data["coverage"]}
        found.append(_distance("tokens with a vector", "difference of the shares", distance, COVERAGE_BOUND, **both))
    scored = data["totals"]["rows_scored"]
    if training.get("tokens_per_row") and data["tokens"] and scored:
        here = data["tokens"] / scored
        ratio = max(here / training["tokens_per_row"], training["tokens_per_row"] / here)
        both = {"training": training["tokens_per_row"], "run": here}
        found.append(_distance("tokens of a text", "ratio of the means", ratio, LENGTH_BOUND, **both))
    return found


def _distance(
    what: str, name: str, distance: float, bound: float, *, training: float | None = None, run: float | None = None
) -> dict[str, Any]:
    return {
        "what": what,
        "name": name,
        "distance": distance,
        "bound": bound,
        "training": training,
        "run": run,
        "drifted": distance > bound,
    }


def mix_distance(run: Mapping[str, int], training: Mapping[str, int]) -> tuple[float, float]:
    """Return the total variation distance of two mixes of labels, and about what chance alone gives.

    The distance is half the sum of the differences of the shares: 0 for equal mixes, 1 for mixes without a common one.
    Chance is the expected distance of two samples of one mix that are as large as these.
    """
    names = list({**run, **training})
    counts = [np.array([mix.get(name, 0) for name in names], dtype=np.float64) for mix in (run, training)]
    sizes = [count.sum() for count in counts]
    if not all(sizes):
        return 0.0, 0.0
    shares = [count / size for count, size in zip(counts, sizes, strict=True)]
    both = sum(counts) / sum(sizes)
    spread = np.sqrt(both * (1 - both) * sum(1 / size for size in sizes))
    return float(abs(shares[0] - shares[1]).sum() / 2), float(spread.sum() * math.sqrt(2 / math.pi) / 2)


# Examples


def examples(run: FinishedRun, corpus: Corpus) -> list[dict[str, Any]]:
    """Return a few rows of each of the commonest labels, with their texts: from few places, so that little is read.

    Raises:
        CorpusError: the store cannot be read any more.
    """
    kept: dict[str, list[tuple[RowPlace, float]]] = {}
    for unit in sorted(run.units, key=lambda unit: unit.id)[:_FEW_UNITS]:
        for batch in run.batches([SOURCE_FILE, SOURCE_ROW, *run.answer_columns], [unit]):
            _add_examples(Given.of(batch), kept)
            break  # the first rows of a unit, which are in few row groups
    texts = run.texts([place for of_label in kept.values() for place, _ in of_label], corpus)
    return [
        {"label": label, "source_file": place[0], "source_row": place[1], "score": score, "text": texts[place]}
        for label, of_label in kept.items()
        for place, score in of_label
    ]


def _add_examples(given: Given, kept: dict[str, list[tuple[RowPlace, float]]]) -> None:
    coded = given.labels.dictionary_encode()
    codes_Y = coded.indices.to_numpy()
    for code, label in enumerate(coded.dictionary.to_pylist()):
        if label not in kept and len(kept) >= _LABELS:
            continue
        of_label = kept.setdefault(label, [])
        chosen = pa.array(np.flatnonzero(codes_Y == code)[: _EXAMPLES - len(of_label)])
        places = zip(
            given.column(SOURCE_FILE).take(chosen).to_pylist(),
            given.column(SOURCE_ROW).take(chosen).to_pylist(),
            strict=True,
        )
        of_label += zip(places, given.scores_Y[chosen.to_numpy()].tolist(), strict=True)
