"""``jobs/accuracy.py``: how a set is cut, what is measured and kept, and what the table says."""

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


def row(**changes: Any) -> Any:
    """A row of the table, with changes."""
    stated: dict[str, Any] = {
        "set": "mr",
        "model": "cnn",
        "vectors": "glove50",
        "tuned": False,
        "accuracies": (0.75, 0.5, 0.625),
        "plain": None,
    }
    return job.Row(**{**stated, **changes})


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


def test_parts_hold_the_rows_of_the_set(tmp_path: Path) -> None:
    """In the set's order."""
    labelled = job.LabelledSet.read(write_set(tmp_path / "small.parquet", ["train", "test", "train", "dev", "test"]))
    assert labelled.name == "small"
    assert labelled.texts == {"train": ["text 0", "text 2"], "dev": ["text 3"], "test": ["text 1", "text 4"]}
    assert labelled.labels == {"train": ["yes", "yes"], "dev": ["no"], "test": ["no", "yes"]}


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message has the file's name."""
    with pytest.raises(CorpusError, match=r"absent\.parquet cannot be read"):
        job.LabelledSet.read(tmp_path / "absent.parquet")


def test_a_row_gives_mean_and_spread_of_the_seeds_in_percent() -> None:
    """The golden case: spread is the best seed less the worst."""
    made = row()
    assert made.mean == pytest.approx(62.5)
    assert made.spread == pytest.approx(25.0)
    assert made.cells() == ["mr", "cnn", "glove50, frozen", "62.5", "25.0", "-"]
    assert row(accuracies=(0.7,), vectors="", plain=0.7164).cells()[2:] == ["-", "70.0", "0.0", "71.6"]


def test_results_become_rows_with_the_counterpart_beside_average() -> None:
    """Seeds of one row together; tuned words are another row."""

    def result(model: str, accuracy: float, *, tuned: bool = False) -> dict[str, Any]:
        return {"set": "mr", "model": model, "vectors": "glove50", "tuned": tuned, "accuracy": accuracy}

    made = job.rows(
        [
            result("average", 0.7),
            result("cnn", 0.8),
            result("cnn", 0.6),
            result("average-sklearn", 0.75),
            result("average", 0.9, tuned=True),
        ]
    )
    assert [(one.model, one.tuned, one.accuracies, one.plain) for one in made] == [
        ("average", False, (0.7,), 0.75),
        ("average", True, (0.9,), None),
        ("average-sklearn", False, (0.75,), None),
        ("cnn", False, (0.8, 0.6), None),
    ]


def test_frozen_average_is_measured_once_and_the_peers_first() -> None:
    """Its optimum does not depend on the seed; the others are gone through seed by seed."""
    listed = job.cells(["a", "b"], ["average", "cnn"], ["v"], 2, "both")
    assert [cell.model for cell in listed[:6]] == ["tfidf", "fasttext"] * 2 + ["average-sklearn"] * 2
    of_a = [(cell.model, cell.tuned, cell.seed) for cell in listed[6:] if cell.set == "a"]
    assert of_a == [
        ("average", False, 0),
        ("average", True, 0),
        ("cnn", False, 0),
        ("cnn", True, 0),
        ("average", True, 1),
        ("cnn", False, 1),
        ("cnn", True, 1),
    ]


@pytest.fixture
def learnable(tmp_path: Path) -> Path:
    """A folder with a set whose labels follow from the words, and vectors of those words."""
    texts = [("good great film", "great good", "bad film dull", "dull bad")[row % 4] for row in range(80)]
    columns = {"split": ["all"] * 80, "label": ["yes", "yes", "no", "no"] * 20, "text": texts}
    pq.write_table(pa.table(columns), tmp_path / "tiny.parquet")
    words = {"good": "1 0", "great": "0.9 0.2", "bad": "-1 0", "dull": "-0.8 0.3", "film": "0 1"}
    (tmp_path / "own.txt").write_text("".join(f"{word} {numbers}\n" for word, numbers in words.items()))
    return tmp_path


def test_what_is_measured_is_kept_and_not_measured_again(learnable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen, tuned and by scikit-learn; the same call goes on with what is missing."""
    wanted = [
        job.Cell(set="tiny", model="average-sklearn", vectors="own"),
        job.Cell(set="tiny", model="tfidf"),
        job.Cell(set="tiny", model="average", vectors="own"),
        job.Cell(set="tiny", model="average", vectors="own", tuned=True),
    ]
    notes: list[str] = []

    def fill(cells: list[Any]) -> Any:
        shelf = job.VectorsShelf(learnable / "out", {"own": learnable / "own.txt"})
        return job.fill(cells, learnable, shelf, learnable / "out" / "results.jsonl", notes.append)

    (learnable / "out").mkdir()
    first = fill(wanted[:3])
    assert [one["accuracy"] for one in first] == [1.0, 1.0, 1.0]
    monkeypatch.setattr(job, "measure_peer", None)
    again = fill(wanted)
    assert again[:3] == first
    assert again[3]["accuracy"] == 1.0
    assert again[3]["epochs"] > 0
    assert len(notes) == len((learnable / "out" / "results.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--seeds", "0"], "--seeds is 0"), (["--vectors", "glove51"], "--vectors is 'glove51'; allowed: glove50, ")],
)
def test_an_option_that_cannot_be_used_ends_with_2_and_is_named(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read or written."""
    assert job.main(["--data", str(tmp_path), "--output", str(tmp_path / "out"), *options]) == 2
    assert f"accuracy: {says}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
