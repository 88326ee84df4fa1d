"""Why a text got its label: weights that add up to what the model computed, of pieces as they were written."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.hostile_texts import hostile_texts
from tests.models.own_model import MEAN_MAX, MeanMaxModel, MeanMaxSettings
from w2vray.cli.predicting import predict_lines
from w2vray.errors import ConfigError
from w2vray.kernels import projecting
from w2vray.models import kinds
from w2vray.models.average.settings import AverageSettings
from w2vray.models.cnn.network import CnnModel
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.models.evidence import direction_of
from w2vray.scoring.answers import Answer, Scores
from w2vray.scoring.device_scorer import DeviceScorer
from w2vray.scoring.evidence import evidence_of, require_evidence
from w2vray.scoring.explaining import ExplainingScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import PredictSettings
from w2vray.settings.device import Device
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]
ALL = 1000
KNOWN = ("good", "bad", "film", "dull", "great", "the")
LABELS = ("negative", "neutral", "positive")
MODELS: dict[str, dict[str, Any]] = {
    "average": {"kind": "average"},
    "average of length 1": {"kind": "average", "settings": AverageSettings(unit_length=True)},
    "average, calibrated": {"kind": "average", "temperatures": (0.5,)},
    "average, two labels": {"kind": "average", "labels": ("no", "yes")},
    "average, any labels": {"kind": "average", "multi_label": True, "temperatures": (0.5, 1.0, 2.0)},
    "average, one row for unknown words": {"kind": "average", "oov": "unknown"},
    "cnn": {"kind": "cnn"},
    "cnn of many filters": {
        "kind": "cnn",
        "settings": CnnSettings(widths=(3, 1, 6, 2), filters=21),
        "temperatures": (40.0,),
    },
    "cnn, any labels": {"kind": "cnn", "multi_label": True},
    "cnn, calibrated, zeros for unknown words": {"kind": "cnn", "oov": "zero", "temperatures": (2.0,)},
}
texts = st.lists(st.sampled_from([*KNOWN, "unheard", "of"]), min_size=1, max_size=9).map(" ".join)


@pytest.fixture(scope="module")
def scorers(make_bundle: Make, vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextScorer]:
    folder = tmp_path_factory.mktemp("evidence")
    return {
        name: TextScorer(make_bundle(folder / f"{number}", vectors, **model), vectors)
        for number, (name, model) in enumerate(MODELS.items())
    }


def array(some: list[str]) -> pa.LargeStringArray:
    return pa.array(some, pa.large_string())


def found(scorer: TextScorer, some: list[str], **options: Any) -> list[Any]:
    """Each text's pieces and their weights; their places are checked."""
    column = evidence_of(scorer, array(some), **options)
    column.validate(full=True)
    rows = column.to_pylist()
    for text, row in zip(some, rows, strict=True):
        for piece in row or ():
            assert text[piece["start"] : piece["end"]] == piece["text"] != ""
    return [None if row is None else [(piece["text"], piece["weight"]) for piece in row] for row in rows]


def of_answers(scores: Scores, text: int, label: int) -> float:
    """The logit of a label, of its probability: against the mean of the others, or alone where each counts alone."""
    probabilities = scores.probabilities_NC[text].astype(np.float64)
    if scores.multi_label:
        return math.log(probabilities[label] / (1 - probabilities[label]))
    logs = np.log(probabilities)
    return float(logs[label] - (logs.sum() - logs[label]) / (len(logs) - 1))


def intercept(scorer: TextScorer, label: int) -> float:
    config = scorer.bundle.config
    scales_C = np.broadcast_to(1 / np.array(config.temperatures or (1.0,)), len(scorer.labels))
    direction_C = direction_of(label, scales_C, multi_label=scorer.multi_label)
    return float(direction_C @ scorer.bundle.weights["model.dense.bias"].astype(np.float64))


@pytest.mark.parametrize("name", MODELS)
@given(text=texts)
def test_weights_add_up_to_what_the_answer_says(name: str, scorers: dict[str, TextScorer], text: str) -> None:
    """With the intercept, to the logit of the probability that is given, calibrated or not."""
    scorer = scorers[name]
    scores = scorer.score([text])

    (pieces,) = found(scorer, [text], most=ALL, threshold=0)

    if pieces is None:
        assert not (set(text.split()) & set(KNOWN))
        return
    label = int(scores.label_N[0])
    total = sum(weight for _, weight in pieces)
    assert total == pytest.approx(of_answers(scores, 0, label) - intercept(scorer, label), abs=1e-4, rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25)
@given(some=st.lists(texts, max_size=4), most=st.integers(1, 4))
def test_the_heaviest_pieces_are_told(name: str, scorers: dict[str, TextScorer], some: list[str], most: int) -> None:
    """In the order of their weight, for or against; and the same ones of each text alone."""
    scorer = scorers[name]

    everything, rows = found(scorer, some, most=ALL, threshold=0), found(scorer, some, most=most, threshold=0)

    for text, row, whole in zip(some, rows, everything, strict=True):
        assert [row] == found(scorer, [text], most=most, threshold=0)
        if row is not None and whole is not None:
            sizes = [abs(weight) for _, weight in whole]
            assert sizes == sorted(sizes, reverse=True)
            assert row == whole[:most]


@pytest.fixture
def tiny(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> TextScorer:
    """Two classes: the logit of ``yes`` is the first number of a mean less the second, that of ``no`` minus it."""
    weights = {
        "model.dense.weight": np.array([[-1, 1, 0], [1, -1, 0]], dtype=np.float32),
        "model.dense.bias": np.array([-0.1, 0.1], dtype=np.float32),
        OVERLAY: np.empty((0, 3), dtype=np.float32),
    }
    return TextScorer(make_bundle(tmp_path / "tiny", vectors, weights=weights, labels=("no", "yes")), vectors)


def test_words_of_an_average_by_hand(tiny: TextScorer) -> None:
    """``good`` moves the difference of the two logits by 2 in a text of it alone, ``bad`` by -2, ``dull`` by 2."""
    rows = found(tiny, ["Good, good BAD unheard film!", "the bad film", "unheard", ""])

    assert rows == [
        [("Good", 0.5), ("good", 0.5), ("BAD", -0.5)],
        [("bad", pytest.approx(2 / 3))],  # the others are neither for nor against
        None,
        None,
    ]


def test_a_piece_is_told_as_it_was_written(tiny: TextScorer) -> None:
    rows = found(tiny, ["Not a Go\u00adod \ufb01lm \U0001f600 BAD"], most=2)

    assert rows == [[("Go\u00adod", 1.0), ("BAD", -1.0)]]


def test_windows_of_a_cnn_by_hand(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """Two filters of two words and one of a single word; what two filters chose is one piece, with what both add."""
    good, bad, great = [1, 0, 0], [0, 1, 0], [2, 0, 1]
    two = np.array([[bad, good], [bad, good], [good, bad]], dtype=np.float32).transpose(0, 2, 1)
    weights = {
        "model.convolutions.0.weight": two[:2],
        "model.convolutions.0.bias": np.array([0, -0.5], dtype=np.float32),
        "model.convolutions.1.weight": np.array([[great], [great]], dtype=np.float32).transpose(0, 2, 1),
        "model.convolutions.1.bias": np.array([0, -100], dtype=np.float32),
        "model.dense.weight": np.array([[0, 0, 0, 0], [1, 2, 0.5, 7]], dtype=np.float32),
        "model.dense.bias": np.array([0, 0], dtype=np.float32),
        OVERLAY: np.empty((0, 3), dtype=np.float32),
    }
    settings = CnnSettings(widths=(2, 1), filters=2)
    bundle = make_bundle(tmp_path / "cnn", vectors, "cnn", weights=weights, labels=("no", "yes"), settings=settings)

    rows = found(TextScorer(bundle, vectors), ["The film: BAD, unheard Good!", "great"])

    # "BAD good" is 1 + 1 to both filters of two words: 2 + 2 (2 - 0.5); "good" is 2 to the filter of one: 0.5 * 2
    # "great", beyond whose end there are zeros, is 2 to these: 2 + 2 (2 - 0.5); and 5 to the last one: 0.5 * 5
    assert rows == [[("BAD, unheard Good", 5.0), ("Good", 1.0)], [("great", 7.5)]]


def test_a_trained_cnn_names_the_phrase_that_was_planted(
    write_vectors: Callable[..., Vectors], make_bundle: Make, tmp_path: Path
) -> None:
    """The texts of one class have the phrase ``not good`` somewhere; all other words are there by chance."""
    chosen = np.random.default_rng(0)
    words = ["not", "good", *"abcdefgh"]
    vectors = write_vectors(tmp_path / "vectors", words=words, table_VD=chosen.standard_normal((10, 12)))
    labels = [number % 2 for number in range(200)]
    texts = []
    for label in labels:
        words_T = chosen.integers(2, 10, 7)
        at = chosen.integers(0, 6)
        if label:
            words_T[at : at + 2] = [0, 1]
        texts.append(words_T)
    model = CnnSettings(widths=(2,), filters=4, dropout=0.0, input_dropout=0.0)
    weights = trained(model, np.asarray(vectors.table_VD)[np.array(texts)], labels)
    scorer = TextScorer(
        make_bundle(tmp_path / "cnn", vectors, "cnn", weights=weights, labels=("no", "yes"), settings=model), vectors
    )

    some = ["A b, c d NOT good e f.", "not Good: a b c d e f", "h g f e d c not, good!"]
    assert scorer.score(some).label_N.tolist() == [1, 1, 1]
    heaviest = [row[0] for row in found(scorer, some, most=1) if row]
    assert [text for text, _ in heaviest] == ["NOT good", "not Good", "not, good"]
    assert all(weight > 0 for _, weight in heaviest)


def trained(model: CnnSettings, vectors_BTD: Any, labels: list[int]) -> dict[str, Any]:
    """The weights of a network of two classes that has learnt these texts."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CnnModel(vectors_BTD.shape[2], 2, model)
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.05, weight_decay=0.3)
        for _ in range(100):
            optimizer.zero_grad()
            logits_BC = network(torch.from_numpy(vectors_BTD), torch.full((len(labels),), vectors_BTD.shape[1]))
            torch.nn.functional.cross_entropy(logits_BC, torch.tensor(labels)).backward()
            optimizer.step()
    weights = {f"model.{name}": value.numpy() for name, value in network.state_dict().items()}
    return {**weights, OVERLAY: np.empty((0, vectors_BTD.shape[2]), dtype=np.float32)}


@pytest.mark.parametrize("name", ["average", "cnn", "average, any labels"])
def test_every_way_to_score_gives_the_same_evidence(name: str, scorers: dict[str, TextScorer]) -> None:
    compiled = scorers[name]
    some = ["good film", "the bad, great Film of the dull", "unheard", "dull dull good great"]
    expected = evidence_of(compiled, array(some), threshold=0).to_pylist()

    for other in (
        TextScorer(compiled.bundle, compiled._vectors, kernels=False),
        DeviceScorer(compiled.bundle, compiled._vectors, device=Device()),
    ):
        rows = evidence_of(other, array(some), threshold=0).to_pylist()
        for row, same in zip(rows, expected, strict=True):
            assert (row is None) == (same is None)
            for ours, theirs in zip(row or (), same or (), strict=True):
                assert {**ours, "weight": pytest.approx(ours["weight"], abs=1e-5)} == theirs


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=40)
@given(some=st.lists(texts | hostile_texts, max_size=6), most=st.integers(1, 5), threshold=st.sampled_from([0, None]))
def test_explained_in_one_go_every_text_has_the_answer_and_the_evidence_that_it_has_else(
    name: str, scorers: dict[str, TextScorer], some: list[str], most: int, threshold: float | None
) -> None:
    """As the plain model of the kernels finds it; weights may differ in their last bits, and the order with them."""
    scorer = scorers[name]
    scores = scorer.score(some)
    assert ExplainingScorer.usable(scorer)

    explained = ExplainingScorer(scorer, most=most, threshold=threshold).score_array(array(some))

    assert explained.probabilities_NC.tobytes() == scores.probabilities_NC.tobytes()
    assert explained.label_N.tolist() == scores.label_N.tolist()
    assert explained.evidence is not None
    explained.evidence.validate(full=True)
    every = evidence_of(scorer, array(some), scores, most=ALL, threshold=threshold).to_pylist()
    for row, whole in zip(explained.evidence.to_pylist(), every, strict=True):
        assert (row is None) == (whole is None)
        if row is not None and whole is not None:
            weights = {(piece["text"], piece["start"], piece["end"]): piece["weight"] for piece in whole}
            for piece in row:
                place = piece["text"], piece["start"], piece["end"]
                assert piece["weight"] == pytest.approx(weights.get(place, 0), abs=1e-5, rel=1e-5)
            sizes = [abs(piece["weight"]) for piece in row]
            assert sizes == sorted(sizes, reverse=True)
            expected = [abs(piece["weight"]) for piece in whole[:most]]
            assert [size for size in sizes if size > 1e-5] == pytest.approx(
                [size for size in expected if size > 1e-5], abs=1e-5, rel=1e-5
            )


@pytest.mark.parametrize("name", ["average", "cnn", "cnn of many filters"])
def test_long_texts_among_short_ones_have_the_evidence_that_they_have_else(
    name: str, scorers: dict[str, TextScorer]
) -> None:
    """Of more words than there are places for windows: those that are chosen are numbered."""
    scorer, source = scorers[name], random.Random(0)
    some = [" ".join(source.choices(KNOWN, k=words)) for words in (3, 5000, 1, 4096, 4097)]

    explained = ExplainingScorer(scorer, most=3, threshold=0).score_array(array(some))

    assert explained.evidence is not None
    every = evidence_of(scorer, array(some), most=3, threshold=0).to_pylist()
    for row, plain in zip(explained.evidence.to_pylist(), every, strict=True):
        assert [piece["weight"] for piece in row] == pytest.approx([piece["weight"] for piece in plain], abs=1e-5)
        assert row[0]["text"] == plain[0]["text"]


@pytest.mark.parametrize("name", ["average", "average of length 1", "cnn"])
@given(some=st.lists(texts, max_size=6))
def test_words_that_gave_their_places_to_others_weigh_the_same(
    name: str, scorers: dict[str, TextScorer], some: list[str]
) -> None:
    """Where the projected rows of a block's words do not fit in the room that there is."""
    roomy = scorers[name]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(projecting, "LEAST_PLACES", 5)
        crowded = TextScorer(roomy.bundle, roomy._vectors, projection_cache=0)
        explained = ExplainingScorer(crowded, most=3, threshold=0).score_array(array(some))

    assert explained.evidence == ExplainingScorer(roomy, most=3, threshold=0).score_array(array(some)).evidence


class TestSeveralLabels:
    """Models that give any number of labels."""

    def test_the_most_probable_label_is_explained_where_it_is_given(self, scorers: dict[str, TextScorer]) -> None:
        """From a threshold on; a text that got no label has no evidence."""
        scorer = scorers["average, any labels"]
        scores = scorer.score(["good film"])
        best = float(scores.probabilities_NC.max())

        assert found(scorer, ["good film"], threshold=best * 0.99)[0] is not None
        assert found(scorer, ["good film"], threshold=min(1.0, best * 1.01)) == [None]


def test_the_most_probable_of_the_labels_that_are_given_is_explained(tiny: TextScorer) -> None:
    """Thresholds of a label each may leave out the most probable one; a text with none of them has no evidence."""
    probabilities_NC = np.array([[0.9, 0.5], [0.9, 0.1], [0.2, 0.8], [0, 0]], dtype=np.float32)
    label_N, counts_N = np.array([0, 0, 1, -1], dtype=np.int32), np.ones(4, dtype=np.int32)

    scores = Scores(tiny.labels, label_N, probabilities_NC, counts_N, counts_N, True, (0.95, 0.4))

    assert scores.explained_N().tolist() == [1, -1, 1, -1]
    assert scores.explained_N(0.5).tolist() == [0, 0, 1, -1]
    assert scores.explained_N(no_threshold=True).tolist() == [0, 0, 1, -1]


def test_a_model_of_features_is_refused_whatever_the_method(tiny: TextScorer) -> None:
    """It reads no words that could be left out."""
    rules = replace(tiny.bundle.config.rules, features=True)
    bundle = replace(tiny.bundle, config=replace(tiny.bundle.config, rules=rules))

    for method in ("model", "occlusion"):
        with pytest.raises(ConfigError, match="cannot be told: it reads n-grams that overlap"):
            require_evidence(bundle, method)


class TestLeavingWordsOut:
    """The method ``occlusion``."""

    def test_a_word_weighs_what_the_logits_lose_without_it(self, tiny: TextScorer) -> None:
        """Of good good bad: the difference of the logits is 2 (1 + 1 - 1) / 3; without a good 0; without bad 2."""
        (row,) = found(tiny, ["good Good, bad"], method="occlusion")

        assert row == [
            ("bad", pytest.approx(2 / 3 - 2, abs=1e-6)),
            ("good", pytest.approx(2 / 3, abs=1e-6)),
            ("Good", pytest.approx(2 / 3, abs=1e-6)),
        ]

    def test_a_text_of_one_word_is_held_against_no_word(self, tiny: TextScorer) -> None:
        assert found(tiny, ["good"], method="occlusion") == [[("good", pytest.approx(2, abs=1e-6))]]

    @pytest.mark.parametrize("kind", ["lstm", "gru", "cnn"])
    def test_it_does_so_for_every_model(self, kind: str, make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
        scorer = TextScorer(make_bundle(tmp_path / kind, vectors, kind), vectors)
        text = "the good, bad film"
        scores = scorer.score([text, "good bad film", "the bad film", "the good film", "the good bad"])
        label = int(scores.label_N[0])

        (row,) = found(scorer, [text], most=ALL, method="occlusion")

        of_text = [of_answers(scores, number, label) for number in range(5)]
        expected = dict(zip(("the", "good", "bad", "film"), of_text[0] - np.array(of_text[1:]), strict=True))
        assert dict(row or ()) == pytest.approx(expected, abs=1e-4)

    def test_a_long_text_is_explained_in_parts(self, tiny: TextScorer, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = found(tiny, ["good bad film great the"], most=ALL, method="occlusion")
        monkeypatch.setattr("w2vray.scoring.evidence._IDS_AT_ONCE", 7)

        assert found(tiny, ["good bad film great the"], most=ALL, method="occlusion") == whole

    @pytest.mark.parametrize("kind", ["lstm", "gru"])
    def test_a_model_that_does_not_tell_is_refused_by_name(
        self, kind: str, make_bundle: Make, vectors: Vectors, tmp_path: Path
    ) -> None:
        scorer = TextScorer(make_bundle(tmp_path / kind, vectors, kind), vectors)

        with pytest.raises(ConfigError, match=f"the model {kind} does not tell .*--explain-method occlusion"):
            evidence_of(scorer, array(["good"]))

    def test_a_model_of_ones_own_too(
        self, make_bundle: Make, vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kinds, "_registered", {"mean-max": MEAN_MAX})
        settings = MeanMaxSettings(units=4)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MeanMaxModel(vectors.dim, len(LABELS), settings)
        weights = {f"model.{name}": value.numpy() for name, value in network.state_dict().items()}
        weights[OVERLAY] = np.empty((0, vectors.dim), dtype=np.float32)
        bundle = make_bundle(tmp_path / "own", vectors, "mean-max", settings=settings, weights=weights)
        scorer = TextScorer(bundle, vectors)

        with pytest.raises(ConfigError, match="the model mean-max does not tell"):
            evidence_of(scorer, array(["good"]))
        (row,) = found(scorer, ["good bad"], most=ALL, method="occlusion")
        assert {text for text, _ in row} <= {"good", "bad"}
        assert row


def test_some_texts_are_explained_where_some_are_chosen(tiny: TextScorer) -> None:
    rows = found(tiny, ["good", "bad", "good bad"], chosen_N=np.array([False, True, False]))

    assert rows == [None, [("bad", 2.0)], None]


def test_the_column_is_one_of_the_answer(tiny: TextScorer) -> None:
    scores = tiny.score(["good", "unheard"])
    scores = replace(scores, evidence=evidence_of(tiny, array(["good", "unheard"]), scores))

    column = Answer(evidence=3).columns(scores)["evidence"]
    assert column.to_pylist() == [[{"text": "good", "start": 0, "end": 4, "weight": 2.0}], None]
    assert Answer(evidence=3).schema().field("evidence").type == column.type
    assert scores.columns()["evidence"] == column
    assert "evidence" not in Answer().schema().names


class TestPredict:
    """``w2vray predict --explain``."""

    def test_it_tells_the_pieces_under_each_text(self, tiny: TextScorer) -> None:
        asked = PredictSettings(model=str(tiny.bundle.path), explain=1)

        (answers,) = predict_lines(asked, [[b"Good, bad good", b"\xff", b"unheard"]])

        assert answers[0]["evidence"] == [{"text": "Good", "start": 0, "end": 4, "weight": pytest.approx(2 / 3)}]
        assert "evidence" not in answers[1]
        assert answers[2]["evidence"] is None

    def test_a_method_needs_a_number(self) -> None:
        with pytest.raises(ConfigError, match="--explain-method is used only with --explain"):
            PredictSettings(model="m", explain_method="occlusion")
        with pytest.raises(ConfigError, match="--explain is 0; allowed: a whole number above 0"):
            PredictSettings(model="m", explain=0)
