"""Training on Ray Train, and evaluation: what is learnt, and what is counted."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from w2vray.cluster.evaluate import EvaluationSummary, evaluate
from w2vray.cluster.ray_internals import lean
from w2vray.cluster.repeating import repeated
from w2vray.cluster.train import TrainSummary, train
from w2vray.cluster.train_worker import DIVERGED
from w2vray.cluster.trainer import _impatient, run_trainer
from w2vray.errors import CorpusError, DivergedError
from w2vray.models.average.settings import AverageSettings
from w2vray.models.directory import Bundle
from w2vray.models.kinds import model_settings
from w2vray.scoring.metrics import MultiLabelMetrics
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.labelled import EvaluateSettings
from w2vray.text.lookup import Lookup
from w2vray.training.fit import BEST, CURVE, SEARCH
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

MakeStore = Callable[..., Path]

SMALL: dict[str, Any] = {"filters": 8, "epochs": 4, "widths": (2, 3), "batch_size": 16, "learning_rate": 0.01}


def run_train(store: Path, vectors: Vectors, output: Path, **options: Any) -> TrainSummary:
    """Train on a store."""
    steps = options.get("model") != "average" or options.get("tune_vectors", False)
    if steps and "validation" not in options:  # of so few rows it would keep none apart
        options = {"validation_fraction": 0.1} | options
    return train(TrainSettings(labelled=(str(store),), vectors=str(vectors.path), output=str(output), **options))


def run_evaluate(store: Path, model: Path, **options: Any) -> EvaluationSummary:
    """Evaluate on a store."""
    return evaluate(EvaluateSettings(labelled=(str(store),), model=(str(model),), **options))


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_two_workers_learn_what_the_labels_say(make_store: MakeStore, word_vectors: Vectors, tmp_path: Path) -> None:
    store = make_store(files=4, rows=301)
    model = tmp_path / "model"
    options = {**SMALL, "refit": True}
    summary = run_train(store, word_vectors, model, workers=2, oov="unknown", model_settings=options)
    assert summary.rows + summary.rows_validation == 4 * 301
    assert summary.labels == ("high", "low", "mid")
    assert all(line["validation_loss"] is not None for line in summary.curve)
    told = Bundle.load(model).config.training
    assert told["refit"] == summary.refit
    assert {line["examples"] for line in told["refit"]} == {4 * 301}
    found = run_evaluate(store, model, output=str(tmp_path / "evaluation"))
    assert found.metrics.rows == 4 * 301
    assert found.metrics.accuracy > 0.95
    assert json.loads((tmp_path / "evaluation" / "metrics.json").read_text())["accuracy"] == found.metrics.accuracy
    texts = pq.read_table(store)["text"].to_pylist()
    alone = TextScorer.load(model).score(texts).columns()["label"].to_pylist()
    right = [a == b for a, b in zip(alone, pq.read_table(store)["label"].to_pylist(), strict=True)]
    assert found.metrics.accuracy == pytest.approx(np.mean(right), abs=1e-12)
    assert not list(tmp_path.glob(".model*")), "checkpoints are cleared away"


@pytest.mark.usefixtures("here_and_on_ray")
def test_a_training_repeated_with_one_worker_gives_the_same_weights_and_leaves_the_vectors_alone(
    make_store: MakeStore, word_vectors: Vectors, tmp_path: Path
) -> None:
    """From what the model directory tells; other data is refused."""
    store = make_store(files=2, rows=100)
    before = word_vectors.table_VD.tobytes()
    run_train(store, word_vectors, tmp_path / "one", oov="unknown", model_settings=SMALL)
    settings, origin = repeated(tmp_path / "one" / "config.json", {"output": str(tmp_path / "two")})
    train(settings, origin=origin)
    one, two = Bundle.load(tmp_path / "one"), Bundle.load(tmp_path / "two")
    assert one.weights.keys() == two.weights.keys()
    for name, value in one.weights.items():
        assert np.array_equal(value, two.weights[name]), name
    assert one.fingerprint == two.fingerprint
    assert one.config.training["curve"] == two.config.training["curve"]
    before_file, part = (store / "part-0.parquet").stat(), store / "part-0.parquet"
    os.utime(part, ns=(0, 0))
    shutil.copytree(store, tmp_path / "copy")
    table = pq.read_table(part)
    pq.write_table(table.set_column(1, "label", pa.array(table["label"].to_pylist()[::-1])), part)
    os.utime(part, ns=(before_file.st_atime_ns, before_file.st_mtime_ns))
    settings, origin = repeated(tmp_path / "two", {"output": str(tmp_path / "three")})
    with pytest.raises(
        CorpusError, match=f"{store} is not the data that .*two/config.json names: its rows, .* have the hash"
    ):
        train(settings, origin=origin)
    assert not (tmp_path / ".three.training").exists()
    train(replace(settings, labelled=(str(tmp_path / "copy"),)), origin=origin)
    assert Bundle.load(tmp_path / "three").fingerprint == one.fingerprint
    assert word_vectors.table_VD.tobytes() == before


@pytest.fixture
def store_with_lists(make_store: MakeStore) -> Path:
    """A store of texts with one label, and with a list of them."""
    store = make_store(files=2, rows=100)
    for path in store.glob("*.parquet"):
        table = pq.read_table(path)
        lists = [[label, "even"] if row % 2 == 0 else [label] for row, label in enumerate(table["label"].to_pylist())]
        pq.write_table(table.append_column("labels", pa.array(lists)), path)
    return store


def file_hashes(folder: Path) -> dict[str, str]:
    """What the files of a folder hold."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


GRU = {"hidden": 5, "epochs": 3, "bidirectional": True, "pooling": "max", "learning_rate": 0.02}
LSTM = {"hidden": 5, "epochs": 2, "batch_size": 16}
OTHER = {"tune_vectors": True, "label_column": "labels", "seed": 3}


RAY: Any = pytest.mark.ray
LONG: Any = pytest.mark.long
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    "cnn, balanced, twice": ("cnn", {**SMALL, "refit": True}, {"balanced": True}, (RAY, LONG)),
    "gru both ways, tuned, many labels, another seed": ("gru", GRU, OTHER, (RAY,)),
    "lstm": ("lstm", LSTM, {}, (RAY, LONG)),
}
"""One of them goes through Ray in the quick suite."""


@pytest.mark.parametrize(
    ("model", "stated", "options", "where"),
    [
        *(pytest.param(*case, "local_ray", id=name, marks=marks) for name, (*case, marks) in CASES.items()),
        *(pytest.param(*case, "training_in_process", id=f"{name}, here") for name, (*case, _) in CASES.items()),
    ],
)
def test_one_worker_of_rays_is_the_plain_function(  # noqa: PLR0917 - fixtures
    request: pytest.FixtureRequest,
    where: str,
    model: str,
    stated: dict[str, Any],
    options: dict[str, Any],
    store_with_lists: Path,
    word_vectors: Vectors,
    fit_here: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Bit for bit, and so is the second fit on all rows; no byte of the vectors is another.

    It is also with a worker that stands for Ray's: other tests rely on that one.
    """
    request.getfixturevalue(where)
    assert word_vectors.path is not None
    before, table_before = file_hashes(word_vectors.path), word_vectors.table_VD.tobytes()

    summary = run_train(
        store_with_lists, word_vectors, tmp_path / "model", model=model, oov="unknown", model_settings=stated, **options
    )

    assert file_hashes(word_vectors.path) == before
    assert word_vectors.table_VD.tobytes() == table_before
    state = fit_here(store_with_lists, model_settings(model, stated), oov="unknown", **options)
    assert (state[SEARCH] if "refit" in stated else state[CURVE]) == summary.curve
    bundle = Bundle.load(tmp_path / "model")
    assert bundle.weights.keys() == state[BEST].keys()
    for name, value in bundle.weights.items():
        assert np.array_equal(value, state[BEST][name].numpy()), name
    told = bundle.config.training
    assert told["settings"] | options == told["settings"]
    assert told["versions"] == {
        "python": platform.python_version(),
        **{name: version(name) for name in ("w2vray", "ray", "torch", "numpy", "pyarrow")},
    }


@pytest.mark.usefixtures("here_and_on_ray")
def test_labels_in_lists_are_learnt_each_by_itself(
    make_store: MakeStore, word_vectors: Vectors, tmp_path: Path
) -> None:
    """As one-against-the-rest of scikit-learn, weights included; an empty list is an example too."""
    table = pq.read_table(make_store(files=1, rows=120))
    lists: list[Any] = [
        [label, "a"] if row % 2 else ([label] if row % 3 else [])
        for row, label in enumerate(table["label"].to_pylist())
    ]
    lists[5] = None
    pq.write_table(pa.table({"text": table["text"], "labels": lists}), tmp_path / "many.parquet")
    options = {"label_column": "labels", "class_weight": ("a=3",)}

    summary = run_train(tmp_path / "many.parquet", word_vectors, tmp_path / "model", model="average", **options)

    assert summary.labels == ("a", "high", "low", "mid")
    assert (summary.rows, summary.rows_without_label) == (119, 1)
    rows = [row for row in range(120) if row != 5]
    means = text_means(word_vectors, [table["text"][row].as_py() for row in rows])
    bundle = Bundle.load(tmp_path / "model")
    assert bundle.config.multi_label
    for index, label in enumerate(summary.labels):
        truth = [label in (lists[row] or ()) for row in rows]
        weight = {False: 1.0, True: 3.0 if label == "a" else 1.0}
        oracle = LogisticRegression(C=AverageSettings().C, class_weight=weight, tol=1e-8, max_iter=5000).fit(
            means, truth
        )
        np.testing.assert_allclose(bundle.weights["model.dense.weight"][index], oracle.coef_[0], atol=5e-3)
    found = run_evaluate(tmp_path / "many.parquet", tmp_path / "model", label_column="labels").metrics
    assert isinstance(found, MultiLabelMetrics)
    assert (found.rows, found.micro_f1 > 0.7) == (119, True)


def text_means(vectors: Vectors, texts: list[str]) -> Any:
    """The mean vector of each text, every token known."""
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")(texts)
    ends = zip(ids.offsets_N1, ids.offsets_N1[1:], strict=False)
    return np.array([vectors.table_VD[ids.ids_L[start:stop]].mean(axis=0) for start, stop in ends])


@pytest.mark.usefixtures("here_and_on_ray")
def test_average_is_logistic_regression_on_the_means_over_all_rows(
    make_store: MakeStore, word_vectors: Vectors, tmp_path: Path
) -> None:
    store = make_store(files=2, rows=151)
    summary = run_train(store, word_vectors, tmp_path / "model", model="average", workers="1:3", with_vectors=True)
    assert (summary.rows, summary.rows_validation) == (302, 0)
    table = pq.read_table(store)
    means = text_means(word_vectors, table["text"].to_pylist())
    oracle = LogisticRegression(C=AverageSettings().C, tol=1e-8, max_iter=5000).fit(means, table["label"].to_pylist())
    weights = Bundle.load(tmp_path / "model").weights
    np.testing.assert_allclose(weights["model.dense.weight"], oracle.coef_, atol=2e-3)
    assert (tmp_path / "model" / "vectors" / "vectors.json").exists()


@pytest.mark.usefixtures("training_in_process")
def test_labels_may_be_integers_or_booleans_and_rows_without_one_are_counted_and_left_out(
    word_vectors: Vectors, make_store: MakeStore, tmp_path: Path
) -> None:
    """Of the rows for which ``--where`` holds; the others are not there."""
    texts = pq.read_table(make_store(files=1, rows=60))["text"].to_pylist()
    labels = [None if row % 6 == 0 else row % 3 * 5 for row in range(60)]
    texts[1] = "zzz"
    texts[2] = None
    columns = {"text": [*texts, "bab", None], "label": [*labels, 99, None], "year": [2020] * 60 + [2019, None]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    where = "year >= 2020"
    summary = run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="average", where=where)
    assert summary.labels == ("0", "5", "10")
    assert (summary.rows, summary.rows_without_label, summary.rows_without_evidence) == (48, 10, 2)
    assert Bundle.load(tmp_path / "model").config.training["settings"]["where"] == where
    found = run_evaluate(tmp_path / "a.parquet", tmp_path / "model", where=where)
    assert found.rows_unknown_label == 0
    assert (found.rows_without_label, found.metrics.rows, found.metrics.rows_no_evidence) == (10, 50, 2)


@pytest.mark.usefixtures("here_and_on_ray")
def test_a_multi_label_model_is_measured_by_the_labels_it_gives(
    make_store: MakeStore, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Lists of labels against lists of labels: exactly as scikit-learn counts the answers of one process."""
    texts = pq.read_table(make_store(files=1, rows=60))["text"].to_pylist()
    texts[7] = "zzz"
    labels = [
        None if row == 3 else [name for name in ("high", "low", "new") if row % len(name) == 0] for row in range(60)
    ]
    pq.write_table(pa.table({"text": texts, "label": labels, "one": ["low"] * 60}), tmp_path / "a.parquet")
    model = make_model(multi_label=True)
    found = run_evaluate(tmp_path / "a.parquet", model)
    given = TextScorer.load(model).score(texts).columns()["labels"].to_pylist()
    marks = MultiLabelBinarizer(classes=["high", "low", "mid", "new"])
    rows = [row for row in range(60) if row != 3]
    true_NC1 = marks.fit_transform([labels[row] for row in rows])
    given_NC1 = marks.transform([given[row] or [] for row in rows])
    assert isinstance(found.metrics, MultiLabelMetrics)
    assert (found.metrics.rows, found.rows_without_label, found.metrics.rows_no_evidence) == (59, 1, 1)
    assert found.rows_unknown_label == sum("new" in (each or ()) for each in labels)
    assert found.metrics.accuracy == pytest.approx(accuracy_score(true_NC1, given_NC1))
    assert found.metrics.micro_f1 == pytest.approx(f1_score(true_NC1, given_NC1, average="micro"))
    with pytest.raises(CorpusError, match="'one' holds one label a row, and the model gives lists of labels"):
        run_evaluate(tmp_path / "a.parquet", model, label_column="one")


@pytest.mark.parametrize(
    ("where", "workers"),
    [("training_in_process", 1), pytest.param("local_ray", 2, marks=[pytest.mark.ray, pytest.mark.long])],
)
def test_a_training_that_diverges_is_told_plainly_and_leaves_nothing(  # noqa: PLR0917 - fixtures
    where: str,
    workers: int,
    request: pytest.FixtureRequest,
    make_store: MakeStore,
    word_vectors: Vectors,
    tmp_path: Path,
) -> None:
    """It would diverge again: nothing is tried again, and there is nothing to go on with."""
    request.getfixturevalue(where)
    store, options = make_store(files=1, rows=200), {**SMALL, "learning_rate": 1e30}
    with pytest.raises(DivergedError, match=r"^the training loss is nan in epoch \d; lower --learning-rate$"):
        run_train(store, word_vectors, tmp_path / "new" / "model", workers=workers, model_settings=options)
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("training_in_process")
def test_a_word_of_divergence_from_a_killed_call_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call was killed between what its workers wrote and its own reading."""
    settings = TrainSettings(labelled=("l",), vectors="v", output=str(tmp_path / "model"))
    worker, diverged = cast("Any", SimpleNamespace(task=SimpleNamespace(model=None))), tmp_path / "name" / DIVERGED
    diverged.parent.mkdir()
    monkeypatch.setattr("w2vray.cluster.trainer.load_state", lambda checkpoint: {"of": checkpoint})
    monkeypatch.setattr("w2vray.cluster.trainer._fit", lambda *_: SimpleNamespace(checkpoint="last"))
    told: dict[str, Any] = {"progress": lambda *_: None, "note": lambda _: None}

    diverged.write_text("an earlier one")
    assert run_trainer(settings, worker, tmp_path, "name", **told) == {"of": "last"}

    def diverge(*_: Any) -> SimpleNamespace:
        diverged.write_text("this one")
        return SimpleNamespace(checkpoint="last")

    monkeypatch.setattr("w2vray.cluster.trainer._fit", diverge)
    with pytest.raises(DivergedError, match="this one"):
        run_trainer(settings, worker, tmp_path, "name", **told)
    assert not diverged.parent.exists()


def test_nothing_is_started_that_only_takes_time() -> None:
    """Who would look after the controller, and datasets where there are none."""
    trainer = lean(TorchTrainer)(print, scaling_config=ScalingConfig(num_workers=1))

    names = {type(callback).__name__ for callback in trainer._create_default_callbacks()}

    assert names.isdisjoint({"PlacementGroupCleanerCallback", "DatasetsCallback"})
    assert "BackendSetupCallback" in names


@pytest.mark.parametrize("elastic", [False, True])
def test_what_a_training_asks_of_ray_is_not_asked_of_the_next_one(
    monkeypatch: pytest.MonkeyPatch, elastic: bool
) -> None:
    """And what the user has asked stays."""
    poll, place = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"
    monkeypatch.setenv(poll, "7")
    monkeypatch.delenv(place, raising=False)

    with _impatient(elastic=elastic):
        assert (os.environ[poll], os.environ.get(place)) == ("7", "10" if elastic else None)

    assert (os.environ[poll], os.environ.get(place)) == ("7", None)


@pytest.mark.usefixtures("training_in_process")
def test_iterations_that_end_before_the_optimum_are_told(
    make_store: MakeStore, word_vectors: Vectors, tmp_path: Path
) -> None:
    notes: list[str] = []
    settings = TrainSettings(
        labelled=(str(make_store(files=1, rows=100)),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model="average",
        model_settings={"iterations": 2},
    )
    train(settings, note=notes.append)
    told = "average has not reached its optimum; raise --iterations"
    assert notes[-1] == told
    assert Bundle.load(tmp_path / "model").config.training["converged"] is False
    train(replace(settings, output=str(tmp_path / "again"), model_settings={}), note=notes.append)
    assert notes.count(told) == 1
    assert Bundle.load(tmp_path / "again").config.training["converged"] is True


@pytest.mark.usefixtures("training_in_process")
def test_labels_that_are_in_no_row_to_learn_from_are_told(
    make_store: MakeStore, word_vectors: Vectors, tmp_path: Path
) -> None:
    """Those that a set for validation alone has, and one whose only row is kept for it: that is a class, too."""
    table = pq.read_table(make_store(files=1, rows=60))
    labels = table["label"].to_pylist()
    pq.write_table(table.select(["text", "label"]), tmp_path / "train.parquet")
    kept = pa.table({"text": table["text"], "label": ["other" if row < 7 else labels[row] for row in range(60)]})
    pq.write_table(kept, tmp_path / "kept.parquet")
    options: dict[str, Any] = {"model_settings": {**SMALL, "epochs": 1}}

    summary = run_train(
        tmp_path / "train.parquet",
        word_vectors,
        tmp_path / "a",
        validation=(str(tmp_path / "kept.parquet"),),
        **options,
    )
    assert (summary.labels_unknown, summary.labels_not_learnt) == ({"other": 7}, {})
    assert (summary.rows, summary.rows_validation) == (60, 53)

    table = pq.read_table(make_store(files=1, rows=200))
    rare = pa.table({"text": table["text"], "label": ["rare", *table["label"].to_pylist()[1:]]})
    pq.write_table(rare, tmp_path / "rare.parquet")
    options |= {"validation_fraction": 0.9, "class_weight": ("rare=2",), "balanced": True}
    summary = run_train(tmp_path / "rare.parquet", word_vectors, tmp_path / "b", **options)
    assert (summary.labels_unknown, summary.labels_not_learnt) == ({}, {"rare": 1})
    assert summary.labels == Bundle.load(tmp_path / "b").config.labels == ("high", "low", "mid", "rare")
