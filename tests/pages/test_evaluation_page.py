"""The page of an evaluation: what it counts, and that nothing in a text or a label becomes a part of the page."""

import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from w2vray.cluster.measured_rows import rows_schema
from w2vray.pages.evaluation import evaluation_page
from w2vray.pages.evaluation_data import evaluation_data
from w2vray.pages.evaluation_plots import learning_section
from w2vray.pages.plots import lines
from w2vray.pages.rows import read_rows
from w2vray.scoring.bootstrap import bootstrap_many_labels, bootstrap_one_label
from w2vray.scoring.metrics import Confusion, metrics
from w2vray.scoring.reliability import binned, precision_curve, thresholds

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(autouse=True)
def _quick_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, but where a test is of what is drawn: it takes a second a page."""
    if "drawn" not in request.node.name:
        monkeypatch.setattr(
            "w2vray.pages.evaluation_plots.plot", lambda title, *_, **__: f"<svg aria-label='{len(title)}'/>"
        )


class Elements(HTMLParser):
    """Counts the elements of a page and gathers the texts of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.links: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.links += [value for name, value in attrs if name.rpartition(":")[2] in {"src", "href"}]
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag == "td":
            self.cells.append("")
        self.inside = tag == "td"

    def handle_endtag(self, tag: str) -> None:
        del tag
        self.inside = False

    def handle_data(self, data: str) -> None:
        if getattr(self, "inside", False):
            self.cells[-1] += data


def write_rows(file: Path, rows: list[dict[str, Any]], *, multi_label: bool = False) -> Path:
    schema = rows_schema(1, multi_label=multi_label)
    common = {"source_file": "a.parquet", "token_count": 5, "coverage": 0.8, "text": "some text"}
    full = [{**common, "source_row": place, **row} for place, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(full, schema=schema), file)
    return file


def measured(rows: list[dict[str, Any]], labels: tuple[str, ...]) -> dict[str, Any]:
    places = {label: place for place, label in enumerate(labels)}
    true, predicted = ([places.get(row[name], -1) for row in rows] for name in ("true", "predicted"))
    return metrics(Confusion.of(np.array(true), np.array(predicted)), labels).as_dict()


ROWS: list[dict[str, Any]] = [
    *[{"true": "a", "predicted": "a", "score": 0.9, "token_count": 3} for _ in range(6)],
    *[{"true": "b", "predicted": "b", "score": 0.6, "token_count": 9} for _ in range(3)],
    {"true": "b", "predicted": "a", "score": 0.8, "text": "sure and wrong", "token_count": 9},
    {"true": "a", "predicted": "b", "score": 0.55, "text": "unsure and wrong", "token_count": 9},
    {"true": "b", "predicted": None, "score": None, "text": None, "token_count": None, "coverage": None},
    {"true": "new", "predicted": "a", "score": 0.7, "text": "of a label that is new"},
]


def test_what_is_counted_of_the_rows(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.parquet", ROWS)
    data = evaluation_data(file, measured(ROWS, ("a", "b")), ("a", "b"))
    assert (data["metrics"]["rows"], data["rows_answered"]) == (13, 12)
    assert sum(item["rows"] for item in data["reliability"]) == 12
    assert [row["text"] for row in data["suspects"]] == ["sure and wrong", "of a label that is new", "unsure and wrong"]
    assert [(item["true"], item["given"], item["rows"][0]["text"]) for item in data["examples"]] == [
        ("b", "a", "sure and wrong"),
        (None, "a", "of a label that is new"),
        ("a", "b", "unsure and wrong"),
        ("b", None, None),
    ]
    by_length = {(item["least"], item["most"]): (item["rows"], item["right"]) for item in data["by_length"]}
    assert by_length == {(0, 0): (1, 0), (3, 5): (7, 6), (9, 9): (5, 3)}
    assert data["thresholds"]["0.9"] == {"threshold": 0.8999999761581421, "coverage": 0.5, "precision": 1.0, "rows": 6}
    assert json.loads(json.dumps(data)) == data
    low, high = data["intervals"]["accuracy"]
    assert 0.3 < low < 9 / 13 < high < 1


def test_without_texts_none_is_in_the_data(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.parquet", ROWS)
    data = evaluation_data(file, measured(ROWS, ("a", "b")), ("a", "b"), with_texts=False)
    assert "text" not in json.dumps(data)
    assert "Labels that look wrong" not in evaluation_page(data, title="m").render()


def test_of_several_labels_each_that_was_given_counts(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"true": ["a", "b"], "predicted": ["b", "a"], "score": [0.9, 0.8]},
        {"true": ["a"], "predicted": ["a", "b"], "score": [0.9, 0.6]},
        {"true": [], "predicted": [], "score": []},
        {"true": ["new"], "predicted": [], "score": []},
        {"true": ["b"], "predicted": None, "score": None},
    ]
    read = read_rows(write_rows(tmp_path / "rows.parquet", rows, multi_label=True), ("a", "b"))
    assert read.right_N.tolist() == [True, False, True, False, False]
    assert read.right_Y.tolist() == [True, True, True, False]
    assert read.rows_Y.tolist() == [0, 0, 1, 1]
    counted = {"rows": 5, "rows_no_evidence": 1, "accuracy": 0.4, "micro_f1": 0.6, "macro_f1": 0.5, "classes": []}
    data = evaluation_data(tmp_path / "rows.parquet", counted, ("a", "b"))
    assert [row["predicted"] for row in data["suspects"]] == [["a", "b"]]
    assert "exact match" in evaluation_page(data, title="m").render()


@pytest.mark.parametrize("rows", [1, 3])
def test_of_several_labels_none_may_be_given_at_all(tmp_path: Path, rows: int) -> None:
    """Strict thresholds do that."""
    lines: list[dict[str, Any]] = [
        {"true": ["a"], "predicted": [], "score": []},
        {"true": [], "predicted": [], "score": []},
        {"true": ["b"], "predicted": None, "score": None},
    ]
    file = write_rows(tmp_path / "rows.parquet", lines[:rows], multi_label=True)
    read = read_rows(file, ("a", "b"))
    assert read.right_N.tolist() == [False, True, False][:rows]
    assert (read.right_Y.tolist(), read.rows_Y.tolist()) == ([], [])
    counted = {"rows": rows, "rows_no_evidence": 0, "accuracy": 0.0, "micro_f1": 0.0, "macro_f1": 0.0, "classes": []}
    data = evaluation_data(file, counted, ("a", "b"))
    assert (data["suspects"], data["reliability"]) == ([], [])
    assert set(data["thresholds"].values()) == {None}
    assert json.loads(json.dumps(data)) == data
    page = evaluation_page(data, title="m").render()
    assert "exact match" in page
    assert "nan" not in page


def test_texts_and_labels_are_drawn_and_shown_as_they_are_and_are_no_part_of_the_page(tmp_path: Path) -> None:
    labels = (HOSTILE, "b", "\u202eright to left", "$x^2$ & 'quotes'")
    rows = [
        {"true": label, "predicted": labels[place - 1], "score": 0.9, "text": f"{HOSTILE} </td>{label}"}
        for place, label in enumerate(labels)
    ]
    rows += [{"true": label, "predicted": label, "score": 0.8, "text": "\x00\x1b[31m"} for label in labels]
    for place, row in enumerate(rows):
        row["source_file"] = f"{HOSTILE}{place}"
        row["token_count"] = place
    file = write_rows(tmp_path / "rows.parquet", rows)
    data = evaluation_data(file, {**measured(rows, labels), "warnings": [HOSTILE]}, labels)
    curve = [{"epoch": epoch, "train_loss": 1.0, "validation_loss": 2.0} for epoch in (1, 2)]
    page = evaluation_page(data, title=HOSTILE, missing={HOSTILE: 3}, learning=curve, made={HOSTILE: HOSTILE}).render()
    found = Elements(page)
    assert found.counts["script"] == 1
    assert not {"img", "iframe", "link", "object"} & found.counts.keys()
    assert HOSTILE in found.cells
    assert labels[3] in found.cells
    assert found.links
    assert {link[0] for link in found.links} == {"#"}
    assert "default-src 'none'" in page


def test_evidence_is_shown_of_the_rows_that_are_shown_and_have_a_text(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.parquet", ROWS)
    asked: list[str] = []

    def explain(texts: Sequence[str]) -> list[list[dict[str, Any]] | None]:
        asked.extend(texts)
        pieces = [{"text": "dull", "weight": 1.25}, {"text": "film", "weight": -0.5}]
        return [pieces if text == "sure and wrong" else None for text in texts]

    data = evaluation_data(file, measured(ROWS, ("a", "b")), ("a", "b"), explain=explain)
    assert sorted(asked) == ["of a label that is new", "sure and wrong", "unsure and wrong"]
    cells = Elements(evaluation_page(data, title="m").render()).cells
    assert "dull +1.25, film -0.50" in cells, "of the rows whose label looks wrong"
    assert "\u2022 sure and wrong [dull +1.25, film -0.50]" in cells, "of the confusions"
    assert "\u2022 unsure and wrong" in cells


def test_a_page_says_where_there_is_no_evidence_and_whether_the_training_saw_the_rows(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.parquet", ROWS)
    counted = measured(ROWS, ("a", "b"))
    said = {
        None: "If the training saw these rows",
        0: "The training saw none of these rows.",
        7: "The training saw 7 of all rows: there the model has learnt wrong labels",
    }
    for seen, sentence in said.items():
        data = evaluation_data(file, {**counted, "rows_trained_on": seen}, ("a", "b"))
        page = evaluation_page(data, title="m").render()
        assert sentence in page
        assert page.count("Models of this kind do not tell which words decided.") == 2


def test_a_page_of_a_thousand_labels_is_small(tmp_path: Path) -> None:
    labels = tuple(f"label number {place}" for place in range(1000))
    random = np.random.default_rng(0)
    true, given = random.integers(0, 1000, (2, 5000)).tolist()
    rows = [
        {"true": labels[one], "predicted": labels[other], "score": 0.5, "text": "long " * 300}
        for one, other in zip(true, given, strict=True)
    ]
    file = write_rows(tmp_path / "rows.parquet", rows)
    page = evaluation_page(evaluation_data(file, measured(rows, labels), labels), title="many").render()
    assert len(page.encode()) < 2 << 20
    assert "label number 999" in page


def test_a_learning_curve_of_one_epoch_is_not_drawn() -> None:
    assert learning_section([{"epoch": 1, "train_loss": 1.0}]).is_empty
    curve = [{"epoch": epoch, "train_loss": 1.0 / epoch, "validation_loss": None} for epoch in (1, 2)]
    (shown,) = learning_section(curve).plots
    assert "rows to learn from" in shown
    assert "validation" not in shown


@pytest.mark.parametrize(("points", "marker"), [(60, "o"), (61, "")])
def test_points_of_a_long_line_run_together_and_have_no_marks(points: int, marker: str) -> None:
    axes = Figure().add_subplot()
    lines(("loss", [float(point) for point in range(points)], [0.5] * points))(axes)
    assert [line.get_marker() for line in axes.lines] == [marker]


scores = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.30001, 0.7, 0.9]), st.booleans()), max_size=40)


@given(scores, st.integers(1, 6))
def test_bins_hold_each_row_once_and_equal_values_together(pairs: list[tuple[float, bool]], bins: int) -> None:
    values, right = np.array([value for value, _ in pairs]), np.array([is_right for _, is_right in pairs], dtype=bool)
    found = binned(values, right, bins)
    assert len(found) <= bins
    assert sum(item.rows for item in found) == len(pairs)
    assert sum(item.right for item in found) == right.sum()
    for item in found:
        inside = (values >= item.least) & (values <= item.most)
        assert (inside.sum(), right[inside].sum()) == (item.rows, item.right)
        assert item.low <= item.share <= item.high


@given(scores, st.sampled_from([0.5, 0.9, 1.0]))
def test_a_threshold_leaves_as_many_rows_as_it_can(pairs: list[tuple[float, bool]], target: float) -> None:
    values, right = np.array([value for value, _ in pairs]), np.array([is_right for _, is_right in pairs], dtype=bool)
    found = thresholds(precision_curve(values, right), [target])[target]
    plain = [(int((values >= value).sum()), value) for value in set(values) if right[values >= value].mean() >= target]
    if not plain:
        assert found is None
    else:
        assert found is not None
        assert (found.rows, found.threshold) == max(plain)
        assert found.precision == pytest.approx(right[values >= found.threshold].mean())


def test_bootstrap_intervals_are_those_of_a_binomial_where_one_is_known() -> None:
    counted = Confusion.of(np.array([0] * 80 + [1] * 20), np.array([0] * 100))
    found = bootstrap_one_label(counted, 2)
    assert found["accuracy"] == pytest.approx((0.72, 0.87), abs=0.015)  # 0.8 +- 1.96 * 0.04
    assert bootstrap_one_label(counted, 2) == found
    assert found["macro_f1"][0] < 0.8 * 2 / 1.8 / 2 < found["macro_f1"][1]


def test_the_bootstrap_of_several_labels_is_that_of_one_where_each_row_has_one() -> None:
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - for this test

    random = np.random.default_rng(1)
    true, given = random.integers(0, 3, (2, 300))
    one = bootstrap_one_label(Confusion.of(true, given), 3)
    many = bootstrap_many_labels(csr_matrix(np.eye(3)[true]), csr_matrix(np.eye(3)[given]), true == given, draws=400)
    for name in ("accuracy", "macro_f1"):
        assert many[name] == pytest.approx(one[name], abs=0.015)


@pytest.mark.usefixtures("training_in_process")
def test_evaluate_writes_the_page_and_tells_where_it_cannot(
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import w2vray  # noqa: PLC0415 - for this test

    store, model = make_store(files=1, rows=60), make_model()
    told: list[str] = []
    w2vray.evaluate(store, model=model, output=tmp_path / "out", note=told.append)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "qqq" in Elements(page).cells, "the commonest word without a vector"
    assert not [line for line in told if "report.html" in line]
    assert "In brackets: what weighed most" in page, "the model tells its evidence"

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("w2vray.pages.evaluation.evaluation_page", fail)
    summary = w2vray.evaluate(store, model=model, output=tmp_path / "other", note=told.append)
    assert summary.metrics.rows == 60
    assert any("report.html could not be made (ValueError: no ink); metrics.json and" in line for line in told)
    assert sorted(file.name for file in (tmp_path / "other").iterdir()) == ["metrics.json", "rows.parquet"]
