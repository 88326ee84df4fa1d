"""A model's own thresholds: which rows keep a label, by every way of scoring, as plain Python says it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.models.directory import Bundle
from w2vray.models.thresholds import Thresholds
from w2vray.scoring.answers import Answer, Scores
from w2vray.scoring.device_scorer import DeviceScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.device import Device
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]

TEXTS = ["good film", "bad dull", "great the film", "unheard of", "dull", "the the good bad", ""]


def plain_status(
    probabilities: list[float], thresholds: tuple[float | None, ...] | None, threshold: float | None
) -> str:
    """Say what becomes of a row, in plain Python."""
    if not any(probabilities):
        return "no_evidence"
    best = max(range(len(probabilities)), key=lambda label: probabilities[label])
    if threshold is not None:
        needed: float | None = threshold
    elif thresholds is None:
        return "scored"
    else:
        needed = thresholds[best] if len(thresholds) > 1 else thresholds[0]
    return "below_threshold" if needed is None or probabilities[best] < float(np.float32(needed)) else "scored"


@pytest.mark.parametrize("kind", ["average", "cnn", "gru"])
@pytest.mark.parametrize("of_each", [False, True])
def test_every_way_of_scoring_keeps_the_same_labels(
    make_bundle: Make, vectors: Vectors, tmp_path: Path, kind: str, of_each: bool
) -> None:
    """The threshold lies between the probabilities of two texts, so that no last bit decides."""
    plain = TextScorer(make_bundle(tmp_path / "plain", vectors, kind), vectors, kernels=False).score(TEXTS)
    best = sorted(plain.probabilities_NC.max(axis=1)[plain.label_N >= 0].tolist())
    middle = (best[2] + best[3]) / 2
    values = (middle, None, middle) if of_each else (middle,)
    thresholds = Thresholds(values=values, precision=0.9, confidence=0.95, kept=0.8, rows=100)
    bundle = make_bundle(tmp_path / "model", vectors, kind, thresholds=thresholds)
    ways = [TextScorer(bundle, vectors), TextScorer(bundle, vectors, kernels=False)]
    ways.append(DeviceScorer(bundle, vectors, device=Device()))
    for scorer in ways:
        scores = scorer.score(TEXTS)
        rows = scores.probabilities_NC.tolist()
        expected = [plain_status(row, thresholds.values, None) for row in rows]
        assert scores.columns()["status"].to_pylist() == expected
        assert Answer().columns(scores)["status"].to_pylist() == expected
        assert Answer().below(scores) == expected.count("below_threshold")
        overridden = [plain_status(row, thresholds.values, 0.4) for row in rows]
        assert scores.columns(threshold=0.4)["status"].to_pylist() == overridden
        aside = [plain_status(row, None, None) for row in rows]
        assert scores.columns(no_threshold=True)["status"].to_pylist() == aside
        assert {"no_evidence", "below_threshold"} <= set(expected)
        assert scores.columns()["label"].to_pylist() == scores.columns(no_threshold=True)["label"].to_pylist()
    assert scorer.score([]).columns()["status"].to_pylist() == []


@given(
    rows=st.lists(st.lists(st.integers(0, 8), min_size=3, max_size=3), max_size=20),
    values=st.lists(st.one_of(st.none(), st.integers(0, 8)), min_size=3, max_size=3),
    threshold=st.one_of(st.none(), st.integers(0, 8)),
    aside=st.booleans(),
)
def test_of_many_labels_each_is_given_from_its_own_threshold_on(
    rows: list[list[int]], values: list[int | None], threshold: int | None, aside: bool
) -> None:
    """In eighths, so that a probability often is its threshold exactly."""
    probabilities_NC = np.array(rows, dtype=np.float32).reshape(-1, 3) / np.float32(8)
    counts_N = np.ones(len(rows), dtype=np.int32)
    none_N = np.zeros(len(rows), dtype=np.int32)
    limits = tuple(np.inf if value is None else value / 8 for value in values)
    scores = Scores(("a", "b", "c"), none_N, probabilities_NC, counts_N, counts_N, True, limits)
    limit = None if threshold is None else threshold / 8

    found = scores.columns(threshold=limit, no_threshold=aside)["labels"].to_pylist()

    for row, labels in zip(rows, found, strict=True):
        needed = [0.5] * 3 if aside else list(limits)
        needed = needed if limit is None else [limit] * 3
        assert sorted(labels) == [
            name for name, of_row, least in zip("abc", row, needed, strict=True) if of_row / 8 >= least
        ]
    asked = Answer(multi_label=True, threshold=limit, no_threshold=aside)
    assert asked.below(scores) == sum(not labels for labels in found)
