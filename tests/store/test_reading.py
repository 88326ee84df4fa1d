"""A unit is read back row by row, if its files are still those that were planned."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import CorpusError
from w2vray.places.uris import open_store
from w2vray.schema import FileReason
from w2vray.store import parquet
from w2vray.store.corpus import Corpus, find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.formats import describe_file
from w2vray.store.opening import file_error
from w2vray.store.reading import FILE_COLUMN, joined, read_unit
from w2vray.store.units import Unit, plan_units


def write(file: Path, numbers: Sequence[int], *, row_group: int = 3, **columns: Any) -> None:
    """Write a file whose texts tell their row."""
    file.parent.mkdir(parents=True, exist_ok=True)
    texts = [f"{file.stem} {number}" for number in numbers]
    pq.write_table(pa.table({"text": texts, "n": numbers, **columns}), file, row_group_size=row_group)


def planned(folder: Path, *, limit: int | None = None) -> tuple[Corpus, list[Unit]]:
    """The corpus and the plan of a folder."""
    corpus = find_corpus([str(folder)])
    found, bad = describe_files(corpus, corpus.files, ["text"])
    assert bad == {}
    return corpus, plan_units(found, limit=limit)


def read(corpus: Corpus, plan: list[Unit], *columns: str) -> list[dict[str, Any]]:
    """All rows of a plan, unit by unit."""
    return [row for unit in plan for batch in read_unit(unit, corpus.roots, columns) for row in batch.to_pylist()]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three small files, of several row groups: one unit."""
    write(tmp_path / "store" / "a.parquet", range(8))
    write(tmp_path / "store" / "deep" / "b.parquet", range(100, 104))
    write(tmp_path / "store" / "x" / "c.parquet", range(200, 201))
    return tmp_path / "store"


def expected_rows(name: str, numbers: range) -> list[dict[str, Any]]:
    """The rows of a file as they are to be read."""
    return [
        {"w2vray.source_file": name, "w2vray.source_row": row, "text": f"{Path(name).stem} {number}", "n": number}
        for row, number in enumerate(numbers)
    ]


def test_a_unit_is_read_row_by_row_in_order_with_each_rows_place(store: Path) -> None:
    corpus, plan = planned(store)
    (unit,) = plan

    assert len(unit.pieces) == 3
    assert read(corpus, plan, "text", "n") == [
        *expected_rows("a.parquet", range(8)),
        *expected_rows("deep/b.parquet", range(100, 104)),
        *expected_rows("x/c.parquet", range(200, 201)),
    ]


def test_a_unit_that_starts_inside_of_a_file_counts_rows_from_the_files_start(store: Path) -> None:
    corpus, (unit,) = planned(store)
    later = Unit((replace(unit.pieces[0], start=1, stop=3, row_start=3, rows=5),))

    assert read(corpus, [later], "text", "n") == expected_rows("a.parquet", range(8))[3:]


@pytest.mark.parametrize("limit", [1, 3, 4, 8, 9, 13, 99])
def test_a_limited_plan_reads_the_first_rows(store: Path, limit: int) -> None:
    corpus, plan = planned(store)

    limited = read(corpus, planned(store, limit=limit)[1], "text")

    assert limited == read(corpus, plan, "text")[:limit]


@given(shape=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=3), rows=st.integers(1, 4))
def test_files_of_any_row_groups_are_read_completely_in_bounded_batches(
    tmp_path_factory: pytest.TempPathFactory, shape: list[list[int]], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    schema = pa.schema([("text", pa.string())])
    expected: list[str] = []
    for number, groups in enumerate(shape):
        with pq.ParquetWriter(folder / f"{number}.parquet", schema) as writer:
            for size in groups:
                texts = [f"{number} {len(expected) + index}" for index in range(size)]
                writer.write_table(pa.table({"text": texts}, schema=schema))
                expected += texts
    corpus, plan = planned(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "BLOCK_ROWS", rows)
        patch.setattr(parquet, "BATCH_ROWS", 3 * rows)
        batches = [batch for unit in plan for batch in read_unit(unit, corpus.roots, ["text"], most_rows=rows)]

    assert [text for batch in batches for text in batch.column("text").to_pylist()] == expected
    assert all(0 < len(batch) <= rows for batch in batches)
    assert all(len(set(batch.column("w2vray.source_file").to_pylist())) == 1 for batch in batches)


def test_long_texts_are_read_fewer_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many that they make up the bytes aimed at; a single longer one is read by itself."""
    for name, letters in (("long", 1000), ("longer", 5000)):
        pq.write_table(pa.table({"text": [chr(97 + row) * letters for row in range(20)]}), tmp_path / f"{name}.parquet")
    corpus, plan = planned(tmp_path)
    monkeypatch.setattr(parquet, "LARGEST_READ", 4500)

    batches = [batch for unit in plan for batch in read_unit(unit, corpus.roots, ["text"])]

    sizes: dict[str, set[int]] = {}
    for batch in batches:
        sizes.setdefault(batch.column("w2vray.source_file")[0].as_py(), set()).add(len(batch))
    assert max(sizes["long.parquet"]) == 4
    assert sizes["longer.parquet"] == {1}
    assert sum(map(len, batches)) == 40


def test_the_same_unit_gives_the_same_batches(store: Path) -> None:
    corpus, (unit,) = planned(store)

    first, again = ([b.to_pydict() for b in read_unit(unit, corpus.roots, ["text", "n"])] for _ in range(2))

    assert first == again


def test_key_value_folders_are_columns_of_strings(tmp_path: Path) -> None:
    write(tmp_path / "store" / "lang=en" / "year=2020" / "a.parquet", range(2))
    write(tmp_path / "store" / "lang=gr%C3%B6n%2Fx" / "year=2021" / "b.parquet", range(1))
    corpus, plan = planned(tmp_path / "store")

    rows = read(corpus, plan, "year", "text", "lang")

    assert [list(row) for row in rows] == [["w2vray.source_file", "w2vray.source_row", "year", "text", "lang"]] * 3
    assert [(row["lang"], row["year"], row["text"]) for row in rows] == [
        ("en", "2020", "a 0"),
        ("en", "2020", "a 1"),
        ("grön/x", "2021", "b 0"),
    ]


def test_a_stored_column_goes_before_a_folder_of_its_name_and_both_say_the_same(tmp_path: Path) -> None:
    write(tmp_path / "store" / "n=07" / "a.parquet", [7, 7])
    corpus, plan = planned(tmp_path / "store")

    assert [row["n"] for row in read(corpus, plan, "n")] == [7, 7]


@pytest.mark.parametrize("columns", [(), ("lang",)], ids=["none", "a folder"])
def test_rows_are_counted_even_where_no_stored_column_is_asked_for(tmp_path: Path, columns: tuple[str, ...]) -> None:
    write(tmp_path / "store" / "lang=en" / "a.parquet", range(7))
    corpus, plan = planned(tmp_path / "store")

    assert [row["w2vray.source_row"] for row in read(corpus, plan, *columns)] == list(range(7))


@pytest.mark.parametrize(
    ("view", "plain"),
    [(pa.string_view(), pa.large_string()), (pa.binary_view(), pa.large_binary())],
    ids=["strings", "bytes"],
)
def test_columns_of_views_are_read_as_columns_that_arrow_can_filter(
    tmp_path: Path, view: pa.DataType, plain: pa.DataType
) -> None:
    table = pa.table({"text": pa.array(["a", None, "a text too long to lie within a view"]).cast(view)})
    (tmp_path / "store").mkdir()
    pq.write_table(table, tmp_path / "store" / "a.parquet")
    corpus, (unit,) = planned(tmp_path / "store")

    (batch,) = read_unit(unit, corpus.roots, ["text"])

    assert batch.schema.field("text").type == plain
    assert batch.column("text").to_pylist() == table["text"].to_pylist()
    assert batch.filter(pa.array([True, False, True])).num_rows == 2


def test_files_of_several_roots_are_each_read_from_their_own(tmp_path: Path) -> None:
    write(tmp_path / "one" / "a.parquet", range(2))
    write(tmp_path / "two" / "b.parquet", range(5, 7))
    corpus = find_corpus([str(tmp_path / "one"), f"file://{tmp_path}/two"])
    found, _ = describe_files(corpus, corpus.files, ["text"])

    rows = read(corpus, plan_units(found), "text")

    assert [(row["w2vray.source_file"], row["text"]) for row in rows] == [
        ("a.parquet", "a 0"),
        ("a.parquet", "a 1"),
        ("b.parquet", "b 5"),
        ("b.parquet", "b 6"),
    ]


# Files that are not what they were


def grown(file: Path) -> None:
    write(file, range(20))


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def damaged_in_place(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("change", [grown, truncated, damaged_in_place, emptied, Path.unlink])
def test_a_file_that_changed_or_vanished_is_told_by_its_name(store: Path, change: Any) -> None:
    corpus, plan = planned(store)
    change(store / "deep" / "b.parquet")

    with pytest.raises(CorpusError, match=r"^deep/b\.parquet "):
        read(corpus, plan, "text")


def test_a_change_of_size_is_told_with_both_sizes(store: Path) -> None:
    corpus, plan = planned(store)
    before = (store / "a.parquet").stat().st_size
    grown(store / "a.parquet")

    with pytest.raises(CorpusError) as refused:
        read(corpus, plan, "text")

    after = (store / "a.parquet").stat().st_size
    assert str(refused.value) == f"a.parquet has {after} bytes; it had {before} when planned"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"rows": 9}, "8 rows from 0 on; it promised 9", id="fewer rows"),
        pytest.param({"start": 3, "stop": 4}, "has 3 row groups; it had 4 when planned", id="fewer row groups"),
    ],
)
def test_another_file_of_the_same_size_is_told_by_its_shape(store: Path, change: dict[str, Any], reason: str) -> None:
    corpus, (unit,) = planned(store)
    otherwise = Unit((replace(unit.pieces[0], **change),))

    with pytest.raises(CorpusError, match=reason):
        read(corpus, [otherwise], "text")


def test_a_column_that_is_gone_is_told_by_its_name(store: Path) -> None:
    corpus, plan = planned(store)

    with pytest.raises(CorpusError, match=r"a\.parquet has no column 'title'"):
        read(corpus, plan, "text", "title")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("When reading: AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 7"), "unreadable"),
        (OSError("google::cloud::Status(UNAVAILABLE: Retry policy exhausted)"), "unreadable"),
        (OSError(5, "Input/output error"), "unreadable"),
        (pa.ArrowException("Unknown error: Failed to launch worker thread: Resource unavailable"), "unreadable"),
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation"), "no_permission"),
        (OSError("Corrupt snappy compressed data."), "damaged_data"),
        (pa.ArrowInvalid("Invalid: no"), "damaged_data"),
    ],
    ids=str,
)
def test_a_store_that_is_away_is_not_taken_for_damaged_data(error: Exception, reason: str) -> None:
    found = file_error("a.parquet", error, FileReason.DAMAGED_DATA)
    assert (found.reason, found.file) == (reason, "a.parquet")


def test_memory_that_is_short_is_no_damage(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, plan = planned(store)

    def short(*_: Any, **__: Any) -> None:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", short)
    with pytest.raises(MemoryError):
        read(corpus, plan, "text")
    with pytest.raises(MemoryError):
        describe_file(*open_store(corpus.roots[0]), corpus.files[0], ["text"])


def test_descriptions_after_a_question_that_was_broken_off_are_those_asked_for(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process must not answer with what it had left to say."""
    corpus = find_corpus([str(store)])
    rows = [described.rows for described in describe_files(corpus, corpus.files, ["text"])[0]]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("w2vray.store.describing._from_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            describe_files(corpus, corpus.files[::-1], ["text"])

    again, bad = describe_files(corpus, corpus.files, ["text"])
    assert ([described.rows for described in again], bad) == (rows, {})


@given(
    batches=st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.text("xyz", max_size=4), max_size=5)), max_size=12),
    most_bytes=st.integers(1, 60),
    most_rows=st.integers(1, 12),
)
def test_joined_batches_hold_the_same_rows_of_one_file_each(
    batches: list[tuple[str, list[str]]], most_bytes: int, most_rows: int
) -> None:
    """None has more rows or bytes of text than it may, but for those that came so; and no two could be one."""
    given_ = [
        pa.record_batch({FILE_COLUMN: pa.array([file] * len(texts), pa.string()), "text": pa.array(texts, pa.string())})
        for file, texts in batches
    ]
    found = list(joined(given_, ["text"], most_bytes=most_bytes, most_rows=most_rows))
    assert [row for batch in found for row in batch.to_pylist()] == [row for b in given_ for row in b.to_pylist()]
    assert all(len(set(batch.column(FILE_COLUMN).to_pylist())) <= 1 for batch in found)
    sizes = {(len(batch), batch.select(["text"]).nbytes) for batch in given_}
    for batch in found:
        size = len(batch), batch.select(["text"]).nbytes
        assert size in sizes or (size[0] <= most_rows and size[1] <= most_bytes)


def test_batches_are_joined_as_far_as_they_may_be() -> None:
    batches = [pa.record_batch({FILE_COLUMN: ["a"] * 2, "text": ["xx", "yy"]}) for _ in range(6)]
    assert [len(batch) for batch in joined(batches, ["text"], most_bytes=1 << 20, most_rows=4)] == [4, 4, 4]
    each = batches[0].select(["text"]).nbytes
    assert [len(batch) for batch in joined(batches, ["text"], most_bytes=3 * each, most_rows=99)] == [6, 6]
