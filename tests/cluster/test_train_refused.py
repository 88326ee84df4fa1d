"""Trainings that cannot be: refused with what to change, and nothing is left of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.train import train
from w2vray.errors import BundleError, ClusterError, ConfigError, CorpusError, RunError
from w2vray.run.leases import only_writer
from w2vray.run.wholefiles import WholeFiles
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors


def run_train(store: Path, vectors: Vectors, output: Path, **options: Any) -> None:
    """Train on a store."""
    train(TrainSettings(labelled=(str(store),), vectors=str(vectors.path), output=str(output), **options))


@pytest.fixture
def store(make_store: Callable[..., Path]) -> Path:
    """Twenty rows of three labels."""
    return make_store(files=1, rows=20)


@pytest.mark.usefixtures("here_and_on_ray")
def test_one_class_only(word_vectors: Vectors, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["bab", "dab"], "label": ["x", "x"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"column 'label' holds one class only \('x', 2 rows\)"):
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="average")
    assert [place.name for place in tmp_path.iterdir() if "model" in place.name] == []


@pytest.mark.usefixtures("training_in_process")
@pytest.mark.parametrize(
    ("labels", "why"), [(["x", "y"] * 3, "6 rows are too few"), ([*["x"] * 20, "y"], "a label has one row only")]
)
def test_rows_that_models_cannot_be_compared_on(
    labels: list[str], why: str, word_vectors: Vectors, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"text": ["bab"] * len(labels), "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=f"--model auto compares models by 5 folds of so few rows; {why}: give more"):
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="auto")
    assert not (tmp_path / "model").exists()


@pytest.mark.usefixtures("training_in_process")
def test_labels_that_are_ids(word_vectors: Vectors, tmp_path: Path) -> None:
    texts, labels = ["bab", "dab"] * 6, [f"row {number}" for number in range(12)]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"holds another label in each of its 12 rows \('row 0', .*--label-column$"):
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="average")
    assert not (tmp_path / "model").exists()


@pytest.mark.usefixtures("training_in_process")
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("bab", None), ("bab", "")], "2 rows without a label, 0 without a known word or a text that can be read$"),
        ([("qqq", "y"), (None, "y"), ("dab", None)], "1 rows without a label, 2 without a known word or a text"),
        ([("bab", "?"), ("dab", "?")], r"can be read, 2 of --unlabelled '\?'$"),
    ],
    ids=["no label", "no known word", "marked as unlabelled"],
)
def test_one_class_only_because_rows_of_others_were_left_out(
    word_vectors: Vectors, tmp_path: Path, rows: list[tuple[str | None, str | None]], told: str
) -> None:
    texts, labels = zip(*[("bab", "x"), ("dab", "x"), *rows], strict=True)
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=rf"one class only \('x', 2 rows\); .* Left out: .*{told}"):
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="average", unlabelled=("?",))


@pytest.mark.usefixtures("training_in_process")
def test_a_set_for_validation_with_other_labels(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["bab", "dab"], "label": ["1", "0"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="column 'label' has '0', '1' there, and 'high', 'low', 'mid' in LABELLED"):
        run_train(store, word_vectors, tmp_path / "model", validation=(str(tmp_path / "a.parquet"),))


@pytest.mark.usefixtures("training_in_process")
def test_a_second_fit_where_no_row_was_kept(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    options = {"model_settings": {"refit": True}, "validation": (str(store),)}
    with pytest.raises(ConfigError, match=r"--refit trains again .* none are kept"):
        run_train(store, word_vectors, tmp_path / "model", **options)


@pytest.mark.usefixtures("training_in_process")
def test_no_label_at_all(word_vectors: Vectors, tmp_path: Path) -> None:
    labels = pa.array([None, None], pa.string())
    pq.write_table(pa.table({"text": ["bab", "dab"], "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="2 rows have no label"):
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="average")


@pytest.mark.usefixtures("training_in_process")
def test_labels_of_another_type(word_vectors: Vectors, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["bab", "dab"], "label": pa.array([0, 1], pa.date32())}), tmp_path / "a.parquet")
    with pytest.raises(
        CorpusError, match=r"column 'label' is date32.*; expected strings, UTF-8 bytes, whole numbers or"
    ):
        run_train(tmp_path / "a.parquet", word_vectors, tmp_path / "model", model="average")


@pytest.mark.usefixtures("training_in_process")
def test_a_wrong_label_column(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no column 'klass' in the store; its columns are id, label, text"):
        run_train(store, word_vectors, tmp_path / "model", label_column="klass")


@pytest.mark.usefixtures("training_in_process")
def test_a_condition_that_does_not_fit_the_columns(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="--where: no column 'year' in the store"):
        run_train(store, word_vectors, tmp_path / "model", where="year > 2020")
    with pytest.raises(ConfigError, match="--where 'id > 2020': column 'id' is string, and 2020 is a number"):
        run_train(store, word_vectors, tmp_path / "model", where="id > 2020")


@pytest.mark.usefixtures("training_in_process")
def test_a_broken_file_among_the_labelled(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    (store / "broken.parquet").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"broken.parquet: it has zero bytes"):
        run_train(store, word_vectors, tmp_path / "model")
    (store / "broken.parquet").unlink()


@pytest.mark.usefixtures("training_in_process")
def test_a_weight_of_no_class_leaves_nothing(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    """Not even the folders that the model was to lie in; what stands beside them stays."""
    (tmp_path / "beside").mkdir()
    with pytest.raises(ConfigError, match="--class-weight: 'nope' is no label of the examples"):
        run_train(store, word_vectors, tmp_path / "new" / "deep" / "m", model="average", class_weight=("nope=2",))
    assert {place.name for place in tmp_path.iterdir()} == {"beside"}


@pytest.mark.usefixtures("training_in_process")
def test_a_second_training_at_the_same_time(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with (
        only_writer(WholeFiles(str(tmp_path / ".model.training"))),
        pytest.raises(RunError, match=r"\.model\.training: another run is writing here; wait for it to end"),
    ):
        run_train(store, word_vectors, tmp_path / "model", model="average")


@pytest.mark.usefixtures("training_in_process")
def test_an_output_that_is_there(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="already exists"):
        run_train(store, word_vectors, tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="link already exists"):
        run_train(store, word_vectors, tmp_path / "link")


@pytest.mark.usefixtures("training_in_process")
def test_an_output_whose_name_is_too_long(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    """Of what the filesystem takes, the training needs ten bytes; all others will do."""
    with pytest.raises(ConfigError, match=r"--output '.*nn' cannot be checked \(File name too long\); name"):
        run_train(store, word_vectors, tmp_path / ("n" * 246), model="average")
    run_train(store, word_vectors, tmp_path / ("n" * 245), model="average")
    assert {place.name for place in tmp_path.iterdir()} >= {"n" * 245}


@pytest.mark.usefixtures("training_in_process")
def test_a_set_for_validation_without_a_known_word(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["zzz", None], "label": ["high", "low"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="--validation has no row with a label and a word that has a vector"):
        run_train(store, word_vectors, tmp_path / "model", validation=(str(tmp_path / "a.parquet"),))


@pytest.mark.usefixtures("training_in_process")
def test_a_condition_that_holds_for_no_row(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"--where \"label == 'no'\" selects no other rows: give another"):
        run_train(store, word_vectors, tmp_path / "model", where="label == 'no'", model="average")
    run_train(store, word_vectors, tmp_path / "model", model="average")
    with pytest.raises(CorpusError, match=r"or another --where: \"label == 'no'\" holds for no other row"):
        evaluate(EvaluateSettings(labelled=(str(store),), model=(str(tmp_path / "model"),), where="label == 'no'"))


@pytest.mark.usefixtures("training_in_process")
def test_an_option_of_another_model(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--filters is not an option of the model average"):
        run_train(store, word_vectors, tmp_path / "m", model="average", model_settings={"filters": 3})


@pytest.mark.usefixtures("here_and_on_ray")
def test_more_workers_than_cpus(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"--workers is 9, and this Ray has 2 CPUs"):
        run_train(store, word_vectors, tmp_path / "model", workers=9)


@pytest.mark.usefixtures("here_and_on_ray")
def test_a_gpu_where_there_is_none(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="this Ray has 0"):
        run_train(store, word_vectors, tmp_path / "model", gpu=True)


@pytest.mark.usefixtures("training_in_process")
def test_a_validation_file_that_is_learnt_from_too(store: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    (tmp_path / "link.parquet").symlink_to(store / "part-0.parquet")
    for validation in (store, tmp_path / "link.parquet"):
        with pytest.raises(
            CorpusError, match=r"part-0\.parquet is in LABELLED and in --validation: the model would be"
        ):
            run_train(store, word_vectors, tmp_path / "model", validation=(str(validation),))
