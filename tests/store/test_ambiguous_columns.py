"""A column that has two values for one row, of the file and of its folders, or of two folders: never one in silence."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.evaluate import evaluate
from w2vray.errors import CorpusError
from w2vray.settings.labelled import EvaluateSettings
from w2vray.store.corpus_texts import corpus_texts
from w2vray.store.folders import folder_values, repeated_keys, row_that_differs

Scored = Callable[..., tuple[Any, list[dict[str, Any]]]]


def write(file: Path, **columns: Any) -> None:
    """Write a file of two texts and other columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": ["bab dab", "dab"], **columns}), file)


# One key twice on a path


@pytest.mark.parametrize(
    ("name", "values", "repeated"),
    [
        ("a=1/a=2/x", {"a": "2"}, {"a"}),
        ("a=1/b=2/a=1/x", {"a": "1", "b": "2"}, set()),
        ("a=1/a=__HIVE_DEFAULT_PARTITION__/x", {"a": None}, {"a"}),
        ("a=1/%61=2/x", {"a": "2"}, {"a"}),
        ("a=1/A=2/x", {"a": "1", "A": "2"}, set()),
        ("=1/=2/x", {}, set()),
        ("a=/x", {"a": ""}, set()),
        ("a=b=c/x", {"a": "b=c"}, set()),
        ("a=1/x=2", {"a": "1"}, set()),
    ],
)
def test_the_values_of_a_path_and_the_keys_that_have_several(
    name: str, values: dict[str, str | None], repeated: set[str]
) -> None:
    assert (folder_values(name), repeated_keys(name)) == (values, repeated)


def test_a_key_of_two_values_is_refused_by_its_name(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a=1" / "a=2" / "x.parquet")

    with pytest.raises(CorpusError, match="column 'a' is there more than once in a file, or in the names of its fold"):
        scored(tmp_path / "store", keep=("a",))


def test_of_many_files_only_that_with_two_values_is_left_out(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a=1" / "a=2" / "x.parquet")
    write(tmp_path / "store" / "a=1" / "a=1" / "x.parquet")
    write(tmp_path / "store" / "a=3" / "x.parquet")

    summary, rows = scored(tmp_path / "store", where="a >= 1", keep=("a",))

    told = "ambiguous: column 'a' is there 2 times, in it or in its folders' names"
    assert (summary.exit_code, summary.left_out) == (3, {"a=1/a=2/x.parquet": told})
    assert [row["a"] for row in rows] == [1, 1, 3, 3]


def test_two_values_of_a_column_that_nobody_asked_for_do_no_harm(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a=1" / "a=2" / "x.parquet")

    assert scored(tmp_path / "store")[0].exit_code == 0


# A folder's column that the files have too


@pytest.mark.parametrize(
    ("column", "value", "row"),
    [
        (pa.array([1, 1], pa.int32()), "1", None),
        (pa.array([1, 1], pa.int64()), "01", None),
        (pa.array([1, 2], pa.int64()), "1", 1),
        (pa.array([1, None]), "1", 1),
        (pa.array([None, None], pa.int64()), None, None),
        (pa.array([None, 5]), None, 1),
        (pa.array([1], pa.int8()), "1000", 0),
        (pa.array([1]), "unknown", 0),
        (pa.array([], pa.int64()), "unknown", None),
        (pa.array(["de", "de"]), "de", None),
        (pa.array(["de", "DE"]), "de", 1),
        (pa.array(["de"]).dictionary_encode(), "de", None),
        (pa.array(["1"]), "01", 0),
        (pa.array(["de"], pa.string_view()), "de", None),
        (pa.array([0.1], pa.float32()), "0.1", None),
        (pa.array([0.1, 0.2]), "0.1", 1),
        (pa.array(np.array([0.5], np.float16)), "0.5", None),
        (pa.array([Decimal("1.50")]), "1.5", None),
        (pa.array([Decimal("1.50")]), "1.51", 0),
        (pa.array([True, False]), "true", 1),
        (pa.array([False]), "0", None),
        (pa.array([dt.date(2024, 1, 31)]), "2024-01-31", None),
        (pa.array([dt.date(2024, 1, 30)]), "2024-01-31", 0),
        (pa.array([dt.datetime(2024, 1, 31, 12)]), "2024-01-31", None),
    ],
    ids=str,
)
def test_the_first_row_of_a_file_that_differs_from_its_folder(column: pa.Array, value: str | None, row: int) -> None:
    assert row_that_differs(column, value) == row


def test_a_file_that_says_the_same_as_its_folder_is_read(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "month=01" / "x.parquet", month=pa.array([1, 1], pa.int8()))
    write(tmp_path / "store" / "month=02" / "x.parquet", month=pa.array([2, 2], pa.int32()))

    summary, rows = scored(tmp_path / "store", keep=("month",), where="month == 2")

    assert (summary.exit_code, summary.notes, [row["month"] for row in rows]) == (0, [], [2, 2])


def test_a_file_that_says_something_else_than_its_folder_is_left_out(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "year=2020" / "x.parquet", year=[2020, 2020])
    write(tmp_path / "store" / "year=2021" / "x.parquet", year=[2021, 2019])

    summary, rows = scored(tmp_path / "store", where="year >= 2020", keep=("year",))

    assert (summary.exit_code, [row["year"] for row in rows]) == (3, [2020, 2020])
    assert summary.left_out == {
        "year=2021/x.parquet": "ambiguous: year=2021/x.parquet: column 'year' is 2019 in row 1, and the name of its "
        "folder says '2021'; rename the folder, or leave the column out"
    }


def test_a_time_is_not_held_against_its_folder_and_that_is_told(scored: Scored, tmp_path: Path) -> None:
    noon = dt.datetime(2024, 1, 31, 12)
    write(tmp_path / "store" / "day=2024-01-31" / "x.parquet", day=pa.array([noon, noon], pa.timestamp("us")))

    summary, rows = scored(tmp_path / "store", keep=("day",))

    assert [row["day"] for row in rows] == [noon, noon]
    assert summary.notes == ["column 'day' is in the files and in their folders' names: the files' values are taken"]


@pytest.mark.usefixtures("training_in_process")
def test_labels_that_differ_from_their_folder_are_refused(make_model: Callable[..., Path], tmp_path: Path) -> None:
    write(tmp_path / "store" / "label=low" / "x.parquet", label=["low", "high"])

    with pytest.raises(CorpusError, match="column 'label' is 'high' in row 1, and the name of its folder says 'low'"):
        evaluate(EvaluateSettings(labelled=(str(tmp_path / "store"),), model=(str(make_model()),)))


def test_texts_that_differ_from_their_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "store" / "text=bab" / "x.parquet")

    with pytest.raises(CorpusError, match="column 'text' is 'bab dab' in row 0, and the name of its folder says 'bab'"):
        list(corpus_texts([str(tmp_path / "store")], ("text",)))


# Names that are nearly, or quite, those of others


def test_names_that_differ_by_capitals_are_two_columns_and_the_summary_says_so(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", Year=[2019, 2019])
    write(tmp_path / "store" / "b.parquet", year=[2020, 2020])
    write(tmp_path / "store" / "YEAR=2021" / "c.parquet", year=[2022, 2022])

    summary, rows = scored(tmp_path / "store", keep=("year",))

    assert [row["year"] for row in rows] == [2022, 2022, None, None, 2020, 2020]
    assert summary.notes == ["column 'year' is null for the rows of a.parquet: no such column there, but 'Year'"]


def test_a_text_column_of_other_capitals_is_named(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet")
    pq.write_table(pa.table({"Text": ["bab"]}), tmp_path / "store" / "b.parquet")

    summary, _ = scored(tmp_path / "store")

    assert summary.left_out == {"b.parquet": "no_column: it has no column 'text', but 'Text'"}


@pytest.mark.parametrize("name", ["w2vray.source_file", "w2vray.source_row"])
def test_a_name_that_is_used_while_reading_cannot_be_kept(name: str, scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", **{name: [1, 2]})

    with pytest.raises(CorpusError, match=f"a column cannot be called '{name}'"):
        scored(tmp_path / "store", keep=(name,))


def test_a_folder_with_a_name_of_the_scores_is_kept_under_another(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "label=x" / "source_file=y" / "a.parquet")

    _, rows = scored(tmp_path / "store", keep=("label=given", "source_file=other"))

    assert [(row["given"], row["other"]) for row in rows] == [("x", "y")] * 2
