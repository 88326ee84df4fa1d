"""Columns of the store beside the text: kept as they are, whatever their types and names, or refused before work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import CorpusError
from w2vray.run.verify import VerifySummary, verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings

MakeModel = Callable[..., Path]
ReadParts = Callable[..., pa.Table]

pytestmark = pytest.mark.usefixtures("in_process")


def run_score(store: Path, model: Path, run: Path, **options: Any) -> ScoreSummary:
    """Score a store."""
    return score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), **options))


def check(run: Path) -> VerifySummary:
    """Verify a run."""
    return verify(VerifySettings(run=str(run)))


def test_views_of_strings_and_columns_named_like_ours_are_read_and_kept(
    make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    texts = ["bab dab", None, "a text that is long enough to lie outside of a view"]
    columns = {
        "text": pa.array(texts, pa.string_view()),
        "source_file": pa.array(["x", "y", "z"], pa.string_view()),
        "source_row": [7, 8, 9],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    options = {"keep": ("source_file=sf", "source_row=sr"), "where": "source_file != 'z' and source_row != 9"}
    summary = run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run", **options)
    assert (summary.rows_in, summary.rows_scored, summary.rows_rejected) == (2, 1, 1)
    (row,) = read_parts(tmp_path / "run").to_pylist()
    assert (row["source_file"], row["source_row"], row["sf"], row["sr"]) == ("a.parquet", 0, "x", 7)
    assert check(tmp_path / "run").ok


VIEW, PLAIN = pa.string_view(), pa.large_string()


def write_tags(folder: Path, values: list[Any], kind: pa.DataType) -> None:
    columns = {"text": ["bab", None, "dab"], "tags": pa.array(values, kind)}
    pq.write_table(pa.table(columns), folder / "a.parquet")


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ([["a"], [None], None], (pa.list_(VIEW), pa.list_(PLAIN))),
        ([["a"], [], None], (pa.large_list(VIEW), pa.large_list(PLAIN))),
        ([["a", "b"], None, ["c", "d"]], (pa.list_(VIEW, 2), pa.list_(PLAIN, 2))),
        ([{"x": ["a"]}, {"x": None}, None], (pa.struct({"x": pa.list_(VIEW)}), pa.struct({"x": pa.list_(PLAIN)}))),
        ([[("k", "v")], [], None], (pa.map_(VIEW, VIEW), pa.map_(PLAIN, PLAIN))),
        ([[1], [], None], (pa.list_view(pa.int64()), pa.list_view(pa.int64()))),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_nested_columns_that_hold_views_are_kept(
    values: list[Any],
    types: tuple[pa.DataType, pa.DataType],
    make_model: MakeModel,
    read_parts: ReadParts,
    tmp_path: Path,
) -> None:
    stored, kept = types
    write_tags(tmp_path, values, stored)
    summary = run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run", keep=("tags",))
    assert (summary.rows_scored, summary.rows_rejected) == (2, 1)
    tags = read_parts(tmp_path / "run")["tags"]
    assert tags.to_pylist() == [values[0], values[2]]
    assert tags.type == kept


def test_a_column_that_arrow_cannot_take_rows_of_is_refused_before_any_work(
    make_model: MakeModel, tmp_path: Path
) -> None:
    write_tags(tmp_path, [["a"], [], None], pa.list_view(VIEW))
    with pytest.raises(CorpusError, match=r"--keep tags: the column is list_view<.*string_view.* leave it out"):
        run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run", keep=("tags",))
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_column_that_is_there_twice_is_refused(make_model: MakeModel, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="column 'text' is there more than once"):
        run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run")
