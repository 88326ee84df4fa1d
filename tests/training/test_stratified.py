"""Folds: of equal sizes, each label as frequent in each of them, and the same whoever asks."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray.training import stratified
from w2vray.training.example_files import Part
from w2vray.training.examples import Examples
from w2vray.training.stratified import FOLDS, Fold, WithoutFold, dealt, folds_of


@given(st.lists(st.integers(0, 4), max_size=60))
def test_folds_are_of_one_size_and_so_are_a_labels_rows_in_them(groups: list[int]) -> None:
    fold_N = dealt(np.array(groups, dtype=np.int64))
    of_group_N = np.array(groups)
    for chosen_N in (np.ones(len(groups), dtype=bool), *(of_group_N == group for group in set(groups))):
        rows_F = np.bincount(fold_N[chosen_N], minlength=FOLDS)
        assert rows_F.max() - rows_F.min() <= 1
        assert rows_F.sum() == chosen_N.sum()


def test_rows_of_a_label_are_dealt_out_in_their_order_from_where_the_label_before_ended() -> None:
    assert dealt(np.array([1, 0, 1, 0, 1, 1, 0])).tolist() == [3, 0, 4, 1, 0, 1, 2]


def examples_of(labels: list[list[int]], classes: int, **kind: Any) -> Examples:
    lengths = np.cumsum([0, *map(len, labels)])
    flat = np.concatenate([np.array(each, dtype=np.int32) for each in labels])
    ids = np.zeros(len(labels), np.int32), np.arange(len(labels) + 1)
    return Examples((Part(*ids, flat, lengths, np.arange(classes)),), classes, **kind)


@pytest.mark.parametrize("at_once", [3, 1000])
def test_examples_are_dealt_out_by_their_labels(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stratified, "_AT_ONCE", at_once)
    labels = [0] * 10 + [1] * 10 + [2] * 5
    fold_N = folds_of(examples_of([[label] for label in labels], 3))
    table_FC = np.zeros((FOLDS, 3), dtype=int)
    np.add.at(table_FC, (fold_N, np.array(labels)), 1)
    assert table_FC.tolist() == [[2, 2, 1]] * FOLDS


def test_sets_of_labels_are_dealt_out_where_a_text_may_have_several() -> None:
    sets = [[0], [0, 2], [1], []] * 5
    fold_N = folds_of(examples_of(sets, 3, multi_label=True))
    for kind in range(4):
        assert sorted(fold_N[kind::4]) == list(range(FOLDS))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_fold_and_what_is_left_are_all_examples_whatever_the_chunks_and_the_workers(count: int) -> None:
    numbers, fold_N = np.arange(23), dealt(np.arange(23) % 2)
    for index in range(FOLDS):
        left = []
        for rank in range(count):
            own = torch.from_numpy(numbers[rank::count])
            chunks = [(chunk, chunk) for chunk in own.split(4)]
            left += torch.cat([rows for rows, _ in WithoutFold(chunks, Fold(index, fold_N[rank::count]))]).tolist()
        assert sorted(left) == np.flatnonzero(fold_N != index).tolist()
