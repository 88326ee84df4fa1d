"""What README and the pages say of speed and accuracy is what the JSON files have, to the digit."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "jobs"


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{file.stem}_of_jobs", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


figures = load(JOBS / "docs" / "figures.py")


@pytest.mark.parametrize("page", figures.PAGES)
def test_a_page_is_what_the_figures_make_of_it(page: str) -> None:
    """Else: run `python jobs/docs/figures.py`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert figures.written(page) == text
    assert text.count("<!-- figures: ") == text.count("<!-- end of figures -->") > 0


def test_every_piece_is_on_a_page_and_readme_has_one_line_one_table_and_one_plot() -> None:
    shown = {page: re.findall("<!-- figures: (.*) -->", (ROOT / page).read_text("utf-8")) for page in figures.PAGES}
    assert {name for names in shown.values() for name in names} == set(figures.PIECES)
    assert sorted(shown["README.md"]) == ["accuracy in short", "speed in a line", "speed plot"]


def test_the_plot_shows_the_speeds_of_the_file() -> None:
    """Else: run `python jobs/docs/figures.py`."""
    drawn = re.findall(r">([\d.,]+) MB/s<", figures.PLOT.read_text(encoding="utf-8"))
    content = json.loads((figures.FIGURES / "speed-jobs.json").read_text(encoding="utf-8"))
    jobs = {(row["corpus"], row["what"]): row for row in content["rows_measured"] if row["unit"] == "MB/s"}
    expected = []
    for corpus in ("descriptions", "movie_reviews_v2"):
        average, cnn = jobs[corpus, "average"], jobs[corpus, "cnn"]
        expected += [
            average["value"],
            average["value"] / average["against"]["fastText 1-grams"],
            cnn["value"],
            cnn["value"] / cnn["against"]["fastText 2-grams"],
            cnn["value"] / cnn["against"]["TF-IDF + LR"],
        ]
    assert drawn == [figures.rounded(speed) for speed in expected]
    assert figures.PLOT.stat().st_size < 50_000


@pytest.mark.parametrize(
    "file",
    [
        "accuracy",
        "accuracy-auto",
        "accuracy-few",
        "accuracy-networks-ngrams",
        "calibration",
        "hosts",
        "speed",
        "speed-formats",
        "speed-jobs",
        "speed-small",
        "speed-texts",
        "speed-unit",
    ],
)
def test_a_file_of_figures_says_what_it_is_of(file: str) -> None:
    about = json.loads((figures.FIGURES / f"{file}.json").read_text(encoding="utf-8"))["measured"]
    assert set(about) - {"note"} == {"revision", "machine", "date"}
    assert re.match(r"\d{4}-\d\d-\d\d", about["date"])


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (159.2, 3, "159"),
        (12.0, 3, "12.0"),
        (48.52, 3, "48.5"),
        (1.888, 3, "1.89"),
        (3.278, 2, "3.3"),
        (120.4, 2, "120"),
        (9.96, 2, "10"),
        (12345, 3, "12,300"),
    ],
)
def test_numbers_are_rounded_to_digits_that_count(value: float, digits: int, expected: str) -> None:
    assert figures.rounded(value, digits) == expected


def test_a_script_that_measures_says_revision_machine_and_day() -> None:
    about = load(JOBS / "provenance.py").measured()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", about["date"])
    assert re.match(r"\d+ cores of ", about["machine"])
    assert re.fullmatch(r"[0-9a-f]{7,}\+?|unknown", about["revision"])


def test_the_scripts_that_measure_write_it() -> None:
    for script in ("accuracy/make_table.py", "benchmark/run.py"):
        assert '"measured": measured()' in (JOBS / script).read_text(encoding="utf-8")
