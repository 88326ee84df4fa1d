import os
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.cluster import reading, units
from w2vray.cluster.corpus import Corpus, SourceFile, find_corpus
from w2vray.cluster.footer_process import read_footers
from w2vray.cluster.footers import BadFile, Footer
from w2vray.cluster.reading import read_unit
from w2vray.cluster.units import Piece, Unit, plan_from_table, plan_table, plan_units
from w2vray.errors import CorpusError
from w2vray.schema import PLAN_SCHEMA, FileReason

MEGABYTE = 1 << 20
PIECE = Piece(0, "a.parquet", 0, 2, 0, 10, 1000, 5000, 123)

# Rows and text bytes of each row group of a file; some have no rows, some are larger than a unit.
row_groups = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0, 1, MEGABYTE // 3, 2 * MEGABYTE, 200 * MEGABYTE])), max_size=6
)
stores = st.lists(row_groups, max_size=6)


def footers(shape: list[list[tuple[int, int]]], *, root: int = 0) -> list[Footer]:
    """Footers of files of these row groups; a group without rows has no text."""
    made = []
    for number, groups in enumerate(shape):
        file = SourceFile(root, f"{number}.parquet", 1000 + number, 1)
        sizes = tuple(size if rows else 0 for rows, size in groups)
        made.append(Footer(file, pa.schema([]), tuple(rows for rows, _ in groups), sizes))
    return made


def rows_of(plan: list[Unit]) -> list[tuple[str, int]]:
    """Each row that a plan covers, as file and position, in the plan's order."""
    return [
        (piece.file, row)
        for unit in plan
        for piece in unit.pieces
        for row in range(piece.row_start, piece.row_start + piece.rows)
    ]


def all_rows(made: list[Footer]) -> list[tuple[str, int]]:
    """Each row of a store, in order."""
    return [(footer.file.name, row) for footer in made for row in range(sum(footer.rows))]


# The plan


@given(shape=stores)
def test_a_plan_covers_each_row_once_in_order(shape: list[list[tuple[int, int]]]) -> None:
    made = footers(shape)

    plan = plan_units(made)

    assert rows_of(plan) == all_rows(made)
    assert all(unit.rows == len(rows_of([unit])) > 0 for unit in plan)
    assert len({unit.id for unit in plan}) == len(plan)


@given(shape=stores)
def test_a_plan_covers_each_row_group_with_rows_once_and_knows_where_it_starts(
    shape: list[list[tuple[int, int]]],
) -> None:
    made = footers(shape)

    plan = plan_units(made)

    planned = []
    for piece in (piece for unit in plan for piece in unit.pieces):
        footer = made[int(piece.file.removesuffix(".parquet"))]
        groups = range(piece.row_group_start, piece.row_group_stop)
        starts = [0, *accumulate(footer.rows)]
        assert piece.row_start == starts[piece.row_group_start]
        assert piece.rows == sum(footer.rows[group] for group in groups)
        assert piece.text_bytes == sum(footer.text_bytes[group] for group in groups)
        assert piece.source == footer.file
        planned += [(piece.file, group) for group in groups if footer.rows[group]]
    assert planned == [(footer.file.name, group) for footer in made for group, rows in enumerate(footer.rows) if rows]


@given(shape=stores, limit=st.integers(1, 40))
def test_a_limit_takes_the_first_rows_of_the_store(shape: list[list[tuple[int, int]]], limit: int) -> None:
    made = footers(shape)

    plan = plan_units(made, limit=limit)

    assert rows_of(plan) == all_rows(made)[:limit]


@given(shape=stores)
def test_units_are_as_large_as_is_aimed_at(shape: list[list[tuple[int, int]]]) -> None:
    made = footers(shape)
    total = sum(size for footer in made for size in footer.text_bytes)
    target = max(units.SMALLEST_UNIT, min(units.LARGEST_UNIT, total // units.UNITS_AT_LEAST))

    sizes = []
    for unit in plan_units(made):
        groups = sum(piece.row_group_stop - piece.row_group_start for piece in unit.pieces)
        size = sum(piece.text_bytes for piece in unit.pieces)
        assert size <= target * 4 / 3 or groups == 1 or max_group(made, unit) == size
        sizes.append(size)

    # No two neighbours could have been one unit of the size that is aimed at.
    assert all(first + second > target for first, second in pairwise(sizes))


def test_rows_that_take_few_bytes_are_cut_by_their_number() -> None:
    million = 1_000_000
    plan = plan_units(footers([[(million, 100)] * 5, [(3 * million, 100)]]))

    assert [unit.rows // million for unit in plan] == [2, 2, 1, 3]


def max_group(made: list[Footer], unit: Unit) -> int:
    """The text bytes of a unit's largest row group."""
    return max(
        made[int(piece.file.removesuffix(".parquet"))].text_bytes[group]
        for piece in unit.pieces
        for group in range(piece.row_group_start, piece.row_group_stop)
    )


@pytest.mark.parametrize(
    ("megabytes", "groups"),
    [
        pytest.param(10, 10, id="ten are 100, the first sum from 96 on"),
        pytest.param(30, 4, id="four are 120, the first sum from 96 on"),
        pytest.param(60, 2, id="two are 120, less than a third above 96"),
        pytest.param(70, 1, id="two would be 140, more than a third above"),
        pytest.param(300, 1, id="one is too large and cannot be cut"),
    ],
)
def test_a_large_file_is_cut_at_row_groups_near_the_largest_unit(megabytes: int, groups: int) -> None:
    plan = plan_units(footers([[(10, megabytes * MEGABYTE)] * 480]))

    pieces = [piece for unit in plan for piece in unit.pieces]
    assert len(pieces) == len(plan) == 480 // groups
    assert {piece.row_group_stop - piece.row_group_start for piece in pieces} == {groups}


def test_small_files_are_packed_together_and_large_ones_cut_at_row_groups() -> None:
    large = [(10, 40 * MEGABYTE)] * 200
    small = [[(5, MEGABYTE)]] * 200

    plan = plan_units(footers([large, *small]))

    # 8000 MB and 200 MB: the aim is the largest unit, 96 MB; three row groups are the first to reach it
    assert [(p.row_group_start, p.row_group_stop) for p in plan[0].pieces] == [(0, 3)]
    assert {len(unit.pieces) for unit in plan[:66]} == {1}
    assert len(plan[-2].pieces) > 50
    assert rows_of(plan) == all_rows(footers([large, *small]))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param([], id="no files"),
        pytest.param([[]], id="file without row groups"),
        pytest.param([[(0, 0)], [(0, 0), (0, 0)]], id="row groups without rows"),
    ],
)
def test_a_store_without_rows_has_no_units(shape: list[list[tuple[int, int]]]) -> None:
    assert plan_units(footers(shape)) == []


def test_a_row_group_without_rows_does_not_part_its_neighbours() -> None:
    (unit,) = plan_units(footers([[(0, 0), (3, 10), (0, 0), (2, 10), (0, 0)]]))

    assert unit.pieces == (Piece(0, "0.parquet", 1, 4, 0, 5, 20, 1000, 1),)


def test_a_limit_in_the_middle_of_a_row_group_keeps_the_group_and_counts_its_first_rows() -> None:
    (unit,) = plan_units(footers([[(4, 40), (4, 80)]]), limit=6)

    assert unit.pieces == (Piece(0, "0.parquet", 0, 2, 0, 6, 80, 1000, 1),)


def test_rows_whose_text_columns_are_folders_still_make_a_plan() -> None:
    made = footers([[(3, 0), (4, 0)], [(5, 0)]])

    assert rows_of(plan_units(made)) == all_rows(made)


# Ids


def test_a_units_id_does_not_depend_on_the_rest_of_the_store() -> None:
    first, second = footers([[(5, 2 * MEGABYTE)], [(7, 2 * MEGABYTE)]])

    alone, together = plan_units([first]), plan_units([first, second])

    assert len(together) == 2
    assert together[0].id == alone[0].id
    assert together[1].id == plan_units([second])[0].id


@pytest.mark.parametrize(
    "change",
    [
        {"root": 1},
        {"file": "b.parquet"},
        {"row_group_start": 1},
        {"row_group_stop": 3},
        {"row_start": 1},
        {"rows": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_units_id_changes_with_its_list(change: dict[str, Any]) -> None:
    unit = Unit((PIECE,))

    assert Unit((replace(PIECE, **change),)).id != unit.id


@pytest.mark.parametrize("change", [{"text_bytes": 1}, {"file_size": 1}, {"file_mtime_ns": None}], ids=str)
def test_a_units_id_names_its_rows_and_not_what_was_measured_of_their_files(change: dict[str, Any]) -> None:
    assert Unit((replace(PIECE, **change),)).id == Unit((PIECE,)).id


def test_a_units_id_depends_on_the_order_and_number_of_its_pieces() -> None:
    other = replace(PIECE, file="b.parquet")

    ids = {Unit(pieces).id for pieces in [(PIECE, other), (other, PIECE), (PIECE,), (PIECE, other, other)]}

    assert len(ids) == 4
    assert all(len(id_) == 20 and set(id_) <= set("0123456789abcdef") for id_ in ids)


def test_a_units_id_is_the_same_in_every_process_and_version() -> None:
    # sha256 of [[0, "a.parquet", 0, 2, 0, 10]]: parts of earlier runs are found by this name
    assert Unit((PIECE,)).id == "6b583df9934db3afefe0"


# On the way and on disk


@given(shape=stores)
def test_a_unit_is_the_same_after_the_way_through_json(shape: list[list[tuple[int, int]]]) -> None:
    for unit in plan_units(footers(shape)):
        assert Unit.from_json(unit.as_json()) == unit


def test_a_plan_is_the_same_after_the_way_through_parquet(tmp_path: Path) -> None:
    shape = [[(5, 2 * MEGABYTE), (0, 0), (3, MEGABYTE)], [(1, 10)], [(2, 10), (2, 200 * MEGABYTE)]]
    plan = plan_units(footers(shape))
    without_time = Unit((replace(PIECE, root=1, file="größe=1/a.parquet", file_mtime_ns=None),))
    empty, text = SourceFile(0, "bad.parquet", 0, None), SourceFile(1, "x.txt", 7, 8)
    bad = [BadFile(empty, FileReason.ZERO_BYTES, "it has zero bytes"), BadFile(text, FileReason.NOT_PARQUET, "no")]
    assert len(plan) > 1

    pq.write_table(plan_table([*plan, without_time], bad), tmp_path / "plan.parquet")

    stored = pq.read_table(tmp_path / "plan.parquet")
    assert stored.schema == PLAN_SCHEMA
    assert plan_from_table(stored) == ([*plan, without_time], {item.file: item for item in bad})


def test_a_plan_of_nothing_is_a_table_of_no_rows() -> None:
    assert plan_from_table(plan_table([], [])) == ([], {})


# Reading


def write(file: Path, numbers: range, *, row_group: int = 3, **columns: Any) -> None:
    """Write a file whose texts tell their row."""
    file.parent.mkdir(parents=True, exist_ok=True)
    texts = [f"{file.stem} {number}" for number in numbers]
    pq.write_table(pa.table({"text": texts, "n": numbers, **columns}), file, row_group_size=row_group)


def planned(folder: Path, *, limit: int | None = None) -> tuple[Corpus, list[Unit]]:
    """The corpus and the plan of a folder."""
    corpus = find_corpus([str(folder)])
    found, bad = read_footers(corpus, corpus.files, ["text"])
    assert bad == []
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
    later = Unit((replace(unit.pieces[0], row_group_start=1, row_group_stop=3, row_start=3, rows=5),))

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
        patch.setattr(reading, "BLOCK_ROWS", rows)
        batches = [batch for unit in plan for batch in read_unit(unit, corpus.roots, ["text"])]

    assert [text for batch in batches for text in batch.column("text").to_pylist()] == expected
    assert all(0 < len(batch) <= rows for batch in batches)
    assert all(len(set(batch.column("w2vray.source_file").to_pylist())) == 1 for batch in batches)


def test_long_texts_are_read_fewer_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many that they make up the bytes aimed at; a single longer one is read by itself."""
    for name, letters in (("long", 1000), ("longer", 5000)):
        pq.write_table(pa.table({"text": [chr(97 + row) * letters for row in range(20)]}), tmp_path / f"{name}.parquet")
    corpus, plan = planned(tmp_path)
    monkeypatch.setattr(reading, "LARGEST_READ", 4500)

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


def test_a_stored_column_goes_before_a_folder_of_its_name(tmp_path: Path) -> None:
    write(tmp_path / "store" / "n=7" / "a.parquet", range(2))
    corpus, plan = planned(tmp_path / "store")

    assert [row["n"] for row in read(corpus, plan, "n")] == [0, 1]


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
    found, _ = read_footers(corpus, corpus.files, ["text"])

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
        pytest.param({"rows": 9}, "8 rows in row groups 0 to 2; its footer promised 9", id="fewer rows"),
        pytest.param({"row_group_start": 3, "row_group_stop": 4}, "cannot be read", id="fewer row groups"),
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
