"""Sparse rows in files are those in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from w2vray.training import sparse_rows
from w2vray.training.sparse_rows import SparseRoom, stretches

COLUMNS = 7
numbers = st.lists(st.lists(st.sampled_from([0, 0, 1, 2.5, -3]), min_size=COLUMNS, max_size=COLUMNS), max_size=9)


def rows_of(table: list[list[float]]) -> csr_array:
    return csr_array(np.array(table, dtype=np.float32).reshape(-1, COLUMNS))


def is_mapped(array: Any) -> bool:
    """Tell whether what an array shows lies in a file."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@settings(max_examples=40)
@given(tables=st.lists(numbers, max_size=4), in_memory=st.sampled_from([0, 5, 1000]))
def test_parts_one_below_another_are_one_table_wherever_they_lie(
    tables: list[list[list[float]]], in_memory: int, folder: Path
) -> None:
    whole = np.concatenate([np.empty((0, COLUMNS)), *(rows_of(table).toarray() for table in tables)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sparse_rows, "_IN_MEMORY", in_memory)
        for room in (SparseRoom(), SparseRoom(folder)):
            joined = room.joined(map(rows_of, tables), COLUMNS)
            assert joined.toarray().tolist() == whole.tolist()
            assert room.by_columns(joined, of=joined.nnz).toarray().tolist() == whole.T.tolist()
            assert (joined @ np.eye(COLUMNS, dtype=np.float32)).tolist() == whole.tolist()
    assert list(folder.iterdir()) == []  # what lies in files has no name


def test_many_numbers_lie_in_files_and_few_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_rows, "_IN_MEMORY", 6)
    few, many = ([rows_of([[1.0] * COLUMNS] * count)] for count in (0, 1))
    assert not is_mapped(SparseRoom(folder).joined(few, COLUMNS).data)
    assert not is_mapped(SparseRoom().joined(many, COLUMNS).data)
    joined = SparseRoom(folder).joined(many, COLUMNS)
    by_columns = SparseRoom(folder).by_columns(joined, of=joined.nnz)
    assert all(is_mapped(array) for rows in (joined, by_columns) for array in (rows.data, rows.indices))


@settings(max_examples=40)
@given(table=numbers, data=st.data())
def test_stretches_are_all_rows_in_order_and_no_more_numbers_than_may_be(
    table: list[list[float]], data: st.DataObject
) -> None:
    rows = rows_of(table)
    chosen = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table))))
    lengths = np.diff(rows.indptr)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sparse_rows, "_AT_ONCE", 5)
        for expected, given_N in ((np.arange(len(table)), None), (chosen, chosen)):
            parts = list(stretches(rows, given_N))
            assert [row for part in parts for row in part.tolist()] == expected.tolist()
            assert all(len(part) == 1 or lengths[part].sum() <= 5 for part in parts)
