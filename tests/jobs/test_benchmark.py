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
    given = ["--corpus", str(tmp_path / "texts.parquet"), "--text-column", "body", "--json"]

    done = subprocess.run([*command, *given], capture_output=True, text=True, check=True)

    measured = json.loads(done.stdout)
    rows = {(row["section"], row["what"]): row for row in measured["rows_measured"]}
    assert measured["rows"] == 3000
    assert {what for section, what in rows if section == "look-up"} == {"plain", "glove", "googlenews"}
    assert {what for section, what in rows if section == "models"} == {"average", "cnn", "lstm", "gru"}
    assert all(row["value"] > 0 for row in rows.values() if row["section"] != "gpu")
    assert set(rows["models", "cnn"]["against"]) == {
        "torch, sorted",
        "torch, as they come",
        "fastText 1-grams",
        "fastText 2-grams",
    }
    assert rows["gpu", "skipped"]["note"]
    assert set(measured["costs"]) == {"average", "cnn", "lstm", "gru"}


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
