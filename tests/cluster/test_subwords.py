"""Words that are in no table, from training to a scored store: what is learnt is learnt from their n-grams."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.score import score
from w2vray.cluster.train import train
from w2vray.errors import VectorsError
from w2vray.models.directory import Bundle
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.text.rules import family
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import Block

STEMS = {"metal": "iron", "fruit": "plum"}


def write_store(folder: Path) -> Path:
    """Texts of one word that nobody has seen, which begins as its topic's words do, among words that say nothing."""
    source = random.Random(5)
    folder.mkdir()
    for file in range(2):
        labels = [source.choice(list(STEMS)) for _ in range(150)]
        texts = [f"the {STEMS[label]}{source.randrange(1000)} the" for label in labels]
        pq.write_table(pa.table({"text": texts, "label": labels}), folder / f"{file}.parquet", row_group_size=40)
    return folder


def write_vectors(output: Path, *, ngrams: bool) -> Vectors:
    numbers = np.random.default_rng(1)
    made = NGrams(numbers.normal(size=(500, 32)).astype(np.float32), 3, 5) if ngrams else None
    with VectorsWriter(output) as writer:
        writer.append(Block(["the"], numbers.normal(size=(1, 32)).astype(np.float32)), origin="a test")
        return writer.finish(family("plain"), {}, made)


@pytest.mark.usefixtures("here_and_on_ray")
def test_unseen_words_are_learnt_and_scored_by_their_ngrams(tmp_path: Path) -> None:
    """In training, evaluation and a run, where each row has what one process gives it."""
    store, vectors = write_store(tmp_path / "store"), write_vectors(tmp_path / "vectors", ngrams=True)
    model = str(tmp_path / "model")
    labelled = (str(store),)
    train(TrainSettings(labelled=labelled, vectors=str(vectors.path), output=model, model="average", oov="subword"))
    assert evaluate(EvaluateSettings(labelled=labelled, model=(model,))).metrics.accuracy > 0.95
    summary = score(ScoreSettings(corpus=labelled, model=model, output=str(tmp_path / "run"), probabilities=True))
    assert (summary.rows_scored, summary.rows_abstained) == (300, 0)
    parts = [pq.read_table(part) for part in (tmp_path / "run" / "scores").glob("part-*.parquet")]
    found = pa.concat_tables(parts).sort_by([("source_file", "ascending"), ("source_row", "ascending")])
    alone = TextScorer.load(model).score(pq.read_table(store)["text"].to_pylist())
    np.testing.assert_allclose(np.stack(found["probabilities"].to_numpy()), alone.probabilities_NC, atol=1e-5)
    assert found["label"].to_pylist() == alone.columns()["label"].to_pylist()
    assert set(found["coverage"].to_pylist()) == {np.float32(2 / 3)}
    assert Bundle.load(model).config.oov == "subword"


def test_vectors_without_ngrams_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    """With what to do."""
    vectors = write_vectors(tmp_path / "vectors", ngrams=False)
    settings = TrainSettings(
        labelled=(str(tmp_path),), vectors=str(vectors.path), output=str(tmp_path / "model"), oov="subword"
    )
    with pytest.raises(VectorsError, match=r"--oov subword makes vectors from n-grams, and .*/vectors has none"):
        train(settings)
    assert [path.name for path in tmp_path.iterdir()] == ["vectors"]
