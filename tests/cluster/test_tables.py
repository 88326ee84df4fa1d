"""Tables are scored by their log: the same answers as for their rows in Parquet; a run stays with its version."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from tests.fixtures.stores import run_units_here, sentence
from tests.fixtures.table_rows import MakeTable
from tests.fixtures.tables import delete_delta_rows, delete_iceberg_rows, files_of
from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import CorpusError, RunError
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings

MakeModel = Callable[..., Path]
ReadParts = Callable[..., pa.Table]

pytestmark = pytest.mark.usefixtures("in_process")


def run_score(store: Path, model: Path, run: Path, **options: Any) -> ScoreSummary:
    """Score a store."""
    return score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), keep=("id",), **options))


def check(run: Path, *, deep: bool = True) -> Any:
    """Verify a run against its store, too."""
    return verify(VerifySettings(run=str(run), deep=deep))


def rows(first: int, last: int) -> pa.Table:
    """Make rows whose text depends on their id."""
    texts = [sentence(random.Random(row), row % 3, 8) if row % 7 else None for row in range(first, last)]
    return pa.table(
        {
            "id": range(first, last),
            "text": pa.array(texts, pa.string()),
            "part": [f"p {row % 2}%" for row in range(first, last)],
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Versions 0 to 2: ids 0-99; 0-199; those that 10 does not divide."""
    place = tmp_path / "table"
    write_deltalake(place, rows(0, 100), partition_by=["part"])
    write_deltalake(place, rows(100, 200), mode="append")
    DeltaTable(place).delete("id % 10 = 0")
    return place


def answers(scores: pa.Table) -> list[dict[str, Any]]:
    """Return scores without the place of a row in the store."""
    found: list[dict[str, Any]] = scores.drop_columns(["source_file", "source_row"]).sort_by("id").to_pylist()
    return found


def test_a_table_is_scored_as_the_same_rows_in_parquet(
    table: Path, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    model, run = make_model(), tmp_path / "run"
    now = rows(0, 200).filter(pa.array([row % 10 != 0 for row in range(200)]))
    (tmp_path / "plain").mkdir()
    pq.write_table(now, tmp_path / "plain" / "a.parquet")

    summary = run_score(table, model, run)
    plain = run_score(tmp_path / "plain", model, tmp_path / "run2")

    assert answers(read_parts(run)) == answers(read_parts(tmp_path / "run2"))
    assert (summary.rows_in, summary.rows_rejected, summary.exit_code) == (180, plain.rows_rejected, 0)
    assert summary.tables == [{"kind": "Delta Lake", "place": str(table), "version": 2}]
    assert f"{table}: Delta Lake table, read at version 2" in summary.notes
    assert json.loads((run / "manifest.json").read_text())["tables"] == summary.tables
    verified = check(run)
    assert (verified.ok, verified.problems, verified.new_files) == (True, [], [])
    assert [found["version"] for found in verified.tables] == [2]


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each file be a unit."""
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1)
    monkeypatch.setattr("w2vray.store.units.UNITS_AT_LEAST", 1 << 30)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Score with ``run_score``, and stop when a unit is done."""

    def run(*arguments: Any, **options: Any) -> None:
        def stopping(units: Any, *others: Any, **named: Any) -> Any:
            yield next(run_units_here(units, *others, **named))
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("w2vray.cluster.score_units.run_units", stopping)
            with pytest.raises(KeyboardInterrupt):
                run_score(*arguments, **options)

    return run


@pytest.mark.usefixtures("small_units")
def test_a_run_goes_on_with_the_version_that_it_was_planned_from(
    table: Path, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path, stopped: Callable[..., None]
) -> None:
    model, run, whole = make_model(), tmp_path / "run", tmp_path / "whole"
    run_score(table, model, whole)
    stopped(table, model, run)
    done = {part.name: part.stat().st_mtime_ns for part in (run / "scores").iterdir()}
    write_deltalake(table, rows(500, 600), mode="append")
    DeltaTable(table).delete("id < 50")

    summary = run_score(table, model, run)

    assert len(done) == 1
    assert summary.units_skipped == 1
    assert {name: (run / "scores" / name).stat().st_mtime_ns for name in done} == done
    assert summary.tables[0]["version"] == 2
    assert summary.new_files == []
    assert read_parts(run).equals(read_parts(whole))
    assert check(run).ok
    assert run_score(table, model, tmp_path / "now").tables[0]["version"] == 4


def test_another_version_is_refused_as_any_other_option(table: Path, make_model: MakeModel, tmp_path: Path) -> None:
    model, run = make_model(), tmp_path / "run"

    assert run_score(table, model, run, table_version=0).rows_in == 100
    assert run_score(table, model, run, table_version=0).units_skipped == 1
    with pytest.raises(RunError, match="--table-version was 0 before, and is 1 now; give the same options again"):
        run_score(table, model, run, table_version=1)
    with pytest.raises(RunError, match="--table-version was 0 before, and is not given now"):
        run_score(table, model, run)
    with pytest.raises(RunError, match=r"--new-files: .*run stays with version 0 of the Delta Lake table"):
        run_score(table, model, run, table_version=0, new_files=True)


def test_a_table_in_place_of_the_files_that_were_planned_is_refused(
    table: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model, run = make_model(), tmp_path / "run"
    pq.write_table(rows(0, 9), tmp_path / "a.parquet")
    run_score(tmp_path / "a.parquet", model, run)
    with pytest.raises(RunError) as refused:
        run_score(table, model, run)
    assert str(refused.value) == (
        f"{run} was planned with other versions of tables: no table; now version 2 of {table}; name the same store "
        "again, or another --output"
    )


def test_a_version_that_does_not_exist_is_refused_before_anything_is_written(
    table: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match="has no version 7; its log has 0 to 2"):
        run_score(table, make_model(), tmp_path / "run", table_version=7)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("small_units")
def test_files_that_were_vacuumed_are_named_while_all_else_is_done(
    table: Path, make_model: MakeModel, tmp_path: Path, stopped: Callable[..., None]
) -> None:
    model, run = make_model(), tmp_path / "run"
    stopped(table, model, run, table_version=1)
    done = pq.read_table(next((run / "scores").iterdir()))["source_file"][0].as_py()
    vacuumed = {done, max(file for file in names_of(table, 1) if file != done)}
    for name in vacuumed:
        (table / name).unlink()

    summary = run_score(table, model, run, table_version=1)

    (lost,) = vacuumed - {done}
    assert summary.exit_code == 3
    assert summary.left_out == {
        lost: f"vanished: {lost} is a file of version 1 of the Delta Lake table {table}, and is not there any more: "
        "it has been removed (vacuumed) since"
    }
    assert summary.rows_in == 150
    assert run_score(table, model, run, table_version=1, on_bad="skip").exit_code == 0


def names_of(table: Path, version: int) -> list[str]:
    """Return the names of a version's files."""
    return [str(Path(file).relative_to(table)) for file in DeltaTable(table, version=version).file_uris()]


def test_files_that_a_condition_excludes_are_told_and_nothing_is_amiss(
    table: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model, run, where = make_model(), tmp_path / "run", "part == 'p 1%'"

    summary = run_score(table, model, run, where=where)

    assert (summary.rows_in, summary.exit_code, summary.left_out) == (100, 0, {})
    assert list(summary.ignored) == ["--where leaves out all of its rows, by the table's log"]
    assert check(run).ok
    assert run_score(table, model, run, where=where).units_skipped == summary.units
    limited = run_score(table, model, tmp_path / "limited", where=where, limit=100)
    assert (limited.rows_in, limited.ignored) == (20, {})  # the first 80 rows are of the other part


def delta(place: Path) -> Path:
    """Make ids 0-199, and delete some by a deletion vector."""
    table = place / "delta"
    write_deltalake(table, rows(0, 120), configuration={"delta.enableDeletionVectors": "true"})
    write_deltalake(table, rows(120, 200), mode="append")
    delete_delta_rows(table, 120, [0, 7, 50, 119])
    return table


def iceberg(place: Path) -> Path:
    """Make the same by position deletes."""
    catalog = SqlCatalog("test", uri=f"sqlite:///{place}/catalog.db", warehouse=f"file://{place}/lake")
    catalog.create_namespace("n")
    made = catalog.create_table("n.t", rows(0, 1).schema)
    made.append(rows(0, 120))
    made.append(rows(120, 200))
    table = place / "lake" / "n" / "t"
    delete_iceberg_rows(made, table, [(files_of(made)[120], row) for row in (0, 7, 50, 119)])
    return table


@pytest.mark.parametrize("made", [delta, iceberg])
@pytest.mark.parametrize("options", [{}, {"where": "id >= 40"}, {"limit": 130}], ids=str)
def test_deleted_rows_are_neither_scored_nor_rejected_and_are_counted(
    made: Callable[[Path], Path], options: dict[str, Any], make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    model, run, table = make_model(), tmp_path / "run", made(tmp_path)
    (tmp_path / "plain").mkdir()
    left = rows(0, 200).filter(pa.array([row not in {0, 7, 50, 119} for row in range(200)]))
    pq.write_table(left, tmp_path / "plain" / "a.parquet")

    summary = run_score(table, model, run, **options)
    verified = check(run)

    # with a limit, the last deleted row is behind it if the smaller file comes first
    assert summary.rows_deleted == verified.rows_deleted
    assert summary.rows_deleted in ({3, 4} if "limit" in options else {4})
    assert f"{summary.rows_deleted} rows of the files were not scored: the table has deleted them" in summary.notes
    assert (verified.ok, verified.problems) == (True, [])
    if "limit" in options:
        assert summary.rows_in == 130
    else:
        run_score(tmp_path / "plain", model, tmp_path / "run2", **options)
        assert answers(read_parts(run)) == answers(read_parts(tmp_path / "run2"))
    places = read_parts(run).select(["id", "source_row"]).to_pylist()
    assert all(row["source_row"] == row["id"] % 120 for row in places)


@pytest.mark.parametrize("made", [delta, iceberg])
def test_a_deleted_row_that_is_in_a_part_is_a_problem(
    made: Callable[[Path], Path], make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, table = tmp_path / "run", made(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("w2vray.store.reading.deleted_rows", lambda _: [])
        run_score(table, make_model(), run)

    found = check(run)

    assert not found.ok
    assert any("4 rows are there that the table had deleted" in problem for problem in found.problems)


@pytest.mark.usefixtures("small_units")
def test_an_iceberg_table_has_the_answers_of_its_rows_in_parquet_though_the_run_was_stopped(
    make_iceberg: MakeTable,
    make_model: MakeModel,
    read_parts: ReadParts,
    tmp_path: Path,
    stopped: Callable[..., None],
) -> None:
    made, place = make_iceberg(rows(0, 60))
    made.append(rows(60, 100))
    files = files_of(made)
    delete_iceberg_rows(made, place, [(files[60], 0), (files[60], 59), (files[40], 5)])
    model, run = make_model(), tmp_path / "run"
    now = rows(0, 100).filter(pa.array([row not in {0, 59, 65} for row in range(100)]))
    (tmp_path / "plain").mkdir()
    pq.write_table(now, tmp_path / "plain" / "a.parquet")
    stopped(place, model, run)

    summary = run_score(place, model, run)
    plain = run_score(tmp_path / "plain", model, tmp_path / "run2")

    assert (summary.units_skipped, summary.rows_in, summary.exit_code) == (1, 97, 0)
    assert summary.rows_rejected == plain.rows_rejected > 0
    assert answers(read_parts(run)) == answers(read_parts(tmp_path / "run2"))
    assert check(run).ok


def test_an_iceberg_run_goes_on_with_its_snapshot(make_model: MakeModel, read_parts: ReadParts, tmp_path: Path) -> None:
    catalog = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/lake")
    catalog.create_namespace("n")
    made = catalog.create_table("n.t", rows(0, 1).schema)
    made.append(rows(0, 60))
    model, run, table = make_model(), tmp_path / "run", tmp_path / "lake" / "n" / "t"
    first = run_score(table, model, run)
    before = read_parts(run)
    made.delete("id < 30")
    made.append(rows(60, 90))

    again = run_score(table, model, run)

    assert (again.units_skipped, again.tables, again.exit_code) == (first.units, first.tables, 0)
    assert read_parts(run).equals(before)
    assert check(run).ok
    assert run_score(table, model, tmp_path / "now").rows_in == 60
