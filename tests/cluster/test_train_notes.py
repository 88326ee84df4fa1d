import pytest

from w2vray.cluster.train_notes import are_few, larger_steps
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.kinds import model_settings
from w2vray.training.example_files import ExampleCounts
from w2vray.training.settings import TrainSettings


def settings(**changes: object) -> TrainSettings:
    return TrainSettings(labelled=("rows.parquet",), vectors="vectors", output="model", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "validation", "few"), [(0, 0, False), (1, 0, False), (0, 1, False), (1, 1, True), (2, 0, True)]
)
def test_a_single_row_is_not_split_into_folds(train: int, validation: int, few: bool) -> None:
    """A fold of it would leave nothing to learn from; of two rows each can be left out."""
    counts = ExampleCounts(train=train, validation=validation)
    assert are_few(settings(), model_settings("cnn", {}), counts) is few


def test_folds_are_for_less_than_a_thousand_rows_that_nobody_has_divided() -> None:
    """And for models that learn in steps: another needs no rows to stop by."""
    cnn = model_settings("cnn", {})
    assert are_few(settings(), cnn, ExampleCounts(train=900, validation=99))
    assert not are_few(settings(), cnn, ExampleCounts(train=900, validation=100))
    assert not are_few(settings(validation=("other.parquet",)), cnn, ExampleCounts(train=900))
    assert not are_few(settings(validation_fraction=0.2), cnn, ExampleCounts(train=900))
    assert not are_few(settings(), model_settings("average", {}), ExampleCounts(train=900))


def test_a_person_is_told_of_larger_steps_that_nobody_asked_for() -> None:
    def told(asked: CnnSettings, examples: int) -> list[str]:
        return larger_steps(asked, asked.for_examples(examples), examples)

    assert told(CnnSettings(), 10_000) == []
    assert told(CnnSettings(batch_size=512), 100_000) == []
    (line,) = told(CnnSettings(), 100_000)
    assert line == (
        "each training step takes 128 of the 100,000 rows, with --learning-rate 0.002; --batch-size 32 makes "
        "more, smaller steps"
    )
    assert told(CnnSettings(learning_rate=0.003), 1_000_000) == [
        "each training step takes 1,024 of the 1,000,000 rows; --batch-size 32 makes more, smaller steps"
    ]
