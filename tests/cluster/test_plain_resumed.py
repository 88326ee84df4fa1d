"""JSON Lines and CSV whose run was interrupted: taken up again, it gives the answers of Parquet, row by row."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import RunError
from w2vray.run.progress import ScoreProgress
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings

MakeModel = Callable[..., Path]
MakeStore = Callable[..., Path]
ReadParts = Callable[..., pa.Table]

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each stretch of a file be a unit: the files here have more bytes than one stretch."""
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1)
    monkeypatch.setattr("w2vray.store.units.UNITS_AT_LEAST", 1 << 30)


def write(folder: Path, tables: dict[str, pa.Table], ending: str) -> Path:
    """Write tables in the format and the compression that an ending says."""
    folder.mkdir()
    kind, _, packed = ending.partition(".")
    for name, table in tables.items():
        if kind == "csv":
            sink = pa.BufferOutputStream()
            pyarrow.csv.write_csv(table, sink)
            data = sink.getvalue().to_pybytes()
        else:
            data = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
        if packed:
            data = gzip.compress(data) if packed == "gz" else pa.compress(data, codec="zstd", asbytes=True)
        (folder / f"{name}.{ending}").write_bytes(data)
    return folder


def run_score(store: Path, model: Path, run: Path, *, stop: int | None = None, **options: Any) -> ScoreSummary:
    """Score; with ``stop``, be interrupted after so many units."""

    def progress(now: ScoreProgress) -> None:
        if now.units_done == stop:
            raise KeyboardInterrupt

    settings = ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), keep=("id",), **options)
    return score(settings, progress=progress)


def answers(scores: pa.Table) -> list[dict[str, Any]]:
    """Return answers with the place of their row, but for the ending of its file, and scores rounded."""
    rows = scores.to_pylist()
    return [
        {**row, "source_file": row["source_file"].partition(".")[0], "score": row["score"] and round(row["score"], 5)}
        for row in rows
    ]


@pytest.fixture
def tables(make_store: MakeStore) -> dict[str, pa.Table]:
    store = make_store(files=2, rows=900, words=40)
    return {file.stem: pq.read_table(file) for file in sorted(store.iterdir())}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "jsonl.gz", "csv.zst"])
def test_a_run_that_was_interrupted_gives_the_answers_of_parquet(
    tables: dict[str, pa.Table],
    make_model: MakeModel,
    read_parts: ReadParts,
    tmp_path: Path,
    ending: str,
) -> None:
    model, run = make_model(), tmp_path / "run"
    store = write(tmp_path / "store", tables, ending)
    (tmp_path / "parquet").mkdir()
    for name, table in tables.items():
        pq.write_table(table, tmp_path / "parquet" / f"{name}.parquet")
    run_score(tmp_path / "parquet", model, tmp_path / "of-parquet")
    run_score(store, model, tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        run_score(store, model, run, stop=1)
    done = {part.name: part.stat().st_mtime_ns for part in (run / "scores").iterdir()}
    summary = run_score(store, model, run)

    assert (len(done), summary.units_skipped, summary.rows_scored) == (1, 1, 1800)
    assert summary.units == 2 if "." in ending else summary.units > 4
    assert {name: (run / "scores" / name).stat().st_mtime_ns for name in done} == done
    assert answers(read_parts(run)) == answers(read_parts(tmp_path / "of-parquet"))
    of_whole = {part.name: part.read_bytes() for part in (tmp_path / "whole" / "scores").iterdir()}
    assert {part.name: part.read_bytes() for part in (run / "scores").iterdir()} == of_whole
    assert verify(VerifySettings(run=str(run), deep=True)).problems == []


@pytest.mark.parametrize("ending", ["jsonl", "csv.gz"])
def test_a_file_that_changed_in_between_is_refused_by_name(
    tables: dict[str, pa.Table], make_model: MakeModel, tmp_path: Path, ending: str
) -> None:
    store = write(tmp_path / "store", tables, ending)
    with pytest.raises(KeyboardInterrupt):
        run_score(store, make_model(), tmp_path / "run", stop=1)
    changed = store / f"part-0.{ending}"
    changed.write_bytes(changed.read_bytes() * 2)

    with pytest.raises(RunError, match=rf"^part-0\.{ending} has changed"):
        run_score(store, make_model(), tmp_path / "run")
