"""The kit's own measures: what is planted in a run, a log or an output is found, and counted right."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.hosts import __main__ as kit
from tests.hosts.faults import FAULTS
from tests.hosts.links import Traffic
from tests.hosts.measuring import (
    Line,
    Rows,
    compared,
    longest_silence,
    seconds_to_notice,
    units_done,
    units_done_again,
)
from tests.hosts.report import write_report
from tests.hosts.rounds import Round

ROOT = Path(__file__).parents[2]

PUBLISHED = '10.77.0.2 - - [30/Nov/2026 17:57:46] "PUT /bucket/{run}/scores/part-{unit}.parquet HTTP/1.1" {code} -\n'
BEGUN = (
    "10.77.0.3 - - [30/Nov/2026 17:57:46] "
    '"PUT /bucket/{run}/_temporary/attempts-0a1b/{unit}/{mark} HTTP/1.1" {code} -\n'
)

Places = Sequence[tuple[str, int]]
PLACES = [("part-0.parquet", row) for row in range(4)] + [("part-1.parquet", row) for row in range(2)]


def write_parts(folder: Path, *parts: Places, label: str = "high") -> Path:
    folder.mkdir()
    for number, places in enumerate(parts):
        files, rows = [file for file, _ in places], [row for _, row in places]
        table = pa.table({"source_file": files, "source_row": rows, "label": [label] * len(rows)})
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


@pytest.fixture
def expected(tmp_path: Path) -> Path:
    return write_parts(tmp_path / "expected", PLACES[:4], PLACES[4:])


def test_rows_that_are_all_there_once_are_right_however_they_are_cut(tmp_path: Path, expected: Path) -> None:
    found = compared(write_parts(tmp_path / "found", PLACES[3:], PLACES[:3]), expected)
    assert found == Rows(lost=0, twice=0, other=0)
    assert found.are_right


def test_lost_and_doubled_rows_are_counted(tmp_path: Path, expected: Path) -> None:
    found = compared(write_parts(tmp_path / "found", PLACES[:3], PLACES[:2], PLACES[:1]), expected)
    assert found == Rows(lost=3, twice=3, other=0)
    assert not found.are_right


def test_rows_with_other_answers_and_rows_that_nobody_asked_for_are_counted(tmp_path: Path, expected: Path) -> None:
    assert compared(write_parts(tmp_path / "found", PLACES, label="low"), expected) == Rows(lost=0, twice=0, other=6)
    more = write_parts(tmp_path / "more", [*PLACES, ("part-2.parquet", 0)])
    assert compared(more, expected) == Rows(lost=0, twice=0, other=1)


def test_a_run_without_parts_has_lost_all_rows(tmp_path: Path, expected: Path) -> None:
    assert compared(tmp_path / "nothing", expected) == Rows(lost=6, twice=0, other=0)


def test_the_longest_silence_is_between_two_progress_lines() -> None:
    lines = [
        Line(0.0, "job w2vray-1 at http://10.77.0.1:8265"),
        Line(20.0, "scoring: starting the workers"),
        Line(30.0, "scoring: 1 of 32 units, 1,000 rows"),
        Line(41.0, "scoring: 9 of 32 units, 9,000 rows, 800 rows/s, 4 s left"),
        Line(44.0, "scoring: w1 (10.77.0.2) was lost: others redo the 2 units that it had begun; no row is lost"),
        Line(64.5, "scoring: 32 of 32 units, 32,000 rows"),
        Line(99.0, "scored 32,000 rows"),
    ]
    assert longest_silence(lines) == 23.5
    assert longest_silence(lines[:3]) is None
    assert seconds_to_notice(lines, 42.0, r"w1 \(10\.77\.0\.2\) was lost") == 2.0
    assert seconds_to_notice(lines, 44.5, r"w1 \(10\.77\.0\.2\) was lost") is None


def test_units_are_counted_when_they_are_published_and_each_begin_after_the_first_is_one_again() -> None:
    done = PUBLISHED.format(run="cut", unit="ab", code=200) + PUBLISHED.format(run="cut", unit="cd", code=200)
    refused = PUBLISHED.format(run="cut", unit="ef", code=412)
    elsewhere = PUBLISHED.format(run="cut-short", unit="ab", code=200)
    assert units_done(done + done + refused + elsewhere, "cut") == 2
    marks = [("ab", "1-n1"), ("ab", "2-n2"), ("ab", "3-n2"), ("cd", "4-n1"), ("cd", "4-n1"), ("ef", "5-n1")]
    begun = "".join(BEGUN.format(run="cut", unit=unit, mark=mark, code=200) for unit, mark in marks)
    failed = BEGUN.format(run="cut", unit="ef", mark="6-n1", code=500)
    assert units_done_again(begun + failed + done, "cut") == 2
    assert units_done_again(begun, "nothing") == 0


def test_a_file_of_figures_keeps_what_was_not_measured_again(tmp_path: Path) -> None:
    place, names = tmp_path / "hosts.json", ["nothing", "cut", "slow"]
    traffic = [Traffic(1, "w1", 2_000, 1_000)]
    write_report(place, {"units": 40}, [Round("cut", "One.", rows_lost=3), Round("slow", "Two.")], traffic, names)
    write_report(place, {"units": 41}, [Round("cut", "One.", seconds=1.26), Round("nothing", "None.")], [], names)
    found = json.loads(place.read_text(encoding="utf-8"))
    assert found["units"] == 41
    assert [(line["fault"], line["seconds"], line["rows_lost"]) for line in found["rounds"]] == [
        ("nothing", None, None),
        ("cut", 1.3, None),
        ("slow", None, None),
    ]
    assert found["links"] == [{"workers_a_host": 1, "host": "w1", "received": 2_000, "sent": 1_000}]


def test_each_fault_has_a_name_of_a_run_and_a_sentence() -> None:
    asked = {"nothing", "cut", "slow", "lossy", "raylet", "head", "disk", "clock", "stop"}
    assert asked <= set(FAULTS)
    assert all(name == fault.name and fault.sentence.endswith(".") for name, fault in FAULTS.items())


def test_the_kit_lists_its_faults() -> None:
    command = [sys.executable, "-m", "tests.hosts", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(FAULTS)


@pytest.mark.parametrize(
    ("platform", "user", "programs", "said"),
    [
        ("darwin", 0, (), "Linux"),
        ("linux", 1000, (), "root: they make network namespaces, and mount"),
        ("linux", 0, ("sh", "no-such-program"), "these programs: no-such-program"),
    ],
)
def test_a_machine_that_lacks_something_is_told_what_and_nothing_is_made(
    platform: str, user: int, programs: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr(kit, "_PROGRAMS", programs)
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: pytest.fail("made"))
    ended = CliRunner().invoke(kit.main, ["--only", "cut"])
    assert (ended.exit_code, ended.stdout, ended.stderr) == (2, "", f"faults on several hosts need {said}\n")
