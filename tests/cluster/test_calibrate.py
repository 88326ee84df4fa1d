"""``calibrate`` and ``--target-precision``: what is fitted, left out and refused, and what ``score`` makes of it."""

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.fasttext_models import WORDS, written
from tests.fixtures.stores import read_run, sentence
from w2vray.cli import run as run_command
from w2vray.cluster.calibrate import CalibrationSummary, calibrate
from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.score import ScoreSummary, score
from w2vray.cluster.train import TrainSummary, train
from w2vray.errors import BundleError, ConfigError, CorpusError
from w2vray.models.directory import Bundle, save_bundle
from w2vray.models.fasttext.importing import import_model
from w2vray.models.thresholds import Thresholds
from w2vray.run.sampling import sample_run
from w2vray.run.verify import verify
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import SampleSettings, VerifySettings
from w2vray.settings.labelled import CalibrateSettings, EvaluateSettings
from w2vray.settings.models import ImportModelSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

LABELS = ("low", "mid", "high")
WRONG = 0.15
"""Share of the labels that are any, so that no model is right on all rows."""


def rows_of(rows: int, seed: int, *, several: bool = False) -> pa.Table:
    chance = random.Random(seed)
    topics = [chance.randrange(3) for _ in range(rows)]
    texts = [sentence(chance, topic, 12) for topic in topics]
    labels: list[Any] = [LABELS[chance.randrange(3) if chance.random() < WRONG else topic] for topic in topics]
    return pa.table({"text": texts, "label": [[label] for label in labels] if several else labels})


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def made(name: str, rows: int, seed: int, *, several: bool = False) -> Path:
        if not (tmp_path / name).exists():  # a file that is written again is another one
            pq.write_table(rows_of(rows, seed, several=several), tmp_path / name)
        return tmp_path / name

    return made


@pytest.fixture
def trained(write: Callable[..., Path], word_vectors: Vectors, tmp_path: Path) -> Callable[..., TrainSummary]:
    def run(name: str = "model", *, several: bool = False, rows: int = 400, **given: Any) -> TrainSummary:
        store = write("train.parquet", rows, 1, several=several)
        options = {"model": "average", "vectors": str(word_vectors.path), "output": str(tmp_path / name)} | given
        return train(TrainSettings(labelled=(str(store),), **options))

    return run


def on(store: Path, model: Path | str, output: Path, told: list[str] | None = None, **given: Any) -> CalibrationSummary:
    settings = CalibrateSettings(labelled=(str(store),), model=str(model), output=str(output), **given)
    return calibrate(settings, note=(told if told is not None else []).append)


def score_all(store: Path, model: Path | str, run: Path, **given: Any) -> tuple[ScoreSummary, list[dict[str, Any]]]:
    summary = score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), **given))
    assert verify(VerifySettings(run=str(run))).ok
    return summary, read_run(run).to_pylist()


@pytest.mark.parametrize("several", [False, True])
def test_a_model_that_is_too_timid_is_made_surer_on_other_rows(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path, several: bool
) -> None:
    """A strong penalty makes logits too small."""
    model = trained(several=several, calibrate=False, model_settings={"C": 0.003}).model
    found = on(write("other.parquet", 600, 2, several=several), model, tmp_path / "made")
    assert len(found.temperatures) == (3 if several else 1)
    assert min(found.temperatures) < 0.8
    assert found.changed
    assert found.after.error < found.before.error
    assert (found.rows, found.rows_trained_on) == (600, 0)

    before, after = Bundle.load(model), Bundle.load(tmp_path / "made")
    assert after.config.temperatures == found.temperatures
    assert after.config.as_dict()["format_version"] == 3
    for name, weights in before.weights.items():
        np.testing.assert_array_equal(weights, after.weights[name])
    third = write("third.parquet", 600, 3, several=several)
    measured = evaluate(EvaluateSettings(labelled=(str(third),), model=(str(tmp_path / "made"),)))
    assert measured.calibration is not None
    assert measured.calibration.error < found.before.error
    told: list[str] = []
    again = EvaluateSettings(labelled=(str(tmp_path / "other.parquet"),), model=(str(tmp_path / "made"),))
    assert evaluate(again, note=told.append).rows_trained_on == 600, "it was calibrated on them"


def test_a_model_that_means_what_it_says_keeps_its_temperature(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
) -> None:
    timid = trained(calibrate=False, model_settings={"C": 0.003}).model
    once = on(write("other.parquet", 2000, 2), timid, tmp_path / "once")
    twice = on(write("third.parquet", 2000, 3), tmp_path / "once", tmp_path / "twice")
    assert twice.temperatures == pytest.approx(once.temperatures, rel=0.1)
    assert twice.after.error <= twice.before.error + 0.005


def test_rows_that_were_trained_on_are_left_out_or_refused(
    trained: Callable[..., TrainSummary], tmp_path: Path
) -> None:
    model, told = trained().model, list[str]()
    mixed = pa.concat_tables([rows_of(400, 1)[:100], rows_of(300, 2)])  # the first are rows of the training
    pq.write_table(mixed, tmp_path / "mixed.parquet")
    found = on(tmp_path / "mixed.parquet", model, tmp_path / "made", told)
    assert (found.rows_trained_on, found.rows) == (100, 300)
    assert any(line.startswith("left out: 100 rows whose text the training of") for line in told)

    with pytest.raises(CorpusError, match=r"^0 rows can be calibrated on, .* 400 more .* the training saw their texts"):
        on(tmp_path / "train.parquet", model, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_labels_that_the_model_does_not_know_are_named_and_rows_without_any_other_refused(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
) -> None:
    model, told = trained().model, list[str]()
    rows = rows_of(200, 2)
    strange = ["HIGH" if place < 5 else label for place, label in enumerate(rows["label"].to_pylist())]
    pq.write_table(rows.set_column(1, "label", pa.array(strange)), tmp_path / "strange.parquet")
    found = on(tmp_path / "strange.parquet", model, tmp_path / "made", told)
    assert dict(found.labels_unknown) == {"HIGH": 5}
    assert "the model has no label 'HIGH' (5 rows), but 'high'; write them alike" in told
    assert "labels that the model does not know: 'HIGH' 5; rows of a single one count as wrong" in told
    pq.write_table(rows.set_column(1, "label", pa.array(["x"] * 200)), tmp_path / "none.parquet")
    with pytest.raises(CorpusError, match="no row of 'label' has a label that the model knows"):
        on(tmp_path / "none.parquet", model, tmp_path / "other")
    several = write("lists.parquet", 200, 2, several=True)
    with pytest.raises(CorpusError, match="holds lists of labels, and the model gives one label a row"):
        on(several, model, tmp_path / "other")


def test_thresholds_are_left_behind_or_chosen_again_and_it_is_told(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
) -> None:
    model, other, told = trained(rows=900, target_precision=0.75).model, write("other.parquet", 600, 2), list[str]()
    assert on(other, model, tmp_path / "without", told).thresholds is None
    assert Bundle.load(tmp_path / "without").config.thresholds is None
    (line,) = [line for line in told if "the new model has no thresholds" in line]
    assert line.endswith("Give --target-precision 0.75 to choose new ones by these rows")
    told.clear()
    again = on(other, model, tmp_path / "again", told, target_precision=0.75, per_label=True)
    assert again.thresholds is not None
    assert Bundle.load(tmp_path / "again").config.thresholds == again.thresholds
    assert [line for line in told if "has no thresholds" in line] == []


def test_rows_of_an_earlier_calibration_are_left_out_too(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
) -> None:
    other, told = write("other.parquet", 300, 2), list[str]()
    on(other, trained().model, tmp_path / "once")
    with pytest.raises(CorpusError, match=r"^0 rows can be calibrated on"):
        on(other, tmp_path / "once", tmp_path / "twice", told)
    assert any(line.startswith("left out: 300 rows whose text the training or calibration of") for line in told)


@pytest.mark.parametrize("loss", ["hs", "ns"])
def test_an_imported_model_that_no_temperature_suits_gets_thresholds_or_is_refused(
    tmp_path: Path, loss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, model = written(tmp_path / "a.bin", loss), tmp_path / "model"
    import_model(ImportModelSettings(source=str(source), output=str(model)))
    chance = random.Random(4)
    texts = [" ".join(chance.choices(WORDS[1:40], k=6)) for _ in range(400)]
    labels = TextScorer.load(model).score(texts).columns()["label"]
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "all right.parquet")
    with pytest.raises(ConfigError, match="no temperature suits it; give --target-precision to choose thresholds"):
        on(tmp_path / "all right.parquet", model, tmp_path / "made")
    assert not (tmp_path / "made").exists()

    command = ["calibrate", str(tmp_path / "all right.parquet"), "--model", str(model), "--output", f"{tmp_path}/made"]
    assert run_command([*command, "--target-precision", "0.9"]) == 0
    assert "(as before: none can be fitted to such a model)" in " ".join(capsys.readouterr().out.split())
    config = Bundle.load(tmp_path / "made").config
    assert config.temperatures == ()
    assert config.thresholds is not None
    assert config.thresholds.kept == 1

    told: list[str] = []
    with pytest.raises(CorpusError, match=r"^0 rows can be calibrated on"):
        on(tmp_path / "all right.parquet", tmp_path / "made", tmp_path / "again", told, target_precision=0.9)
    assert (
        f"{tmp_path}/made does not tell which texts it was trained on; calibrate only on rows that it was not" in told
    )
    assert any(line.startswith("left out: 400 rows whose text the calibration of") for line in told)
    seen = evaluate(EvaluateSettings(labelled=(str(tmp_path / "all right.parquet"),), model=(f"{tmp_path}/made",)))
    assert seen.rows_trained_on == 400
    assert f"the calibration of {tmp_path}/made saw the text of 400 of these 400 rows (100%)" in " ".join(seen.warnings)
    pq.write_table(
        pa.table({"text": ["good film"] * 20, "label": [labels[0].as_py()] * 20}), tmp_path / "other.parquet"
    )
    other = evaluate(EvaluateSettings(labelled=(str(tmp_path / "other.parquet"),), model=(f"{tmp_path}/made",)))
    assert other.rows_trained_on is None, "nobody knows whether its training saw them"


def test_nothing_is_written_over_what_is_there(
    trained: Callable[..., TrainSummary], write: Callable[..., Path]
) -> None:
    model = Path(trained().model)
    before = {file: file.read_bytes() for file in model.iterdir()}
    with pytest.raises(BundleError, match="already exists"):
        on(write("other.parquet", 50, 2), model, model)
    assert {file: file.read_bytes() for file in model.iterdir()} == before


def test_vectors_inside_of_a_model_are_taken_along(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
) -> None:
    on(write("other.parquet", 60, 2), trained(with_vectors=True).model, tmp_path / "made")
    assert TextScorer.load(tmp_path / "made").score(["bab"]).columns()["status"].to_pylist() == ["scored"]
    assert (tmp_path / "made" / "vectors").is_dir()


@pytest.mark.parametrize("way", ["train", "calibrate"])
@pytest.mark.parametrize("several", [False, True])
def test_score_keeps_the_labels_that_reach_the_models_thresholds(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path, way: str, several: bool
) -> None:
    wanted: dict[str, Any] = {"target_precision": 0.8, "confidence": 0.9}
    if way == "train":
        summary: Any = trained(several=several, rows=900, **wanted)
    else:
        summary = on(
            write("other.parquet", 900, 2, several=several), trained(several=several).model, tmp_path / "made", **wanted
        )
    thresholds = Bundle.load(summary.model).config.thresholds
    assert thresholds is not None
    assert thresholds == summary.thresholds
    assert (len(thresholds.values), thresholds.rows) == (3 if several else 1, 900)
    store = write("store.parquet", 1200, 3, several=several)

    found, rows = score_all(store, summary.model, tmp_path / "run")
    true = pq.read_table(store)["label"].to_pylist()
    if several:
        kept = [(row["labels"], labels) for row, labels in zip(rows, true, strict=True)]
        right = [label in labels for given, labels in kept for label in given]
        share = float(np.mean([bool(given) for given, _ in kept]))
    else:
        right = [row["label"] == label for row, label in zip(rows, true, strict=True) if row["status"] == "scored"]
        share = len(right) / len(rows)
        assert {row["status"] for row in rows} <= {"scored", "below_threshold"}
    assert np.mean(right) > 0.78
    assert found.kept == pytest.approx(share, abs=1e-5)
    assert found.expected_kept == thresholds.kept
    assert abs(share - thresholds.kept) < 0.06
    assert found.warnings == []

    aside, rows = score_all(store, summary.model, tmp_path / "aside", no_threshold=True)
    assert aside.expected_kept is None
    if not several:
        assert {row["status"] for row in rows} == {"scored"}
        assert score_all(store, summary.model, tmp_path / "own", threshold=1.0)[0].rows_below_threshold > 1100


def test_a_store_of_which_more_is_kept_than_was_expected_is_told(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
) -> None:
    model = Path(trained(rows=900, target_precision=0.8, confidence=0.9).model)
    stored = json.loads((model / "config.json").read_text())
    stored["thresholds"]["kept"] = 0.5
    (model / "config.json").write_text(json.dumps(stored))
    found, _ = score_all(write("store.parquet", 300, 3), model, tmp_path / "run")
    (line,) = [line for line in found.warnings if "kept a label" in line]
    assert (
        "and 50.0% were expected to: these rows are not like those that the model's thresholds were chosen on" in line
    )
    assert score_all(write("few.parquet", 4, 3), model, tmp_path / "few")[0].warnings == [], "it may be chance"


def test_each_label_by_itself_and_one_without_a_promise(
    trained: Callable[..., TrainSummary], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(900, 2)
    never = ["mid" if label == "low" else label for label in rows["label"].to_pylist()]  # what is called low is not
    pq.write_table(rows.set_column(1, "label", pa.array(never)), tmp_path / "other.parquet")
    model = trained().model
    wanted = ["--target-precision", "0.8", "--confidence", "0.9"]
    command = ["calibrate", str(tmp_path / "other.parquet"), "--model", model, "--output", str(tmp_path / "made")]
    assert run_command([*command, *wanted, "--per-label"]) == 0
    said = " ".join((captured := capsys.readouterr()).err.split())
    assert "the rows do not suffice for a promise of 'low': these labels are never kept" in said
    assert "at least 0.8 of the rows of each label that are kept are right, with 0.9 confidence" in " ".join(
        captured.out.split()
    )
    _, scored = score_all(tmp_path / "other.parquet", tmp_path / "made", tmp_path / "run")
    assert {row["status"] for row in scored if row["label"] == "low"} == {"below_threshold"}
    assert {"scored"} < {row["status"] for row in scored if row["label"] == "high"} | {"", "scored"}


def test_a_precision_that_cannot_be_promised_writes_no_model(
    trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, model = write("other.parquet", 60, 2), trained().model
    command = [
        "calibrate",
        str(other),
        "--model",
        model,
        "--output",
        str(tmp_path / "made"),
        "--target-precision",
        "0.99",
    ]
    assert run_command([*command, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 2
    assert told["error"].startswith("--target-precision 0.99 with 0.95 confidence: ")
    assert not (tmp_path / "made").exists()


def test_a_training_that_cannot_promise_goes_on_with_another_wish(
    trained: Callable[..., TrainSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are those of the first call: nothing is learnt twice."""
    options: dict[str, Any] = {
        "model": "cnn",
        "model_settings": {"epochs": 2, "filters": 4},
        "validation_fraction": 0.5,
    }
    with pytest.raises(CorpusError, match=r"^--target-precision 0.999 with 0.95 .* What was learnt is kept"):
        trained(target_precision=0.999, **options)
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr("w2vray.training.steps.Training._step", None)
    found = trained(target_precision=0.1, confidence=0.6, **options)
    assert found.thresholds is not None


class TestSamplesOfARun:
    """Rows that ``sample`` drew: what they can be used for depends on what they were drawn from."""

    @pytest.fixture
    def drawn(
        self, trained: Callable[..., TrainSummary], write: Callable[..., Path], tmp_path: Path
    ) -> Callable[..., tuple[str, Path]]:
        model = trained().model
        store = write("store.parquet", 400, 5)
        truth = pq.read_table(store)["label"].to_pylist()

        def made(name: str, by: str = "random", **given: Any) -> tuple[str, Path]:
            run = tmp_path / f"run-{name}"
            score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), **given))
            file = tmp_path / f"{name}.csv"
            sample_run(SampleSettings(run=str(run), rows=200, by=by, output=str(file)))
            rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
            with file.open("w", encoding="utf-8", newline="") as handle:
                writer = csv.DictWriter(handle, rows[0])
                writer.writeheader()
                writer.writerows({**row, "true_label": truth[int(row["source_row"])]} for row in rows)
            return model, file

        return made

    def test_a_calibration_by_rows_above_a_threshold_alone_is_refused(
        self, drawn: Callable[..., tuple[str, Path]], tmp_path: Path
    ) -> None:
        """It would take the model to be that sure, and that right, of all rows."""
        model, file = drawn("above", threshold=0.6)
        told = r"above\.csv was drawn only from rows at or above the run's threshold; \d+ rows are below it"
        with pytest.raises(CorpusError, match=told):
            on(file, model, tmp_path / "made", label_column="true_label")
        assert not (tmp_path / "made").exists()

    def test_rows_of_all_scores_are_taken_and_uneven_chances_are_told(
        self, drawn: Callable[..., tuple[str, Path]], tmp_path: Path
    ) -> None:
        told: list[str] = []
        model, file = drawn("all")
        assert on(file, model, tmp_path / "all", told, label_column="true_label").rows == 200
        assert not [line for line in told if "drawn" in line]
        _, file = drawn("uneven", "uncertain", threshold=0.6)
        on(file, model, tmp_path / "uneven", told, label_column="true_label")
        assert [line for line in told if line.startswith("uneven.csv has 5 strata, and rows of some were drawn more")]

    def test_an_evaluation_says_which_rows_it_does_not_speak_for(self, drawn: Callable[..., tuple[str, Path]]) -> None:
        told: list[str] = []
        model, file = drawn("above", threshold=0.6)
        settings = EvaluateSettings(labelled=(str(file),), model=(str(model),), label_column="true_label")
        evaluate(settings, note=told.append)
        assert [line for line in told if "above.csv was drawn only from rows at or above the run's threshold" in line]

    def test_a_number_that_was_changed_is_refused(self, drawn: Callable[..., tuple[str, Path]], tmp_path: Path) -> None:
        model, file = drawn("all")
        file.write_text(file.read_text(encoding="utf-8").replace(",0\n", ",none\n"), encoding="utf-8")
        with pytest.raises(CorpusError, match="below_not_drawn is 'none', expected a number"):
            on(file, model, tmp_path / "made", label_column="true_label")


@pytest.mark.parametrize(
    ("several", "values"),
    [(False, (0.6,)), (False, (0.55, None, 0.65)), (True, (0.4, 0.5, 0.6))],
)
def test_an_evaluation_holds_the_models_own_thresholds_against_what_they_promise(
    trained: Callable[..., TrainSummary],
    write: Callable[..., Path],
    tmp_path: Path,
    several: bool,
    values: tuple[float | None, ...],
) -> None:
    """The same is counted here of the rows that the evaluation writes, one by one."""
    bundle, model = Bundle.load(trained(several=several).model), str(tmp_path / "own")
    promised = Thresholds(values=values, precision=0.75, confidence=0.95, kept=0.5, rows=100)
    save_bundle(Path(model), replace(bundle.config, thresholds=promised), bundle.weights)
    test = write("test.parquet", 300, 6, several=several)
    summary = evaluate(EvaluateSettings(labelled=(str(test),), model=(str(model),), output=str(tmp_path / "out")))
    thresholds, own = Bundle.load(model).config.thresholds, summary.own_thresholds
    assert thresholds is not None
    assert own is not None
    assert own.precision is not None
    names = Bundle.load(model).config.labels
    limits = dict(zip(names, np.broadcast_to(thresholds.limits, len(names)), strict=True))
    rows = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    given = [
        list(zip(row["predicted"], row["score"], strict=True)) if several else [(row["predicted"], row["score"])]
        for row in rows
    ]
    kept = [[label for label, sure in labels if np.float32(sure) >= np.float32(limits[label])] for labels in given]
    truth = [set(row["true"]) if several else {row["true"]} for row in rows]
    right = sum(label in true for labels, true in zip(kept, truth, strict=True) for label in labels)
    assert own.rows == 300
    assert 0 < own.rows_kept == sum(map(bool, kept)) < 300
    assert own.precision.rows == sum(map(len, kept))
    assert own.precision.share == right / own.precision.rows
    assert f"promises at least 0.75{' of each label' * (len(values) > 1)}, with 0.95 confidence" in own.sentence
    assert summary.as_dict()["own_thresholds"]["promised"] == thresholds.as_dict()


def test_a_model_without_thresholds_tells_of_none(
    trained: Callable[..., TrainSummary], write: Callable[..., Path]
) -> None:
    settings = EvaluateSettings(labelled=(str(write("test.parquet", 50, 6)),), model=(trained().model,))
    assert evaluate(settings).own_thresholds is None
