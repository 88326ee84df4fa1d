"""``train --ngrams``: what it stores, and that every way of scoring answers alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2vray
from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.train import TrainSummary, train
from w2vray.errors import BundleError, ConfigError
from w2vray.models.directory import Bundle
from w2vray.models.wide.part import WIDE
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

ROWS = 240
QUICK: dict[str, dict[str, Any]] = {
    "average": {},
    "cnn": {"epochs": 2, "filters": 4},
    "gru": {"epochs": 2, "hidden": 4},
}


def text_of(row: int) -> str:
    """A text whose class shows in the order of two words alone; neither of them has a vector."""
    first, second = ("blick", "dorf") if row % 2 else ("dorf", "blick")
    return f"film the {first} {second} good" if row % 3 else f"{first} {second}"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    table = pa.table(
        {"text": list(map(text_of, range(ROWS))), "label": ["odd" if row % 2 else "even" for row in range(ROWS)]}
    )
    pq.write_table(table, tmp_path / "labelled.parquet")
    return tmp_path / "labelled.parquet"


@pytest.fixture
def trained(labelled: Path, word_vectors: Vectors, tmp_path: Path) -> Callable[..., TrainSummary]:
    def run(model: str, name: str = "model", **given: Any) -> TrainSummary:
        options = QUICK[model] | given.pop("model_settings", {})
        where: dict[str, Any] = {
            "labelled": (str(labelled),),
            "vectors": str(word_vectors.path),
            "output": str(tmp_path / name),
        }
        return train(TrainSettings(**where, model=model, model_settings=options, **given))

    return run


@pytest.mark.parametrize("model", ["average", "cnn", "gru"])
def test_word_pairs_tell_what_vectors_cannot(trained: Callable[..., TrainSummary], labelled: Path, model: str) -> None:
    summary = trained(model, ngrams=2)
    assert summary.rows + summary.rows_validation == ROWS  # those without a vector too
    assert summary.rows_without_evidence == 0
    assert summary.ngrams is not None
    assert (summary.ngrams.longest, summary.ngrams.wide > 1) == (2, True)
    assert summary.ngrams.kept == summary.ngrams.buckets == 12
    found = evaluate(EvaluateSettings(labelled=(str(labelled),), model=(summary.model,)))
    assert (found.metrics.accuracy, found.metrics.rows) == (1.0, ROWS)

    stored = json.loads(Path(summary.model, "config.json").read_text())
    assert stored["format_version"] == 5
    assert stored["ngrams"] == {"longest": 2, "buckets": 1 << 20, "weights": [summary.ngrams.main, summary.ngrams.wide]}
    assert "N-grams of words**: up to 2, in 1,048,576 buckets" in Path(summary.model, "README.md").read_text()


def test_kernels_and_plain_python_answer_alike_and_an_unknown_text_has_no_label(
    trained: Callable[..., TrainSummary],
) -> None:
    bundle = Bundle.load(trained("cnn", ngrams=3).model)
    texts = [*map(text_of, range(4)), "", "unseen", "unseen dorf", "film"]
    fast, plain = (TextScorer(bundle, bundle.open_vectors(), kernels=kernels).score(texts) for kernels in (True, False))
    np.testing.assert_allclose(fast.probabilities_NC, plain.probabilities_NC, atol=1e-5)
    assert fast.label_N.tolist() == plain.label_N.tolist()
    labels = fast.columns()["label"].to_pylist()
    assert labels[:6] == ["even", "odd", "even", "odd", None, None]
    assert None not in labels[6:]


def test_a_second_fit_has_the_weights_of_the_first_and_learns_from_all_rows(
    trained: Callable[..., TrainSummary],
) -> None:
    once = trained("cnn", "once", ngrams=2, validation_fraction=0.2)
    twice = trained("cnn", "twice", ngrams=2, validation_fraction=0.2, model_settings={"refit": True})
    assert once.ngrams is not None
    assert twice.ngrams is not None
    assert (once.ngrams.main, once.ngrams.wide) == (twice.ngrams.main, twice.ngrams.wide)
    first, second = (Bundle.load(summary.model).weights[f"{WIDE}rows_RC"] for summary in (once, twice))
    assert first.shape == second.shape
    assert (first != second).any()


def test_several_labels_a_text(word_vectors: Vectors, tmp_path: Path) -> None:
    labels = [["odd"] * (row % 2) + ["third"] * (row % 3 == 0) for row in range(ROWS)]
    texts = [text_of(row) for row in range(ROWS)]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "many.parquet")
    where: dict[str, Any] = {
        "labelled": (str(tmp_path / "many.parquet"),),
        "vectors": str(word_vectors.path),
        "output": str(tmp_path / "m"),
    }
    summary = train(TrainSettings(**where, model="average", ngrams=2, target_precision=0.9))
    scores = TextScorer.load(summary.model).score(texts[:6])
    assert (scores.probabilities_NC > 0.5).tolist() == [["odd" in own, "third" in own] for own in labels[:6]]
    assert summary.thresholds is not None


def test_a_share_of_the_buckets_is_left_out(trained: Callable[..., TrainSummary]) -> None:
    summary = trained("average", ngrams=2, prune=0.5, buckets=1024)
    assert summary.ngrams is not None
    assert (summary.ngrams.kept, summary.ngrams.buckets) == (6, 12)
    assert len(Bundle.load(summary.model).weights[f"{WIDE}buckets_F"]) == 6
    assert TextScorer.load(summary.model).score([text_of(1), text_of(2)]).columns()["label"].to_pylist() == [
        "odd",
        "even",
    ]


def test_rows_too_few_to_weigh_both_parts_are_told(word_vectors: Vectors, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["good film", "bad film"], "label": ["a", "b"]}), tmp_path / "two.parquet")
    where: dict[str, Any] = {"vectors": str(word_vectors.path), "output": str(tmp_path / "m")}
    told: list[str] = []
    settings = TrainSettings(labelled=(str(tmp_path / "two.parquet"),), model="average", ngrams=2, **where)
    summary = train(settings, note=told.append)
    assert summary.ngrams is not None
    assert (summary.ngrams.main, summary.ngrams.wide) == (0.5, 0.5)
    assert any("too few to find out what the n-grams are worth" in line for line in told)


def test_ngrams_that_gain_nothing_have_no_weight_and_that_is_told(word_vectors: Vectors, tmp_path: Path) -> None:
    """Labels by chance: no row says anything of another."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(["film", "the", "good", "blick", "dorf"], 6)) for _ in range(60)]
    table = pa.table({"text": texts, "label": draw.choice(["a", "b"], 60).tolist()})
    pq.write_table(table, tmp_path / "chance.parquet")
    where: dict[str, Any] = {"vectors": str(word_vectors.path), "output": str(tmp_path / "m")}
    told: list[str] = []
    settings = TrainSettings(labelled=(str(tmp_path / "chance.parquet"),), model="average", ngrams=2, **where)
    summary = train(settings, note=told.append)
    assert summary.ngrams is not None
    assert summary.ngrams.wide == 0.0 < summary.ngrams.main
    assert any(line.startswith("the rows do not show that n-grams gain anything") for line in told)


def test_arrays_that_do_not_fit_are_named_before_any_text_is_read(trained: Callable[..., TrainSummary]) -> None:
    bundle = Bundle.load(trained("average", ngrams=2).model)
    fewer = {name: array for name, array in bundle.weights.items() if name != f"{WIDE}bias_C"}
    with pytest.raises(BundleError, match=r"do not fit the model .*there is no wide\.bias_C"):
        TextScorer(Bundle(bundle.config, fewer), bundle.open_vectors())


def test_what_has_no_use_without_ngrams_is_refused(trained: Callable[..., TrainSummary]) -> None:
    with pytest.raises(ConfigError, match="give --ngrams, or leave them out"):
        trained("average", buckets=1024)
    with pytest.raises(ConfigError, match="--ngrams is 4; allowed: 1, 2 or 3"):
        trained("average", ngrams=4)
    with pytest.raises(ConfigError, match="--buckets is 1000; allowed: a power of two"):
        trained("average", ngrams=2, buckets=1000)


def test_the_command_and_python_train_the_same_model(
    labelled: Path, word_vectors: Vectors, tmp_path: Path, trained: Callable[..., TrainSummary]
) -> None:
    assert word_vectors.path is not None
    ours = w2vray.train(labelled, vectors=word_vectors.path, output=tmp_path / "python", model="average", ngrams=2)
    theirs = trained("average", ngrams=2)
    assert Bundle.load(ours.model).fingerprint == Bundle.load(theirs.model).fingerprint


def test_explain_lists_word_pairs_that_were_learnt(word_vectors: Vectors, tmp_path: Path) -> None:
    one, other, *others = word_vectors.vocabulary
    texts = [
        f"{others[row // 2 % len(others)]} {f'{one} {other}' if row % 2 else f'{other} {one}'}" for row in range(ROWS)
    ]
    labels = ["odd" if row % 2 else "even" for row in range(ROWS)]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "pairs.parquet")
    where: dict[str, Any] = {"vectors": str(word_vectors.path), "output": str(tmp_path / "m")}
    train(TrainSettings(labelled=(str(tmp_path / "pairs.parquet"),), model="average", ngrams=2, **where))

    found = w2vray.explain(tmp_path / "m", label="odd", top=500)

    told = found.labels[0]
    assert dict(told.words_for)[f"{one} {other}"] > 1
    assert dict(told.words_against)[f"{other} {one}"] < -1
