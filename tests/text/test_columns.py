from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from w2vray.errors import CorpusError
from w2vray.schema import Reason
from w2vray.text import columns as texts
from w2vray.text.columns import RejectedRow, blocks, is_text_type, read_texts

Cells = Sequence[bytes | None]
Row = tuple[bytes | None, ...]


def strings(cells: Cells, kind: pa.DataType) -> pa.Array:
    """Strings of a kind, unchecked: Arrow itself makes none that are not UTF-8, files can hold them."""
    as_bytes = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    return pa.array(cells, as_bytes[kind]).view(kind)


def dictionary(cells: Cells, values: Callable[[Cells], pa.Array], index: pa.DataType) -> pa.Array:
    """Cells as indices into their distinct values."""
    distinct = sorted({cell for cell in cells if cell is not None})
    indices = pa.array([None if cell is None else distinct.index(cell) for cell in cells], index)
    return pa.DictionaryArray.from_arrays(indices, values(distinct), safe=False)


COLUMNS: dict[str, Callable[[Cells], pa.Array]] = {
    "string": lambda cells: strings(cells, pa.string()),
    "large_string": lambda cells: strings(cells, pa.large_string()),
    "string_view": lambda cells: strings(cells, pa.string_view()),
    "binary": lambda cells: pa.array(cells, pa.binary()),
    "large_binary": lambda cells: pa.array(cells, pa.large_binary()),
    "binary_view": lambda cells: pa.array(cells, pa.binary_view()),
    "dictionary of string": lambda cells: dictionary(cells, COLUMNS["string"], pa.int32()),
    "dictionary of large_string": lambda cells: dictionary(cells, COLUMNS["large_string"], pa.int8()),
    "dictionary of string_view": lambda cells: dictionary(cells, COLUMNS["string_view"], pa.int64()),
    "dictionary of binary": lambda cells: dictionary(cells, COLUMNS["binary"], pa.uint8()),
    "dictionary of large_binary": lambda cells: dictionary(cells, COLUMNS["large_binary"], pa.int16()),
    "dictionary of binary_view": lambda cells: dictionary(cells, COLUMNS["binary_view"], pa.int32()),
}
each_column = pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)


def read(batch: pa.RecordBatch | pa.Table, *columns: str) -> tuple[list[str], list[int], list[RejectedRow]]:
    """Texts, their rows, and the rejected rows of a batch, checked for their types."""
    result = read_texts(batch, columns)
    assert result.values.type == pa.large_string()
    result.values.validate(full=True)
    return result.values.to_pylist(), result.rows_N.tolist(), result.rejected


def table(**columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    """A table of these columns."""
    return pa.table(columns)


@each_column
def test_every_text_type_is_read(column: Callable[[Cells], pa.Array]) -> None:
    """The type of a column makes no difference to its texts; a null is rejected, an empty text is not."""
    cells = ["naïve".encode(), None, b"", "日本 and a text too long to stand in a view".encode(), b"\x00", b""]
    values, rows, rejected = read(table(text=column(cells)), "text")
    assert values == ["naïve", "", "日本 and a text too long to stand in a view", "\x00", ""]
    assert rows == [0, 2, 3, 4, 5]
    assert rejected == [RejectedRow(1, Reason.NULL_TEXT, "null in text")]


@pytest.mark.parametrize("encoded", [False, True], ids=["as it is", "dictionary"])
def test_fixed_size_binary_is_read(encoded: bool) -> None:
    """All texts are then of one size, in bytes."""
    column = pa.array([b"ab", None, "é".encode()], pa.binary(2))
    values, rows, rejected = read(table(text=column.dictionary_encode() if encoded else column), "text")
    assert (values, rows) == (["ab", "é"], [0, 2])
    assert rejected == [RejectedRow(1, Reason.NULL_TEXT, "null in text")]


@each_column
def test_bytes_that_are_not_utf8_are_rejected_where_they_are(column: Callable[[Cells], pa.Array]) -> None:
    """Columns of strings are checked too: nothing else checks them."""
    values, rows, rejected = read(table(text=column([b"a", b"b\xff", None, b"\xed\xa0\x80", b"c"])), "text")
    assert (values, rows) == (["a", "c"], [0, 4])
    assert rejected == [
        RejectedRow(1, Reason.INVALID_UTF8, "byte 1 of 2: invalid start byte"),
        RejectedRow(2, Reason.NULL_TEXT, "null in text"),
        RejectedRow(3, Reason.INVALID_UTF8, "byte 0 of 3: invalid continuation byte"),
    ]


@each_column
def test_rows_count_from_the_start_of_a_slice(column: Callable[[Cells], pa.Array]) -> None:
    """What stands before a slice, and behind it, is not there."""
    cells = [b"before", b"\xff", None, b"b", b"\xfe", None, b"behind"]
    batch = pa.RecordBatch.from_arrays([column(cells)], ["text"]).slice(2, 3)
    values, rows, rejected = read(batch, "text")
    assert (values, rows) == (["b"], [1])
    assert [(item.row, item.reason) for item in rejected] == [(0, Reason.NULL_TEXT), (2, Reason.INVALID_UTF8)]


@each_column
def test_chunks_are_read_as_one_column(column: Callable[[Cells], pa.Array]) -> None:
    """Dictionaries may differ from chunk to chunk, and a chunk may be empty."""
    chunks = [column([b"a", None]), column([b"c"])[:0], column([b"b", b"a", b"\xff"])]
    values, rows, rejected = read(table(text=pa.chunked_array(chunks)), "text")
    assert (values, rows) == (["a", "b", "a"], [0, 2, 3])
    assert [item.row for item in rejected] == [1, 4]


@each_column
def test_a_column_without_rows_has_no_texts(column: Callable[[Cells], pa.Array]) -> None:
    """Neither an empty chunk nor no chunk at all is in the way, alone or joined."""
    empty = column([b"a"])[:0]
    for text in (empty, pa.chunked_array([], empty.type)):
        assert read(table(text=text), "text") == ([], [], [])
        assert read(table(text=text, more=text), "text", "more") == ([], [], [])


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_null_among_the_values_of_a_dictionary_is_a_null(chunks: int) -> None:
    """Chunks of such dictionaries cannot be unified by Arrow."""
    first = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["a", None]))
    second = pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array([None, "b"]))
    values, rows, rejected = read(table(text=pa.chunked_array([first, second][:chunks])), "text")
    assert (values, rows) == ([["a"], ["a", "b"]][chunks - 1], [[0], [0, 3]][chunks - 1])
    assert [item.row for item in rejected] == [[1, 2], [1, 2, 4]][chunks - 1]


def test_several_columns_are_joined_by_a_newline_with_nulls_left_out() -> None:
    """An empty text is not a null: it leaves its newline."""
    title = pa.array(["Title", None, "", "Title", None], pa.string())
    body = pa.array([b"body", b"body", b"body", None, None], pa.binary())
    values, rows, rejected = read(table(title=title, body=body), "title", "body")
    assert values == ["Title\nbody", "body", "\nbody", "Title"]
    assert rows == [0, 1, 2, 3]
    assert rejected == [RejectedRow(4, Reason.NULL_TEXT, "null in title, body")]


def test_columns_are_joined_in_the_order_they_are_named() -> None:
    """The order in the store does not count."""
    batch = table(body=pa.array(["body"]), title=pa.array(["Title"]))
    assert read(batch, "title", "body")[0] == ["Title\nbody"]


def test_a_row_is_rejected_where_any_of_its_columns_is_not_utf8() -> None:
    """Half of a text would be scored as if it were the whole."""
    batch = table(title=pa.array(["Title", "Title"]), body=pa.array([b"\xc3", b"\xc3\xa9"]))
    values, rows, rejected = read(batch, "title", "body")
    assert (values, rows) == (["Title\né"], [1])
    assert rejected == [RejectedRow(0, Reason.INVALID_UTF8, "byte 6 of 7: unexpected end of data")]


cells_of_a_row = st.one_of(st.none(), st.text(max_size=6).map(str.encode), st.binary(max_size=4))
column_makers = st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3)


@given(data=st.data(), makers=column_makers)
def test_reading_equals_a_plain_model(data: st.DataObject, makers: list[str]) -> None:
    """Any number of columns of any types, sliced, and in chunks that differ from column to column."""
    row: st.SearchStrategy[Row] = st.tuples(*[cells_of_a_row for _ in makers])
    rows = data.draw(st.lists(row, max_size=8))
    names = [f"column {number}" for number in range(len(makers))]
    columns = []
    for number, maker in enumerate(makers):
        cells = [row[number] for row in rows]
        cut = data.draw(st.integers(0, len(cells)))
        columns.append(pa.chunked_array([COLUMNS[maker](part) for part in (cells[:cut], cells[cut:])]))
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))

    expected: list[tuple[str, int]] = []
    refused: list[tuple[int, Reason]] = []
    for index, cells_there in enumerate(rows[start:stop]):
        present = [cell for cell in cells_there if cell is not None]
        try:
            if present:
                expected.append((b"\n".join(present).decode(), index))
            else:
                refused.append((index, Reason.NULL_TEXT))
        except UnicodeDecodeError:
            refused.append((index, Reason.INVALID_UTF8))

    values, found_rows, rejected = read(pa.table(columns, names=names).slice(start, stop - start), *names)
    assert list(zip(values, found_rows, strict=True)) == expected
    assert [(item.row, item.reason) for item in rejected] == refused


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
@pytest.mark.parametrize("encoded", [False, True], ids=["as it is", "dictionary"])
def test_columns_of_a_parquet_file_are_read(tmp_path: Path, kind: pa.DataType, encoded: bool) -> None:
    """With dictionaries as Parquet's own reader makes them."""
    column = pa.array(["a", None, "é", "a"]).cast(kind)
    parquet.write_table(table(text=column), tmp_path / "store.parquet", row_group_size=2)
    file = parquet.ParquetFile(tmp_path / "store.parquet", read_dictionary=["text"] if encoded else [])
    values, rows, rejected = read(file.read(), "text")
    assert (values, rows, [item.row for item in rejected]) == (["a", "é", "a"], [0, 2, 3], [1])


OTHER_TYPES = [
    pa.int64(),
    pa.bool_(),
    pa.float32(),
    pa.timestamp("us"),
    pa.list_(pa.string()),
    pa.struct([("text", pa.string())]),
    pa.dictionary(pa.int32(), pa.int64()),
]


@pytest.mark.parametrize("kind", OTHER_TYPES, ids=str)
def test_a_column_that_is_no_text_is_refused_by_name_and_type(kind: pa.DataType) -> None:
    """Numbers are not quietly turned into their digits."""
    batch = table(title=pa.array(["a"]), body=pa.nulls(1, kind))
    with pytest.raises(CorpusError) as raised:
        read_texts(batch, ["title", "body"])
    assert "column 'body'" in str(raised.value)
    assert str(kind) in str(raised.value)
    assert not is_text_type(kind)


@each_column
def test_the_types_that_are_read_are_called_text(column: Callable[[Cells], pa.Array]) -> None:
    """Who checks a store before a run asks in the same words."""
    assert is_text_type(column([b"a"]).type)


text_lists = st.lists(st.text("aé日\x00", max_size=9), max_size=12)


@given(values=text_lists, rows=st.integers(1, 4), size=st.integers(1, 12), skipped=text_lists)
def test_blocks_are_bounded_greedy_and_all_there(values: list[str], rows: int, size: int, skipped: list[str]) -> None:
    """The texts in order; none of the blocks too large, none that could have taken the next text."""
    array = pa.array(values, pa.large_string())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "BLOCK_ROWS", rows)
        patch.setattr(texts, "BLOCK_BYTES", size)
        cut = [block.to_pylist() for block in blocks(array)]
        sliced = blocks(pa.array(skipped + values, pa.large_string())[len(skipped) :])
    lengths = [[len(text.encode()) for text in block] for block in cut]
    assert [text for block in cut for text in block] == values
    assert all(0 < len(block) <= rows for block in cut)
    assert all(len(block) == 1 or sum(block) <= size for block in lengths)
    for block, following in pairwise(lengths):
        assert len(block) == rows or sum(block) + following[0] > size
    assert [block.to_pylist() for block in sliced] == cut


def test_blocks_have_the_rows_and_bytes_that_the_scoring_version_fixes() -> None:
    """Which texts are scored together decides the last bits of an answer."""
    assert [len(block) for block in blocks(pa.array(["a"] * 10_000, pa.large_string()))] == [4096, 4096, 1808]
    mebibyte = "a" * (1 << 20)
    assert [len(block) for block in blocks(pa.array([mebibyte] * 33, pa.large_string()))] == [16, 16, 1]
    assert [len(block) for block in blocks(pa.array(["", mebibyte * 17, "", ""], pa.large_string()))] == [1, 1, 2]


def test_a_column_of_nulls_alone_is_a_column_of_missing_texts() -> None:
    """What a writer makes of a column in which it has seen no value."""
    found = read_texts(pa.table({"text": pa.nulls(2)}), ["text"])

    assert [(item.row, item.reason) for item in found.rejected] == [(0, "null_text"), (1, "null_text")]
    assert len(found.values) == 0
