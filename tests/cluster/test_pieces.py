"""Vectors of pieces, from training to a scored store, equal to the library that they came from."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from tests.fixtures.static_models import imported, written
from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.score import score
from w2vray.cluster.train import train
from w2vray.errors import VectorsError
from w2vray.models.directory import Bundle
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings

TEXTS = {
    "praise": ["A really fine film, moving!", "finely acted; café film", "moved, moving, moving", "fine fox film"],
    "blame": ["dull and boring", "It isn't fine, it is dull: boring.", "Für Köln dull dull", "lazy boring dog 中文"],
}


def write_store(folder: Path) -> Path:
    folder.mkdir()
    rows = [(text, label) for label, texts in TEXTS.items() for text in texts] * 20
    texts, labels = zip(*rows, strict=True)
    numbered = [f"{text} {number % 7}" for number, text in enumerate(texts)]
    pq.write_table(pa.table({"text": numbered, "label": labels}), folder / "0.parquet", row_group_size=40)
    return folder


@pytest.mark.usefixtures("here_and_on_ray")
def test_a_model_of_means_is_logistic_regression_on_the_library_s_embeddings(tmp_path: Path) -> None:
    """Embeddings have length 1 there; in a run each row has what one process gives it."""
    library = written(tmp_path / "library", "bert", normalize=True)
    vectors = imported(tmp_path / "library", tmp_path / "vectors")
    store, model = write_store(tmp_path / "store"), str(tmp_path / "model")
    labelled = (str(store),)

    train(
        TrainSettings(
            labelled=labelled,
            vectors=str(vectors.path),
            output=model,
            model="average",
            with_vectors=True,
            calibrate=False,
        )
    )

    table = pq.read_table(store)
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    known = LogisticRegression(C=10.0, max_iter=5000, tol=1e-8).fit(library.encode(texts), labels)
    alone = TextScorer.load(model)
    assert alone.labels == tuple(known.classes_)
    found_NC = alone.score(texts).probabilities_NC
    np.testing.assert_allclose(found_NC, known.predict_proba(library.encode(texts)), atol=2e-4)
    assert Bundle.load(model).config.as_dict()["settings"]["unit_length"] is True

    assert evaluate(EvaluateSettings(labelled=labelled, model=(model,))).metrics.accuracy == 1
    summary = score(ScoreSettings(corpus=labelled, model=model, output=str(tmp_path / "run"), probabilities=True))
    assert (summary.rows_scored, summary.rows_abstained) == (160, 0)
    parts = [pq.read_table(part) for part in (tmp_path / "run" / "scores").glob("part-*.parquet")]
    run = pa.concat_tables(parts).sort_by([("source_row", "ascending")])
    np.testing.assert_allclose(np.stack(run["probabilities"].to_numpy()), found_NC, atol=1e-5)


@pytest.mark.usefixtures("training_in_process")
def test_weights_given_the_library_s_embeddings_decide_as_ours(tmp_path: Path) -> None:
    """The dense layer on the library's embedding gives the logits of the whole model, within 1e-5."""
    library = written(tmp_path / "library", "unigram", normalize=True)
    imported(tmp_path / "library", tmp_path / "vectors")
    store, model = write_store(tmp_path / "store"), str(tmp_path / "model")
    train(
        TrainSettings(
            labelled=(str(store),), vectors=str(tmp_path / "vectors"), output=model, model="average", calibrate=False
        )
    )
    texts = ["fine film", "\u2603 dull", "中文 café", "a b c d e f g"]
    weights = Bundle.load(model).weights
    logits_NC = library.encode(texts) @ weights["model.dense.weight"].T + weights["model.dense.bias"]
    expected_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)

    for kernels in (True, False):
        scorer = TextScorer(Bundle.load(model), Bundle.load(model).open_vectors(), kernels=kernels)
        np.testing.assert_allclose(scorer.score(texts).probabilities_NC, expected_NC, atol=1e-5)


@pytest.mark.parametrize("model", ["cnn", "gru"])
@pytest.mark.usefixtures("training_in_process")
def test_models_of_sequences_read_pieces(tmp_path: Path, model: str) -> None:
    """A piece is a token to them."""
    written(tmp_path / "library", "bert")
    imported(tmp_path / "library", tmp_path / "vectors")
    labelled = (str(write_store(tmp_path / "store")),)
    options = {"epochs": 3} | ({"filters": 8} if model == "cnn" else {"hidden": 8})

    train(
        TrainSettings(
            labelled=labelled,
            vectors=str(tmp_path / "vectors"),
            output=str(tmp_path / "model"),
            model=model,
            model_settings=options,
        )
    )

    scorer = TextScorer.load(tmp_path / "model")
    plain = TextScorer(Bundle.load(tmp_path / "model"), Bundle.load(tmp_path / "model").open_vectors(), kernels=False)
    texts = [text for texts in TEXTS.values() for text in texts]
    np.testing.assert_allclose(scorer.score(texts).probabilities_NC, plain.score(texts).probabilities_NC, atol=1e-5)
    assert scorer.score(["\u2603"]).token_counts_N.tolist() == [1]


def test_sub_words_are_refused(tmp_path: Path) -> None:
    """Pieces are no n-grams."""
    written(tmp_path / "library")
    vectors = imported(tmp_path / "library", tmp_path / "vectors")

    with pytest.raises(VectorsError, match="--oov subword makes vectors from n-grams"):
        vectors.for_oov("subword")
