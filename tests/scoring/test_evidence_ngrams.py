"""Why a text got its label, from a model that reads runs of words beside their vectors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.hostile_texts import hostile_texts
from w2vray.errors import BundleError
from w2vray.models.checking import model_weights
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import Bundle, save_bundle
from w2vray.models.evidence import direction_of
from w2vray.models.wide.named_runs import NAMED_RUNS, NamedRun
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


@pytest.fixture(scope="module")
def explained(make_bundle: Make, vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextScorer]:
    folder = tmp_path_factory.mktemp("explained")
    many = CnnSettings(widths=(3, 1, 6, 2), filters=21)
    kinds: dict[str, dict[str, Any]] = {
        "average": {"kind": "average", "temperatures": (0.5,)},
        "cnn": {"kind": "cnn"},
        "cnn of many filters": {"kind": "cnn", "settings": many},
        "average, any labels": {"kind": "average", "multi_label": True, "temperatures": (0.5, 1.0, 2.0)},
        "average, unknown": {"kind": "average", "oov": "unknown"},
    }
    return {
        name: TextScorer(with_runs(make_bundle(folder / f"{number}", vectors, **model)), vectors)
        for number, (name, model) in enumerate(kinds.items())
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


@pytest.mark.parametrize("name", ["average", "cnn", "cnn of many filters", "average, any labels", "average, unknown"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(some=st.lists(texts | hostile_texts | st.text(max_size=9), max_size=6), most=st.integers(1, 5))
def test_explained_in_one_go_a_text_has_the_answer_and_the_evidence_that_it_has_else(
    name: str, explained: dict[str, TextScorer], some: list[str], most: int
) -> None:
    """As the plain model finds it; weights may differ in their last bits, and the order with them."""
    scorer, array = explained[name], pa.array(some, pa.large_string())
    assert ExplainingScorer.usable(scorer)
    scores = scorer.score_array(array)

    at_once = ExplainingScorer(scorer, most=most, threshold=0).score_array(array)

    assert at_once.probabilities_NC.tobytes() == scores.probabilities_NC.tobytes()
    assert at_once.label_N.tolist() == scores.label_N.tolist()
    assert at_once.evidence is not None
    at_once.evidence.validate(full=True)
    every = evidence_of(scorer, array, scores, most=1000, threshold=0).to_pylist()
    for row, whole in zip(at_once.evidence.to_pylist(), every, strict=True):
        assert (row is None) == (whole is None)
        weights = {(piece["text"], piece["start"], piece["end"]): piece["weight"] for piece in whole or ()}
        for piece in row or ():
            place = piece["text"], piece["start"], piece["end"]
            assert piece["weight"] == pytest.approx(weights.get(place, 0), abs=1e-5, rel=1e-5)
        sizes = [abs(piece["weight"]) for piece in row or ()]
        expected = [abs(piece["weight"]) for piece in (whole or ())[:most]]
        assert sizes == sorted(sizes, reverse=True)
        assert [size for size in sizes if size > 1e-5] == pytest.approx(
            [size for size in expected if size > 1e-5], abs=1e-5, rel=1e-5
        )


def test_a_window_longer_than_runs_are_is_a_piece_beside_them(explained: dict[str, TextScorer]) -> None:
    """The window of three ids spans five words, two of which have no vector."""
    texts = pa.array(["good unheard bad unheard film"], pa.large_string())
    evidence = ExplainingScorer(explained["cnn of many filters"], most=50).score_array(texts).evidence
    assert evidence is not None
    (row,) = evidence.to_pylist()
    pieces = {piece["text"] for piece in row}
    assert {"good", "unheard"} < pieces
    assert "good unheard bad unheard film" in pieces


def test_explain_tells_what_both_parts_say_of_a_word(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    plain = make_bundle(tmp_path / "plain", vectors, kind="average")
    both = with_runs(plain)
    save_bundle(tmp_path / "both", both.config, both.weights)
    scorer = TextScorer(both, vectors)
    assert scorer.wide is not None
    explained = explain_model(ExplainSettings(model=str(tmp_path / "both"), label=("positive",), top=50))
    assert explained.of.endswith(
        "(n-grams of several words are not listed: the model keeps their hashes, not the words)"
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


def test_explain_lists_the_runs_that_the_model_has_the_words_of(
    make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    both = with_runs(make_bundle(tmp_path / "plain", vectors, kind="average"))
    buckets, rows_RC, idf_F = (both.weights[WIDE + name] for name in ("buckets_F", "rows_RC", "idf_F"))
    runs = [NamedRun(int(buckets[2]), ("not", "good"), 1.0), NamedRun(int(buckets[3]), ("of", "the"), 0.9)]
    save_bundle(tmp_path / "both", both.config, both.weights, runs=runs)

    found = explain_model(ExplainSettings(model=str(tmp_path / "both"), label=("positive",), top=50))

    assert found.words == 6
    assert found.of == (
        "all 6 words of the vectors, and 2 of the strongest n-grams of several words, each by what the n-gram itself "
        "adds (1 with a + share their bucket with other n-grams)"
    )
    (told,) = found.labels
    said = dict(told.words_for + told.words_against)
    direction_C = direction_of(2, np.ones(3), multi_label=False)
    for number, run in ((2, "not good"), (3, "of the +")):
        expected = 2.0 * direction_C @ rows_RC[number].astype(np.float64) / idf_F[number]
        assert said[run] == pytest.approx(expected, abs=1e-5)


def test_runs_of_a_copied_model_are_still_known_and_a_damaged_file_is_refused(
    make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    both = with_runs(make_bundle(tmp_path / "plain", vectors, kind="average"))
    runs = [NamedRun(7, ("caf\u00e9", "noir"), 0.75)]
    saved = save_bundle(tmp_path / "both", both.config, both.weights, runs=runs)
    assert saved.named_runs() == runs
    other = [f'{{"ngrams": [{{"bucket": {bucket}, "words": ["a", "b"], "share": 1}}]}}' for bucket in (-1, 1 << 30)]
    for damage in (
        *other,
        "{}",
        '{"ngrams": [{"bucket": 1, "words": [2], "share": 1}]}',
        '{"ngrams": [{"bucket": 1}]}',
        "[",
    ):
        (tmp_path / "both" / NAMED_RUNS).write_text(damage)
        with pytest.raises(BundleError, match=NAMED_RUNS):
            saved.named_runs()
