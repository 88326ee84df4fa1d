"""HTML is left out by a token rule of the model, so that every verb does as the training did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.repeating import repeated
from w2vray.cluster.train import train
from w2vray.models.directory import Bundle
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")


def marked(text: str) -> str:
    """The same text as a page would have it; read as it stands, it has other words."""
    first, *others = text.split(" ")
    return f"<div class='good bad'>{first[:1]}<b>{first[1:]}</b><br/>{'&#32;'.join(others)}</div><!-- film -->"


def test_a_model_of_pages_reads_pages_as_texts(
    make_store: Callable[..., Path], word_vectors: Vectors, tmp_path: Path
) -> None:
    """Weights, metrics and scores are those of the texts without HTML."""
    table = pq.read_table(make_store(files=1, rows=60))
    texts = table["text"].to_pylist()
    pages = table.set_column(table.schema.get_field_index("text"), "text", pa.array(map(marked, texts), pa.string()))
    for name, one in (("texts", table), ("pages", pages)):
        (tmp_path / name).mkdir()
        pq.write_table(one, tmp_path / name / "part.parquet")

    def trained(store: str, output: str, *, strip_html: bool) -> Bundle:
        settings = TrainSettings(
            labelled=(str(tmp_path / store),),
            vectors=str(word_vectors.path),
            output=str(tmp_path / output),
            model="average",
            strip_html=strip_html,
        )
        train(settings)
        return Bundle.load(tmp_path / output)

    plain, stripping = trained("texts", "plain", strip_html=False), trained("pages", "stripping", strip_html=True)
    assert stripping.config.rules.strip_html
    assert not plain.config.rules.strip_html
    assert all(np.array_equal(plain.weights[name], stripping.weights[name]) for name in plain.weights)

    metrics = [
        evaluate(EvaluateSettings(labelled=(str(tmp_path / store),), model=(str(tmp_path / model),))).metrics.as_dict()
        for store, model in (("texts", "plain"), ("pages", "stripping"), ("texts", "stripping"))
    ]
    assert metrics[1] == metrics[0]
    assert metrics[2] == metrics[0]
    scored = [
        TextScorer.load(tmp_path / model).score(some).columns()["score"].to_pylist()
        for model, some in (("plain", texts), ("stripping", list(map(marked, texts))))
    ]
    assert scored[0] == scored[1]
    settings, _ = repeated(tmp_path / "stripping", {"output": str(tmp_path / "again")})
    assert settings.strip_html
