"""Answers of multi-label models: each label by itself, any number of them to a text."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from w2vray.errors import BundleError
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.scoring.answers import Answer
from w2vray.scoring.scorer import TextScorer
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]


def sigmoid(x: float) -> float:
    """The odds of x as a probability."""
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def scorer(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> TextScorer:
    """Three labels, each with a word that speaks for it by 2, against a bias of -1."""
    weights = {
        "model.dense.weight": (2 * np.eye(3)).astype(np.float32),
        "model.dense.bias": np.full(3, -1, dtype=np.float32),
        OVERLAY: np.empty((0, 3), dtype=np.float32),
    }
    labels = ("good", "bad", "film")
    make_bundle(tmp_path / "model", vectors, weights=weights, labels=labels, multi_label=True)
    return TextScorer.load(tmp_path / "model")


def test_labels_of_at_least_even_odds_are_given_most_probable_first(scorer: TextScorer) -> None:
    """The golden case: means over the words, by hand."""
    columns = scorer.score(["bad", "good film film good bad bad bad", "the", "unheard", "film good"]).columns()

    # the second text: 2/7 good, 3/7 bad, 2/7 film; the last: 1/2 and 1/2, logits 0
    assert columns["labels"].to_pylist() == [["bad"], [], [], None, ["good", "film"]]
    scores = columns["scores"].to_pylist()
    assert scores[0] == pytest.approx([sigmoid(1)])
    assert scores[1:] == [[], [], None, [0.5, 0.5]]
    assert columns["status"].to_pylist() == ["scored", "scored", "scored", "no_evidence", "scored"]


def test_a_threshold_says_which_labels_are_given(scorer: TextScorer) -> None:
    """It marks no row, and gives nothing to a text without evidence."""
    scores = scorer.score(["bad", "unheard"])

    low, high = scores.columns(threshold=0.0), scores.columns(threshold=0.9)

    assert low["labels"].to_pylist() == [["bad", "good", "film"], None]
    assert low["scores"].to_pylist()[0] == pytest.approx([sigmoid(1), sigmoid(-1), sigmoid(-1)])
    assert high["labels"].to_pylist() == [[], None]
    assert high["status"].to_pylist() == ["scored", "no_evidence"]


def test_probabilities_are_each_labels_own_and_the_columns_fit_the_schema(scorer: TextScorer) -> None:
    """They need not sum to one."""
    scores = scorer.score(["bad", "unheard"])

    for options in ({"probabilities": True}, {"top_k": 2}, {}):
        schema = Answer(multi_label=True, **options).schema()
        columns = scores.columns(**options)
        assert set(columns) == set(schema.names) - {"source_file", "source_row"}
        for name, column in columns.items():
            assert column.type == schema.field(name).type
            column.validate(full=True)
    found = scores.columns(probabilities=True)["probabilities"].to_pylist()
    assert found[0] == pytest.approx([sigmoid(-1), sigmoid(1), sigmoid(-1)])
    assert found[1] is None


def test_no_texts_have_columns_of_lists(scorer: TextScorer) -> None:
    """A unit may have no rows."""
    assert scorer.score([]).columns()["labels"].type == pa.list_(pa.string())


def test_a_single_label_is_enough(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """It applies or it does not; one label out of one says nothing."""
    make_bundle(tmp_path / "one", vectors, labels=("spam",), multi_label=True)
    assert TextScorer.load(tmp_path / "one").labels == ("spam",)
    with pytest.raises(BundleError, match="expected a list of at least 2 strings"):
        make_bundle(tmp_path / "other", vectors, labels=("spam",))


def test_what_the_model_directory_says_of_it_is_checked(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """It changes every answer."""
    bundle = make_bundle(tmp_path / "model", vectors, multi_label=True)
    single = make_bundle(tmp_path / "single", vectors)
    assert Bundle.load(tmp_path / "model").config.multi_label
    assert bundle.fingerprint != single.fingerprint
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "multi_label": "yes"}))
    with pytest.raises(BundleError, match="multi_label is 'yes'; expected true or false"):
        Bundle.load(tmp_path / "model")
