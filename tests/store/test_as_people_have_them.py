"""Stores as people really have them: written by several programs over years, and scored in one process."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary
from w2vray.errors import ConfigError, CorpusError

pytestmark = pytest.mark.usefixtures("in_process")

Scored = Callable[..., tuple[ScoreSummary, list[dict[str, Any]]]]
TEXTS = ["bab dab", "dab", "gag bab"]


def write(file: Path, columns: Mapping[str, Any] | None = None, rows: int = 3, **options: Any) -> None:
    """Write a file of texts and other columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": TEXTS[:rows], **(columns or {})}), file, **options)


INSTANTS = [dt.datetime(9999, 12, 31, 2), dt.datetime(1, 1, 1), None]


def test_int96_times_are_the_instants_that_were_written(scored: Scored, tmp_path: Path) -> None:
    write(
        tmp_path / "store" / "a.parquet",
        {"at": pa.array(INSTANTS, pa.timestamp("us"))},
        use_deprecated_int96_timestamps=True,
    )
    write(tmp_path / "store" / "b.parquet", {"at": pa.array([dt.datetime(2021, 6, 9)] * 3, pa.timestamp("ms"))})

    _, rows = scored(tmp_path / "store", keep=("at",))

    assert [row["at"] for row in rows] == [*INSTANTS, *[dt.datetime(2021, 6, 9)] * 3]


def test_int96_times_finer_than_a_microsecond_are_refused_and_not_cut(scored: Scored, tmp_path: Path) -> None:
    write(
        tmp_path / "store" / "a.parquet",
        {"at": pa.array([1, 1000, None], pa.timestamp("ns"))},
        use_deprecated_int96_timestamps=True,
    )
    write(tmp_path / "store" / "b.parquet", {"at": pa.array([None] * 3, pa.timestamp("us"))})

    summary, rows = scored(tmp_path / "store", keep=("at",))

    assert (summary.exit_code, len(rows)) == (3, 3)
    assert "column 'at' holds INT96 times finer than a microsecond" in summary.left_out["a.parquet"]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (pa.array([1, 2, None], pa.int32()), pa.array([2**40, 0, 1], pa.int64()), pa.int64()),
        (pa.array(["a", "b", None]), pa.array(["c", "d", "e"], pa.large_string()), pa.large_string()),
        (pa.array(["a", "b", None]).dictionary_encode(), pa.array(["c", "d", "e"]), pa.string()),
        (pa.nulls(3), pa.array([1, 2, 3]), pa.int64()),
        (pa.array([1, 2, 3], pa.uint64()), pa.array([-1, 0, None]), pa.decimal128(20, 0)),
        (pa.array([Decimal("1.5")] * 3), pa.array([1, 2, 3], pa.int8()), pa.decimal128(4, 1)),
        (
            pa.array([{"a": 1}] * 3, pa.struct([pa.field("a", pa.int8(), nullable=False)])),
            pa.array([{"a": 2, "b": "x"}, None, {"a": None, "b": None}]),
            pa.struct([pa.field("a", pa.int64()), pa.field("b", pa.string())]),
        ),
        (pa.array(['{"a": 1}', None, "[]"], pa.json_()), pa.array(["x", "y", None]), pa.string()),
        (
            pa.array([b"0123456789abcdef", None, None], pa.uuid()),
            pa.array([b"x" * 16] * 3, pa.binary(16)),
            pa.binary(16),
        ),
    ],
    ids=["width", "string kinds", "dictionary", "null type", "unsigned", "decimal", "struct", "json", "uuid"],
)
def test_a_kept_column_of_two_types_is_read_in_their_common_one(
    first: pa.Array, second: pa.Array, kind: pa.DataType, scored: Scored, tmp_path: Path
) -> None:
    write(tmp_path / "store" / "a.parquet", {"x": first})
    write(tmp_path / "store" / "b.parquet", {"x": second})

    summary, rows = scored(tmp_path / "store", keep=("x",))

    assert (summary.exit_code, summary.rows_scored) == (0, 6)
    assert [row["x"] for row in rows] == first.cast(kind).to_pylist() + second.cast(kind).to_pylist()


def test_nulls_in_a_column_that_another_file_forbids_them_are_kept(scored: Scored, tmp_path: Path) -> None:
    strict = pa.schema([pa.field("text", pa.string()), pa.field("year", pa.int64(), nullable=False)])
    (tmp_path / "store").mkdir()
    pq.write_table(pa.table({"text": TEXTS, "year": [2000] * 3}, schema=strict), tmp_path / "store" / "a.parquet")
    write(tmp_path / "store" / "b.parquet", {"year": pa.array([2001, None, None])})

    _, rows = scored(tmp_path / "store", keep=("year",))

    assert [row["year"] for row in rows] == [2000, 2000, 2000, 2001, None, None]


def test_the_odd_file_is_left_out_and_not_the_many_that_come_after_it(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet", {"year": [1.5, 2.5, 3.5]})
    for name in "bcd":
        write(tmp_path / "store" / f"{name}.parquet", {"year": [1, 2, 3]})

    summary, rows = scored(tmp_path / "store", keep=("year",))

    assert (summary.exit_code, len(rows)) == (3, 9)
    assert list(summary.left_out) == ["a.parquet"]
    assert (
        "is double; the other files have int64, and no type holds both without a loss" in summary.left_out["a.parquet"]
    )


def test_a_column_that_older_files_do_not_have_is_null_there_and_the_summary_says_so(
    scored: Scored, tmp_path: Path
) -> None:
    write(tmp_path / "store" / "2019.parquet")
    write(tmp_path / "store" / "2020.parquet", {"year": [2020] * 3})

    summary, rows = scored(tmp_path / "store", keep=("year",), where="year is None or year >= 2020")

    assert (summary.exit_code, [row["year"] for row in rows]) == (0, [None] * 3 + [2020] * 3)
    assert summary.notes == ["column 'year' is null for the rows of 2019.parquet: no such column there"]


def test_a_text_column_of_null_type_has_rows_without_a_text(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet")
    pq.write_table(pa.table({"text": pa.nulls(2)}), tmp_path / "store" / "b.parquet")

    summary, rows = scored(tmp_path / "store")

    assert (summary.rows_in, summary.rows_scored, summary.rows_rejected, len(rows)) == (5, 3, 2, 3)


def test_folders_have_nulls_numbers_and_decoded_values(scored: Scored, tmp_path: Path) -> None:
    for lang, year in (
        ("pt%20BR", "2019"),
        ("__HIVE_DEFAULT_PARTITION__", "2020"),
        ("a%2Fb", "__HIVE_DEFAULT_PARTITION__"),
    ):
        write(tmp_path / "store" / f"lang={lang}" / f"year={year}" / "x.parquet", rows=1)

    _, rows = scored(tmp_path / "store", keep=("lang", "year"))

    found = sorted(((row["lang"], row["year"]) for row in rows), key=str)
    assert found == sorted([("pt BR", 2019), (None, 2020), ("a/b", None)], key=str)


def test_folder_columns_are_filtered_as_numbers_and_dates(scored: Scored, tmp_path: Path) -> None:
    for day in ("2024-01-31", "2024-02-01", "2024-03-01"):
        write(tmp_path / "store" / f"day={day}" / "x.parquet", rows=1)

    _, rows = scored(tmp_path / "store", keep=("day",), where="day > '2024-01-31' and day < '2024-03-01'")

    assert [row["day"] for row in rows] == [dt.date(2024, 2, 1)]


def test_a_folder_column_compared_with_another_kind_is_refused_with_its_type(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "month=01" / "x.parquet")

    with pytest.raises(ConfigError, match="column 'month' is string, and 6 is a number; write a text"):
        scored(tmp_path / "store", where="month >= 6")


def test_what_is_no_data_is_counted_and_leaves_nothing_unfinished(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "lang=en" / "x.parquet")
    for name in ("README.md", "dataset_infos.json", "lang=en_$folder$", "LICENSE", "_SUCCESS", ".x.parquet.crc"):
        (tmp_path / "store" / name).write_bytes(b"" if "$" in name else b"something")

    summary, rows = scored(tmp_path / "store", keep=("lang",))

    assert (summary.exit_code, len(rows)) == (0, 3)
    assert sorted(summary.ignored.values()) == [2, 4]


@pytest.mark.parametrize("name", ["x.parquet", "part-0.orc", "rows.jsonl", "rows.json.gz", "0f3c2a"])
def test_what_may_hold_rows_is_not_taken_for_no_data(name: str, scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet")
    (tmp_path / "store" / name).write_bytes(b"something")

    summary, _ = scored(tmp_path / "store")

    assert (summary.exit_code, list(summary.left_out)) == (3, [name])


def test_a_file_that_is_named_by_itself_is_never_no_data(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet")
    (tmp_path / "notes.txt").write_text("something")

    summary, _ = scored(tmp_path / "store", tmp_path / "notes.txt")

    assert (summary.exit_code, list(summary.left_out)) == (3, ["notes.txt"])


def test_a_store_twice_by_a_folder_in_it_is_refused(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "year=2020" / "x.parquet")

    with pytest.raises(CorpusError, match="its rows would be read twice"):
        scored(tmp_path / "store", tmp_path / "store" / "year=2020")


@pytest.mark.parametrize("way", ["w2vray", "-m"])
def test_nothing_is_imported_from_the_folder_one_stands_in(way: str, tmp_path: Path) -> None:
    """Neither by the program nor by the process that describes files; ``json.py`` would take the place of Python's."""
    for module in ("json", "base64", "queue", "safetensors", "pyarrow", "typing", "numpy", "sitecustomize", "click"):
        planted = f"open({str(tmp_path / 'PLANTED')!r}, 'w'); raise SystemExit('planted')"
        (tmp_path / "here" / f"{module}.py").parent.mkdir(exist_ok=True)
        (tmp_path / "here" / f"{module}.py").write_text(planted)
    write(tmp_path / "store" / "a.parquet")
    program = [str(Path(sys.executable).with_name("w2vray"))] if way == "w2vray" else [sys.executable, "-m", "w2vray"]
    command = [*program, "vectors", "train", "../store", "--output", "../vectors", "--min-count", "1", "--dim", "4"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    package = str(Path(__file__).parents[2])

    done = subprocess.run(
        command,
        cwd=tmp_path / "here",
        env=environment | {"PYTHONPATH": package},
        capture_output=True,
        text=True,
        check=False,
    )

    assert not (tmp_path / "PLANTED").exists(), done.stderr
    assert done.returncode == 0, done.stderr


def test_int96_inside_a_list_is_refused_and_not_cut(scored: Scored, tmp_path: Path) -> None:
    inner = pa.array([[1_706_702_400_123_456_789], None, []], pa.list_(pa.timestamp("ns")))
    write(tmp_path / "store" / "a.parquet", {"at": inner}, use_deprecated_int96_timestamps=True)
    write(tmp_path / "store" / "b.parquet", {"at": pa.nulls(3, pa.list_(pa.timestamp("us")))})

    summary, rows = scored(tmp_path / "store", keep=("at",))

    assert (summary.exit_code, len(rows)) == (3, 3)
    assert "holds INT96 times inside a column" in summary.left_out["a.parquet"]


def test_a_column_that_is_there_twice_and_nowhere_else_is_refused(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    twice = pa.Table.from_arrays([pa.array(["bab"]), pa.array([1]), pa.array([2])], names=["text", "k", "k"])
    pq.write_table(twice, tmp_path / "store" / "a.parquet")
    write(tmp_path / "store" / "b.parquet")

    with pytest.raises(CorpusError, match="column 'k' is there more than once in a file"):
        scored(tmp_path / "store", keep=("k",))


def test_files_that_hold_no_rows_do_not_decide_the_type_of_a_folder_column(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "year=2020" / "a.parquet")
    for name in ("year=notes/README.md", "year=2020/a.parquet.sha256"):
        (tmp_path / "store" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "store" / name).write_text("hello")

    summary, rows = scored(tmp_path / "store", where="year >= 2020")

    assert (summary.exit_code, len(rows), list(summary.ignored.values())) == (0, 3, [2])


@pytest.mark.parametrize("where", ["", "  "])
def test_an_empty_condition_is_refused(where: str, scored: Scored, tmp_path: Path) -> None:
    """It is a shell's variable that nobody has set."""
    write(tmp_path / "store" / "a.parquet")

    with pytest.raises(ConfigError, match="is not a condition"):
        scored(tmp_path / "store", where=where)


def test_a_delimiter_that_no_file_needs_is_told(scored: Scored, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.parquet")

    summary, rows = scored(tmp_path / "store", delimiter=";")

    assert (summary.exit_code, len(rows)) == (0, 3)
    assert "a.parquet: --delimiter is for CSV and is not used: the file is parquet" in summary.notes


def test_a_file_without_rows_is_told_whatever_its_columns_are(scored: Scored, tmp_path: Path) -> None:
    """Who wrote no row knew no types either."""
    write(tmp_path / "store" / "a.parquet", {"year": [1, 2, 3]})
    pq.write_table(pa.table({}), tmp_path / "store" / "b.parquet")
    pq.write_table(
        pa.table({"text": pa.array([], pa.int8()), "year": pa.array([], pa.string())}), tmp_path / "store" / "c.parquet"
    )

    summary, rows = scored(tmp_path / "store", keep=("year",))

    assert (summary.exit_code, [row["year"] for row in rows]) == (0, [1, 2, 3])
    assert summary.notes == ["2 files not read: no rows in it (b.parquet, c.parquet)"]


@pytest.mark.parametrize(("keep", "name"), [("k==v", "k=v"), ("k==v=other", "other")])
def test_a_column_with_an_equals_sign_in_its_name_can_be_kept(
    scored: Scored, tmp_path: Path, keep: str, name: str
) -> None:
    write(tmp_path / "store" / "a.parquet", {"k=v": [1, 2, 3]})

    _, rows = scored(tmp_path / "store", keep=(keep,))

    assert [row[name] for row in rows] == [1, 2, 3]


def test_how_such_a_column_is_kept_is_told_to_whoever_asks_for_it_as_it_is_written(
    scored: Scored, tmp_path: Path
) -> None:
    write(tmp_path / "store" / "a.parquet", {"k=v": [1, 2, 3]})

    with pytest.raises(CorpusError, match="To keep 'k=v', write its = twice: --keep \"k==v\""):
        scored(tmp_path / "store", keep=("k=v",))


def test_texts_that_a_program_marked_as_json_are_texts(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    pq.write_table(pa.table({"text": pa.array(['{"bab": 1}', None], pa.json_())}), tmp_path / "store" / "a.parquet")

    summary, rows = scored(tmp_path / "store")

    assert (summary.rows_rejected, [row["status"] for row in rows]) == (1, ["scored"])


@pytest.mark.parametrize("name", ["part-0", "rows.txt", "rows.dat"])
def test_a_text_that_is_known_by_its_columns_is_known_again_when_the_run_is_verified(
    scored: Scored, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("text;n\nbab;1\n")

    summary, rows = scored(tmp_path / name, keep=("n",))  # looks deep

    assert (summary.exit_code, [row["n"] for row in rows]) == (0, ["1"])
