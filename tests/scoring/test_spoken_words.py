"""Which words speak for a label: by hand, of words that are known, in order."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import w2vray
from w2vray import cli
from w2vray.errors import ConfigError
from w2vray.models import kinds
from w2vray.models.directory import OVERLAY, REPLACED, Bundle
from w2vray.scoring import spoken_words
from w2vray.scoring.evidence import evidence_of
from w2vray.scoring.scorer import TextScorer
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]


@pytest.fixture
def model(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> Path:
    """The logit of ``no`` is the second number of a mean, that of ``yes`` the first, that of ``so`` none."""
    weights = {
        "model.dense.weight": np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.float32),
        "model.dense.bias": np.array([5, -5, 0], dtype=np.float32),
        OVERLAY: np.empty((0, 3), dtype=np.float32),
    }
    make_bundle(tmp_path / "model", vectors, weights=weights, labels=("no", "yes", "so"))
    return tmp_path / "model"


def test_words_of_each_label_by_hand(model: Path) -> None:
    """Against the mean of the others: of ``great`` (2, 0, 1), ``yes`` has 2, and the others 0."""
    found = w2vray.explain(model, top=2)

    assert (found.kind, found.words, found.of) == ("average", 6, "all 6 words of the vectors")
    no, yes, so = found.labels
    assert (yes.label, yes.words_for) == ("yes", [("great", 2.0), ("good", 1.0)])
    assert yes.words_against == [("bad", -0.5)]  # the others say nothing: their weight is zero
    assert (no.label, no.words_for) == ("no", [("bad", 1.0)])
    assert no.words_against == [("great", -1.0), ("dull", -0.75)]
    assert so.words_against == [("great", -1.0), ("bad", -0.5)]


def test_the_first_words_are_looked_at_where_there_are_many(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_words, "MOST_WORDS", 2)
    monkeypatch.setattr(spoken_words, "_AT_ONCE", 1)

    found = w2vray.explain(model, label="yes")

    assert found.of == "the first 2 words of the vectors"
    assert found.labels[0].words_for == [("good", 1.0)]


def test_words_that_were_tuned_are_looked_at_as_they_are_now(
    make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    weights = {
        "model.dense.weight": np.array([[0, 0, 0], [1, 0, 0]], dtype=np.float32),
        "model.dense.bias": np.zeros(2, dtype=np.float32),
        OVERLAY: np.array([[9, 9, 9], [7, 0, 0], [-2, 0, 0]], dtype=np.float32),  # the special row comes first
        REPLACED: np.array([1, 3], dtype=np.int64),
    }
    options = {"oov": "unknown", "tuned_vectors": True, "labels": ("no", "yes")}
    make_bundle(
        tmp_path / "tuned", vectors, weights=weights, settings=kinds.settings_class("average", tuned=True)(), **options
    )

    found = w2vray.explain(tmp_path / "tuned", label="yes")

    assert found.of == "the 2 words that were tuned in training"
    assert (found.labels[0].words_for, found.labels[0].words_against) == ([("bad", 7.0)], [("dull", -2.0)])


@pytest.mark.parametrize("changes", [{}, {"multi_label": True, "temperatures": (0.5, 1.0, 2.0)}])
@pytest.mark.parametrize("kind", ["average", "cnn"])
def test_a_word_weighs_what_a_text_of_it_alone_does(
    kind: str, changes: dict[str, object], make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "model", vectors, kind, **changes)
    scorer = TextScorer(bundle, vectors)
    words = ["good", "bad", "film", "dull", "great", "the"]
    labels = scorer.score(words).label_N
    evidence = evidence_of(scorer, pa.array(words, pa.large_string()), most=9, threshold=0).to_pylist()

    found = w2vray.explain(tmp_path / "model")

    for word, label, pieces in zip(words, labels.tolist(), evidence, strict=True):
        told = dict(found.labels[label].words_for) | dict(found.labels[label].words_against)
        assert told[word] == pytest.approx(sum(piece["weight"] for piece in pieces), abs=1e-5)


def test_what_cannot_be_told_is_refused_by_name(
    model: Path, make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "gru", vectors, "gru")

    with pytest.raises(ConfigError, match=r"the model gru does not tell .*--explain-method occlusion"):
        w2vray.explain(tmp_path / "gru")
    with pytest.raises(ConfigError, match="--label is 'maybe'; the model's labels are 'no', 'yes', 'so'"):
        w2vray.explain(model, label=["yes", "maybe"])
    with pytest.raises(ConfigError, match="--top is 0"):
        w2vray.explain(model, top=0)


def test_the_command_tells_it_to_people_and_to_programs(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", str(model), "--label", "yes"]) == 0
    told = capsys.readouterr().out
    assert "label yes" in told
    assert "great" in told
    assert "all 6 words of the vectors" in told

    assert cli.run(["explain", str(model), "--label", "yes", "--top", "1", "--json"]) == 0
    (label,) = json.loads(capsys.readouterr().out)["labels"]
    assert label == {"label": "yes", "words_for": [["great", 2.0]], "words_against": [["bad", -0.5]]}
