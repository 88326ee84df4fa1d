"""Each script in examples/ runs as it is and prints what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import w2vray

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run_example(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    return done.stdout


def test_each_example_is_run_by_a_test() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    scripts = {file.name for file in EXAMPLES.glob("*.py")} - {"reviews.py"}  # which is their data
    assert len(scripts) >= 3
    assert [name for name in sorted(scripts) if f'"{name}"' not in tests] == []


@pytest.mark.ray
@pytest.mark.long
def test_train_and_score(tmp_path: Path) -> None:
    printed = run_example("train_and_score.py", str(tmp_path))
    assert "model: ('negative', 'positive'), trained on 500 rows\n" in printed
    assert "run: 1200 rows in, 1200 scored, 0 rejected\nverified\n" in printed
    assert printed.endswith("['positive', 'negative']\n")
    accuracy = re.search(r"accuracy (\S+) on 200 rows", printed)
    assert accuracy
    assert float(accuracy[1]) > 0.8  # three texts in ten cannot be told
    assert pq.read_table(tmp_path / "run" / "scores").num_rows == 1200


@pytest.mark.ray
@pytest.mark.long
def test_read_answers(tmp_path: Path) -> None:
    printed = run_example("read_answers.py", str(tmp_path))
    rows = {name: int(count) for name, count in re.findall(r"^(\w+): (\d+) rows$", printed, re.MULTILINE)}
    assert set(rows) == {"scored", "below_threshold", "no_evidence"}
    assert sum(rows.values()) == 1001
    assert rows["no_evidence"] == 1
    sure = re.findall(r"score (\S+) or more: (\d+) rows, accuracy (\S+)", printed)
    (_, all_rows, lowest), _, (_, some_rows, highest) = [tuple(map(float, line)) for line in sure]
    assert all_rows == 1000
    assert some_rows < all_rows
    assert highest > lowest
    assert "'source_file': 'odd.parquet', 'source_row': 0, 'reason': 'null_text'" in printed
    assert w2vray.verify(tmp_path / "run").ok


def test_a_job_without_an_address_is_told_how_to_give_one() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "submit_job.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python examples/submit_job.py http://HEAD:8265 [FOLDER]\n"


@pytest.mark.ray
@pytest.mark.long
def test_own_model(tmp_path: Path) -> None:
    printed = run_example("own_model.py", str(tmp_path))
    accuracy = re.search(r"^accuracy (\S+)$", printed, re.MULTILINE)
    assert accuracy
    assert float(accuracy[1]) > 0.8  # three texts in ten cannot be told
    assert printed.endswith("alone as among others: True\n")


def test_the_command_line_knows_the_model_of_ones_own_by_the_variable_that_the_example_names() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{EXAMPLES}{os.pathsep}{ROOT}", "W2VRAY_MODELS": "own_model:DAN"}
    command = [sys.executable, "-m", "w2vray", "train", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "hidden layers over the mean vector" in " ".join(done.stdout.split())
    assert "--layers" in done.stdout
