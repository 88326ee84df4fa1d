"""The pure parts of ``jobs/accuracy.py``: how a set is cut, and what the table says."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import CorpusError


def _load_job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accuracy", Path(__file__).parents[1] / "jobs" / "accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


job = _load_job()


def write_set(path: Path, splits: Sequence[str]) -> Path:
    """Write a set whose texts are all different."""
    columns = {
        "id": [f"row {row}" for row in range(len(splits))],
        "split": list(splits),
        "label": [("yes", "no")[row % 2] for row in range(len(splits))],
        "text": [f"text {row}" for row in range(len(splits))],
    }
    pq.write_table(pa.table(columns), path)
    return path


def result(**changes: Any) -> Any:
    """A row of the table, with changes."""
    row: dict[str, Any] = {
        "set": "mr",
        "model": "cnn",
        "accuracies": (0.75, 0.5, 0.625),
        "seconds": (3.0, 2.0, 4.0),
        "plain": None,
    }
    return job.Result(**{**row, **changes})


@given(
    st.one_of(
        st.integers(2, 40).map(lambda rows: ["all"] * rows),
        st.lists(st.sampled_from(["train", "dev", "test"])).map(lambda more: ["train", "test", *more]),
    )
)
def test_each_row_is_in_exactly_one_part(splits: list[str]) -> None:
    """Parts are disjoint and complete, with a split and without."""
    parts = job.split_rows(splits)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(splits)))


def test_every_tenth_row_is_the_test_where_there_is_no_split() -> None:
    """Counted from the first row."""
    parts = job.split_rows(["all"] * 25)
    assert set(parts) == {"train", "test"}
    assert parts["test"].tolist() == [0, 10, 20]


def test_a_split_that_is_given_is_used() -> None:
    """A dev part is kept for validation."""
    parts = job.split_rows(["test", "train", "dev", "train", "test"])
    assert {name: rows.tolist() for name, rows in parts.items()} == {"train": [1, 3], "dev": [2], "test": [0, 4]}


@pytest.mark.parametrize("splits", [[], ["train"], ["all"], ["all", "test"], ["train", "test", "validation"]])
def test_a_split_that_cannot_be_used_is_refused_by_what_it_holds(splits: list[str]) -> None:
    """No part may be empty, unknown or a mixture of both kinds."""
    with pytest.raises(CorpusError, match="expected train, test and maybe dev, or only all"):
        job.split_rows(splits)


def test_parts_are_files_that_together_hold_the_rows_of_the_set(tmp_path: Path) -> None:
    """In the set's order, and without the column that told the parts."""
    source = write_set(tmp_path / "small.parquet", ["train", "test", "train", "dev", "test"])
    parts = job.write_parts(source, tmp_path)
    texts = {name: pq.read_table(getattr(parts, name))["text"].to_pylist() for name in ("train", "validation", "test")}
    assert texts == {"train": ["text 0", "text 2"], "validation": ["text 3"], "test": ["text 1", "text 4"]}
    assert pq.read_table(parts.train).to_pylist()[1] == {"label": "yes", "text": "text 2"}


def test_a_set_without_dev_has_no_validation_file(tmp_path: Path) -> None:
    """Training then keeps rows of its own."""
    assert job.write_parts(write_set(tmp_path / "small.parquet", ["all"] * 11), tmp_path).validation is None


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message has the file's name."""
    with pytest.raises(CorpusError, match=r"absent\.parquet cannot be read"):
        job.write_parts(tmp_path / "absent.parquet", tmp_path)


def test_a_row_gives_mean_and_spread_of_the_seeds_in_percent() -> None:
    """The golden case: spread is the best seed less the worst."""
    row = result()
    assert row.mean == pytest.approx(62.5)
    assert row.spread == pytest.approx(25.0)
    assert row.cells() == ["mr", "cnn", "62.5", "25.0", "-"]


def test_one_seed_has_no_spread() -> None:
    """Best and worst are the same."""
    assert result(accuracies=(0.7,)).spread == 0


def test_the_plain_counterpart_stands_beside_its_model() -> None:
    """In percent, as the model's own accuracy."""
    row = result(model="average", plain=0.7164)
    assert row.cells()[-1] == "71.6"
    assert row.as_dict()["plain_percent"] == pytest.approx(71.64)


def test_json_holds_each_seed() -> None:
    """Each seed's accuracy and seconds, not the mean alone."""
    stated = result().as_dict()
    assert stated["accuracies"] == [0.75, 0.5, 0.625]
    assert stated["train_seconds"] == [3.0, 2.0, 4.0]
    assert stated["plain_percent"] is None


@pytest.mark.parametrize(("option", "value"), [("--seeds", "0"), ("--output", ".")])
def test_an_option_that_cannot_be_used_ends_with_2_and_is_named(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read or written."""
    assert job.main(["--data", str(tmp_path), option, value]) == 2
    assert f"accuracy: {option} is " in capsys.readouterr().err
