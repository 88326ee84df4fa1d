"""How many tokens have a vector: counted by train, evaluate and score, and told where they are few."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.score import score
from w2vray.cluster.train import train
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.text.rules import family
from w2vray.training.settings import TrainSettings
from w2vray.vectors import VectorsWriter
from w2vray.vectors.readers import Block

WORDS = ["the", "The", ",", ".", "!", "good", "film", "awful", "plot"]
TEXTS = ["The film, the good plot.", "The awful plot, film!", "good, the good", "the awful, plot."]
BETTER = "Read as cased, 100.0% of the tokens of a sample have one: import the vectors anew with"

pytestmark = pytest.mark.usefixtures("training_in_process")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Some texts, two of a kind; and one that cannot be read."""
    folder = tmp_path / "store"
    folder.mkdir()
    table = pa.table({"text": [*TEXTS, None], "label": ["pos", "neg", "pos", "neg", "pos"]})
    pq.write_table(table, folder / "a.parquet")
    return folder


def trained(folder: Path, store: Path, name: str, notes: list[str]) -> Path:
    """Train on vectors that are read as a family."""
    with VectorsWriter(folder / name) as writer:
        numbers = np.random.default_rng(1).standard_normal((len(WORDS), 4), dtype=np.float32)
        writer.append(Block(WORDS, numbers), origin="made up")
        writer.finish(family(name), {})
    settings = TrainSettings(
        labelled=(str(store),), vectors=str(folder / name), output=str(folder / f"{name}-model"), model="average"
    )
    told: list[str] = []
    summary = train(settings, note=told.append)
    notes += [line for line in told if "of the tokens" in line]
    assert summary.warnings == notes
    config = json.loads((folder / f"{name}-model" / "config.json").read_text())["training"]
    for stated in (summary.as_dict(), config):
        expected = (22, 22, 1.0) if name == "cased" else (15, 8, 8 / 15)
        assert (stated["tokens"], stated["tokens_found"], stated["coverage"]) == expected
    return folder / f"{name}-model"


def test_few_tokens_with_a_vector_are_told_by_each_verb_with_the_family_that_finds_more(
    store: Path, tmp_path: Path
) -> None:
    """White space leaves marks at the words of vectors whose marks are words."""
    notes: list[str] = []
    model = trained(tmp_path, store, "fasttext", notes)
    assert len(notes) == 1
    assert notes[0].startswith("only 53.3% of the tokens have a vector; the texts are read as fasttext. " + BETTER)

    noted: list[str] = []
    settings = EvaluateSettings(labelled=(str(store),), model=(str(model),), output=str(tmp_path / "measured"))
    measured = evaluate(settings, note=noted.append)
    stored = json.loads((tmp_path / "measured" / "metrics.json").read_text())
    assert stored == json.loads(json.dumps(measured.as_dict()))
    assert (stored["tokens"], stored["tokens_found"], stored["coverage"]) == (15, 8, 8 / 15)
    assert stored["warnings"][1:] == [line for line in noted if "of the tokens" in line] == notes
    assert "saw the text of 4 of these 5 rows (80%)" in stored["warnings"][0]

    run = tmp_path / "run"
    asked = ScoreSettings(corpus=(str(store),), model=str(model), output=str(run))
    for _ in range(2):  # the second time everything is there already
        scored = score(asked)
        assert (scored.tokens, scored.tokens_found, scored.coverage, scored.rows_rejected) == (15, 8, 8 / 15, 1)
        assert scored.warnings == notes
    totals = json.loads((run / "manifest.json").read_text())
    assert (totals["tokens"], totals["tokens_found"], totals["coverage"]) == (15, 8, 8 / 15)
    assert verify(VerifySettings(run=str(run))).ok
    totals["tokens_found"] += 1
    (run / "manifest.json").write_text(json.dumps(totals))
    assert verify(VerifySettings(run=str(run))).problems == ["manifest.json: tokens_found is 9, the parts have 8"]


def test_nothing_is_told_where_the_family_fits(store: Path, tmp_path: Path) -> None:
    """The counts are there all the same."""
    notes: list[str] = []
    model = trained(tmp_path, store, "cased", notes)
    assert notes == []
    measured = evaluate(EvaluateSettings(labelled=(str(store),), model=(str(model),)))
    assert (measured.tokens, measured.coverage, len(measured.warnings)) == (22, 1.0, 1)
    assert "saw the text of 4 of these 5 rows" in measured.warnings[0]
    scored = score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(tmp_path / "run")))
    assert (scored.tokens, scored.coverage, scored.warnings) == (22, 1.0, [])
