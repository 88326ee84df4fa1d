"""Tables are scored by their log: the answers are those of the same rows in Parquet, and a run stays with its version."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.fixtures.stores import sentence
from w2vray.cluster import score as scoring
from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import CorpusError, RunError, UnusableInputError
from w2vray.run.verify import verify
from w2vray.settings.verbs import ScoreSettings, VerifySettings

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
    return pa.table({"id": range(first, last), "text": texts, "part": [f"p {row % 2}%" for row in range(first, last)]})


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
    return scores.drop_columns(["source_file", "source_row"]).sort_by("id").to_pylist()


def test_a_table_is_scored_as_the_same_rows_in_parquet(
    table: Path, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    model, run = make_model("cnn"), tmp_path / "run"
    now = rows(0, 200).filter(pa.compute.not_equal(pa.compute.bit_wise_and(pa.array(range(200)), 0), 1))
    now = now.filter(pa.array([row % 10 != 0 for row in range(200)]))
    (tmp_path / "plain").mkdir()
    pq.write_table(now, tmp_path / "plain" / "a.parquet")

    summary = run_score(table, model, run)
    plain = run_score(tmp_path / "plain", model, tmp_path / "run2")

    assert answers(read_parts(run)) == answers(read_parts(tmp_path / "run2"))
    assert (summary.rows_in, summary.rows_rejected, summary.exit_code) == (180, plain.rows_rejected, 0)
    assert summary.tables == [{"kind": "Delta Lake", "place": str(table), "version": 2}]
    assert f"{table} is a Delta Lake table, read at version 2" in summary.notes
    assert json.loads((run / "manifest.json").read_text())["tables"] == summary.tables
    verified = check(run)
    assert (verified.ok, verified.problems, verified.new_files) == (True, [], [])
    assert [found["version"] for found in verified.tables] == [2]
