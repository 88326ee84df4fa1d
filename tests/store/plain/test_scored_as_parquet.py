"""JSON Lines and CSV, plain and compressed: each row has the answer that it has in Parquet."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary, score
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings

Scored = Callable[..., tuple[ScoreSummary, list[dict[str, Any]]]]
ENDINGS = [f"{kind}{packed}" for kind in ("jsonl", "csv") for packed in ("", ".gz", ".zst")]


@pytest.fixture
def scored(
    make_model: Callable[..., Path], read_parts: Callable[..., pa.Table], tmp_path: Path, in_process: None
) -> Scored:
    """Score a store, prove the run, and return its summary and its rows."""
    del in_process

    def run(corpus: Path, output: str = "run", **settings: Any) -> tuple[ScoreSummary, list[dict[str, Any]]]:
        place = tmp_path / output
        summary = score(ScoreSettings(corpus=(str(corpus),), model=str(make_model()), output=str(place), **settings))
        proof = verify(VerifySettings(run=str(place), deep=True))
        assert (proof.ok, proof.problems) == (True, [])
        return summary, read_parts(place).to_pylist()

    return run


def documents(rows: int) -> pa.Table:
    """Texts that are long, short, empty, missing, and full of what CSV and JSON write in their own ways."""
    source = random.Random(rows)
    words = ["bab", "dab", "gag", 'a "quoted" word', "two\nlines", "a, comma", "semi;colon", "Ünïcöde 😀", "\\", "\t"]
    texts: list[str | None] = [" ".join(source.choices(words, k=source.randrange(1, 30))) for _ in range(rows)]
    texts[3], texts[5] = "", None
    ids, numbers = [f"{row:05}" for row in range(rows)], [str(row % 7) for row in range(rows)]
    return pa.table({"id": ids, "text": texts, "n": numbers})


def write(place: Path, table: pa.Table, ending: str) -> Path:
    """Write a table, in the format and the compression that an ending says."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"a.{ending}"
    kind, _, packed = ending.partition(".")
    if kind == "parquet":
        pq.write_table(table, file, row_group_size=1000)
    elif kind == "csv":
        pyarrow.csv.write_csv(table, file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    if packed:
        data = file.read_bytes()
        file.write_bytes(gzip.compress(data) if packed == "gz" else pa.compress(data, codec="zstd", asbytes=True))
    return place


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs between formats by their files' names alone, and scores rounded."""
    return [{**row, "source_file": "", "score": row["score"] and round(row["score"], 5)} for row in rows]


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_row_has_the_answer_that_it_has_in_parquet(scored: Scored, tmp_path: Path, ending: str) -> None:
    table = documents(400)
    expected = scored(write(tmp_path / "parquet", table, "parquet"), "first", keep=("id", "n"))[1]

    summary, rows = scored(write(tmp_path / "store", table, ending), keep=("id", "n"))

    assert (summary.exit_code, summary.rows_in, summary.rows_rejected) == (0, 400, 1)
    assert comparable(rows) == comparable(expected)
    assert [row["source_file"] for row in rows] == [f"a.{ending}"] * 399
    assert [row["source_row"] for row in rows] == [row for row in range(400) if row != 5]


def test_that_a_column_is_text_because_files_differ_is_told(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for name, value in {"a": "5", "b": "5.5", "c": '"x"', "d": "null"}.items():
        (tmp_path / "store" / f"{name}.jsonl").write_text(f'{{"text": "bab", "k": {value}}}\n')

    summary, rows = scored(tmp_path / "store", keep=("k",))

    assert [row["k"] for row in rows] == ["5", "5.5", "x", None]
    told = "column 'k' of JSON Lines is kept as text, as it is written: in a.jsonl it is int64, and others differ"
    assert summary.notes == [told]
