"""What ``plan`` says of a run before it is made, and what ``score --plan`` says of that afterwards."""

import csv
import gzip
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import w2vray
from w2vray import cli
from w2vray.cluster.score import ScoreSummary
from w2vray.errors import ConfigError, CorpusError
from w2vray.run.forecast import ALONE_SECONDS, START_SECONDS, UNIT_SECONDS, Forecast, outcome
from w2vray.scoring.cluster_samples import ClusterSample
from w2vray.scoring.proportions import Share

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]


@pytest.fixture
def mixed_store(make_store: MakeStore, tmp_path: Path) -> Path:
    """900 rows in nine row groups; of the last file, some rows cannot be read, and some have no known word."""
    store = tmp_path / "store"
    store.mkdir()
    for file in make_store().iterdir():
        (store / file.name).write_bytes(file.read_bytes())
    rows = pq.read_table(store / "part-2.parquet").to_pylist()
    texts = [None if row < 30 else "unheard" if row < 50 else rows[row]["text"] for row in range(300)]
    pq.write_table(pa.table({"id": [""] * 300, "text": texts}), store / "part-2.parquet", row_group_size=100)
    return store


def scored(store: Path, model: Path, output: Path, **given: Any) -> tuple[ScoreSummary, Counter[str]]:
    summary = w2vray.score(store, model=model, output=output, **given)
    table = pa.concat_tables(pq.read_table(part) for part in (output / "scores").iterdir())
    return summary, Counter(label for label in table["label"].to_pylist() if label is not None)


@pytest.mark.usefixtures("in_process")
def test_a_small_store_is_looked_at_as_a_whole_and_the_forecast_is_what_comes(
    mixed_store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model()
    planned = w2vray.plan(mixed_store, model=model, threshold=0.6)
    summary, counts = scored(mixed_store, model, tmp_path / "run", threshold=0.6)
    assert planned.exact
    assert (planned.rows, planned.sample_rows, planned.units) == (900, 900, summary.units)
    assert {label: round(share.share * 870) for label, share in planned.classes.items()} == counts
    assert all(share.low == share.share == share.high for share in planned.classes.values())
    assert planned.rejected.share == pytest.approx(30 / 900)
    assert planned.rejected_because == {"null_text": pytest.approx(30 / 900)}
    assert planned.no_evidence.share == pytest.approx(20 / 870)
    below = round(planned.below_threshold.share * 870)
    assert below + 20 == summary.rows_abstained
    assert planned.coverage == pytest.approx(summary.coverage)
    assert planned.bytes > 0
    assert planned.units == 1
    assert ALONE_SECONDS < planned.seconds < START_SECONDS
    assert planned.memory_bytes > planned.vectors_bytes > 0


@pytest.mark.usefixtures("in_process")
def test_of_a_larger_store_a_sample_is_looked_at_whose_intervals_hold_what_comes(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model = make_store(files=6, rows=400, row_group=50), make_model()
    summary, counts = scored(store, model, tmp_path / "run")
    missed = 0
    for seed in range(8):
        planned = w2vray.plan(store, model=model, sample=600, seed=seed)
        assert not planned.exact
        assert (planned.rows, planned.sample_places) == (2400, 12)
        assert 500 <= planned.sample_rows <= 600
        assert planned.coverage == pytest.approx(summary.coverage, abs=0.03)
        missed += sum(not share.low <= counts[label] / 2400 <= share.high for label, share in planned.classes.items())
    assert missed <= 4  # of 24 at 95 %
    assert w2vray.plan(store, model=model, sample=600, seed=3).classes == (
        w2vray.plan(store, model=model, sample=600, seed=3).classes
    )


def test_rows_of_one_place_are_alike_and_the_interval_knows_it(
    word_vectors: w2vray.Vectors, make_model: MakeModel, tmp_path: Path
) -> None:
    """Each file holds one text, again and again: 2,000 rows tell no more than the places that they are of."""
    words = [word_vectors.vocabulary.word(row) for row in range(60)]
    (tmp_path / "store").mkdir()
    for file, word in enumerate(words):
        pq.write_table(pa.table({"text": [word] * 200}), tmp_path / "store" / f"{file}.parquet")
    planned = w2vray.plan(tmp_path / "store", model=make_model(), sample=2000)
    widest = max(planned.classes.values(), key=lambda share: share.high - share.low)
    assert widest.rows == 2000
    assert widest.high - widest.low > 0.15, "of 2,000 rows that were drawn one by one, it would be about 0.04"


def test_rows_that_a_condition_leaves_out_are_not_counted(make_store: MakeStore, make_model: MakeModel) -> None:
    store, model = make_store(files=4, rows=300, row_group=100), make_model()
    there = sum(label == "mid" for file in store.iterdir() for label in pq.read_table(file)["label"].to_pylist())
    assert w2vray.plan(store, model=model, where="label == 'mid'").rows == there
    sampled = w2vray.plan(store, model=model, where="label == 'mid'", sample=500)
    assert sampled.rows == pytest.approx(there, rel=0.2)
    assert w2vray.plan(store, model=model, limit=150).rows == 150


def test_files_that_cannot_be_read_are_named(mixed_store: Path, make_model: MakeModel) -> None:
    (mixed_store / "part-9.parquet").write_bytes(b"PAR1")
    planned = w2vray.plan(mixed_store, model=make_model())
    assert (planned.rows, planned.files, planned.files_left_out) == (900, 3, 1)
    assert planned.notes[0].startswith("left out: part-9.parquet: ")
    with pytest.raises(CorpusError, match="no column 'no'"):
        w2vray.plan(mixed_store, model=make_model(), text_column="no")


def test_workers_and_the_price_decide_time_and_cost(
    mixed_store: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1000)  # a row group is one
    monkeypatch.setattr("w2vray.run.survey.time.process_time", itertools.count().__next__)  # all takes a second
    monkeypatch.setattr("w2vray.store.units.MOST_TEXT_OF_A_PROCESS", 0)
    model = make_model()
    one = w2vray.plan(mixed_store, model=model, workers=1, price_per_core_hour=36)
    many = w2vray.plan(mixed_store, model=model, workers=1000, price_per_core_hour=36)
    assert one.cost == pytest.approx(one.seconds / 100)
    assert many.cost == pytest.approx(many.seconds * 10)
    assert one.seconds - START_SECONDS == pytest.approx(one.core_hours * 3600)
    assert one.units == many.units == 9
    assert many.seconds - START_SECONDS == pytest.approx((one.seconds - START_SECONDS) / 9)
    assert one.core_hours * 3600 == pytest.approx(9 + 9 + 9 * UNIT_SECONDS)
    assert w2vray.plan(mixed_store, model=model).cost is None


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.9])
def test_the_interval_of_a_cluster_sample_holds_the_share_about_as_often_as_it_says(alike: float) -> None:
    random, held, draws = np.random.default_rng(11), 0, 20
    shares = np.clip(random.normal(0.3, alike * 0.4, 300), 0, 1)
    sizes = random.integers(50, 500, 300).astype(float)
    whole = float((sizes * shares).sum() / sizes.sum())
    for _ in range(200):
        places = random.choice(300, draws, p=sizes / sizes.sum())
        counts = random.binomial(50, shares[places]).astype(float)
        (found,) = ClusterSample(np.ones(draws), np.full(draws, 50.0)).shares(counts[:, None])
        held += found.low <= whole <= found.high
    assert held >= 184


def test_what_no_draw_has_seen_may_be_there_all_the_same() -> None:
    counts = np.array([[0.0, 20.0, 50.0], [0.0, 30.0, 50.0]] * 10)
    never, some, always = ClusterSample(np.ones(20), np.full(20, 50.0)).shares(counts)
    assert (never.share, some.share, always.share) == (0.0, 0.5, 1.0)
    assert (never.low, always.high) == (0.0, 1.0)
    assert never.high == pytest.approx(1 - always.low)
    assert 0.003 < never.high < 0.1


# Afterwards


@pytest.mark.usefixtures("in_process")
def test_at_the_end_score_says_how_far_the_forecast_was_off(
    mixed_store: Path, make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, file = make_model(), tmp_path / "plan.json"
    assert cli.run(["plan", str(mixed_store), "--model", str(model), "--output", str(file)]) == 0
    told = capsys.readouterr().out
    assert "900 rows, " in told
    assert "rejected 3.3% (3.3% to 3.3%): null_text 3.33%" in told
    command = ["score", str(mixed_store), "--model", str(model), "--output", str(tmp_path / "run"), "--plan", str(file)]
    assert cli.run(command) == 0
    told = capsys.readouterr().out
    assert "forecast of rows: 900, found 900 (exact)" in told
    assert "forecast of the time: " in told
    assert "forecast of rejected rows: 3.33%, found 3.33%" in told
    assert "each label's share is inside its interval" in told
    assert cli.run([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["forecast"]
    assert again["seconds"] is None, "an earlier call has done the work"
    assert again["rows"] == [900, 900]
    assert again["output_bytes"][0] == pytest.approx(again["output_bytes"][1], rel=0.5)


def test_a_forecast_that_was_wrong_is_told_so() -> None:
    share = Share(rows=100, share=0.2, low=0.1, high=0.3)
    planned = Forecast(
        rows=1000,
        bytes=40 << 30,
        files=1,
        files_left_out=0,
        units=4,
        classes={"a": share, "b": share},
        rejected=share,
        rejected_because={},
        below_threshold=share,
        no_evidence=share,
        coverage=None,
        tokens_per_row=1.0,
        workers=2,
        seconds=START_SECONDS + 20,
        core_hours=1.0,
        cost=None,
        memory_bytes=1,
        vectors_bytes=1,
        output_bytes=500,
        sample_rows=100,
        sample_places=2,
        exact=False,
        run="f",
    )
    found = outcome(
        planned,
        counts={"a": 200, "b": 500, "c": 1},
        rows=800,
        rows_scored=700,
        output_bytes=1000,
        seconds=START_SECONDS + 10,
        workers=8,
    )
    assert found.labels_outside == {"b": (0.2, 500 / 700)}
    assert found.seconds == (START_SECONDS + 5, START_SECONDS + 10)
    assert found.lines == [
        "forecast of rows: 1,000, found 800 (25% too high)",
        "forecast of the output's bytes: 500, found 1,000 (50% too low)",
        "forecast of the time: 17 s, found 22 s (23% too low)",
        "forecast of rejected rows: 20.00%, found 12.50%",
        "labels outside their interval: 'b' 20.00%, found 71.43%",
    ]


@pytest.mark.usefixtures("in_process")
def test_a_forecast_of_another_run_is_refused_before_any_work(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model, file = make_store(files=1), make_model(), tmp_path / "plan.json"
    w2vray.plan(store, model=model, output=file)
    for other in ({"threshold": 0.7}, {"keep": ["id"]}):
        with pytest.raises(ConfigError, match="forecasts a run of another model or with other options"):
            w2vray.score(store, model=model, output=tmp_path / "run", plan=file, **other)
    for text, message in (("{", "is not a forecast"), ("{}", "is not a forecast"), ('{"format": 9}', "format 9; this")):
        file.write_text(text)
        with pytest.raises(ConfigError, match=message):
            w2vray.score(store, model=model, output=tmp_path / "run", plan=file)
    with pytest.raises(ConfigError, match="cannot be read"):
        w2vray.score(store, model=model, output=tmp_path / "run", plan=tmp_path / "none.json")
    with pytest.raises(ConfigError, match="a file in a folder that can be written"):
        w2vray.plan(store, model=model, output=tmp_path / "no" / "plan.json")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("in_process")
def test_a_forecast_of_another_store_is_told(make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
    """Its model and options are those of the run, and nothing it says is of these rows."""
    store, model, file = make_store(files=2), make_model(), tmp_path / "plan.json"
    other = tmp_path / "other"
    other.mkdir()
    (other / "part-0.parquet").write_bytes((store / "part-1.parquet").read_bytes())
    w2vray.plan(store, model=model, output=file)
    notes: list[str] = []
    w2vray.score(store, model=model, output=tmp_path / "run", plan=file, note=notes.append)
    assert not [note for note in notes if "--plan" in note]
    w2vray.score(other, model=model, output=tmp_path / "run-other", plan=file, note=notes.append)
    (told,) = [note for note in notes if "--plan" in note]
    assert told == (
        f"--plan {file}: it forecasts another store, or this one before it changed (its files were 2, the run's are "
        "1); what is told of it at the end is not of this store"
    )
    stored = json.loads(file.read_text())
    del stored["store"]  # as an earlier version wrote it
    file.write_text(json.dumps(stored))
    w2vray.score(other, model=model, output=tmp_path / "run-again", plan=file, note=notes.append)
    assert len([note for note in notes if "--plan" in note]) == 1


@pytest.mark.usefixtures("in_process")
def test_a_forecast_is_written_over_a_forecast_and_nothing_else(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model = make_store(files=1), make_model()
    pq.write_table(pa.table({"text": ["bad"]}), tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text('{"text": "bad"}\n{"text": "bed"}\n')
    (tmp_path / "other.json").write_text('{"format": 1, "run": "bed"}')
    for name in ("rows.parquet", "rows.jsonl", "other.json"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ConfigError, match="exists already and is no forecast; name another file"):
            w2vray.plan(store, model=model, output=tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    (tmp_path / "plan.json").touch()
    for sample in (50, 100):
        made = w2vray.plan(store, model=model, output=tmp_path / "plan.json", sample=sample)
        assert Forecast.load(str(tmp_path / "plan.json")).sample_rows == made.sample_rows


@pytest.mark.usefixtures("in_process")
def test_a_run_with_a_forecast_is_the_run_without(make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
    store, model, file = make_store(files=1), make_model(), tmp_path / "plan.json"
    w2vray.plan(store, model=model, output=file)
    w2vray.score(store, model=model, output=tmp_path / "run")
    again = w2vray.score(store, model=model, output=tmp_path / "run", plan=file)
    assert (again.units_skipped, again.exit_code) == (again.units, 0)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "jsonl.gz"])
@pytest.mark.usefixtures("in_process")
def test_stores_of_text_are_forecast_and_sampled_too(
    kind: str, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    rows = [row for file in make_store(files=2).iterdir() for row in pq.read_table(file).to_pylist()]
    for row in rows:
        row["text"] += '\n"quoted", and more'
    (tmp_path / "store").mkdir()
    file, model = tmp_path / "store" / f"rows.{kind}", make_model()
    if kind == "csv":
        pa.csv.write_csv(pa.Table.from_pylist(rows), file)
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    planned = w2vray.plan(tmp_path / "store", model=model)
    summary, counts = scored(tmp_path / "store", model, tmp_path / "run")
    assert (planned.rows, planned.exact) == (summary.rows_in, True) == (600, True)
    assert {label: round(share.share * 600) for label, share in planned.classes.items()} == counts
    w2vray.sample(tmp_path / "run", rows=20, output=tmp_path / "check.csv")
    with (tmp_path / "check.csv").open(encoding="utf-8-sig", newline="") as handle:
        drawn = list(csv.DictReader(handle))
    assert [line["text"] for line in drawn] == [rows[int(line["source_row"])]["text"] for line in drawn]
