"""Why a text got its label, from a model that reads runs of words beside their vectors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.models.checking import model_weights
from w2vray.models.directory import Bundle, save_bundle
from w2vray.models.evidence import direction_of
from w2vray.models.wide.part import WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.scoring.evidence import evidence_of
from w2vray.scoring.explaining import ExplainingScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.scoring.spoken_words import explain_model
from w2vray.settings.explaining import ExplainSettings
from w2vray.text.word_ngrams import WordNgrams, hashes_of
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]
LABELS = ("negative", "neutral", "positive")
SETTINGS = WideSettings(longest=2, bits=16, main=0.5, wide=2.0)
RUNS = [["good"], ["unheard"], ["not", "good"], ["of", "the"], ["film"], ["the", "film"]]
texts = st.lists(st.sampled_from(["good", "bad", "film", "the", "unheard", "of", "not"]), min_size=1, max_size=9).map(
    " ".join
)


def with_runs(bundle: Bundle) -> Bundle:
    """The model with a wide part that knows some runs, the last two of which say nothing."""
    bucket_of = WordNgrams(2, 16)
    buckets = [[bucket for _, _, bucket in bucket_of.runs(hashes_of(run).tolist())][-1] for run in RUNS]
    chosen = np.random.default_rng(5)
    arrays: dict[str, Any] = {
        "buckets_F": np.array(buckets, dtype=np.int32),
        "idf_F": chosen.uniform(1, 3, len(RUNS)).astype(np.float32),
        "rows_RC": chosen.normal(size=(len(RUNS) - 2, 3)).astype(np.float16),
        "bias_C": chosen.normal(size=3).astype(np.float32),
    }
    weights = {**bundle.weights, **{WIDE + name: array for name, array in arrays.items()}}
    return Bundle(replace(bundle.config, wide=SETTINGS), weights)


@pytest.fixture(scope="module")
def scorers(make_bundle: Make, vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextScorer]:
    folder = tmp_path_factory.mktemp("evidence")
    return {
        kind: TextScorer(with_runs(make_bundle(folder / kind, vectors, kind=kind, temperatures=(0.5,))), vectors)
        for kind in ("average", "cnn", "gru")
    }


def found(scorer: TextScorer, text: str, method: str = "model", most: int = 1000) -> list[tuple[str, float]]:
    """The pieces of a text; their places are checked."""
    (row,) = evidence_of(scorer, pa.array([text], pa.large_string()), most=most, method=method).to_pylist()
    for piece in row or ():
        assert text[piece["start"] : piece["end"]] == piece["text"] != ""
    return [] if row is None else [(piece["text"], piece["weight"]) for piece in row]


@pytest.mark.parametrize("kind", ["average", "cnn"])
@settings(max_examples=30)
@given(text=texts)
def test_weights_of_words_and_runs_add_up(kind: str, text: str, scorers: dict[str, TextScorer]) -> None:
    """To the label's logit against the mean of the others, less what a text without words has of it."""
    scorer = scorers[kind]
    assert scorer.wide is not None
    config = scorer.bundle.config
    ids = scorer.lookup([text])
    logits_C = scorer.logits_of_ids(ids)[0].astype(np.float64)
    label = int(scorer.score([text]).label_N[0])
    direction_C = direction_of(label, np.full(3, 2.0), multi_label=False)
    start = scorer.wide.intercept(direction_C)
    if ids.vectors_N[0]:
        told = config.kind.told_evidence(config.settings, model_weights(scorer.bundle))
        assert told is not None
        start += SETTINGS.main * told.intercept(direction_C)
    if not ids.evidence_N[0]:
        assert found(scorer, text) == []
        return
    total = sum(weight for _, weight in found(scorer, text))
    np.testing.assert_allclose(total, direction_C @ logits_C - start, atol=2e-4)


def test_pieces_are_words_and_runs_as_written_and_one_word_is_one_piece(scorers: dict[str, TextScorer]) -> None:
    pieces = [text for text, _ in found(scorers["average"], "Unheard: NOT  good, of the film")]
    assert sorted(pieces) == sorted(["Unheard", "NOT  good", "good", "of the", "film", "the"])


def test_a_text_without_a_vector_is_explained_by_its_runs(scorers: dict[str, TextScorer]) -> None:
    for kind in ("average", "cnn"):
        assert [text for text, _ in found(scorers[kind], "unheard xyzzy")] == ["unheard"]


@pytest.mark.parametrize("kind", ["average", "cnn", "gru"])
def test_leaving_a_word_out_takes_its_runs_away_too(kind: str, scorers: dict[str, TextScorer]) -> None:
    scorer, text = scorers[kind], "not good unheard film"
    label = int(scorer.score([text]).label_N[0])
    direction_C = direction_of(label, np.full(3, 2.0), multi_label=False)
    pieces = dict(found(scorer, text, "occlusion"))
    words = text.split()
    for word in words:
        left = " ".join(other for other in words if other != word)
        both_NC = scorer.logits_of_ids(scorer.lookup([text, left])).astype(np.float64)
        expected = (both_NC[0] - both_NC[1]) @ direction_C
        np.testing.assert_allclose(pieces.get(word, 0.0), expected, atol=1e-4)


def test_not_by_the_way_that_explains_while_it_scores(scorers: dict[str, TextScorer]) -> None:
    assert not ExplainingScorer.usable(scorers["average"])


def test_explain_tells_what_both_parts_say_of_a_word(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    plain = make_bundle(tmp_path / "plain", vectors, kind="average")
    both = with_runs(plain)
    save_bundle(tmp_path / "both", both.config, both.weights)
    scorer = TextScorer(both, vectors)
    assert scorer.wide is not None
    explained = explain_model(ExplainSettings(model=str(tmp_path / "both"), label=("positive",), top=50))
    assert explained.of.endswith(
        "(runs of several words are not listed: of these the model keeps hashes, not the words)"
    )
    (told,) = explained.labels
    direction_C = direction_of(2, np.ones(3), multi_label=False)
    said = dict(told.words_for + told.words_against)
    evidence = plain.config.kind.told_evidence(plain.config.settings, model_weights(plain))
    assert evidence is not None
    for word in ("good", "bad", "film"):
        start = SETTINGS.main * evidence.intercept(direction_C) + scorer.wide.intercept(direction_C)
        logits_C = scorer.logits_of_ids(scorer.lookup([word]))[0].astype(np.float64)
        np.testing.assert_allclose(said[word], direction_C @ logits_C - start, atol=2e-3)
