import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from w2vray.scoring.metrics import NO_LABEL, NO_ROWS, Confusion, LabelCounts, count_labels, metrics, multi_label_metrics

CLASSES = 4
LABELS = ["a", "b", "c", "d"]

some_rows = st.lists(st.tuples(st.integers(NO_LABEL, CLASSES - 1), st.integers(NO_LABEL, CLASSES - 1)), max_size=60)
"""True and predicted classes: none is true where the model does not know the label, none given where no word is."""


def test_confusion_counts_rows_by_true_and_predicted_class_with_unlabelled_ones_last() -> None:
    """The golden case."""
    true_N = np.array([0, 0, 1, 1, 1, 0])
    predicted_N = np.array([0, 1, 1, NO_LABEL, 1, NO_LABEL])

    assert dense(Confusion.of(true_N, predicted_N), 2).tolist() == [[1, 1, 1], [0, 2, 1]]


def dense(counted: Confusion, classes: int) -> Any:
    """Rows by true and predicted class; no label is the last column, and an unknown one the last row, if any."""
    table = np.zeros((classes + 1, classes + 1), dtype=np.int64)
    table[counted.true_Y, counted.predicted_Y] = counted.rows_Y  # NO_LABEL is the last
    return table if table[classes].any() else table[:classes]


def sparse(table: list[list[int]]) -> Confusion:
    """The confusion of such a table."""
    array = np.array(table)
    true_Y, column_Y = array.nonzero()
    return Confusion.of(true_Y, np.where(column_Y == len(array), NO_LABEL, column_Y), array[true_Y, column_Y])


@given(st.lists(some_rows, max_size=4))
def test_confusions_of_parts_add_up_to_that_of_all(parts: list[list[tuple[int, int]]]) -> None:
    """A worker may have nothing to count."""
    total = sum((Confusion.of(*np.array(rows, dtype=np.int64).reshape(-1, 2).T) for rows in parts), NO_ROWS)
    flat = np.array([row for rows in parts for row in rows], dtype=np.int64).reshape(-1, 2)

    assert np.array_equal(dense(total, CLASSES), dense(Confusion.of(*flat.T), CLASSES))


def test_more_classes_than_a_table_could_hold_are_counted() -> None:
    """As many numbers are kept as there are pairs."""
    many = 2_000_000_000
    counted = Confusion.of(np.array([many, many, 0]), np.array([many, NO_LABEL, many]))

    assert counted.true_Y.tolist() == [0, many, many]
    assert counted.predicted_Y.tolist() == [many, NO_LABEL, many]


def test_metrics_of_a_small_confusion_matrix() -> None:
    """The golden case, by hand."""
    found = metrics(sparse([[3, 1, 0], [0, 2, 2]]), ["no", "yes"])

    assert (found.rows, found.rows_no_evidence) == (8, 2)
    assert found.accuracy == 5 / 8
    no, yes = found.classes
    assert (no.label, no.rows, no.precision, no.recall) == ("no", 4, 3 / 3, 3 / 4)
    assert (yes.label, yes.rows, yes.precision, yes.recall) == ("yes", 4, 2 / 3, 2 / 4)
    assert no.f1 == pytest.approx(2 * 1 * 0.75 / (1 + 0.75))
    assert yes.f1 == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))
    assert found.macro_f1 == pytest.approx((no.f1 + yes.f1) / 2)


@given(rows=some_rows.filter(lambda rows: any(max(row) != NO_LABEL for row in rows)))
def test_metrics_equal_scikit_learns(rows: list[tuple[int, int]]) -> None:
    """Macro-F1 is over the classes that are there, in truth or in prediction; no label is no class.

    To scikit-learn, a label that the model does not know and no answer are two more classes.
    """
    true_N, predicted_N = np.array(rows).T
    present = sorted({*true_N, *predicted_N} - {NO_LABEL})
    unknown = CLASSES

    counted = Confusion.of(true_N, predicted_N)
    found = metrics(counted, LABELS)

    assert found.rows == len(rows)
    assert found.rows_no_evidence == np.count_nonzero(predicted_N == NO_LABEL)
    true_N = np.where(true_N == NO_LABEL, unknown, true_N)
    assert found.accuracy == pytest.approx(accuracy_score(true_N, predicted_N))
    macro_f1 = f1_score(true_N, predicted_N, labels=present, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(macro_f1)
    expected = precision_recall_fscore_support(true_N, predicted_N, labels=range(CLASSES), zero_division=0)
    mine = [(item.precision, item.recall, item.f1, item.rows) for item in found.classes]
    np.testing.assert_allclose(np.array(mine).T, np.array(expected, dtype=float))
    assert sum(item.rows for item in found.classes) == np.count_nonzero(true_N != unknown)
    if (known := true_N != unknown).any():
        square = confusion_matrix(true_N[known], predicted_N[known], labels=[*range(CLASSES), NO_LABEL])[:CLASSES]
        np.testing.assert_array_equal(dense(counted, CLASSES)[:CLASSES], square)


@given(rows=some_rows, unlabelled=st.integers(1, 20))
def test_rows_that_got_no_label_are_wrong(rows: list[tuple[int, int]], unlabelled: int) -> None:
    """They are in the denominators of accuracy and recall, and in no class's precision."""
    true_N, predicted_N = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    before = metrics(Confusion.of(true_N, predicted_N), LABELS)
    more_true_N = np.concatenate((true_N, np.zeros(unlabelled, dtype=np.int64)))
    more_predicted_N = np.concatenate((predicted_N, np.full(unlabelled, NO_LABEL)))

    after = metrics(Confusion.of(more_true_N, more_predicted_N), LABELS)

    assert after.rows_no_evidence == before.rows_no_evidence + unlabelled
    assert after.accuracy * after.rows == pytest.approx(before.accuracy * before.rows)
    assert after.classes[0].recall * after.classes[0].rows == pytest.approx(
        before.classes[0].recall * before.classes[0].rows
    )
    assert [item.precision for item in after.classes] == [item.precision for item in before.classes]


def test_rows_whose_true_label_is_unknown_are_wrong_whatever_was_predicted() -> None:
    """Three right ones of five rows, and five more that could not be right, which "b" was given to twice."""
    counted = sparse([[2, 1, 0], [0, 1, 1]])
    more = Confusion.of(np.full(2, NO_LABEL), np.array([1, NO_LABEL]), np.array([2, 3]))

    known, both = metrics(counted, ["a", "b"]), metrics(counted + more, ["a", "b"])

    assert (known.rows, known.accuracy, known.rows_no_evidence) == (5, 3 / 5, 1)
    assert (both.rows, both.accuracy, both.rows_no_evidence) == (10, 3 / 10, 4)
    assert [item.precision for item in known.classes] == [1, 1 / 2]
    assert [item.precision for item in both.classes] == [1, 1 / 4]
    assert [item.recall for item in both.classes] == [item.recall for item in known.classes]
    pairs = both.as_dict()["confusion"]
    assert {"label": None, "predicted": "b", "rows": 2} in pairs
    assert {"label": None, "predicted": None, "rows": 3} in pairs


def test_metrics_of_no_rows_are_zero() -> None:
    """Nothing is divided by zero."""
    found = metrics(NO_ROWS, ["a", "b"])

    assert (found.rows, found.accuracy, found.macro_f1) == (0, 0.0, 0.0)
    assert [(item.precision, item.recall, item.f1) for item in found.classes] == [(0, 0, 0)] * 2


def test_a_class_that_never_occurs_does_not_lower_the_macro_f1() -> None:
    """As in scikit-learn, the mean is over the classes that are there."""
    found = metrics(sparse([[4, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 0]]), ["a", "b", "absent"])

    assert found.macro_f1 == 1.0


def test_metrics_can_be_written_as_json() -> None:
    """With the keys that a person reads, and plain numbers."""
    found = metrics(sparse([[3, 1, 0], [0, 2, 2]]), ["no", "yes"])

    stored = json.loads(json.dumps(found.as_dict()))

    assert set(stored) == {
        "rows",
        "rows_no_evidence",
        "accuracy",
        "macro_f1",
        "largest_class_share",
        "classes",
        "confusion",
    }
    assert (stored["rows"], stored["accuracy"]) == (8, 0.625)
    assert stored["confusion"] == [
        {"label": "no", "predicted": "no", "rows": 3},
        {"label": "no", "predicted": "yes", "rows": 1},
        {"label": "yes", "predicted": None, "rows": 2},
        {"label": "yes", "predicted": "yes", "rows": 2},
    ]
    assert stored["classes"][0] == {
        "label": "no",
        "rows": 4,
        "precision": 1.0,
        "recall": 0.75,
        "f1": pytest.approx(6 / 7),
    }


some_label_rows = st.lists(
    st.tuples(
        st.lists(st.booleans(), min_size=CLASSES + 1, max_size=CLASSES + 1),  # the last: a label the model knows not
        st.lists(st.booleans(), min_size=CLASSES, max_size=CLASSES),
    ),
    min_size=1,
    max_size=40,
)


def test_metrics_of_a_few_rows_of_many_labels() -> None:
    """The golden case, by hand."""
    true_NC = np.array([[1, 1], [0, 1], [0, 0]], dtype=bool)
    given_NC = np.array([[1, 0], [0, 1], [0, 0]], dtype=bool)

    counted = count_labels(true_NC, given_NC, unknown_N=np.array([0, 0, 0]), rows_no_evidence=1)
    found = multi_label_metrics(counted, ["no", "yes"])

    assert (found.rows, found.rows_no_evidence, found.accuracy) == (3, 1, 2 / 3)
    assert found.micro_f1 == pytest.approx(2 * 2 / (2 + 3))
    assert found.macro_f1 == pytest.approx((1 + 2 * 1 * 0.5 / 1.5) / 2)
    assert [(item.rows, item.precision, item.recall) for item in found.classes] == [(1, 1.0, 1.0), (2, 1.0, 0.5)]


@given(rows=some_label_rows, cut=st.integers(0, 40))
def test_metrics_of_many_labels_equal_scikit_learns(rows: list[tuple[list[bool], list[bool]]], cut: int) -> None:
    """In parts that are added up, and with a label that the model does not know: it is never given."""
    true_NC1 = np.array([true for true, _ in rows])
    given_NC = np.array([given for _, given in rows])

    def count(part: slice) -> LabelCounts:
        unknown_N = true_NC1[part, CLASSES].astype(np.int64)
        return count_labels(true_NC1[part, :CLASSES], given_NC[part], unknown_N=unknown_N, rows_no_evidence=0)

    found = multi_label_metrics(count(slice(cut)) + count(slice(cut, None)), LABELS)

    given_NC1 = np.column_stack([given_NC, np.zeros(len(rows), dtype=bool)])
    present = [c for c in range(CLASSES) if true_NC1[:, c].any() or given_NC1[:, c].any()]
    assert found.rows == len(rows)
    assert found.accuracy == pytest.approx(accuracy_score(true_NC1, given_NC1))
    assert found.micro_f1 == pytest.approx(f1_score(true_NC1, given_NC1, average="micro", zero_division=0))
    of_labels = f1_score(true_NC1, given_NC1, average=None, zero_division=0)
    assert found.macro_f1 == pytest.approx(np.mean(of_labels[present]) if present else 0.0)
    assert [item.f1 for item in found.classes] == pytest.approx(of_labels[:CLASSES].tolist())


def test_the_commonest_confusions_and_the_share_of_the_largest_class_are_told() -> None:
    true_N = np.array([0, 0, 0, 1, 1, 2, NO_LABEL, 0])
    given_N = np.array([0, 1, 1, 1, 0, NO_LABEL, 2, 0])
    found = metrics(Confusion.of(true_N, given_N), ["a", "b", "c"])
    assert found.largest_share == 4 / 8
    assert found.confusions(1) == [("a", "b", 2)]
    assert {*found.confusions(10)} == {("a", "b", 2), ("b", "a", 1), ("c", None, 1), (None, "c", 1)}
    assert metrics(NO_ROWS, ["a"]).largest_share == 0.0
