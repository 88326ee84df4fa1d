"""A file of which no row could be scored is named, with what is wrong with it: its rows alone do not tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.run.refused_files import refused_files, refused_notes
from w2vray.run.verify import verify
from w2vray.settings.checks import VerifySettings
from w2vray.store.units import Piece, Unit

Scored = Callable[..., tuple[Any, list[dict[str, Any]]]]

CELLS = "line 2: 3 cells, and the header names 2"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("id,text\n1,bab,\n2,dab,\n", f"{CELLS}; the record ends in ',', and the header does not"),
        ("id;text\n1;bab;x\n2;dab;y\n", CELLS),
        ("id,text\n1\n2\n", "line 2: 1 cell, and the header names 2"),
    ],
)
def test_a_csv_file_whose_records_all_have_other_cells_is_named(
    content: str, why: str, scored: Scored, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.csv").write_text("id,text\n1,bab\n")
    (tmp_path / "store" / "b.csv").write_text(content)

    summary, _ = scored(tmp_path / "store")

    told = f"all of its 2 rows were rejected, the first as damaged_line: {why}"
    assert (summary.exit_code, summary.rows_scored, summary.rows_rejected) == (0, 1, 2)
    assert f"b.csv: {told}" in summary.notes
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["refused"] == {"b.csv": told}
    assert f"b.csv: {told}" in verify(VerifySettings(run=str(tmp_path / "run"))).notes


def test_so_is_a_file_without_a_text(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    pq.write_table(pa.table({"text": ["bab"]}), tmp_path / "store" / "a.parquet")
    pq.write_table(pa.table({"text": pa.nulls(1, pa.string())}), tmp_path / "store" / "b.parquet")

    summary, _ = scored(tmp_path / "store")

    assert "b.parquet: its only row was rejected as null_text: null in text" in summary.notes


@pytest.mark.parametrize(
    "content", ['{"text": \n{"text": \n', "bab\ndab\n", '["bab"]\n', '{"text": "bab", "text": "dab"}\n' * 2]
)
def test_json_lines_without_a_record_are_a_file_that_is_missing(content: str, scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.jsonl").write_text('{"text": "bab"}\n')
    (tmp_path / "store" / "b.jsonl").write_text(content)

    summary, _ = scored(tmp_path / "store")

    assert (summary.exit_code, list(summary.left_out)) == (3, ["b.jsonl"])


def test_a_file_of_which_one_row_is_scored_is_not_named(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.csv").write_text("id,text\n1,bab,\n2,dab\n3,bab,\n")

    summary, _ = scored(tmp_path / "store")

    assert (summary.rows_scored, summary.rows_rejected) == (1, 2)
    assert not any("were rejected" in note for note in summary.notes)


def unit(*files: str, start: int = 0) -> Unit:
    return Unit(tuple(Piece(0, file, 0, 1, start, 2, 10, 10, None) for file in files))


def test_a_file_of_several_units_is_named_if_each_rejected_all_of_it() -> None:
    first, second, third = unit("a", "b"), unit("b", "c", start=2), unit("c", start=4)
    records = {first.id: {"a": (2, "x"), "b": (2, "y")}, second.id: {"b": (1, "z"), "c": (2, "w")}, third.id: None}

    found = refused_files([first, second, third], records)

    assert found == {
        "a": "all of its 2 rows were rejected, the first as x",
        "b": "all of its 3 rows were rejected, the first as y",
    }


def test_many_are_counted() -> None:
    notes = refused_notes({f"{number}.csv": "why" for number in range(7)})

    assert notes[0] == "0.csv: why"
    assert notes[5:] == ["and of 2 more files all rows were rejected: see manifest.json"]
