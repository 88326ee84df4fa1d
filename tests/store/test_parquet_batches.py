"""A batch of a Parquet file is bounded by what its columns decode to, and its rows are those of the file."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.store import parquet_batches
from w2vray.store.parquet_batches import bounded_batches

LONG = ["x" * 1000, "y" * 1200, "z" * 900]


def write(path: Path, columns: dict[str, Any], *, row_group: int = 1 << 20, **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=row_group, **options)
    return path


def batches(path: Path, *columns: str, rows: int = 4096) -> list[pa.RecordBatch]:
    opened = partial(pq.ParquetFile, path, pre_buffer=False)
    groups = list(range(pq.read_metadata(path).num_row_groups))
    return list(bounded_batches(opened, groups, columns, rows))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of strings of each batch that Arrow has decoded."""
    sizes: list[int] = []
    plain = pq.ParquetFile.iter_batches

    def counted(self: pq.ParquetFile, *arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        for batch in plain(self, *arguments, **options):
            sizes.append(batch.nbytes)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    monkeypatch.setattr(parquet_batches, "LARGEST_BATCH", 8000)
    return sizes


@pytest.mark.parametrize("row_group", [1000, 70])
def test_long_values_of_a_dictionary_are_decoded_a_few_at_a_time(
    row_group: int, decoded: list[int], tmp_path: Path
) -> None:
    texts = [LONG[row % 3] for row in range(200)]
    path = write(tmp_path / "a.parquet", {"text": texts, "n": list(range(200))}, row_group=row_group)

    found = batches(path, "n", "text")

    assert pa.Table.from_batches(found).to_pydict() == {"n": list(range(200)), "text": texts}
    assert [batch.schema.names for batch in found] == [["n", "text"]] * len(found)
    assert max(decoded) <= 8000
    assert max(batch.nbytes for batch in found) <= 8000


@pytest.mark.parametrize("row_group", [1000, 300])
def test_short_values_of_a_dictionary_are_decoded_together(row_group: int, decoded: list[int], tmp_path: Path) -> None:
    """The footer alone would allow each of them to be as long as all that is stored."""
    texts = [f"t{row % 50:02}" for row in range(1000)]
    path = write(tmp_path / "a.parquet", {"text": texts}, row_group=row_group)

    found = batches(path, "text", rows=1000)

    assert [batch["text"].to_pylist() for batch in found] == [texts]
    groups = -(-1000 // row_group)
    assert len(decoded) == groups + 1  # the first row of each, to see its dictionary; then all of them
    assert max(decoded) <= 8000


@pytest.mark.parametrize("first", [None, ""])
def test_a_dictionary_is_found_behind_rows_that_have_no_value(
    first: str | None, decoded: list[int], tmp_path: Path
) -> None:
    texts = [first] * 1500 + LONG * 20
    path = write(tmp_path / "a.parquet", {"text": texts})

    found = batches(path, "text")

    assert pa.Table.from_batches(found)["text"].to_pylist() == texts
    assert max(decoded) <= 8000


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_long_values_among_short_ones_are_cut(encoding: str, decoded: list[int], tmp_path: Path) -> None:
    texts = ["a"] * 3000 + LONG * 20 + ["b"] * 1000
    path = write(tmp_path / "a.parquet", {"text": texts}, use_dictionary=False, column_encoding={"text": encoding})

    found = batches(path, "text")

    assert pa.Table.from_batches(found)["text"].to_pylist() == texts
    assert max(batch.nbytes for batch in found) <= 8000
    assert max(decoded) < sum(map(len, texts))


def test_categories_stay_a_dictionary_and_are_cut_by_what_they_decode_to(decoded: list[int], tmp_path: Path) -> None:
    texts = [LONG[row % 3] for row in range(100)]
    category = pa.array(texts).dictionary_encode()
    path = write(tmp_path / "a.parquet", {"text": category, "n": list(range(100))})

    found = batches(path, "text", "n")

    assert {batch.schema.field("text").type for batch in found} == {category.type}
    assert pa.Table.from_batches(found).to_pydict() == {"text": texts, "n": list(range(100))}
    assert max(len(batch) for batch in found) == 7  # of about 1,033 bytes each
    assert max(decoded) <= 8000


def test_lists_that_are_stored_in_no_bytes_count_by_their_values(decoded: list[int], tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"zeros": [[0] * 500] * 100, "words": [[LONG[0]] * 3] * 100})

    found = batches(path, "zeros", "words")

    assert pa.Table.from_batches(found).to_pydict() == {"zeros": [[0] * 500] * 100, "words": [[LONG[0]] * 3] * 100}
    assert {len(batch) for batch in found} == {1}
    assert max(decoded) <= 8000


def test_what_fits_is_read_as_arrow_reads_it(tmp_path: Path) -> None:
    texts = [f"text {row}" for row in range(1000)]
    columns = {"text": texts, "kind": pa.array(texts).dictionary_encode()}
    path = write(tmp_path / "a.parquet", columns, row_group=300)
    plain = pq.ParquetFile(path)

    for names in (["text"], ["kind"], ["text", "kind"], []):
        expected = list(plain.iter_batches(128, columns=names))
        assert batches(path, *names, rows=128) == expected


VALUES = {
    "text": st.text("aé", max_size=40),
    "category": st.sampled_from(["", "b" * 30, "c"]),
    "tags": st.lists(st.none() | st.sampled_from(["d" * 25, "e"]), max_size=3),
    "pairs": st.fixed_dictionaries({"f": st.none() | st.text("g", max_size=20), "h": st.integers(0, 9)}),
    "view": st.text("ij", max_size=30),
    "map": st.lists(st.tuples(st.sampled_from("kl"), st.text("m", max_size=20)), max_size=2),
}
KINDS = {
    "text": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "tags": pa.list_(pa.string()),
    "pairs": pa.struct([("f", pa.string()), ("h", pa.int64())]),
    "view": pa.string_view(),
    "map": pa.map_(pa.string(), pa.string()),
}


@given(
    table=st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=40),
    columns=st.lists(st.sampled_from(sorted(KINDS)), unique=True, min_size=1),
    sizes=st.tuples(st.integers(1, 15), st.integers(1, 12), st.integers(1, 200)),
    dictionary=st.booleans(),
)
def test_any_bound_gives_the_rows_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[dict[str, Any]],
    columns: list[str],
    sizes: tuple[int, int, int],
    dictionary: bool,
) -> None:
    row_group, rows, largest = sizes
    schema = pa.schema(list(KINDS.items()))
    path = tmp_path_factory.mktemp("store") / "a.parquet"
    arrays = {name: pa.array([row[name] for row in table], kind) for name, kind in KINDS.items()}
    pq.write_table(pa.table(arrays, schema=schema), path, row_group_size=row_group, use_dictionary=dictionary)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_batches, "LARGEST_BATCH", largest)
        found = batches(path, *columns, rows=rows)

    assert [row for batch in found for row in batch.to_pylist()] == [
        {name: row[name] for name in columns} for row in pq.read_table(path).to_pylist()
    ]
    assert all(0 < len(batch) <= rows for batch in found)
