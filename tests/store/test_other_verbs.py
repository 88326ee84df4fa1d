"""Stores as people have them, read by ``train``, ``evaluate`` and ``vectors train``: the rows that ``score`` reads."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.fixtures.table_rows import MakeTable
from w2vray.errors import CorpusError
from w2vray.schema import CHECKED_COLUMNS
from w2vray.store.corpus_texts import corpus_texts
from w2vray.store.description import ANY, ReadAs
from w2vray.store.filters import parse_where
from w2vray.store.labelled import labelled_units
from w2vray.store.reading import read_unit

Rows = list[tuple[str, Any]]


def write(file: Path, text: str, label: Any = "a", **columns: Any) -> Path:
    """Write a file of one row."""
    file.parent.mkdir(parents=True, exist_ok=True)
    label = label if isinstance(label, pa.Array) else pa.array([label])
    pq.write_table(pa.table({"text": pa.array([text]), "label": label, **columns}), file)
    return file


def labelled(*places: Path, where: str | None = None, read_as: ReadAs = ANY) -> tuple[Rows, list[str]]:
    """Read texts and labels as ``train`` and ``evaluate`` do, and what they tell."""
    found = labelled_units([str(place) for place in places], ("text",), "label", where, read_as)
    condition = None if where is None else parse_where(where).fitted(found.schema)
    rows = [
        (row["text"], row["label"])
        for unit in found.units
        for batch in read_unit(unit, found.corpus.roots, ["text", "label"], condition, found.schema)
        for row in batch.to_pylist()
    ]
    return sorted(rows, key=str), found.notes


def texts(*places: Path, read_as: ReadAs = ANY) -> tuple[list[str], list[str]]:
    """Read texts as ``vectors train`` does, and what it tells."""
    found = corpus_texts([str(place) for place in places], ("text",), read_as)
    return sorted(text for batch in found for text in batch.to_pylist()), found.notes


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def linked(store: Path) -> None:
    (store / "link.parquet").symlink_to(store / "one.parquet")


def linked_hard(store: Path) -> None:
    os.link(store / "one.parquet", store / "link.parquet")


def linked_folder(store: Path) -> None:
    (store / "again").symlink_to(store)


def linked_twice(store: Path) -> None:
    write(store.parent / "elsewhere" / "one.parquet", "bab")
    (store / "one.parquet").unlink()
    for name in ("first", "second"):
        (store / name).symlink_to(store.parent / "elsewhere")


@pytest.mark.parametrize("link", [linked, linked_hard, linked_folder, linked_twice])
def test_a_file_is_read_once_whatever_links_lead_to_it(store: Path, link: Callable[[Path], None]) -> None:
    write(store / "one.parquet", "bab")
    link(store)

    assert labelled(store)[0] == [("bab", "a")]
    assert texts(store)[0] == ["bab"]


@pytest.mark.parametrize("second", ["", "k=1", "k=1/one.parquet", "k=*", "link"])
def test_a_file_that_two_arguments_name_is_refused(store: Path, second: str) -> None:
    write(store / "k=1" / "one.parquet", "bab")
    if second == "link":
        (store.parent / "link").symlink_to(store)
    other = store.parent / "link" if second == "link" else store / second

    for read in (labelled, texts):
        with pytest.raises(CorpusError, match=r"one\.parquet is in both .* its rows would be read twice"):
            read(store, other)


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "[abc]/run", "only[2024].parquet"])
def test_a_path_that_is_there_is_that_path_and_no_glob(store: Path, name: str) -> None:
    file = store / name if name.endswith(".parquet") else store / name / "x.parquet"
    write(file, "meant")
    for other in ("run1/x.parquet", "runs/x.parquet", "a/run/x.parquet", "only2.parquet"):
        write(store / other, "another")

    assert labelled(store / name)[0] == [("meant", "a")]
    assert texts(store / name)[0] == ["meant"]


def test_columns_of_folders_may_begin_with_an_underscore_and_hidden_names_are_told(store: Path) -> None:
    for name in ("_k=1", "_k=2", "_temporary", ".cache"):
        write(store / name / "x.parquet", name)

    (rows, notes), (found, others) = labelled(store, where="_k == 2"), texts(store)

    assert rows == [("_k=2", "a")]
    assert found == ["_k=1", "_k=2"]
    told = "2 files not read: hidden, a name in the path begins with . or _ (.cache/x.parquet, _temporary/x.parquet)"
    assert told in notes
    assert told in others


def test_folders_have_nulls_numbers_and_decoded_values_and_may_hold_the_label(store: Path) -> None:
    for label in ("pt%20BR", "__HIVE_DEFAULT_PARTITION__"):
        file = store / f"label={label}" / "year=2020" / "x.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(pa.table({"text": [label]}), file)

    rows = labelled(store, where="year >= 2020")[0]

    assert rows == [("__HIVE_DEFAULT_PARTITION__", None), ("pt%20BR", "pt BR")]
    assert labelled(store, where="label is None")[0] == [("__HIVE_DEFAULT_PARTITION__", None)]


@pytest.mark.parametrize(
    "kinds",
    [
        [pa.int8(), pa.int64(), pa.uint16()],
        [pa.string(), pa.large_string(), pa.string_view()],
        [pa.string(), pa.dictionary(pa.int8(), pa.string()), pa.binary()],
        [pa.null(), pa.string(), pa.null()],
    ],
    ids=str,
)
def test_labels_of_files_of_several_types_are_read(store: Path, kinds: list[pa.DataType]) -> None:
    value: Any = 1 if pa.types.is_integer(kinds[0]) else "1"
    for number, kind in enumerate(kinds):
        write(store / f"{number}.parquet", f"{number}", pa.array([None if kind == pa.null() else value], kind))

    rows, _ = labelled(store)

    given = [None if kind == pa.null() else value for kind in kinds]
    plain = [label.decode() if isinstance(label, bytes) else label for _, label in rows]
    assert [text for text, _ in rows] == ["0", "1", "2"]
    assert plain == given


def test_a_text_column_of_null_type_has_rows_without_a_text(store: Path) -> None:
    write(store / "a.parquet", "bab")
    pq.write_table(pa.table({"text": pa.nulls(2), "label": ["a", "b"]}), store / "b.parquet")

    assert labelled(store)[0] == [("bab", "a"), (None, "a"), (None, "b")]
    found = corpus_texts([str(store)], ("text",))
    assert ([text for batch in found for text in batch.to_pylist() if text], found.rejected) == (["bab"], 2)


def test_a_column_that_older_files_do_not_have_is_null_there_and_told(store: Path) -> None:
    write(store / "2019.parquet", "old")
    write(store / "2020.parquet", "new", year=pa.array([2020], pa.int32()))
    write(store / "2021.parquet", "newer", year=pa.array([None], pa.int64()))

    rows, notes = labelled(store, where="year is None or year >= 2020")

    assert [text for text, _ in rows] == ["new", "newer", "old"]
    assert "column 'year' is null for the rows of 2019.parquet: no such column there" in notes


def test_a_store_of_two_formats_is_refused_unless_one_is_chosen(store: Path) -> None:
    write(store / "a.parquet", "parquet")
    (store / "b.csv").write_text("text,label\ncsv,a\n")
    (store / "README.md").write_text("about")

    for read in (labelled, texts):
        with pytest.raises(CorpusError, match=r"a\.parquet is parquet and .*b\.csv is csv. Choose with --format"):
            read(store)
    rows, notes = labelled(store, read_as=ReadAs(format="csv"))
    assert rows == [("csv", "a")]
    assert "1 file not read: of another format than --format says (a.parquet)" in notes
    assert texts(store, read_as=ReadAs(format="parquet"))[0] == ["parquet"]


@pytest.mark.parametrize("name", ["cut.parquet", "cut.jsonl.gz", "other.orc"])
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_left_out_in_silence(store: Path, name: str) -> None:
    write(store / ("a.parquet" if "parquet" in name else "a.jsonl"), "bab")
    if not name.endswith("parquet"):
        (store / "a.jsonl").write_text('{"text": "bab", "label": "a"}\n')
    (store / name).write_bytes(b"PAR1cut" if "parquet" in name else b"\x1f\x8b\x08cut" if "gz" in name else b"ORC")

    for read in (labelled, texts):
        with pytest.raises(CorpusError, match=rf"{name}: .*; repair the file, or leave it out"):
            read(store)


def test_an_earlier_version_of_a_table_has_labels_and_texts_of_its_time(make_iceberg: MakeTable) -> None:
    made, place = make_iceberg(pa.table({"text": ["bab", "dab"], "label": ["a", "b"]}))
    first = made.metadata.snapshots[0].snapshot_id
    made.append(pa.table({"text": ["gag"], "label": ["c"]}))

    def of(version: int | None) -> tuple[int, list[str]]:
        units = labelled_units([str(place)], ("text",), "label", None, table_version=version).units
        found = corpus_texts([str(place)], ("text",), table_version=version)
        return sum(unit.rows for unit in units), sorted(text for batch in found for text in batch.to_pylist())

    assert of(first) == (2, ["bab", "dab"])
    assert of(None) == (3, ["bab", "dab", "gag"])


def test_labels_of_lines_are_what_most_lines_have_and_the_others_are_told(store: Path) -> None:
    """One list among strings makes no label of the quotes that JSON has around them."""
    store.mkdir()
    labels = ['"pos"', '"neg"', '["pos", "neg"]', '"caf\\u00e9"', "null"]
    lines = [f'{{"text": "bab {row}", "label": {label}}}\n' for row, label in enumerate(labels)]
    (store / "a.jsonl").write_text("".join(lines))

    rows, _ = labelled(store)

    assert rows == [("bab 0", "pos"), ("bab 1", "neg"), ("bab 3", "café"), ("bab 4", None), (None, None)]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "csv.gz", "jsonl.zst"])
def test_texts_of_lines_are_those_of_parquet(tmp_path: Path, ending: str) -> None:
    rows = [{"text": f'bab {row}, "dab"\nü 😀' if row % 3 else "", "label": "a"} for row in range(40)]
    table = pa.Table.from_pylist(rows)
    (tmp_path / "parquet").mkdir()
    pq.write_table(table, tmp_path / "parquet" / "a.parquet")
    file = tmp_path / "lines" / f"a.{ending}"
    file.parent.mkdir()
    data = _written(table, ending.partition(".")[0])
    file.write_bytes(_packed(data, ending.partition(".")[2]))

    assert texts(file.parent)[0] == texts(tmp_path / "parquet")[0]
    assert labelled(file.parent)[0] == labelled(tmp_path / "parquet")[0]


def _written(table: pa.Table, kind: str) -> bytes:
    if kind == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink)
    return bytes(sink.getvalue())


def _packed(data: bytes, ending: str) -> bytes:
    if ending == "gz":
        return gzip.compress(data)
    return bytes(pa.compress(data, "zstd", asbytes=True)) if ending == "zst" else data


def test_the_models_own_labels_are_not_taken_for_true_ones(tmp_path: Path) -> None:
    """A file of `sample` has both: its column label is what a run gave."""
    file = tmp_path / "check.csv"
    file.write_text(",".join(CHECKED_COLUMNS) + "\na film,good,0.9,bad,a.parquet,0,all,1,run\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="give --label-column true_label"):
        labelled_units([str(file)], ("text",), "label")
    assert len(labelled_units([str(file)], ("text",), "true_label").units) == 1
