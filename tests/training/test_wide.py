from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from w2vray.models.wide.part import WIDE, WidePart
from w2vray.models.wide.settings import WideSettings
from w2vray.text.word_ngrams import NgramCounts
from w2vray.training import sparse_rows, wide
from w2vray.training.epochs import Workers
from w2vray.training.example_files import Part
from w2vray.training.examples import Examples
from w2vray.training.objectives import ManyLabels, OneLabel
from w2vray.training.sparse_rows import SparseRoom
from w2vray.training.stratified import FOLDS, Fold, dealt
from w2vray.training.wide import WideFit, WideRows, WideTask, fit_pruned, fit_wide, out_of_fold

BITS, TEXTS = 10, 120
FOLD_N = dealt(np.arange(TEXTS) % 3)
TASK = WideTask(longest=1, bits=BITS)


def counted(classes: int, seed: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How often each text has each of some buckets, and which class it is of: a class has more of some."""
    chosen = np.random.default_rng(seed)
    classes_N = np.arange(TEXTS) % classes
    rates_NB = np.full((TEXTS, 60), 0.15)
    rates_NB[np.arange(TEXTS), classes_N] = 0.8
    return chosen.poisson(rates_NB), classes_N


def examples_of(times_NB: npt.NDArray[np.int64], classes_N: npt.NDArray[Any], classes: int, **kind: Any) -> Examples:
    """Examples of these counts, whose one id says nothing."""
    texts, buckets = np.nonzero(times_NB)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(texts, minlength=len(times_NB)))))
    counts = NgramCounts(buckets.astype(np.int32), times_NB[texts, buckets].astype(np.int32), offsets)
    ones = np.arange(len(times_NB) + 1)
    part = Part(
        np.zeros(len(times_NB), np.int32), ones, classes_N.astype(np.int32), ones, np.arange(classes), None, counts
    )
    return Examples((part,), classes, **kind)


def sklearn_rows(times_NB: npt.NDArray[np.int64]) -> Any:
    return TfidfTransformer(sublinear_tf=True).fit_transform(times_NB)


def test_rows_are_those_of_scikit_learn() -> None:
    times_NB, classes_N = counted(3)
    rows = WideRows.of(examples_of(times_NB, classes_N, 3), TASK, Workers())
    np.testing.assert_allclose(rows.rows_NF.toarray(), sklearn_rows(times_NB).toarray()[:, rows.buckets_F], atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_optimum_is_that_of_scikit_learn(classes: int) -> None:
    times_NB, classes_N = counted(classes)
    rows = WideRows.of(examples_of(times_NB, classes_N, classes), TASK, Workers())
    found = fit_wide(rows, classes, OneLabel())
    assert found.converged
    theirs = LogisticRegression(C=wide.C, tol=1e-8, max_iter=5000).fit(sklearn_rows(times_NB), classes_N)
    ours_NC = found.logits(rows.rows_NF).softmax(dim=1).numpy()
    np.testing.assert_allclose(ours_NC, theirs.predict_proba(sklearn_rows(times_NB)), atol=2e-3)


def test_of_many_labels_each_is_a_problem_of_its_own() -> None:
    times_NB, classes_N = counted(3)
    labels_NC = np.eye(3)[classes_N]
    rows = WideRows.of(examples_of(times_NB, classes_N, 3, multi_label=True), TASK, Workers())
    found = fit_wide(rows, 3, ManyLabels())
    theirs = OneVsRestClassifier(LogisticRegression(C=wide.C, tol=1e-8, max_iter=5000)).fit(
        sklearn_rows(times_NB), labels_NC
    )
    ours_NC = found.logits(rows.rows_NF).sigmoid().numpy()
    np.testing.assert_allclose(ours_NC, theirs.predict_proba(sklearn_rows(times_NB)), atol=2e-3)


def test_two_workers_add_up_to_one() -> None:
    """Each has every second example; what a worker sums, the other's part of it is added to."""
    times_NB, classes_N = counted(3)
    examples = examples_of(times_NB, classes_N, 3)
    alone = WideRows.of(examples, TASK, Workers())
    with_bucket = np.bincount(np.nonzero(times_NB)[1], minlength=1 << BITS)

    def of_both(value: torch.Tensor) -> torch.Tensor:
        assert float(value.sum()) < with_bucket.sum()
        return torch.from_numpy(with_bucket.astype(np.float64))

    halves = [WideRows.of(examples, TASK, Workers(rank, 2, of_both)) for rank in range(2)]
    for rank, half in enumerate(halves):
        assert (half.rows_NF.toarray() == alone.rows_NF.toarray()[rank::2]).all()
        assert half.labels.tolist() == alone.labels.tolist()[rank::2]


@pytest.mark.parametrize(("share", "kept"), [(0.0, 60), (0.5, 30), (0.9, 6)])
def test_what_is_stored_scores_as_what_was_fitted_and_pruned_buckets_are_not_in_it(share: float, kept: int) -> None:
    times_NB, classes_N = counted(3)
    every = WideRows.of(examples_of(times_NB, classes_N, 3), TASK, Workers())
    rows, fit = fit_pruned(every, 3, OneLabel(), share)
    arrays = fit.arrays(rows)
    assert len(arrays["rows_RC"]) == len(arrays["buckets_F"]) == kept
    part = WidePart(
        WideSettings(longest=1, bits=BITS), {WIDE + name: array for name, array in arrays.items()}, kernels=False
    )
    buckets, times = np.nonzero(times_NB[5])[0], times_NB[5][times_NB[5] > 0]
    numbers = part.word_ngrams.numbers_B[buckets]
    known = numbers >= 0
    counts = NgramCounts(numbers[known], times[known].astype(np.int32), np.array([0, known.sum()]))
    np.testing.assert_allclose(part.logits(counts)[0], fit.logits(rows.rows_NF)[5], atol=5e-3)


def test_what_is_left_is_fitted_as_if_texts_had_nothing_else() -> None:
    times_NB, classes_N = counted(3)
    rows, fit = fit_pruned(WideRows.of(examples_of(times_NB, classes_N, 3), TASK, Workers()), 3, OneLabel(), 0.5)

    left_NB = np.zeros_like(times_NB)
    left_NB[:, rows.buckets_F] = times_NB[:, rows.buckets_F]
    alone = WideRows.of(examples_of(left_NB, classes_N, 3), TASK, Workers())

    np.testing.assert_allclose(rows.rows_NF.toarray(), alone.rows_NF.toarray(), atol=1e-6)
    np.testing.assert_allclose(fit.weight_FC, fit_wide(alone, 3, OneLabel()).weight_FC, atol=2e-3)


def test_pruning_leaves_out_what_moves_no_label_against_the_others_or_few_texts() -> None:
    weight_FC = np.array([[9.0, 9.0], [1.0, -1.0], [0.2, 0.1], [0.0, 3.0], [4.0, 0.0]], dtype=np.float32)
    fit = WideFit(weight_FC, np.zeros(2, np.float32), converged=True)
    assert fit.strongest(0.4, np.ones(5, np.float32)).tolist() == [1, 3, 4]
    # of 1,000 texts, four have the last one, and 500 the second one: 2 * 2 is less than 1 * 22
    of_few = 1 + np.log(1001 / (1 + np.array([500, 500, 500, 500, 3], dtype=np.float32)))
    assert fit.strongest(0.6, of_few).tolist() == [1, 3]


def test_answers_out_of_fold_choose_their_buckets_without_the_fold() -> None:
    """With labels by chance, buckets that were chosen by all rows would know something of each."""
    times_NB, _ = counted(2)
    by_chance_N = np.random.default_rng(1).integers(0, 2, TEXTS)
    rows = WideRows.of(examples_of(times_NB, by_chance_N, 2), TASK, Workers())
    held_out = out_of_fold(rows, 2, OneLabel(), FOLD_N, prune=0.5).argmax(dim=1)
    assert (held_out == rows.labels).float().mean() < 0.65
    for fold in range(FOLDS):
        kept, fit = fit_pruned(rows.without(Fold(fold, FOLD_N)), 2, OneLabel(), 0.5)
        own = WideRows.of(examples_of(times_NB, by_chance_N, 2), TASK, Workers()).of_buckets(
            np.searchsorted(rows.buckets_F, kept.buckets_F)
        )
        expected = fit.logits(own.rows_NF[np.flatnonzero(fold == FOLD_N)])
        found = out_of_fold(rows, 2, OneLabel(), FOLD_N, prune=0.5)
        np.testing.assert_allclose(found[fold == FOLD_N], expected, atol=1e-4)


def test_answers_out_of_fold_are_worse_than_those_of_what_was_learnt() -> None:
    """With labels by chance, a fit that has not seen a row knows nothing of it."""
    times_NB, _ = counted(2)
    by_chance_N = np.random.default_rng(1).integers(0, 2, TEXTS)
    rows = WideRows.of(examples_of(times_NB, by_chance_N, 2), TASK, Workers())
    learnt = fit_wide(rows, 2, OneLabel()).logits(rows.rows_NF).argmax(dim=1)
    held_out = out_of_fold(rows, 2, OneLabel(), FOLD_N).argmax(dim=1)
    assert (learnt == rows.labels).float().mean() > 0.75
    assert (held_out == rows.labels).float().mean() < 0.65


def test_answers_out_of_fold_do_not_depend_on_where_the_fits_start() -> None:
    """Also for words that only the fold has: they are as if nobody had ever seen them."""
    times_NB, classes_N = counted(3)
    of_each_alone_NN = 3 * np.eye(TEXTS, dtype=np.int64)
    times_NB = np.concatenate([times_NB, of_each_alone_NN], axis=1)
    rows = WideRows.of(examples_of(times_NB, classes_N, 3), TASK, Workers())
    learnt = fit_wide(rows, 3, OneLabel())

    cold = out_of_fold(rows, 3, OneLabel(), FOLD_N)
    warm = out_of_fold(rows, 3, OneLabel(), FOLD_N, learnt)

    assert (learnt.logits(rows.rows_NF) - cold).abs().max() > 1
    np.testing.assert_allclose(warm - warm.mean(dim=1, keepdim=True), cold - cold.mean(dim=1, keepdim=True), atol=5e-3)


@pytest.mark.parametrize("kept", [0, 1 << 20])
@pytest.mark.parametrize("multi_label", [False, True])
def test_rows_in_chunks_have_the_optimum_of_all_at_once(
    kept: int, multi_label: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether what is computed of them is kept from pass to pass or not."""
    times_NB, classes_N = counted(3)
    rows = WideRows.of(examples_of(times_NB, classes_N, 3, multi_label=multi_label), TASK, Workers())
    objective = ManyLabels() if multi_label else OneLabel()
    whole = fit_wide(rows, 3, objective)
    monkeypatch.setattr(wide, "_AT_ONCE", 100)
    monkeypatch.setattr(wide, "_KEPT", kept)

    found = fit_wide(rows, 3, objective)

    assert found.converged
    np.testing.assert_allclose(found.weight_FC, whole.weight_FC, atol=1e-2)


def test_ngrams_in_files_give_the_same_fits_as_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_NB, classes_N = counted(3)
    examples = examples_of(times_NB, classes_N, 3)
    here = WideRows.of(examples, TASK, Workers())
    monkeypatch.setattr(sparse_rows, "_IN_MEMORY", 50)
    monkeypatch.setattr(sparse_rows, "_AT_ONCE", 100)
    monkeypatch.setattr(wide, "_ROWS_AT_ONCE", 7)
    there = WideRows.of(examples, TASK, Workers(), SparseRoom(tmp_path))

    assert there.rows_NF.toarray().tolist() == here.rows_NF.toarray().tolist()
    (rows, fit), (other_rows, other_fit) = (fit_pruned(every, 3, OneLabel(), 0.5) for every in (here, there))
    assert rows.buckets_F.tolist() == other_rows.buckets_F.tolist()
    np.testing.assert_allclose(other_fit.weight_FC, fit.weight_FC, atol=1e-5)
    folds, other_folds = (out_of_fold(every, 3, OneLabel(), FOLD_N, prune=0.5) for every in (here, there))
    np.testing.assert_allclose(other_folds, folds, atol=1e-4)
