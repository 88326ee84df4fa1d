"""Rows of a run for people, and what the rows that they have checked tell of the run."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from w2vray import cli
from w2vray.cluster.score import score
from w2vray.errors import ConfigError, CorpusError, RunError
from w2vray.run.judging import RunEstimate, evaluate_run
from w2vray.run.sampling import BELOW, allocate, sample_run
from w2vray.schema import CHECKED_COLUMNS
from w2vray.scoring.proportions import exact_interval, share_of_sample
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import EvaluateRunSettings, SampleSettings

Lines = list[dict[str, str]]


@pytest.fixture
def run(in_process: None, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path) -> Path:
    """A run of 600 rows whose store is known."""
    del in_process
    return scored(make_store(files=2), make_model(), tmp_path / "run")


def scored(store: Path, model: Path, output: Path, **given: Any) -> Path:
    score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(output), **given))
    return output


def answers(run: Path) -> list[dict[str, Any]]:
    parts = sorted((run / "scores").iterdir())
    rows: list[dict[str, Any]] = pa.concat_tables(pq.read_table(part) for part in parts).to_pylist()
    return rows


def draw(run: Path, rows: int, **given: Any) -> tuple[Path, Lines]:
    output = given.pop("output", run.parent / f"check-{len(list(run.parent.iterdir()))}.csv")
    sample_run(SampleSettings(run=str(run), rows=rows, output=str(output), **given))
    return output, read(output)


def read(file: Path) -> Lines:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def fill(file: Path, lines: Lines, true: Callable[[dict[str, str]], str], *, delimiter: str = ",") -> Path:
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, CHECKED_COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**line, "true_label": true(line)} for line in lines)
    return file


def estimate(file: Path, run: Path) -> RunEstimate:
    return evaluate_run(EvaluateRunSettings(labelled=str(file), run=str(run)))


# The draw


def test_each_row_is_drawn_once_with_its_text_label_and_score(run: Path) -> None:
    _, lines = draw(run, 50)
    there = {(row["source_file"], row["source_row"]): row for row in answers(run)}
    texts = {
        (file.name, row): text
        for file in Path(json.loads((run / "run.json").read_text())["corpus"][0]).iterdir()
        for row, text in enumerate(pq.read_table(file)["text"].to_pylist())
    }
    places = [(line["source_file"], int(line["source_row"])) for line in lines]
    assert len(set(places)) == 50
    for place, line in zip(places, lines, strict=True):
        assert line["text"] == texts[place]
        assert line["label"] == there[place]["label"]
        assert float(line["score"]) == pytest.approx(there[place]["score"], abs=1e-6)
    assert {(line["true_label"], line["stratum"], line["stratum_rows"]) for line in lines} == {("", "all rows", "600")}


def test_the_seed_decides_which_rows_and_more_rows_hold_the_fewer(run: Path) -> None:
    def places(rows: int, seed: int) -> list[tuple[str, str]]:
        return [(line["source_file"], line["source_row"]) for line in draw(run, rows, seed=seed)[1]]

    assert places(20, 1) == places(20, 1)
    assert places(20, 1) == places(60, 1)[:20], "whoever stops early has checked a smaller sample"
    assert len({*places(20, 1)} & {*places(20, 2)}) < 10
    assert sorted(places(5000, 0)) == sorted(places(600, 3))


def test_by_label_there_are_as_many_of_each(run: Path) -> None:
    counts = Counter(row["label"] for row in answers(run))
    _, lines = draw(run, 60, by="label")
    assert Counter(line["label"] for line in lines) == dict.fromkeys(counts, 20)
    assert {(line["stratum"], int(line["stratum_rows"])) for line in lines} == set(counts.items())


def test_by_uncertain_low_scores_are_drawn_more_often(run: Path) -> None:
    scores = np.array([row["score"] for row in answers(run)])
    _, lines = draw(run, 40, by="uncertain")
    drawn = np.array([float(line["score"]) for line in lines])
    strata = {line["stratum"]: int(line["stratum_rows"]) for line in lines}
    assert sum(strata.values()) == 600
    assert set(Counter(line["stratum"] for line in lines).values()) == {10}
    assert (drawn <= np.quantile(scores, 0.25)).sum() >= 18, "half of them from the least certain fifth"


def test_rows_below_the_threshold_are_a_stratum_of_their_own_where_scores_are_asked_for(
    in_process: None, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    del in_process
    run = scored(make_store(files=1), make_model(), tmp_path / "run", threshold=0.6)
    below = sum(row["status"] == "below_threshold" for row in answers(run))
    assert 0 < below < 300
    file, lines = draw(run, 50, by="uncertain")
    (size,) = {int(line["stratum_rows"]) for line in lines if line["stratum"] == BELOW}
    assert size == below
    assert all(float(line["score"]) >= 0.6 for line in draw(run, 50)[1])
    found = estimate(fill(file, lines, lambda line: "no" if line["stratum"] == BELOW else "yes"), run)
    assert found.precision is not None
    assert found.below_threshold is not None
    assert (found.precision.share, found.below_threshold.share) == (1.0, 0.0)


def test_a_sample_and_what_is_estimated_of_it_say_that_they_leave_out_rows_below_the_threshold(
    in_process: None,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del in_process
    store, model = make_store(files=1), make_model()
    run = scored(store, model, tmp_path / "run", threshold=0.6)
    below = sum(row["status"] == "below_threshold" for row in answers(run))
    file, lines = draw(run, 50)
    assert {line["below_not_drawn"] for line in lines} == {str(below)}
    assert {line["below_not_drawn"] for line in draw(run, 50, by="label")[1]} == {str(below)}
    assert {line["below_not_drawn"] for line in draw(run, 50, by="uncertain")[1]} == {"0"}
    whole = scored(store, model, tmp_path / "whole")
    filled, all_lines = draw(whole, 50)
    assert {line["below_not_drawn"] for line in all_lines} == {"0"}

    assert cli.run(["evaluate", str(fill(file, lines, lambda _: "yes")), "--of-run", str(run)]) == 0
    shown = capsys.readouterr()
    assert "of the labels at or above the threshold are right, with 95% confidence" in shown.out
    note = f"the precision is of the {300 - below:,} rows with a label at or above the threshold, not of the {below:,}"
    assert note in shown.err
    assert cli.run(["evaluate", str(fill(filled, all_lines, lambda _: "yes")), "--of-run", str(whole)]) == 0
    shown = capsys.readouterr()
    assert "of the labels are right, with 95% confidence" in shown.out
    assert "threshold" not in shown.out + shown.err


def test_a_sample_of_an_earlier_version_is_read(run: Path) -> None:
    """It does not say how many rows could not be drawn."""
    file, lines = draw(run, 30)
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, CHECKED_COLUMNS[:-1], extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**line, "true_label": "yes"} for line in lines)
    assert estimate(file, run).rows_judged == 30


def test_of_several_labels_each_one_that_was_given_can_be_drawn(
    in_process: None, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    del in_process
    run = scored(make_store(files=1), make_model(multi_label=True), tmp_path / "run")
    pairs = {(row["source_row"], label) for row in answers(run) for label in row["labels"] or ()}
    file, lines = draw(run, 10_000)
    assert {(int(line["source_row"]), line["label"]) for line in lines} == pairs
    assert len(lines) == len(pairs) > 300
    found = estimate(fill(file, lines, lambda line: "yes" if line["label"] == "low" else "-"), run)
    assert found.precision is not None
    assert found.precision.share == pytest.approx(sum(label == "low" for _, label in pairs) / len(pairs))
    assert {label: share.share for label, share in found.labels.items()} == {"high": 0, "low": 1, "mid": 0}


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 300))
def test_every_stratum_gets_the_same_number_and_small_ones_all_of_theirs(sizes: list[int], rows: int) -> None:
    quotas = allocate(sizes, rows)
    assert sum(quotas) == min(rows, sum(sizes))
    assert all(quota <= size for quota, size in zip(quotas, sizes, strict=True))
    cut = [quota for quota, size in zip(quotas, sizes, strict=True) if quota < size]
    assert max(cut, default=0) - min(cut, default=0) <= 1
    assert max(quotas) <= max(cut, default=50) + 1


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"rows": 2, "by": "label"}, ConfigError, "--rows is 2, and --by label draws at least 3 rows"),
        ({"rows": 5, "output": "there.csv"}, ConfigError, "exists already; somebody may have filled it in"),
        ({"rows": 5, "output": "no/folder.csv"}, ConfigError, "is not a folder that can be written"),
        ({"rows": 5, "corpus": ("a", "b")}, RunError, "--corpus names 2 places; the run was made from 1"),
    ],
    ids=["fewer rows than labels", "a file that is there", "no folder", "other places"],
)
def test_what_cannot_be_drawn_is_refused(
    run: Path, given: dict[str, Any], error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    Path("there.csv").write_text("mine")
    with pytest.raises(error, match=message):
        sample_run(SampleSettings(**{"run": str(run), "output": "new.csv", **given}))
    assert Path("there.csv").read_text() == "mine"
    assert not Path("new.csv").exists()


def test_a_store_that_was_moved_is_found_and_one_that_was_changed_is_refused(
    in_process: None, make_store: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    del in_process
    store = (tmp_path / "store").resolve()
    store.mkdir()
    (store / "a.parquet").write_bytes((make_store(files=1) / "part-0.parquet").read_bytes())
    run = scored(store, make_model(), tmp_path / "run")
    store.rename(tmp_path / "moved")
    with pytest.raises(CorpusError, match="store is not there"):
        draw(run, 5)
    assert len(draw(run, 5, corpus=(str(tmp_path / "moved"),))[1]) == 5
    pq.write_table(pa.table({"text": ["other"]}), tmp_path / "moved" / "a.parquet")
    with pytest.raises(CorpusError, match=r"a\.parquet has \d+ bytes; it had \d+ when planned"):
        draw(run, 5, corpus=(str(tmp_path / "moved"),))


def test_a_run_that_is_not_finished_has_no_sample(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(RunError, match="is not finished: run the same `w2vray score` again"):
        draw(run, 5)
    with pytest.raises(RunError, match="holds no run"):
        draw(run.parent, 5)


# What the checked rows tell


def test_the_precision_is_the_share_of_right_labels_with_its_exact_interval(run: Path) -> None:
    file, lines = draw(run, 50)
    wrong = {line["source_row"] for line in lines[:5]}
    found = estimate(fill(file, lines, lambda line: "no" if line["source_row"] in wrong else line["label"]), run)
    right = sum(line["source_row"] not in wrong for line in lines)
    assert found.precision is not None
    assert (found.precision.rows, found.precision.share) == (50, right / 50)
    assert (found.precision.low, found.precision.high) == pytest.approx(exact_interval(right, 50))
    assert (found.rows, found.rows_judged, found.rows_not_filled_in) == (50, 50, 0)
    assert sum(share.rows for share in found.labels.values()) == 50


def test_strata_count_by_their_size_and_rows_that_are_not_filled_in_are_told(run: Path) -> None:
    file, lines = draw(run, 60, by="label")
    sizes = {line["stratum"]: int(line["stratum_rows"]) for line in lines}
    rightly = {"high": "yes", "low": "no", "mid": "yes"}
    skipped = {line["source_row"] for line in lines if line["label"] == "mid"}
    kept = set(sorted(skipped)[:7])

    def true(line: dict[str, str]) -> str:
        unfilled = line["label"] == "mid" and line["source_row"] not in kept
        return "" if unfilled else rightly[line["label"]]

    found = estimate(fill(file, lines, true, delimiter=";"), run)
    assert found.precision is not None
    assert found.precision.share == pytest.approx((sizes["high"] + sizes["mid"]) / 600)
    assert found.precision.low < found.precision.share < found.precision.high
    assert found.rows_judged == sum(bool(true(line)) for line in lines)
    assert found.rows_not_filled_in == 60 - found.rows_judged > 0
    assert any("fewer than 10 rows are filled in of mid" in note for note in found.notes)


def test_a_stratum_of_which_nothing_is_filled_in_is_named(run: Path) -> None:
    file, lines = draw(run, 30, by="label")
    found = estimate(fill(file, lines, lambda line: "" if line["label"] == "low" else "yes"), run)
    size = next(line["stratum_rows"] for line in lines if line["label"] == "low")
    assert f"no row of low is filled in: nothing is said of {size} labels of the run" in found.notes
    assert set(found.labels) == {"high", "mid"}


def test_labels_are_read_as_people_write_them(run: Path) -> None:
    file, lines = draw(run, 30)
    spellings = [" {} ", "{}", "YES", "y"]
    written = iter(range(30))

    def true(line: dict[str, str]) -> str:
        return spellings[next(written) % 4].format(line["label"].upper())

    found = estimate(fill(file, lines, true), run)
    assert found.precision is not None
    assert (found.precision.share, found.notes) == (1.0, [])
    other = {"high": "low", "low": "LOWE", "mid": "no"}
    found = estimate(fill(file, lines, lambda line: other[line["label"]]), run)
    assert found.precision is not None
    assert found.precision.share == 0
    counts = Counter(line["label"] for line in lines)
    assert set(found.confusions) == {
        ("high", "low", counts["high"]),
        ("low", "LOWE", counts["low"]),
        ("mid", "(another)", counts["mid"]),
    }
    assert any(f"'LOWE' ({counts['low']} rows)" in note for note in found.notes)


FORMS: dict[str, Callable[[str], str]] = {
    "of Excel where the comma is for decimals": lambda text: "\ufeff" + text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "heads in other case, with spaces": lambda text: "".join(
        line.upper().replace("TRUE_LABEL", " True_Label ") if line.startswith("text,") else line
        for line in text.splitlines(keepends=True)
    ),
    "empty lines at the end": lambda text: text + ",,,,,,,,\r\n,,,,,,,,\r\n\r\n",
    "one more column": lambda text: text.replace("\r\n", ",checked by A\r\n"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_file_is_read_in_the_forms_that_people_save(run: Path, form: Callable[[str], str]) -> None:
    file, lines = draw(run, 12)
    plain = estimate(fill(file, lines, lambda line: "no" if line is lines[0] else "yes"), run)
    rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    for row in rows[1:]:
        row[0] = "a text"  # without the separators
    text = "".join(",".join(row) + "\r\n" for row in rows)
    file.write_text(form(text), encoding="utf-8", newline="")
    found = estimate(file, run)
    assert found.as_dict() == plain.as_dict()
    assert (found.rows, found.rows_judged) == (12, 12)


REFUSED: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "nothing filled in": (lambda lines: [{**line, "true_label": ""} for line in lines], "no row has a true_label"),
    "of another run": (lambda lines: [{**line, "run": "f" * 16} for line in lines], "was drawn from another run"),
    "a label was changed": (
        lambda lines: [{**lines[0], "label": "other"}, *lines[1:]],
        r"line \d+: row \d+ of part-\d.parquet does not have the label 'other'",
    ),
    "a row that is not there": (lambda lines: [*lines, {**lines[0], "source_row": "999999"}], "row 999999 of part-"),
    "a file that is not there": (lambda lines: [*lines, {**lines[0], "source_file": "x"}], "of x does not have"),
    "a row twice": (lambda lines: [*lines, lines[3]], "is there 2 times; remove the copies"),
    "a size that was dragged down": (
        lambda lines: [{**line, "stratum_rows": str(600 + place)} for place, line in enumerate(lines)],
        "line 3: stratum_rows is 601, and 600 in another row of 'all rows'; only true_label may be changed",
    ),
    "sizes of none": (
        lambda lines: [{**line, "stratum_rows": "0"} for line in lines],
        "stratum_rows is 0 in 10 rows of 'all rows', which has to have as many at the least",
    ),
    "sizes below none": (
        lambda lines: [{**line, "stratum_rows": "-5"} for line in lines],
        "stratum_rows is -5 in 10 rows of 'all rows'",
    ),
    "no number": (lambda lines: [{**lines[0], "source_row": "1.0e3"}], "line 2: source_row and .* numbers"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=list(REFUSED))
def test_a_file_that_is_not_of_the_run_is_refused(run: Path, change: Callable[[Lines], Lines], message: str) -> None:
    file, lines = draw(run, 10)
    changed = change([{**line, "true_label": "yes"} for line in lines])
    with pytest.raises((RunError, CorpusError), match=message):
        estimate(fill(file, changed, lambda line: line["true_label"]), run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "text,label,truth\na,b,c\n",
            "no column true_label, source_file, source_row, stratum, stratum_rows, run; it has text, label, truth",
        ),
        (",".join(CHECKED_COLUMNS) + "\na,b\n", "line 2 has another number of cells than the header"),
        (",".join(CHECKED_COLUMNS) + '\n"a', "is not CSV: line 1: unexpected end of data"),
    ],
    ids=["columns", "cells", "quote"],
)
def test_a_file_that_is_damaged_is_refused(run: Path, text: str, message: str) -> None:
    (run.parent / "file.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        estimate(run.parent / "file.csv", run)


def test_texts_with_quotes_line_ends_and_separators_come_back(
    in_process: None, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    del in_process
    texts = ['say "bad", bed\nbid\r\nbod;\t', "=bed+1\u2028bid\x85", "<script>bad</script>", "bad \x0b bed"]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    run = scored(tmp_path / "a.parquet", make_model(), tmp_path / "run")
    file, lines = draw(run, 4)
    assert sorted(line["text"] for line in lines) == sorted(texts)
    for delimiter in ",;\t":
        found = estimate(fill(file, lines, lambda _: "yes", delimiter=delimiter), run)
        assert found.rows_judged == 4


@pytest.mark.parametrize("characters", [131_072, 131_073, 400_000])
def test_a_text_of_any_length_is_read_again(
    in_process: None, make_model: Callable[..., Path], tmp_path: Path, characters: int
) -> None:
    del in_process
    text = ("bad " * characters)[: characters - 1] + "d"
    pq.write_table(pa.table({"text": [text, "bed"]}), tmp_path / "a.parquet")
    run = scored(tmp_path / "a.parquet", make_model(), tmp_path / "run")
    output, before = tmp_path / "check.csv", csv.field_size_limit()
    sample_run(SampleSettings(run=str(run), rows=2, output=str(output)))
    rewritten = output.read_text(encoding="utf-8-sig").replace(",,a.parquet", ",yes,a.parquet")
    output.write_text(rewritten, encoding="utf-8")
    found = estimate(output, run)
    assert (found.rows_judged, found.precision and found.precision.share) == (2, 1.0)
    assert csv.field_size_limit() == before, "it is as other code left it"


# The estimate


def test_the_interval_of_equal_chances_is_clopper_and_pearsons() -> None:
    right = np.array([True] * 45 + [False] * 5)
    found = share_of_sample(right, np.full(50, 12.0), np.zeros(50, dtype=np.int64))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(exact_interval(45, 50))
    known = binomtest(45, 50).proportion_ci(method="exact")
    assert exact_interval(45, 50) == pytest.approx((known.low, known.high))
    assert exact_interval(0, 0) == (0.0, 1.0)
    assert share_of_sample(right[:0], np.empty(0), np.empty(0, dtype=np.int64)) is None


@pytest.mark.parametrize("precisions", [(0.99, 0.9, 0.6), (0.5, 1.0, 1.0), (1.0, 1.0, 1.0)])
def test_the_interval_holds_the_share_about_as_often_as_it_says(precisions: tuple[float, ...]) -> None:
    random, sizes, drawn = np.random.default_rng(5), np.array([9000, 900, 100]), 40
    strata = np.repeat(np.arange(3), drawn)
    weights = np.repeat(sizes / drawn, drawn)
    whole = float((sizes * precisions).sum() / sizes.sum())
    held = 0
    for _ in range(200):
        found = share_of_sample(random.random(3 * drawn) < np.repeat(precisions, drawn), weights, strata)
        assert found is not None
        held += found.low <= whole <= found.high
    assert held >= 186  # of 95 %, four times the deviation of such counts


# The commands


def test_the_commands_draw_and_estimate(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = run.parent / "check.csv"
    assert cli.run(["sample", str(run), "--rows", "30", "--by", "label", "--output", str(file)]) == 0
    told = capsys.readouterr().out
    assert "check.csv: 30 rows. Fill in true_label with the right label, or yes or no" in told
    fill(file, read(file), lambda line: "" if line["label"] == "low" else "yes")
    assert cli.run(["evaluate", str(file), "--of-run", str(run)]) == 0
    shown = capsys.readouterr()
    assert "100.0% (" in shown.out
    assert "10 rows of the file not filled in" in shown.out
    assert "no row of low is filled in" in shown.err
    assert cli.run(["evaluate", str(file), "--of-run", str(run), "--json"]) == 0
    stated = json.loads(capsys.readouterr().out)
    assert (stated["rows"], stated["rows_judged"], stated["precision"]["share"]) == (30, 20, 1.0)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("evaluate a.csv --of-run r --model m", "--model is not used with --of-run; leave it out"),
        ("evaluate a.csv --of-run r --workers 2", "--workers is not used with --of-run"),
        ("evaluate a.csv b.csv --of-run r", "--of-run takes one file that `w2vray sample` wrote; 2 are named"),
        ("evaluate a.csv", "Missing option '--model'; or name a run with --of-run"),
    ],
)
def test_options_that_would_have_no_effect_are_refused(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(command.split()) == 2
    assert message in capsys.readouterr().err
