import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import W2vrayError
from w2vray.training.example_files import ExampleCounts, ExampleFile, Part
from w2vray.training.examples import NO_EXAMPLES, Examples, joined

some_rows = st.lists(
    st.tuples(st.lists(st.integers(0, 99), max_size=6), st.lists(st.integers(0, 2), unique=True, max_size=3)),
    max_size=12,
)
Rows = list[tuple[list[int], list[int]]]


def part_of(rows: Rows) -> Part:
    """A part of these ids and labels."""
    return Part(
        np.array([id_ for ids, _ in rows for id_ in ids], dtype=np.int32),
        np.cumsum([0, *(len(ids) for ids, _ in rows)]),
        np.array([label for _, labels in rows for label in labels], dtype=np.int32),
        np.cumsum([0, *(len(labels) for _, labels in rows)]),
        np.arange(3),
    )


@given(parts=st.lists(some_rows, min_size=1, max_size=4), data=st.data())
def test_a_batch_holds_the_ids_and_labels_of_the_rows_asked_for_whatever_part_they_lie_in(
    parts: list[Rows], data: st.DataObject
) -> None:
    """In the order asked for, the same row twice too."""
    flat = [row for rows in parts for row in rows]
    examples = Examples(tuple(map(part_of, parts)), 3, multi_label=True)
    assert len(examples) == len(flat)
    numbers = st.lists(st.integers(0, len(flat) - 1), max_size=9) if flat else st.just([])
    rows_B = np.array(data.draw(numbers), dtype=np.int64)

    ids, labels_BC = examples.ids(rows_B), examples.labels(rows_B)

    assert examples.lengths(rows_B).tolist() == np.diff(ids.offsets_B1).tolist()
    assert len(ids) == len(rows_B)
    for place, row in enumerate(rows_B):
        ids_of_row, labels = flat[row]
        assert ids.ids_L[ids.offsets_B1[place] : ids.offsets_B1[place + 1]].tolist() == ids_of_row
        assert np.flatnonzero(labels_BC[place]).tolist() == sorted(labels)


def test_single_labels_are_class_numbers() -> None:
    rows: Rows = [([1], [2]), ([], [0]), ([3], [1])]
    examples = joined(Examples((part_of(rows[:1]),), 3), Examples((part_of(rows[1:]),), 3))

    assert examples.labels(np.array([2, 0, 1])).tolist() == [1, 2, 0]
    assert len(NO_EXAMPLES) == 0


def columns(rows: Rows) -> tuple[pa.LargeListArray, pa.LargeListArray]:
    """Ids and label numbers, as they are written."""
    kind = pa.large_list(pa.int32())
    return pa.array([ids for ids, _ in rows], kind), pa.array([labels for _, labels in rows], kind)


TRAIN: Rows = [([5, 6], [1]), ([7], [0]), ([], [1])]
KEPT: Rows = [([8, 9, 10], [2]), ([11], [0])]
COUNTS = ExampleCounts({"x": 1, "y": 2}, {"x": 1, "z": 1}, 3, 2, without_label=4, without_evidence=5)


def write(path: Path) -> ExampleFile:
    """A file of the rows above, whose labels are x, y and z."""
    file = ExampleFile(path)
    file.write(columns(TRAIN), columns(KEPT), ["x", "y", "z"], COUNTS)
    return file


def test_a_file_gives_back_its_rows_by_the_models_classes(tmp_path: Path) -> None:
    """The model's order of labels is another than the file's."""
    file = write(tmp_path / "folder" / "unit.arrow")

    assert file.counts() == COUNTS
    train, kept = (Examples((part,), 3) for part in file.parts(["z", "y", "x"], multi_label=False))
    assert train.labels(np.arange(3)).tolist() == [1, 2, 1]
    assert train.ids(np.array([0, 1])).padded().ids_BT.tolist() == [[5, 6], [7, 0]]
    assert kept.labels(np.arange(2)).tolist() == [0, 2]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["unit.arrow"]


def test_rows_of_a_label_that_the_model_does_not_know_are_left_out(tmp_path: Path) -> None:
    """A label that only rows for validation have."""
    train, kept = write(tmp_path / "unit.arrow").parts(["x", "y"], multi_label=False)

    assert (len(train), len(kept)) == (3, 1)
    assert kept.ids_L.tolist() == [11]
    assert Examples((kept,), 2).labels(np.array([0])).tolist() == [0]


def test_of_many_labels_only_the_unknown_ones_are_left_out(tmp_path: Path) -> None:
    _, kept = write(tmp_path / "unit.arrow").parts(["x", "y"], multi_label=True)

    assert Examples((kept,), 2, multi_label=True).labels(np.array([0, 1])).tolist() == [[0, 0], [1, 0]]


def test_a_mapped_file_is_not_copied(tmp_path: Path) -> None:
    """Its ids are the file's own bytes."""
    file = write(tmp_path / "unit.arrow")
    before = pa.total_allocated_bytes()
    train, _ = file.parts(["x", "y", "z"], multi_label=False)

    assert not train.ids_L.flags.owndata
    assert not train.ids_L.flags.writeable
    assert pa.total_allocated_bytes() - before < 1024


def test_a_file_that_is_not_there_has_no_counts(tmp_path: Path) -> None:
    assert ExampleFile(tmp_path / "none.arrow").counts() is None


@pytest.mark.parametrize("kept", [0, 10, -100])
def test_a_file_that_is_cut_short_has_no_counts(kept: int, tmp_path: Path) -> None:
    """It is made again."""
    file = write(tmp_path / "unit.arrow")
    assert file.counts() == COUNTS
    file.path.write_bytes(file.path.read_bytes()[:kept])
    assert file.counts() is None


def test_counts_add_up() -> None:
    total = ExampleCounts() + COUNTS + ExampleCounts({"y": 1, "z": 1}, {"x": 2}, train=2)

    assert total == ExampleCounts({"x": 1, "y": 3, "z": 1}, {"x": 3, "z": 1}, 5, 2, 4, 5)
    assert json.dumps(total.labels)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Whole, or not at all."""
    file = ExampleFile(tmp_path / "unit.arrow")
    with pytest.raises(ValueError, match="not all the same length"):
        file.write((columns(TRAIN)[0], columns(KEPT)[1]), columns(KEPT), [], COUNTS)  # columns of different lengths
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["replace", "mkdir"])
def test_a_disk_that_takes_no_more_is_told_with_the_file(
    call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "as the system says it")

    file = ExampleFile(tmp_path / "unit.arrow")
    with monkeypatch.context() as patch:
        patch.setattr(Path, call, full)
        with pytest.raises(W2vrayError, match=r"unit\.arrow cannot be written \(No space left on device\)"):
            file.write(columns(TRAIN), columns(KEPT), [], COUNTS)
    assert list(tmp_path.iterdir()) == []
