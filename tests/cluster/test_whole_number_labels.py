"""Whole numbers that are stored as floats or decimals are the labels that the integers are."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import EvaluationSummary, evaluate
from w2vray.cluster.train import TrainSummary, train
from w2vray.errors import CorpusError
from w2vray.models.directory import Bundle
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

ROWS = 60
NUMBERS: list[int | None] = [None if row % 10 == 9 else row % 3 * 5 for row in range(ROWS)]
WITHOUT = NUMBERS.count(None)


@pytest.fixture
def texts(make_store: Callable[..., Path]) -> list[str]:
    found: list[str] = pq.read_table(make_store(files=1, rows=ROWS))["text"].to_pylist()
    return found


def write(file: Path, texts: Sequence[str], labels: pa.Array) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": texts, "label": labels}), file)


def run_train(store: Path, vectors: Vectors, output: Path, *validation: Path) -> TrainSummary:
    return train(
        TrainSettings(
            labelled=(str(store),),
            vectors=str(vectors.path),
            output=str(output),
            model="average",
            validation=tuple(map(str, validation)),
        )
    )


def run_evaluate(store: Path, model: Path) -> EvaluationSummary:
    return evaluate(EvaluateSettings(labelled=(str(store),), model=(str(model),)))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(pa.array([float("nan") if number is None else float(number) for number in NUMBERS]), id="pandas"),
        pytest.param(pa.array(NUMBERS, pa.float32()), id="float"),
        pytest.param(pa.array(NUMBERS, pa.int64()).cast(pa.decimal128(22, 2)), id="decimal"),
    ],
)
def test_numbers_of_another_type_train_and_evaluate_as_integers(
    labels: pa.Array, texts: list[str], word_vectors: Vectors, tmp_path: Path
) -> None:
    write(tmp_path / "integers.parquet", texts, pa.array(NUMBERS))
    write(tmp_path / "others.parquet", texts, labels)

    of_integers = run_train(tmp_path / "integers.parquet", word_vectors, tmp_path / "a", tmp_path / "others.parquet")
    of_others = run_train(tmp_path / "others.parquet", word_vectors, tmp_path / "b", tmp_path / "integers.parquet")

    assert of_integers.labels == of_others.labels == ("0", "5", "10")
    assert of_others.rows_without_label == of_integers.rows_without_label
    assert Bundle.load(tmp_path / "a").config.labels == Bundle.load(tmp_path / "b").config.labels
    found = [
        run_evaluate(tmp_path / f"{store}.parquet", tmp_path / model)
        for store in ("integers", "others")
        for model in ("a", "b")
    ]
    assert {(each.metrics.rows, each.rows_without_label, each.rows_unknown_label) for each in found} == {
        (ROWS - WITHOUT, WITHOUT, 0)
    }
    assert len({each.metrics.accuracy for each in found}) == 1


def test_integers_in_one_file_and_floats_in_another_are_the_same_labels(
    texts: list[str], word_vectors: Vectors, tmp_path: Path
) -> None:
    write(tmp_path / "store" / "a.parquet", texts[:30], pa.array(NUMBERS[:30], pa.int32()))
    write(tmp_path / "store" / "b.parquet", texts[30:], pa.array(NUMBERS[30:], pa.float64()))

    summary = run_train(tmp_path / "store", word_vectors, tmp_path / "model")

    assert (summary.labels, summary.rows_without_label) == (("0", "5", "10"), WITHOUT)


def test_lists_of_floats_are_lists_of_the_integers(texts: list[str], word_vectors: Vectors, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", texts, pa.array([[row % 3 * 1.0, 7.0] for row in range(ROWS)]))

    assert run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model").labels == ("0", "1", "2", "7")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param(pa.array([0.0, 1.5, 1.0]), "1.5", id="double"),
        pytest.param(pa.array(np.array([0, 2.5, 1], np.float16)), "2.5", id="half"),
        pytest.param(pa.array([Decimal("0.00"), Decimal("0.25"), Decimal("1.00")]), "0.25", id="decimal"),
        pytest.param(pa.array([[0.0], [1.0, 0.5], [1.0]]), "0.5", id="list"),
    ],
)
def test_a_fraction_is_refused_with_its_row_and_value(  # noqa: PLR0917 - fixtures
    wrong: pa.Array, told: str, texts: list[str], word_vectors: Vectors, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    write(tmp_path / "a.parquet", texts[:3], wrong)
    model = make_model(multi_label=pa.types.is_list(wrong.type))
    expected = f"row 1 of a.parquet, counted from 0: the label in column 'label' is {told}; labels that are numbers"

    with pytest.raises(CorpusError) as in_training:
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model")
    with pytest.raises(CorpusError) as in_evaluation:
        run_evaluate(tmp_path / "a.parquet", model)

    assert str(in_training.value).startswith(expected)
    assert str(in_evaluation.value) == str(in_training.value)
