import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.store.corpus_texts import corpus_texts

JOBS = Path(__file__).resolve().parents[2] / "jobs"


@pytest.mark.long
def test_one_command_measures_and_prints_json(tmp_path: Path) -> None:
    """On any Parquet; what is asked for is there, and nothing but JSON is on stdout."""
    pytest.importorskip("fasttext", reason="the extra `bench` is not installed")
    texts = [f"A good film, number {number} of many." for number in range(3000)]
    pq.write_table(pa.table({"body": texts}), tmp_path / "texts.parquet")
    command = [sys.executable, str(JOBS / "benchmark" / "run.py"), "--only", "look-up", "models", "gpu", "--runs", "1"]
    given = ["--corpus", str(tmp_path / "texts.parquet"), "--text-column", "body", "--json", "--megabytes", "0.3"]

    done = subprocess.run([*command, *given], capture_output=True, text=True, check=True)

    measured = json.loads(done.stdout)
    rows = {(row["corpus"], row["section"], row["what"]): row for row in measured["rows_measured"]}
    corpora = ["descriptions", "texts"]
    assert [about["corpus"] for about in measured["corpora"]] == corpora
    assert measured["corpora"][1]["rows"] == 3000
    assert measured["corpora"][1]["distinct_words"] == 3006
    models, families = ["average", "cnn", "lstm", "gru"], ["plain", "glove", "googlenews", "fasttext"]
    expected = [("look-up", family) for family in families] + [("models", model) for model in models]
    assert set(rows) == {(corpus, *each) for corpus in corpora for each in expected} | {("texts", "gpu", "skipped")}
    assert all(row["value"] > 0 for row in rows.values() if row["section"] != "gpu")
    assert set(rows["texts", "models", "cnn"]["against"]) == {
        "torch, sorted",
        "torch, as they come",
        "fastText 1-grams",
        "fastText 2-grams",
    }
    assert rows["texts", "gpu", "skipped"]["note"]
    assert set(measured["costs"]) == {f"{model}, {corpus}" for model in models for corpus in corpora}


def test_rivals_run_in_turn_and_the_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow moment of the machine decides nothing."""
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    import stopwatch  # noqa: PLC0415 - a script, not a module of the package

    clock = [0.0]
    order: list[str] = []
    seconds = {"fast": iter([1.0, 50.0, 1.0]), "slow": iter([4.0, 4.0, 4.0])}
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def rival(name: str) -> Callable[[], float]:
        def run() -> float:
            order.append(name)
            clock[0] += next(seconds[name])
            return 8.0

        return run

    speed: dict[str, Any] = stopwatch.alternate({"fast": rival("fast"), "slow": rival("slow")}, 3)

    assert order == ["fast", "slow"] * 3
    assert speed == {"fast": 8.0, "slow": 2.0}


def test_a_job_costs_what_its_documents_cores_and_speed_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores at 100 MB/s: a billion documents of 100 tokens of 6 bytes take 6,000 s."""
    pytest.importorskip("fasttext", reason="the extra `bench` is not installed")
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    import run  # noqa: PLC0415 - a script, not a module of the package
    from stopwatch import Row  # noqa: PLC0415

    rows = [
        Row("job", "average", 100.0, "MB/s", {}, "", "reviews"),
        Row("job", "first unit", 6.0, "s", {}, "", "reviews"),
        Row("models", "average", 9.0, "M tokens/s/core", {}, "", "reviews"),
    ]

    assert run._costs_of_jobs(rows, [{"corpus": "reviews", "bytes_a_token": 6.0}], 2, 0.5) == {
        "whole job of average, reviews, 100 tokens": "3.3 core-hours, 1.67 at 0.5 an hour",
        "whole job of average, reviews, 1000 tokens": "33.3 core-hours, 16.67 at 0.5 an hour",
    }


def of_speed(ratio: float, *, machine: str = "2 cores", date: str = "2026-01-01", what: str = "cnn") -> dict[str, Any]:
    """What ``run.py`` measured, as its file has it."""
    against = {"fastText 2-grams": ratio, "torch, sorted": 100 * ratio}
    row = {"corpus": "reviews", "section": "models", "what": what, "value": 1.0, "against": against}
    return {"measured": {"machine": machine, "date": date, "revision": "abc"}, "rows_measured": [row]}


@pytest.mark.parametrize(("ratio", "code"), [(3.0, 0), (2.6, 0), (2.5, 1), (9.0, 0)])
def test_a_ratio_to_a_yardstick_that_fell_is_told_and_ends_in_an_error(
    ratio: float, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By more than 15 % of what it was; what torch does is no yardstick."""
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    import speed  # noqa: PLC0415 - a script, not a module of the package

    files = [tmp_path / "kept.json", tmp_path / "new.json"]
    for file, value in zip(files, (3.0, ratio), strict=True):
        file.write_text(json.dumps(of_speed(value)))

    assert speed.main(["--compare", *map(str, files)]) == code
    told = "models cnn on reviews: 2.50 times fastText 2-grams, it was 3.00 (-17%)"
    assert (told in capsys.readouterr().err) == bool(code)


def test_what_was_kept_last_of_the_same_kind_of_machine_is_compared_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A step that only one of them has is left out."""
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    import speed  # noqa: PLC0415 - a script, not a module of the package

    new = of_speed(1.0)
    kept = [of_speed(5.0), of_speed(4.0), of_speed(9.0, machine="8 cores"), new]
    for number, each in enumerate(kept):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(each))
        os.utime(file, (number, number))

    assert speed.last_kept(tmp_path, new) == kept[1]
    assert speed.last_kept(tmp_path, of_speed(1.0, machine="a new one")) is None
    assert list(speed.fallen(kept[1], of_speed(1.0, what="gru"))) == []


def test_a_device_is_measured_with_its_busy_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each model in each precision; the cost is told of what a GPU does by itself."""
    pytest.importorskip("fasttext", reason="the extra `bench` is not installed")
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    import gpu_speed  # noqa: PLC0415 - a script, not a module of the package
    import run  # noqa: PLC0415
    from material import Material  # noqa: PLC0415

    texts = pa.array([f"A good film, number {number} of many." for number in range(50)], pa.large_string())

    rows = list(gpu_speed.on_device("cpu", Material(texts, "made up"), 1, lambda: 40.0))

    assert len(rows) == len({row.what for row in rows}) == 4 * 3 * 2
    assert all(row.value > 0 and row.against["kernel on a core"] > 0 and "40 % busy" in row.note for row in rows)
    options = run._options(["--gpu-hour", "3.5"])
    costs = run._costs(rows, options)
    assert set(costs) == {row.what for row in rows if row.what.endswith("from ids")}
    hours = 1e11 / (rows[0].value * 1e6) / 3600
    assert costs[rows[0].what] == f"{hours:,.1f} GPU-hours, {hours * 3.5:,.2f} at 3.5 an hour"


@pytest.mark.long
def test_training_is_measured_on_one_worker_and_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each beside the plain loop, words frozen and tuned; a text without words does no harm."""
    pytest.importorskip("fasttext", reason="the extra `bench` is not installed")
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    from material import Material  # noqa: PLC0415 - a script, not a module of the package
    from training_bench import measure_training  # noqa: PLC0415

    texts = pa.array(["...", *(f"A good film, number {number} of many." for number in range(90))], pa.large_string())

    rows = list(measure_training(Material(texts, "made up"), 1, ["cnn"]))

    assert [row.what for row in rows] == [
        f"cnn, {words}, {workers}" for words in ("frozen", "tuned") for workers in ("1 worker", "2 workers", "2 apart")
    ]
    assert [set(row.against) for row in rows] == [{"plain loop"}, {"plain loop", "1 worker"}, {"1 worker"}] * 2
    assert all(row.value > 0 and row.unit == "examples/s" for row in rows)
    assert all(row.note.startswith("91 texts, ") for row in rows)
    ratio = rows[1].value / rows[0].value
    assert rows[1].against["1 worker"] == pytest.approx(ratio)


def test_training_is_weighed_for_two_sizes_of_a_set_in_which_no_text_is_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The words of a text stay together; every kind of process is told of."""
    pytest.importorskip("fasttext", reason="the extra `bench` is not installed")
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    import training_memory  # noqa: PLC0415 - a script, not a module of the package
    from material import Material, write_labelled_store  # noqa: PLC0415

    given = [" ".join(f"w{row + word}" for word in range(9)) for row in range(300)]
    texts = pa.array(given, pa.large_string())
    size = write_labelled_store(tmp_path / "store", texts, 20 * texts.nbytes / 1e6)
    assert size == pytest.approx(20 * texts.nbytes / 1e6)
    found = pq.read_table(tmp_path / "store")["text"].to_pylist()
    assert len(set(found)) == len(found) == 20 * 300
    assert {" ".join(sorted(text.split())) for text in found} == {" ".join(sorted(text.split())) for text in given}

    memory = training_memory.Memory.of(os.getpid())
    assert 0 < memory.made <= memory.private
    seen: list[Any] = []

    def watched(settings: Any, seconds: float) -> Any:
        seen.append(settings)
        kinds = ("driver", "reader", "trainer")
        ended = settings.model == "average"
        trained = training_memory.Trained("100 examples", reading=2.0, training=seconds + 1, ended=ended)
        return trained, dict.fromkeys(kinds, memory)

    monkeypatch.setattr(training_memory, "_watched", watched)
    rows = list(training_memory.measure_training_memory(Material(texts, "made up"), 1.0, 5.0))
    assert [settings.model for settings in seen] == ["average", "average", "cnn", "cnn"]
    assert len(rows) == len({row.what for row in rows}) == 2 * 5 + 2 * 4
    by_unit = {row.unit: row.value for row in rows}
    assert by_unit["s"] == 6.0
    assert by_unit["MB"] == memory.made / 1e6
    assert {"100 examples, ended after 6 s of steps" in row.note for row in rows[10:]} == {True}


def test_each_format_is_given_the_same_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No text is there twice; what other processes use is counted as CPU seconds."""
    pytest.importorskip("fasttext", reason="the extra `bench` is not installed")
    monkeypatch.syspath_prepend(str(JOBS / "benchmark"))
    from formats_bench import FORMATS, write_rows  # noqa: PLC0415 - scripts, not modules of the package
    from stopwatch import CpuSeconds  # noqa: PLC0415

    texts = pa.array(['one "quoted",\nfilm', "two", "three"], pa.large_string())
    expected = [f"{copy} {text}" for copy in range(10) for text in texts.to_pylist()]

    for ending, write in FORMATS.items():
        (tmp_path / ending).mkdir()
        megabytes = write_rows(tmp_path / ending, ending, write, texts, 10)
        found = [text for chunk in corpus_texts((str(tmp_path / ending),), ("text",)) for text in chunk.to_pylist()]
        assert sorted(found) == sorted(expected)
        assert len(list((tmp_path / ending).iterdir())) == 8
        assert 0 < megabytes < 0.001

    spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
    with CpuSeconds() as used:
        child = subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE)
        while used.seconds < 0.3:
            time.sleep(0.05)
        child.communicate(b"\n")
    assert used.seconds >= 0.3
