"""``verify`` names what is wrong with a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import RunError
from w2vray.run.verify import VerifySummary, verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("in_process")


def run_score(store: Path, model: Path, run: Path, **options: Any) -> ScoreSummary:
    """Score a store."""
    return score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), **options))


def check(run: Path) -> VerifySummary:
    """Verify a run."""
    return verify(VerifySettings(run=str(run)))


@pytest.fixture
def run(make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> Path:
    run_score(make_store(files=4, rows=2000, words=100), make_model(), tmp_path / "run")
    return tmp_path / "run"


def test_a_flipped_bit_anywhere_in_a_part(run: Path) -> None:
    part = min(run.glob("scores/*.parquet"))
    good = part.read_bytes()
    assert check(run).ok
    for position in range(0, len(good), len(good) // 40):
        part.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        found = check(run)
        assert not found.ok, position
        assert part.stem.removeprefix("part-") in " ".join(found.problems)


def test_a_part_that_is_gone(run: Path) -> None:
    part = min(run.glob("scores/*.parquet"))
    part.unlink()
    (problem,) = check(run).problems  # the totals, which are wrong without it, are not told too
    assert problem.endswith("rows are in no part; run the same score again")


def test_of_parts_that_are_gone_it_is_told_how_many_and_the_first_few_are_named(run: Path) -> None:
    for part in run.glob("scores/*.parquet"):
        part.unlink()
    (problem,) = check(run).problems
    assert problem.startswith("4 of 4 units are missing, and 8,000 rows are in no part: unit ")
    assert problem.count("unit ") == 3
    assert problem.endswith(" and 1 more; run the same score again")


def test_of_a_unit_of_many_files_the_first_few_are_named(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run_score(make_store(files=5, rows=10), make_model(), run)
    (part,) = run.glob("scores/*.parquet")
    part.unlink()
    (problem,) = check(run).problems
    unit = part.stem.removeprefix("part-")
    assert problem == (
        f"unit {unit} (part-0.parquet, part-1.parquet, part-2.parquet and 2 more): 50 rows are in no part; run the "
        "same score again"
    )


def test_a_part_whose_footer_cannot_be_read(run: Path) -> None:
    part = min(run.glob("scores/*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    (problem,) = check(run).problems
    assert f"scores/{part.name} is damaged" in problem


def test_a_part_of_nobody(run: Path) -> None:
    (run / "scores" / "part-0000.parquet").write_bytes(b"")
    assert check(run).problems == ["scores/part-0000.parquet belongs to no unit of the plan"]


def test_parts_that_changed_places(run: Path) -> None:
    one, two = sorted(run.glob("scores/*.parquet"))[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    problems = " ".join(check(run).problems)
    assert problems.count("is the part of unit") == 2


def test_no_success_file(run: Path) -> None:
    (run / "_SUCCESS").unlink()
    assert check(run).problems == ["not there: _SUCCESS; run the same score again (--on-bad skip accepts gaps)"]


def test_wrong_totals(run: Path) -> None:
    totals = run / "manifest.json"
    totals.write_text(totals.read_text().replace('"rows_in": 8000', '"rows_in": 8001'))
    assert check(run).problems == ["manifest.json: rows_in is 8001, the parts have 8,000"]
    totals.write_text(totals.read_text().replace('"rows_in"', '"rows"'))
    assert check(run).problems == ["manifest.json: rows_in is missing, the parts have 8,000"]


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        check(tmp_path)


def test_a_part_of_another_model_is_neither_taken_nor_verified(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store = make_store()
    run_score(store, make_model(), tmp_path / "run")
    run_score(store, make_model("cnn"), tmp_path / "other")
    for part in (tmp_path / "other" / "scores").iterdir():
        (tmp_path / "run" / "scores" / part.name).write_bytes(part.read_bytes())
    assert any("by another model" in problem for problem in check(tmp_path / "run").problems)
    with pytest.raises(RunError, match="was made by another model"):
        run_score(store, make_model(), tmp_path / "run")


def test_verify_finds_rejected_rows_that_no_record_knows_of(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run_score(make_store(), make_model(), run)
    (part,) = (run / "scores").iterdir()
    (run / "rejected").mkdir()
    (run / "rejected" / part.name).write_bytes(part.read_bytes())
    assert any("lists no rejected rows" in problem for problem in check(run).problems)


@pytest.mark.parametrize("name", ["run.json", "manifest.json"])
def test_verify_of_json_that_is_no_object(
    name: str, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    run_score(make_store(), make_model(), tmp_path / "run")
    (tmp_path / "run" / name).write_text("5")
    if name == "run.json":
        with pytest.raises(RunError, match=r"run\.json is damaged"):
            check(tmp_path / "run")
    else:
        assert any("it holds no object" in problem for problem in check(tmp_path / "run").problems)
