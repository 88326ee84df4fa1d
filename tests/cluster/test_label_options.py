"""Labels as people have them: mended, split, or standing for none, alike in training and evaluation."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import EvaluationSummary, evaluate
from w2vray.cluster.repeating import repeated
from w2vray.cluster.train import TrainSummary, train
from w2vray.errors import ConfigError, CorpusError
from w2vray.models.directory import Bundle
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

ROWS = 60
SPACED = [["pos", "pos ", "neg", "p\u200bos", "unknown"][row % 5] for row in range(ROWS)]
NUMBERS = [row % 3 - 1 for row in range(ROWS)]


@pytest.fixture
def texts(make_store: Callable[..., Path]) -> list[str]:
    found: list[str] = pq.read_table(make_store(files=1, rows=ROWS))["text"].to_pylist()
    return found


def write(file: Path, texts: Sequence[str], labels: Sequence[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": texts, "label": labels}), file)
    return file


def run_train(store: Path, vectors: Vectors, output: Path, told: list[str] | None = None, **given: Any) -> TrainSummary:
    settings = TrainSettings(
        labelled=(str(store),), vectors=str(vectors.path), output=str(output), model="average", **given
    )
    return train(settings, note=(told if told is not None else []).append)


def run_evaluate(store: Path, model: Path, told: list[str], **given: Any) -> EvaluationSummary:
    return evaluate(EvaluateSettings(labelled=(str(store),), model=(str(model),), **given), note=told.append)


def test_labels_are_counted_mended_and_left_out(texts: list[str], word_vectors: Vectors, tmp_path: Path) -> None:
    """Nearly equal ones are said without the option, and one label with it; the model directory tells the counts."""
    store, told = write(tmp_path / "spaced.parquet", texts, SPACED), list[str]()
    plain = run_train(store, word_vectors, tmp_path / "plain", told)
    assert plain.label_counts == {"neg": 12, "p\u200bos": 12, "pos": 12, "pos ": 12, "unknown": 12}
    assert told[0] == "5 labels: 'neg' 12, 'pos' 12, 'pos ' 12, 'p\\u200bos' 12, 'unknown' 12"
    assert told[1] == plain.label_findings[0]
    assert told[1].startswith("these labels differ by spaces, invisible characters or Unicode form alone:")

    options: dict[str, Any] = {"label_strip": True, "unlabelled": ("unknown", "unkown")}
    mended = run_train(store, word_vectors, tmp_path / "mended", **options)
    assert (mended.labels, mended.label_counts) == (("neg", "pos"), {"neg": 12, "pos": 36})
    assert (mended.rows_unlabelled, mended.rows_without_label) == ({"unknown": 12}, 0)
    assert mended.label_findings == ["--unlabelled 'unkown': no row of LABELLED has this label"]
    stored = json.loads((tmp_path / "mended" / "config.json").read_text())["training"]
    assert (stored["labels"], stored["unlabelled"]) == ({"neg": 12, "pos": 36}, {"unknown": 12})
    settings, origin = repeated(tmp_path / "mended", {"output": str(tmp_path / "again")})
    assert (settings.label_strip, settings.unlabelled) == (True, ("unknown", "unkown"))
    again = train(settings, origin=origin)
    assert again.label_counts == mended.label_counts

    said: list[str] = []
    of_plain = run_evaluate(store, tmp_path / "mended", said, label_strip=False, unlabelled=("",))
    assert (of_plain.metrics.rows, of_plain.rows_unknown_label, of_plain.rows_without_label) == (60, 36, 0)
    assert of_plain.labels_unknown == {"pos ": 12, "p\u200bos": 12, "unknown": 12}
    assert "the model has no label 'pos ' (12 rows), but 'pos'; --label-strip makes them one" in said
    remembered = run_evaluate(store, tmp_path / "mended", [])
    found = run_evaluate(store, tmp_path / "mended", said, **options)
    assert remembered.as_dict() == found.as_dict()
    assert (found.metrics.rows, found.rows_unknown_label, found.rows_unlabelled) == (48, 0, {"unknown": 12})
    assert "--unlabelled 'unkown': no row has this label" in said


def test_whole_numbers_stand_for_no_label_too(texts: list[str], word_vectors: Vectors, tmp_path: Path) -> None:
    """-1 beside none below 0 is said to be likely that; for validation it is left out as well."""
    store = write(tmp_path / "numbers.parquet", texts, NUMBERS)
    plain = run_train(store, word_vectors, tmp_path / "plain")
    assert plain.labels == ("-1", "0", "1")
    assert "--unlabelled -1 leaves such rows out" in plain.label_findings[0]

    other = write(tmp_path / "other.parquet", texts, [float(number) for number in NUMBERS])
    found = run_train(store, word_vectors, tmp_path / "model", unlabelled=("-1",), validation=(str(other),))
    assert (found.labels, found.rows, found.rows_validation) == (("0", "1"), 40, 40)
    assert (found.rows_unlabelled, found.labels_unknown) == ({"-1": 40}, {})


@pytest.mark.parametrize(("separator", "text"), [(",", "pos, film"), ("|", "pos|film"), (" and ", "pos and film")])
def test_a_separator_makes_a_multi_label_model(
    separator: str, text: str, texts: list[str], word_vectors: Vectors, tmp_path: Path
) -> None:
    """The same model as of lists; evaluation reads strings by the same option."""
    strings = [text if row % 2 else "neg" for row in range(ROWS)]
    lists = [["pos", "film"] if row % 2 else ["neg"] for row in range(ROWS)]
    store = write(tmp_path / "strings.parquet", texts, strings)
    run_train(store, word_vectors, tmp_path / "model", label_separator=separator)
    of_lists = write(tmp_path / "lists" / "strings.parquet", texts, lists)
    run_train(of_lists, word_vectors, tmp_path / "of_lists")
    one, other = Bundle.load(tmp_path / "model"), Bundle.load(tmp_path / "of_lists")
    assert (one.config.multi_label, one.config.labels) == (True, ("film", "neg", "pos"))
    assert one.fingerprint == other.fingerprint

    found = run_evaluate(store, tmp_path / "model", [], label_separator=separator)
    remembered = run_evaluate(store, tmp_path / "model", [])
    assert found.as_dict() == remembered.as_dict()
    assert found.metrics.as_dict() == run_evaluate(of_lists, tmp_path / "model", []).metrics.as_dict()
    with pytest.raises(CorpusError, match="--label-separator reads several labels from a string"):
        run_evaluate(store, tmp_path / "model", [], label_separator="")
    with pytest.raises(ConfigError, match="holds lists of labels already; leave it out"):
        run_evaluate(of_lists, tmp_path / "model", [], label_separator=separator)
