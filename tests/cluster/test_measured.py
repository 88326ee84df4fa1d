"""``evaluate``: rows that were trained on, repeated texts, rows.parquet, and several models on the same rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import EvaluationSummary, evaluate
from w2vray.errors import BundleError, ConfigError, RunError
from w2vray.models.directory import Bundle
from w2vray.models.trained_texts import TRAINED_TEXTS, trained_texts_bytes
from w2vray.settings.labelled import EvaluateSettings
from w2vray.text.keys import TextSample, text_keys

pytestmark = pytest.mark.usefixtures("training_in_process")

MakeModel = Callable[..., Path]


@pytest.fixture
def rows(make_store: Callable[..., Path]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(make_store(files=1, rows=40)).to_pylist()
    return found


def write(file: Path, rows: list[dict[str, Any]], **kinds: pa.DataType) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table.cast(pa.schema([(f.name, kinds.get(f.name, f.type)) for f in table.schema])), file)
    return file


def measure(store: Path, *models: Path, told: list[str] | None = None, **given: Any) -> EvaluationSummary:
    settings = EvaluateSettings(labelled=(str(store),), model=tuple(map(str, models)), **given)
    return evaluate(settings, note=(told if told is not None else []).append)


def remember(model: Path, texts: list[str], most: int = 1 << 20) -> None:
    """Let a model have been trained on these texts."""
    keys = text_keys(pa.array(texts, pa.large_string()))
    (model / TRAINED_TEXTS).write_bytes(trained_texts_bytes(TextSample.of([keys], most)))


def test_it_tells_how_far_it_is(rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "store" / f"{name}.parquet", rows)
    settings = EvaluateSettings(labelled=(str(tmp_path / "store"),), model=(str(make_model()),))
    told: list[tuple[int, int]] = []
    evaluate(settings, progress=lambda done, total: told.append((done, total)))
    total = told[0][1]
    assert told == [(done, total) for done in range(1, total + 1)]


def test_rows_that_were_trained_on_are_told_with_the_accuracy_on_the_others(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    store, model, told = write(tmp_path / "a.parquet", rows), make_model(), list[str]()
    assert measure(store, model).rows_trained_on is None, "a model of before does not tell"
    remember(model, [row["text"].upper() for row in rows])
    assert measure(store, model, told=told).rows_trained_on == 0
    assert told == []

    remember(model, [f" {row['text']}\n" for row in rows[:30]])
    found = measure(store, model, told=told)
    others = measure(write(tmp_path / "others.parquet", rows[30:]), model)
    assert (found.rows_trained_on, found.trained_on_estimated) == (30, False)
    assert found.accuracy_elsewhere == others.metrics.accuracy
    (line,) = told
    assert line == (
        f"the training of {model} saw the text of 30 of these 40 rows (75%): the accuracy is overstated. On the other "
        f"rows it is {others.metrics.accuracy:.4f}. Measure on rows that it did not see; `train --test-fraction` keeps "
        "some"
    )
    remember(model, [row["text"] for row in rows])
    assert measure(store, model).accuracy_elsewhere is None


def test_an_evaluation_is_written_over_an_evaluation_and_nothing_else(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model()
    store = write(tmp_path / "store" / "rows.parquet", rows)
    (tmp_path / "run").mkdir()
    for name in ("run.json", "report.html", "metrics.json"):
        (tmp_path / "run" / name).write_text("{}")
    for folder, said in (
        (tmp_path / "store", "rows.parquet. Give"),
        (tmp_path / "run", "metrics.json, report.html, run.json; it is a scoring run. Give"),
        (model, "it is a model directory. Give another --output"),
    ):
        before = {file: file.read_bytes() for file in folder.iterdir()}
        with pytest.raises(ConfigError, match=f"is not empty and holds no evaluation: .*{said}"):
            measure(store, model, output=str(folder))
        assert {file: file.read_bytes() for file in folder.iterdir()} == before

    made = tmp_path / "made"
    made.mkdir()
    (made / ".notes").touch()  # a hidden file is nobody's answer
    for few in (rows[:20], rows):
        measure(write(tmp_path / "few.parquet", few), model, output=str(made))
        assert json.loads((made / "metrics.json").read_text())["rows"] == len(few)
        assert pq.read_table(made / "rows.parquet").num_rows == len(few)


def test_of_very_many_texts_the_share_is_estimated(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    store, model, told = write(tmp_path / "a.parquet", rows), make_model(), list[str]()
    remember(model, [row["text"] for row in rows], most=25)
    found = measure(store, model, told=told)
    assert (found.rows_trained_on, found.trained_on_estimated) == (40, True)
    assert "saw the text of about 40 of these 40 rows (100%)" in told[0]


@pytest.mark.parametrize(
    "damage",
    [b"", b"no safetensors", trained_texts_bytes(TextSample(np.array([5, 3], np.uint64)))],
    ids=["empty", "other", "unsorted"],
)
def test_a_damaged_file_of_trained_texts_is_refused(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path, damage: bytes
) -> None:
    model = make_model()
    (model / TRAINED_TEXTS).write_bytes(damage)
    with pytest.raises(BundleError, match=f"{TRAINED_TEXTS} cannot be used"):
        measure(write(tmp_path / "a.parquet", rows), model)


def test_repeated_texts_and_those_of_two_labels_are_counted(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    told: list[str] = []
    again = [*rows, *rows[:3], {**rows[0], "label": "other"}, {**rows[5], "label": None}]
    found = measure(write(tmp_path / "a.parquet", again), make_model(), told=told)
    assert found.as_dict()["repeats"] == {
        "texts_repeated": 3,
        "rows_repeated": 4,
        "texts_of_two_labels": 1,
        "estimated": False,
    }
    assert told[-1] == (
        "3 texts are there more than once, so that 4 rows repeat an earlier one; 1 of these texts have different "
        "labels, and no model is right on all of their rows"
    )
    lists = [{**row, "label": ["a", "b"][: place % 2 + 1]} for place, row in enumerate([*rows, rows[1], rows[2]])]
    of_lists = measure(write(tmp_path / "b.parquet", lists), make_model(labels=("a", "b"), multi_label=True))
    assert (of_lists.repeats.texts_repeated, of_lists.repeats.texts_of_two_labels) == (2, 2)


def test_each_labelled_row_is_written_with_its_place_text_and_answer(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    odd = [*rows, {**rows[0], "label": None}, {**rows[0], "text": None}, {**rows[0], "text": "qqq", "label": "other"}]
    for file in range(2):
        write(tmp_path / "store" / f"{file}.parquet", odd[file::2])
    found = measure(tmp_path / "store", make_model(), output=str(tmp_path / "out"))
    table = pq.read_table(tmp_path / "out" / "rows.parquet")
    of_model = ["predicted", "score", "token_count", "coverage"]
    assert table.schema.names == ["source_file", "source_row", "text", "true", *of_model]
    written = table.to_pylist()
    expected = [
        (f"{file}.parquet", place, row["text"], row["label"])
        for file in range(2)
        for place, row in enumerate(odd[file::2])
        if row["label"] is not None
    ]
    assert [(row["source_file"], row["source_row"], row["text"], row["true"]) for row in written] == expected
    assert len(written) == found.metrics.rows == 42
    assert sum(row["true"] == row["predicted"] for row in written) == round(found.metrics.accuracy * 42)
    assert [row["score"] for row in written if row["text"] in {None, "qqq"}] == [None, None]
    assert all(0.3 < row["score"] <= 1 for row in written if row["text"] not in {None, "qqq"})
    assert {row["token_count"] for row in written} == {1, 12, None}
    assert all(0 <= row["coverage"] <= 1 for row in written if row["text"] is not None)
    names = ["metrics.json", "report.html", "rows.parquet"]
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == names
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == json.loads(json.dumps(found.as_dict()))


def test_rows_of_several_labels_have_lists(rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path) -> None:
    lists = [{**row, "label": ["a", "b"][: place % 3]} for place, row in enumerate(rows)]
    model = make_model(labels=("a", "b"), multi_label=True)
    found = measure(write(tmp_path / "a.parquet", lists), model, output=str(tmp_path / "out"))
    written = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert [row["true"] for row in written] == [row["label"] for row in lists]
    right = sum(sorted(row["predicted"]) == row["true"] for row in written)
    assert right == round(found.metrics.accuracy * len(rows))
    assert all(len(row["predicted"]) == len(row["score"]) for row in written)


def test_what_was_measured_is_told_though_the_rows_cannot_be_written(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    store = write(tmp_path / "a.parquet", rows)
    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    with pytest.raises(RunError, match=r"No space left on device.*what was measured: accuracy 0\.\d{4}"):
        measure(store, make_model(), output=str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["metrics.json"]


def test_several_models_are_held_against_the_first_on_the_same_rows(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    store = write(tmp_path / "a.parquet", [{**row, "label": "low"} for row in rows])
    models = [make_model(), make_model(labels=("x", "y", "low")), make_model(labels=("low", "x", "y"))]
    found = measure(store, *models, output=str(tmp_path / "out"))
    alone = [measure(store, model) for model in models]
    assert [item.metrics.as_dict() for item in (found, *found.others)] == [item.metrics.as_dict() for item in alone]
    table = pq.read_table(tmp_path / "out" / "rows.parquet").to_pydict()
    for number, comparison in zip((2, 3), found.comparisons, strict=True):
        first = np.array(table["predicted"]) == "low"
        other = np.array(table[f"predicted_{number}"]) == "low"
        assert comparison.only_first_right == int((first & ~other).sum())
        assert comparison.only_model_right == int((other & ~first).sum())
        accuracies = found.others[number - 2].metrics.accuracy, found.metrics.accuracy
        assert comparison.difference == pytest.approx(accuracies[0] - accuracies[1])
    stated = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [item["model"] for item in stated["others"]] == [str(model) for model in models[1:]]
    assert len(stated["comparisons"]) == 2


def test_models_that_answer_differently_or_are_named_twice_are_refused(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    one, many = make_model(), make_model(multi_label=True)
    with pytest.raises(ConfigError, match=r"gives one label a row, and .* lists of labels; compare models that answer"):
        measure(write(tmp_path / "a.parquet", rows), one, many)
    with pytest.raises(ConfigError, match="at least one model directory, each once"):
        measure(tmp_path / "a.parquet", one, one)
    with pytest.raises(ConfigError, match="at least one model directory, each once"):
        measure(tmp_path / "a.parquet")


def test_each_model_reads_its_own_column_of_the_same_rows(
    rows: list[dict[str, Any]], make_model: MakeModel, tmp_path: Path
) -> None:
    store = write(tmp_path / "a.parquet", [{**row, "body": row["text"], "text": "qqq"} for row in rows])
    one, other = make_model(), make_model()
    config = json.loads((other / "config.json").read_text())
    config["reading"]["text_column"] = ["body"]
    (other / "config.json").write_text(json.dumps(config))
    assert Bundle.load(other).config.reading.text_column == ("body",)
    found = measure(store, one, other)
    assert (found.metrics.rows_no_evidence, found.others[0].metrics.rows_no_evidence) == (40, 0)
